"""xtent.shutil beside the standard functions."""

import errno
import inspect
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xtent
import xtent.shutil
from place import BLOCK, Place, noise
from tree import tree

NAMES = ["copyfile", "copy", "copy2", "copytree", "move"]
STANDARD = {name: getattr(shutil, name) for name in NAMES}
STANDARD_TESTS = Path(__file__).with_name("standard_tests.py")


@pytest.fixture
def installed() -> Iterator[None]:
    xtent.shutil.install()
    try:
        yield
    finally:
        xtent.shutil.uninstall()


def shared(a: Path, b: Path) -> int:
    with a.open("rb") as first, b.open("rb") as second:
        return xtent.shared_bytes(first, second)


def test_the_tests_of_cpython(sharing: Place) -> None:
    # What that skips, and why, is listed there: too long for the totals of this suite.
    run = [sys.executable, STANDARD_TESTS]
    at = {**os.environ, "TMPDIR": str(sharing.path)}
    done = subprocess.run(run, cwd=sharing.path, env=at, capture_output=True, text=True)
    if "comes without its test package" in done.stdout:
        pytest.skip(done.stdout.splitlines()[0].removeprefix("SKIP "))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_signatures(name: str) -> None:
    def shape(function: Callable[..., Any]) -> list[tuple[str, object, object]]:
        parameters = inspect.signature(function).parameters.values()
        defaults = {xtent.shutil.copy2: "copy2", STANDARD["copy2"]: "copy2"}
        return [
            (p.name, p.kind, defaults.get(p.default, p.default) if callable(p.default) else p.default)
            for p in parameters
        ]

    assert shape(getattr(xtent.shutil, name)) == shape(STANDARD[name])


# What each does to what is there, as a function of the module that does it, in a directory of its own.
Deed = Callable[[Any], object]
DEEDS: dict[str, Deed] = {
    "new": lambda m: m.copyfile("src", "new"),
    "over a longer file": lambda m: m.copyfile("src", "long"),
    "path objects": lambda m: m.copyfile(Path("src"), Path("new")),
    "bytes": lambda m: m.copy2(b"src", b"new"),
    "bytes into a directory": lambda m: m.copy(b"src", b"dir"),
    "entry of scandir": lambda m: [m.copyfile(e, "new") for e in os.scandir(".") if e.name == "src"],
    "empty": lambda m: m.copyfile("empty", "long"),
    "sparse": lambda m: m.copyfile("sparse", "long"),
    "a hard link of it stays one": lambda m: m.copyfile("src", "hard1"),
    "through a symlink": lambda m: m.copyfile("src", "link to long"),
    "from a symlink": lambda m: m.copy2("link to long", "new"),
    "a symlink as one": lambda m: m.copyfile("link to long", "new", follow_symlinks=False),
    "a symlink as one, with copy": lambda m: m.copy("link to long", "new", follow_symlinks=False),
    "a symlink as one, with copy2": lambda m: m.copy2("link to long", "new", follow_symlinks=False),
    "a symlink as one, onto a file": lambda m: m.copyfile("link to long", "src", follow_symlinks=False),
    "a dangling symlink": lambda m: m.copyfile("dangling", "new"),
    "a dangling symlink as one": lambda m: m.copyfile("dangling", "new", follow_symlinks=False),
    "to a dangling symlink": lambda m: m.copyfile("src", "dangling"),
    "mode": lambda m: m.copy("odd mode", "long"),
    "everything": lambda m: m.copy2("odd mode", "new"),
    "into a directory": lambda m: m.copy("src", "dir"),
    "into a directory, with everything": lambda m: m.copy2("odd mode", "dir"),
    "onto itself": lambda m: m.copyfile("src", "src"),
    "onto a hard link of it": lambda m: m.copyfile("hard1", "hard2"),
    "onto a symlink to it": lambda m: m.copyfile("long", "link to long"),
    "from a named pipe": lambda m: m.copyfile("fifo", "new"),
    "to a named pipe": lambda m: m.copyfile("src", "fifo"),
    "to a named pipe as Path": lambda m: m.copyfile("src", Path("fifo")),
    "from a socket": lambda m: m.copyfile("socket", "new"),
    "to a socket": lambda m: m.copyfile("src", "socket"),
    "to nothing": lambda m: m.copyfile("src", "/dev/null"),
    "from nothing": lambda m: m.copyfile("/dev/null", "long"),
    "to a full device": lambda m: m.copyfile("src", "/dev/full"),
    "from procfs": lambda m: m.copyfile("/proc/version", "long"),
    "from sysfs": lambda m: m.copyfile("/sys/kernel/mm/transparent_hugepage/enabled", "long"),
    "missing": lambda m: m.copyfile("missing", "new"),
    "missing, onto a file": lambda m: m.copyfile("missing", "long"),
    "to a missing directory": lambda m: m.copyfile("src", "missing/new"),
    "to a missing name with a slash": lambda m: m.copyfile("src", "missing/"),
    "to a directory": lambda m: m.copyfile("src", "dir"),
    "from a directory": lambda m: m.copyfile("dir", "new"),
    "an embedded NUL": lambda m: m.copyfile("src\0", "new"),
    "no path": lambda m: m.copyfile(None, "new"),
    "a tree": lambda m: m.copytree("dir", "new"),
    "a tree with symlinks": lambda m: m.copytree("dir", "new", symlinks=True, ignore_dangling_symlinks=True),
    "a tree, but for": lambda m: m.copytree("dir", "new", ignore=shutil.ignore_patterns("in*")),
    "a tree onto itself": lambda m: m.copytree("dir", "dir"),
    "a tree over one": lambda m: m.copytree("dir", "dir2", dirs_exist_ok=True),
    "a tree with a pipe": lambda m: m.copytree("special", "new"),
    "a tree with content only": lambda m: m.copytree("dir", "new", copy_function=m.copyfile),
    "move": lambda m: m.move("src", "new"),
    "move into a directory": lambda m: m.move("src", "dir"),
    "move a directory into itself": lambda m: m.move("dir", "dir/sub"),
    "move to where it is": lambda m: m.move("src", "dir2"),
}


