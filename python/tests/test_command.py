"""The command, in pipes and in a pseudo-terminal."""

import argparse
import contextlib
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import fcntl
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import xtent
from conftest import PLACES, temporary
from place import BLOCK, Place, noise
from xtent.command import main, parser

pytest.importorskip("rich", reason="rich is not installed")
PAGE = Path(__file__).parents[1] / "xtent.data/data/share/man/man1/xtent.1"
COMMAND = [sys.executable, "-m", "xtent.command"]


def piped(*arguments: object, status: int = 0, said: str = "") -> str:
    """What it prints in a pipe; what it says beside that must fit."""
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended = main([str(argument) for argument in arguments])
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGHUP), handlers):
            signal.signal(number, handler)
    assert (ended, bool(re.search(said, err.getvalue()))) == (status, True), out.getvalue() + err.getvalue()
    assert said or err.getvalue() == ""
    return out.getvalue()


def as_json(*arguments: object, status: int = 0, said: str = "") -> dict[str, object]:
    found: dict[str, object] = json.loads(piped(*arguments, "--json", status=status, said=said))
    return found


class Terminal:
    """It runs in one of 100 columns."""

    def __init__(self, *arguments: object) -> None:
        self.said = b""
        self.child, self.fd = pty.fork()
        if self.child == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="30")
            os.environ.pop("NO_COLOR", None)
            # Ignored where a shell runs the tests in the background; a terminal's programs are not.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                os.execv(COMMAND[0], [*COMMAND, *map(str, arguments)])
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def until(self, pattern: bytes) -> None:
        """Waits until that is on the screen."""
        while not re.search(pattern, self.said):
            assert self.more(), self.said.decode(errors="replace")

    def more(self) -> bool:
        ready, _, _ = select.select([self.fd], [], [], 300)
        assert ready, "nothing happens any more: " + self.said.decode(errors="replace")
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            # EIO: all of the other side is closed.
            return False
        self.said += more
        return bool(more)

    def end(self) -> tuple[int, str]:
        """Its exit status, and all that it has shown, without colours."""
        while self.more():
            pass
        _, status = os.waitpid(self.child, 0)
        os.close(self.fd)
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.said.decode(errors="replace"))
        return os.waitstatus_to_exitcode(status), text.replace("\r\n", "\n")


@pytest.fixture
def here() -> Iterator[Place]:
    """One place, for what does not depend on the filesystem."""
    with temporary(PLACES[0]) as directory:
        found = PLACES[0].inside(Path(directory))
        yield found
        found.close()


def made(place: Place) -> Path:
    """A tree of two files."""
    tree = place.path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "large").write_bytes(noise(4 * BLOCK))
    (tree / "small").write_bytes(b"contents")
    return tree


@pytest.fixture
def tree(here: Place) -> Path:
    return made(here)


def test_files_and_trees(here: Place, tree: Path) -> None:
    at = here.path
    assert piped("copy", tree / "small", at / "new") == ""
    assert (at / "new").read_bytes() == b"contents"
    piped("copy", tree / "small", at / "new", status=1, said="small -> .*new: File exists: something has the")
    piped("clone-or-copy", "--replace", "--durable", tree / "inner" / "large", at / "new")
    assert (at / "new").read_bytes() == (tree / "inner" / "large").read_bytes()

    piped("clone-or-copy", tree, at / "again")
    assert (at / "again" / "inner" / "large").read_bytes() == (at / "new").read_bytes()
    # The name is a directory now.
    piped("copy", str(tree) + "/", at / "new", at / "again")
    assert sorted(os.listdir(at / "again")) == ["inner", "new", "small", "tree"]
    piped("copy", "-T", "--replace", tree, at / "again")
    assert sorted(os.listdir(at / "again")) == ["inner", "small"]
    piped("copy", tree, tree, at / "nothing", status=1, said="need a directory")
    piped("copy", "--stable", "detect", tree, at / "more", status=1, said="--stable is for files")
    assert not (at / "more").exists()


def test_what_was_done_before_a_failure_stays(here: Place, tree: Path) -> None:
    into = here.path / "into"
    into.mkdir()
    found = as_json("copy", tree / "small", here.path / "nothing", tree, into, status=1, said="nothing")
    results = found["results"]
    assert isinstance(results, list) and [result["report"]["bytes_copied"] for result in results] == [8, 4 * BLOCK + 8]
    assert sorted(os.listdir(into)) == ["small", "tree"]


def test_links_are_followed_where_that_is_asked_for(here: Place, tree: Path) -> None:
    link = here.path / "link"
    link.symlink_to(tree / "small")
    piped("copy", link, here.path / "new", status=1, said="symbolic link")
    piped("copy", "--follow", link, here.path / "new")
    assert (here.path / "new").read_bytes() == b"contents"


