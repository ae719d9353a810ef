import errno
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import xtent
from place import BLOCK, Place, noise

Verb = Callable[..., xtent.TreeReport]
DATA = noise(3 * BLOCK + 123)


@pytest.fixture(params=["copy_tree", "clone_tree", "clone_or_copy_tree"])
def verb(request: pytest.FixtureRequest, place: Place) -> Verb:
    if request.param == "clone_tree" and not place.can_share:
        pytest.skip(f"{place.name} does not share blocks")
    found: Verb = getattr(xtent, request.param)
    return found


@pytest.fixture
def src(place: Place) -> Path:
    tree = place.path / "src"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "file").write_bytes(DATA)
    os.chmod(tree / "inner" / "file", 0o604)
    os.link(tree / "inner" / "file", tree / "again")
    os.symlink("nowhere", tree / "link")
    Path(os.fsdecode(bytes(tree) + b"/not \xff UTF-8")).write_bytes(b"")
    os.utime(tree, ns=(1, 2))
    return tree


def test_a_new_tree(place: Place, verb: Verb, src: Path) -> None:
    dst = place.path / "dst"
    report = verb(src, dst)
    assert (report.files, report.directories, report.links, report.specials) == (2, 2, 1, 1)
    assert report.bytes == len(DATA)
    assert (report.vanished, report.failures, report.unkept) == (0, (), frozenset())
    assert sorted(os.listdir(bytes(dst))) == sorted(os.listdir(bytes(src)))
    assert (dst / "again").samefile(dst / "inner" / "file")
    assert (dst / "again").read_bytes() == DATA
    assert stat.S_IMODE((dst / "again").stat().st_mode) == 0o604
    assert os.readlink(dst / "link") == "nowhere"
    assert dst.stat().st_mtime_ns == 2

    with pytest.raises(FileExistsError) as raised:
        verb(src, dst)
    assert raised.value.reason == xtent.Reason.EXISTS  # type: ignore[attr-defined]
    (dst / "mine").mkdir()
    verb(bytes(src), str(dst), replace=True, durable=True, threads=1)
    assert not (dst / "mine").exists()
    assert sorted(os.listdir(place.path)) == ["dst", "src"]


def test_by_descriptors(place: Place, verb: Verb, src: Path) -> None:
    opened = os.open(place.path, os.O_RDONLY)
    source = os.open(src, os.O_RDONLY)
    try:
        verb("src", "one", src_dir_fd=opened, dst_dir_fd=opened)
        verb(source, "two", dst_dir_fd=opened)
    finally:
        os.close(source)
        os.close(opened)
    assert (place.path / "one" / "again").read_bytes() == (place.path / "two" / "again").read_bytes() == DATA


def test_the_failing_file_is_named(place: Place, src: Path) -> None:
    if place.can_share:
        pytest.skip(f"{place.name} clones them all")
    with pytest.raises(OSError) as raised:
        xtent.clone_tree(src, place.path / "dst", threads=1)
    assert raised.value.errno == errno.EOPNOTSUPP
    assert os.path.exists(raised.value.filename) and raised.value.filename != str(src)
    assert raised.value.filename2 == place.path / "dst"
    report = xtent.clone_tree(src, place.path / "dst", keep_going=True)
    assert len(report.failures) == 3 and all(f.errno == errno.EOPNOTSUPP for f in report.failures[:2])
    assert pickle.loads(pickle.dumps(report)) == report
    assert hash(report) == hash(pickle.loads(pickle.dumps(report)))


def test_what_the_callback_raises_comes_out(place: Place, verb: Verb, src: Path) -> None:
    class Enough(Exception):
        pass

    def progress(files: int, done: int) -> None:
        if files:
            raise Enough

    with pytest.raises(Enough):
        verb(src, place.path / "dst", progress=progress, threads=1)
    assert os.listdir(place.path) == ["src"]