def prepare(directory: Path) -> None:
    directory.mkdir()
    os.chdir(directory)
    Path("src").write_bytes(b"new content" * 1000)
    Path("long").write_bytes(b"old content" * 5000)
    Path("long").chmod(0o620)
    Path("empty").touch()
    with open("sparse", "wb") as file:
        file.seek(5 * BLOCK)
        file.write(b"middle")
        file.truncate(9 * BLOCK)
    Path("hard1").write_bytes(b"hard")
    os.link("hard1", "hard2")
    os.symlink("long", "link to long")
    os.symlink("nowhere", "dangling")
    Path("odd mode").write_bytes(b"odd")
    Path("odd mode").chmod(0o741)
    os.utime("odd mode", ns=(10**18, 10**18 + 1))
    try:
        os.setxattr("odd mode", "user.odd", b"\0\xff")
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
    Path("dir/sub").mkdir(parents=True)
    Path("dir/inside").write_bytes(b"inside")
    Path("dir/sub/deep").write_bytes(b"deep" * 99)
    os.symlink("inside", "dir/link")
    Path("dir2").mkdir()
    Path("dir2/src").write_bytes(b"in the way")
    Path("dir2/inside").write_bytes(b"in the way, and longer")
    Path("special").mkdir()
    Path("special/before").write_bytes(b"before")
    os.mkfifo("special/fifo")
    Path("special/z after").write_bytes(b"after")
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")


def outcome(deed: Deed, module: Any) -> tuple[object, ...]:
    try:
        return ("returned", deed(module))
    except shutil.Error as error:
        return (type(error), [str(argument) for argument in error.args])
    except OSError as error:
        cause = type(error.__cause__)
        return (type(error), error.errno, error.filename, error.filename2, error.errno or str(error), cause)
    except Exception as error:
        return (type(error), str(error))