def test_clone_says_why_not(unsharing: Place) -> None:
    unsharing.file("src", noise(BLOCK))
    piped("clone", unsharing.path / "src", unsharing.path / "dst", status=1, said="cannot do that|without support")
    assert not (unsharing.path / "dst").exists()


def test_names_that_are_no_text(here: Place) -> None:
    name = bytes(here.path) + b"/a\xff\x1b[31m\n"
    line = [*map(os.fsencode, COMMAND), b"copy", name, name + b"2"]
    done = subprocess.run(line, capture_output=True)
    assert done.returncode == 1 and b"a\\xff\\x1b[31m\\n -> " in done.stderr
    with open(name, "wb") as file:
        file.write(b"contents")
    assert subprocess.run(line).returncode == 0


def test_a_summary_on_a_terminal(here: Place) -> None:
    if not here.can_share:
        pytest.skip(f"{here.name} does not share blocks")
    src = here.path / "src"
    src.mkdir()
    (src / "file").write_bytes(noise(4 * BLOCK))
    status, text = Terminal("clone", src, here.path / "dst").end()
    assert status == 0 and "1 file, 1 directory: 256.0 KiB cloned" in text
    status, text = Terminal("copy", "-q", src, here.path / "more").end()
    assert (status, text) == (0, "")


def test_why_it_was_copied(unsharing: Place) -> None:
    unsharing.file("src", noise(4 * BLOCK))
    status, text = Terminal("clone-or-copy", unsharing.path / "src", unsharing.path / "dst").end()
    assert status == 0 and "1 file: 256.0 KiB copied\n" in text
    assert re.search("copied where it could not be cloned: .*(cannot do that|without support)", text.replace("\n", " "))


@pytest.mark.parametrize(("how", "expected"), [("ctrl-c", 130), ("sigterm", 143)])
def test_nothing_is_left_half_made(here: Place, how: str, expected: int) -> None:
    src, dst = here.path / "src", here.path / "dst"
    src.mkdir()
    for number in range(3000):
        (src / str(number)).touch()
    for _ in range(20):
        terminal = Terminal("copy", src, dst)
        # It has begun, and stands still while it is told to end.
        while os.listdir(here.path) == ["src"]:
            assert os.waitpid(terminal.child, os.WNOHANG) == (0, 0)
        os.kill(terminal.child, signal.SIGSTOP)
        if how == "ctrl-c":
            os.write(terminal.fd, b"\x03")
        else:
            os.kill(terminal.child, signal.SIGTERM)
        os.kill(terminal.child, signal.SIGCONT)
        status, text = terminal.end()
        if status != 0:
            assert status == expected, text
            assert os.listdir(here.path) == ["src"]
            assert "interrupted" in text or how != "ctrl-c"
            return
        # It had ended before.
        assert len(os.listdir(dst)) == 3000
        shutil.rmtree(dst)
    pytest.fail("never in the midst of it")


def test_waiting_can_be_ended(here: Place) -> None:
    file = here.file("src", noise(BLOCK))
    # The whole of it, as docs/lock-protocol.md has it, for writing.
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    terminal = Terminal("copy", "--stable", "lock", here.path / "src", here.path / "dst")
    terminal.until(b"copy")
    os.write(terminal.fd, b"\x03")
    status, text = terminal.end()
    assert status == 130 and "interrupted" in text
    assert os.listdir(here.path) == ["src"]


def test_progress_has_a_rate_and_an_end(here: Place) -> None:
    """The first file is copied in two steps, the second one waits."""
    here.file("first", noise(128 * BLOCK))
    file = here.file("second", noise(BLOCK))
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    into = here.path / "into"
    into.mkdir()
    terminal = Terminal("copy", "--stable", "lock", here.path / "first", here.path / "second", into)
    # Found out meanwhile how much it is: how much of it is done, the rate and the remaining time.
    terminal.until(rb"99%.*8\.0/8\.1.*MiB.*[0-9.]+ [KMG]iB/s.*0:00:0")
    lock = struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    status, text = terminal.end()
    assert status == 0 and text.endswith("2 files: 8.1 MiB copied\n"), text


def test_probe(place: Place) -> None:
    tree = made(place)
    for src, dst in [(tree, None), (tree / "small", tree / "new"), (tree, tree / "small")]:
        paths = [src] if dst is None else [src, dst]
        rows = [line.split("\t") for line in piped("probe", *paths).splitlines()]
        answers = {row[0]: row[1] for row in rows if len(row) == 3}
        assert answers["copy"] == "works"
        assert answers["clone"] == ("works" if place.can_share else "does not work")
    found = as_json("probe", tree)
    assert found["filesystems"] == [place.type] * 2
    clone = found["clone"]
    assert isinstance(clone, dict) and clone["answer"] is place.can_share
    assert sorted(os.listdir(tree)) == ["inner", "small"]
    piped("probe", tree / "nowhere" / "at", status=1, said="nowhere")
    status, text = Terminal("probe", tree).end()
    assert status == 0 and "dedupe" in text and len(text.splitlines()) < 30


def shared_files(place: Place) -> list[Path]:
    """One, a file that shares half of it, and one with a hole."""
    one, half, holes = (place.path / name for name in ("one", "half", "holes"))
    place.file("one", noise(4 * BLOCK))
    place.file("half", noise(4 * BLOCK))
    with open(one, "rb") as src, open(half, "rb+") as dst:
        xtent.clone_range(src, dst, 2 * BLOCK)
    place.sparse("holes", 4 * BLOCK, {2 * BLOCK: noise(BLOCK)})
    return [one, half, holes]


def test_map(sharing: Place) -> None:
    files = shared_files(sharing)
    rows = [line.split("\t") for line in piped("map", *files).splitlines()]
    amounts: dict[tuple[str, str], int] = {}
    for path, _, length, kind, _ in rows:
        key = (os.path.basename(path), kind)
        amounts[key] = amounts.get(key, 0) + int(length)
    assert amounts[("one", "shared")] == amounts[("half", "shared")] == 2 * BLOCK
    # btrfs flags a whole extent, of which only a part is shared.
    alone = "elsewhere" if sharing.type == "btrfs" else "own"
    assert amounts[("one", alone)] == amounts[("half", "own")] == 2 * BLOCK
    assert amounts[("holes", "hole")] == 3 * BLOCK
    assert all(row[4] == f"{files[0]},{files[1]}" for row in rows if row[3] == "shared")
    found = as_json("map", *files)
    assert isinstance(found["files"], list) and len(found["files"]) == 3
    status, text = Terminal("map", *files).end()
    lines = text.splitlines()
    assert status == 0 and lines[0] == f"A {files[0]}"
    # As long as the file; the first half of both is that of the first.
    assert lines[1].strip() == "A" * 48 + "█" * 48 or sharing.type == "btrfs"
    assert lines[4].strip().startswith("A" * 48)
    assert "128.0 KiB shared with A" in text


def test_map_says_where_there_is_none(unmapped: Place) -> None:
    unmapped.file("file", b"contents")
    piped("map", unmapped.path / "file", status=1, said="file.*not supported")


def test_pictures(sharing: Place) -> None:
    files = shared_files(sharing)
    for command in (["map", *files], ["du", *files]):
        drawn = sharing.path / "drawn.svg"
        piped(*command, "--svg", drawn)
        svg = drawn.read_text()
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in svg and "http" not in svg.replace("http://www.w3.org/2000/svg", "")
        for file in files:
            assert file.name in svg
    piped("map", files[0], "--svg", sharing.path / "no" / "where.svg", status=1, said="where.svg")


def test_du(place: Place) -> None:
    tree = made(place)
    other = place.path / "other"
    xtent.clone_or_copy_tree(tree, other)
    head, *rows = [line.split("\t") for line in piped("du", tree, other).splitlines()]
    assert head[1:4] == ["files", "apparent", "allocated"]
    assert [row[0] for row in rows] == [str(tree), str(other), "total"]
    assert [row[1:3] for row in rows] == [["2", str(4 * BLOCK + 8)]] * 2 + [["4", str(8 * BLOCK + 16)]]
    if place.can_share and place.type != "overlay":
        # The small file has a block too, but on btrfs.
        shared = 4 * BLOCK + (0 if place.type == "btrfs" else 4096)
        assert [row[5] for row in rows] == [str(shared)] * 3
    found = as_json("du", tree, other)
    assert isinstance(found["roots"], list) and found["roots"][0]["path"] == str(tree)
    piped("du", place.path, tree, status=1, said="a root lies in another one")


def test_tables_on_a_terminal(tree: Path) -> None:
    status, text = Terminal("probe", tree).end()
    assert status == 0 and "dedupe" in text and len(text.splitlines()) < 30
    status, text = Terminal("du", tree / "inner", tree / "small").end()
    assert status == 0 and "shared here" in text and "total" in text
    assert re.search("[█▓▒░] (exclusive|shared)", text)


def equal_files(place: Place) -> tuple[Path, bytes]:
    """Two that are equal, in a tree, and one that is not."""
    tree = place.path / "tree"
    tree.mkdir()
    data = noise(4 * BLOCK)
    for name in ("one", "other"):
        (tree / name).write_bytes(data)
    (tree / "third").write_bytes(noise(4 * BLOCK))
    return tree, data