@pytest.mark.parametrize("name", DEEDS)
def test_does_what_the_standard_functions_do(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(place.path)
    results = []
    for title, module in [("standard", shutil), ("xtent", xtent.shutil)]:
        prepare(place.path / title)
        before = os.listdir("/proc/self/fd")
        results.append((outcome(DEEDS[name], module), tree()))
        assert os.listdir("/proc/self/fd") == before
    (expected, expected_tree), (got, got_tree) = results
    assert got == expected
    assert got_tree == expected_tree


@pytest.mark.parametrize("name", ["copyfile", "copy", "copy2", "copytree", "move"])
def test_clones_where_it_can(sharing: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    function = getattr(xtent.shutil, name)
    src, dst = sharing.path / "src", sharing.path / "dst"
    keep = sharing.path / "keep"
    src.write_bytes(noise(4 * BLOCK + 7))
    if name in ("copytree", "move"):
        (sharing.path / "tree").mkdir()
        src = src.rename(sharing.path / "tree" / "src")
        os.link(src, keep)
    if name == "move":
        # A rename would do, if only it could.
        monkeypatch.setattr(os, "rename", lambda *paths: (_ for _ in ()).throw(OSError(errno.EXDEV, "apart")))
    if name in ("copytree", "move"):
        function(sharing.path / "tree", dst)
        src, dst = keep, dst / "src"
    else:
        function(src, dst)
    assert src.read_bytes() == dst.read_bytes()
    # To the end of the last block, of which the file has a part.
    assert shared(src, dst) >= 4 * BLOCK + 7


def test_copies_where_it_cannot(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    data = noise(4 * BLOCK + 7)
    place.file("src", data)
    dst = elsewhere(place).path / "dst"
    assert xtent.shutil.copy2(place.path / "src", dst) == dst
    assert dst.read_bytes() == data


def test_holes_stay_holes(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    place.sparse("src", 64 * BLOCK, {BLOCK: noise(BLOCK)})
    for dst in (place.path / "dst", elsewhere(place).path / "dst"):
        xtent.shutil.copyfile(place.path / "src", dst)
        assert dst.read_bytes() == (place.path / "src").read_bytes()
        with dst.open("rb") as file:
            os.fsync(file)
        assert dst.stat().st_blocks * 512 < 16 * BLOCK


LIMITED = """
import resource, sys, xtent.shutil
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    xtent.shutil.copyfile("src", "dst")
except OSError as error:
    print(error.errno, error.filename, error.filename2, error.reason.name, error.report.bytes)
"""


def test_what_fails_midway(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    """It says why, and leaves what was written, as the standard function does."""
    data = noise(300_000)
    place.file("src", data)
    run = [sys.executable, "-c", LIMITED]
    said = subprocess.run(run, cwd=place.path, check=True, capture_output=True, text=True).stdout
    assert said == f"{errno.EFBIG} src dst FILE_SIZE_LIMIT 0\n"
    assert (place.path / "dst").read_bytes() in (b"", data[:100_000])


def test_install(sharing: Place, installed: None) -> None:
    (sharing.path / "dir").mkdir()
    src = sharing.path / "dir" / "src"
    src.write_bytes(noise(BLOCK))
    shutil.copytree(sharing.path / "dir", sharing.path / "new")
    assert shared(src, sharing.path / "new" / "src") == BLOCK
    for name in NAMES:
        assert getattr(shutil, name) is getattr(xtent.shutil, name)
    xtent.shutil.install()
    xtent.shutil.uninstall()
    for name in NAMES:
        assert getattr(shutil, name) is STANDARD[name]
    shutil.copyfile(src, sharing.path / "standard")
    xtent.shutil.uninstall()


@pytest.mark.parametrize("name", ["copy", "copy2", "copytree"])
def test_names_imported_before_come_by_too(sharing: Place, installed: None, name: str) -> None:
    (sharing.path / "dir").mkdir()
    src = sharing.path / "dir" / "src"
    src.write_bytes(noise(BLOCK))
    if name == "copytree":
        STANDARD[name](sharing.path / "dir", sharing.path / "dst")
        assert shared(src, sharing.path / "dst" / "src") == BLOCK
    else:
        STANDARD[name](src, sharing.path / "dst")
        assert shared(src, sharing.path / "dst") == BLOCK


def test_uninstall_leaves_what_others_put_there(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def other() -> None: ...

    monkeypatch.setattr(shutil, "copyfile", other)
    xtent.shutil.uninstall()
    assert shutil.copyfile is other
    assert shutil.copy2 is STANDARD["copy2"]


def test_audit(place: Place) -> None:
    events: list[object] = []

    def hook(event: str, arguments: object) -> None:
        if event == "shutil.copyfile":
            events.append(arguments)

    sys.addaudithook(hook)
    place.file("src", b"abc")
    src, dst = str(place.path / "src"), str(place.path / "dst")
    xtent.shutil.copyfile(src, dst)
    assert events == [(src, dst)]


def test_all() -> None:
    assert set(xtent.shutil.__all__) == {*NAMES, "install", "uninstall"}