def test_dedupe(sharing: Place) -> None:
    tree, data = equal_files(sharing)
    files = sorted(tree.iterdir())
    said = piped("dedupe", *files)
    assert "3 files" in said and "would share about 256.0 KiB: an estimate" in said
    with open(files[0], "rb") as one, open(files[1], "rb") as other:
        assert xtent.shared_bytes(one, other) == 0
        piped("dedupe", tree, status=1, said="tree: a directory: give -r")
        index = sharing.path / "index"
        found = as_json("dedupe", "-r", tree, "--apply", "--index", index)
        report = found["report"]
        assert isinstance(report, dict) and (report["deduped"], report["shared"]) == (1, 4 * BLOCK)
        assert xtent.shared_bytes(one, other) == 4 * BLOCK
    assert files[1].read_bytes() == data
    assert "256.0 KiB shared before" in piped("dedupe", "-r", tree)
    again = as_json("dedupe", "-r", tree, "--apply", "--index", index)["report"]
    assert isinstance(again, dict) and again["shared"] == 0


def test_dedupe_of_what_differs(sharing: Place) -> None:
    data = noise(64 * BLOCK)
    sharing.file("yesterday", data)
    sharing.file("today", data[: 40 * BLOCK] + noise(BLOCK) + data[41 * BLOCK :])
    files = [sharing.path / "yesterday", sharing.path / "today"]
    amounts: list[int] = []
    for options in ([], ["--blocks"]):
        report = as_json("dedupe", *files, "--apply", *options)["report"]
        assert isinstance(report, dict)
        amounts.append(report["shared"])
    # Without it the kernel ends where they differ, if they are not known to differ before.
    assert amounts[0] <= 40 * BLOCK and sum(amounts) == 63 * BLOCK
    assert xtent.shared_bytes(files[0].open("rb"), files[1].open("rb")) == 63 * BLOCK


def test_what_dedupe_leaves_alone(sharing: Place) -> None:
    tree, _ = equal_files(sharing)
    for options in (["--min-size", "1M"], ["--exclude", "oth*"], ["--include", "third"]):
        report = as_json("dedupe", "-r", tree, *options)["report"]
        assert isinstance(report, dict) and report["estimate"] == 0
    index = sharing.path / "index"
    index.write_bytes(b"no index" * 1000)
    piped("dedupe", "-r", tree, "--index", index, status=1, said="index: ")
    piped("dedupe", "-r", tree, "--index", index, "--rebuild")
    with pytest.raises(SystemExit):
        main(["dedupe", "--min-size", "many", str(tree)])


def test_dedupe_on_a_terminal(here: Place) -> None:
    if not here.can_share:
        pytest.skip(f"{here.name} does not share blocks")
    tree, _ = equal_files(here)
    status, text = Terminal("dedupe", "-r", "--apply", tree).end()
    assert status == 0 and "1 file deduped: 256.0 KiB shared now and not before" in text


def test_completion() -> None:
    for shell in ("bash", "zsh", "tcsh"):
        script = piped("completion", shell)
        assert "clone-or-copy" in script
    subprocess.run(["bash", "-n"], input=piped("completion", "bash"), text=True, check=True)


@pytest.mark.parametrize("arguments", [["completion", "bash"], ["du", "."], ["du", ".", "--json"]])
def test_a_reader_that_has_enough(here: Place, arguments: list[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here.path
    ) as child:
        assert child.stdout and child.stderr
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_output_that_cannot_be_written(here: Place) -> None:
    for arguments in (["du", "."], ["du", ".", "--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=here.path)
        assert (done.returncode, done.stderr) == (1, "xtent: standard output: No space left on device\n")


def test_pipes_and_json_need_no_other_package(here: Place, tree: Path) -> None:
    within = f"import sys; sys.modules['rich'] = sys.modules['shtab'] = None; from xtent.command import main"
    for arguments in (["du", str(tree)], ["probe", str(tree), "--json"], ["copy", str(tree), str(tree) + "2"]):
        code = f"{within}; sys.exit(main({arguments!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    code = f"{within}; main(['completion', 'bash'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "pip install" in done.stderr


def commands() -> dict[str, argparse.ArgumentParser]:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("no commands")


def test_the_manual_page_has_every_command_and_option() -> None:
    page = PAGE.read_text().replace("\\-", "-")
    options = {"--version", "--help"}
    for name, command in commands().items():
        assert f"xtent {name}" in page or f"\\fB{name}\\fR" in page, name
        options |= {option for action in command._actions for option in action.option_strings if option[:2] == "--"}
    assert {option for option in re.findall(r"--[a-z-]+", page)} == options
    assert {status for status in ("0", "1", "2", "130", "143", "129")} <= set(re.findall(r"\\fB(\d+)\\fR", page))


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in [None, *commands()]:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"] if name else ["--help"])
        assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "exit status:" in said and "usage: xtent clone-or-copy" in said
    with pytest.raises(SystemExit) as wrong:
        main(["copy", "one"])
    assert wrong.value.code == 2
