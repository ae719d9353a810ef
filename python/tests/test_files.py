import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import xtent
from place import BLOCK, Place, noise

Verb = Callable[..., xtent.Report]
DATA = noise(3 * BLOCK + 123)


@pytest.fixture(params=["copy_file", "clone_file", "clone_or_copy_file"])
def verb(request: pytest.FixtureRequest, place: Place) -> Verb:
    # Where blocks are not shared clone_file is refused, which test_which_way sees.
    name = request.param if place.can_share else request.param.replace("clone_file", "copy_file")
    found: Verb = getattr(xtent, name)
    return found


@pytest.fixture
def src(place: Place) -> Path:
    place.file("src", DATA)
    return place.path / "src"


def names(place: Place) -> list[str]:
    return sorted(os.listdir(place.path))


def test_a_new_file(place: Place, verb: Verb, src: Path) -> None:
    dst = place.path / "dst"
    report = verb(src, dst)
    assert report.bytes == len(DATA)
    assert report.unkept == frozenset()
    assert dst.read_bytes() == DATA
    with pytest.raises(FileExistsError) as raised:
        verb(src, dst)
    error = raised.value
    assert error.reason == xtent.Reason.EXISTS
    assert (error.filename, error.filename2) == (src, dst)
    dst.write_bytes(b"old")
    verb(str(src), os.fsencode(dst), replace=True, durable=True)
    assert dst.read_bytes() == DATA
    assert names(place) == ["dst", "src"]


def test_which_way(place: Place, src: Path) -> None:
    copied = xtent.copy_file(src, place.path / "copied")
    assert (copied.bytes_copied, copied.bytes_cloned) == (len(DATA), 0)
    both = xtent.clone_or_copy_file(src, place.path / "both")
    if place.can_share:
        assert xtent.clone_file(src, place.path / "cloned") == xtent.Report(bytes_cloned=len(DATA)) == both
    else:
        with pytest.raises(OSError) as raised:
            xtent.clone_file(src, place.path / "cloned")
        assert raised.value.errno == errno.EOPNOTSUPP
        assert both.fallback == raised.value.reason
        assert names(place) == ["both", "copied", "src"]


def test_symbolic_links(place: Place, verb: Verb, src: Path) -> None:
    link, dst = place.path / "link", place.path / "dst"
    link.symlink_to("src")
    with pytest.raises(OSError) as raised:
        verb(link, dst)
    assert (raised.value.errno, raised.value.reason) == (errno.ELOOP, xtent.Reason.TOO_MANY_LINKS)
    verb(link, dst, follow_symlinks=True)
    verb(dst, link, replace=True)
    assert not link.is_symlink()
    assert src.read_bytes() == DATA


def test_verified(place: Place, verb: Verb, src: Path) -> None:
    if verb is xtent.clone_file:
        # Nothing can come between its only step and the end.
        verb(src, place.path / "dst", verify=True)
        return
    assert verb(src, place.path / "dst", verify=True).bytes == len(DATA)

    def write_late(done: int, total: int | None) -> None:
        with open(src, "rb+") as file:
            file.write(bytes([DATA[0] ^ 1]))

    with pytest.raises(OSError) as raised:
        xtent.copy_file(src, place.path / "wrong", verify=True, progress=write_late)
    assert (raised.value.errno, raised.value.reason) == (errno.EIO, xtent.Reason.VERIFY_FAILED)
    assert names(place) == ["dst", "src"]


def test_choices_of_a_copy(place: Place, src: Path) -> None:
    report = xtent.copy_file(src, place.path / "dst", sparse="detect", cache="neutral", server="allow")
    assert report.bytes == len(DATA)
    assert (place.path / "dst").read_bytes() == DATA
    with pytest.raises(ValueError, match="cache must be"):
        xtent.copy_file(src, place.path / "other", cache="warm")  # type: ignore[arg-type]
    assert names(place) == ["dst", "src"]


def test_metadata(place: Place, verb: Verb, src: Path) -> None:
    src.chmod(0o751)
    os.utime(src, ns=(10**18, 10**18 + 5 * 10**8))
    dst = place.path / "dst"
    report = verb(src, dst, preserve=["mode", "times"])
    assert report.unkept == frozenset()
    assert stat.S_IMODE(dst.stat().st_mode) == 0o751
    assert dst.stat().st_mtime_ns == 10**18 + 5 * 10**8
    dst.chmod(0o640)
    verb(src, dst, preserve={"destination"}, replace=True)
    assert stat.S_IMODE(dst.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: chown(2)")
def test_what_could_not_be_kept(place: Place, src: Path) -> None:
    os.chown(src, 12345, 54321)
    src.chmod(0o4755)
    place.path.chmod(0o777)
    dst = place.path / "dst"
    os.seteuid(65534)
    try:
        report = xtent.copy_file(src, dst, preserve=("mode", "owner", "times"))
    finally:
        os.seteuid(0)
    assert report.unkept == {"mode", "owner"}
    assert stat.S_IMODE(dst.stat().st_mode) == 0o755
    assert "'owner'" in repr(report)


def test_descriptors_and_directories(place: Place, verb: Verb, src: Path) -> None:
    directory = os.open(place.path, os.O_RDONLY)
    try:
        with open(src, "rb") as file:
            file.seek(5)
            verb(file, "dst", dst_dir_fd=directory)
            assert file.tell() == 5
        verb("src", "dst2", src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.close(directory)
    assert (place.path / "dst").read_bytes() == (place.path / "dst2").read_bytes() == DATA


def test_progress_that_raises_leaves_nothing(place: Place, verb: Verb, src: Path) -> None:
    def progress(done: int, total: int | None) -> None:
        assert (done, total) == (len(DATA), len(DATA))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        verb(src, place.path / "dst", progress=progress)
    assert names(place) == ["src"]


def test_arguments_that_make_no_sense(place: Place, src: Path) -> None:
    dst = place.path / "dst"
    with pytest.raises(TypeError):
        xtent.copy_file(src, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        xtent.copy_file(1.5, dst)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        xtent.copy_file(src, dst, preserve="mode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown metadata"):
        xtent.copy_file(src, dst, preserve=["colour"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        xtent.dedupe_files(src, "src")
    with pytest.raises(IsADirectoryError):
        xtent.copy_file(place.path, dst)
    with pytest.raises(FileNotFoundError):
        xtent.copy_file(place.path / "missing", dst)
    with pytest.raises(ValueError):
        xtent.stage(dst, mode=0o10000)
    assert names(place) == ["src"]


def test_dedupe(sharing: Place) -> None:
    sharing.file("src", DATA)
    src = sharing.path / "src"
    for name in ("same", "differs", "longer"):
        data = {"same": DATA, "differs": noise(len(DATA)), "longer": DATA + b"x"}[name]
        (sharing.path / name).write_bytes(data)
    targets = [sharing.path / name for name in ("same", "differs", "longer", "missing", "src")]
    status = xtent.DedupeStatus
    try:
        results = xtent.dedupe_files(src, [*targets, sharing.open("same", "rb")])
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
        return
    wanted = [status.SAME, status.DIFFERS, status.DIFFERS, status.FAILED, status.SAME, status.SAME]
    assert [result.status for result in results] == wanted
    assert results[0].compared == len(DATA)
    assert results[3].reason == xtent.Reason.NOT_FOUND
    assert (results[4].shared, results[4].already_shared) == (0, len(DATA))
    assert (results[5].shared, results[5].already_shared) == (0, len(DATA))


def test_a_stage(place: Place, src: Path) -> None:
    dst = place.path / "dst"
    with xtent.stage(dst, mode=0o604) as file, open(src, "rb") as part:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
        xtent.clone_or_copy_range(part, file)
        os.pwrite(file.fileno(), b"more", len(DATA))
        assert names(place) == ["src"]
    assert dst.read_bytes() == DATA + b"more"
    assert stat.S_IMODE(dst.stat().st_mode) & 0o077 == 0o004 & ~umask()
    with pytest.raises(ValueError, match="published or discarded"):
        file.fileno()
    with pytest.raises(ValueError, match="published or discarded"):
        file.publish()

    with pytest.raises(FileExistsError) as raised:
        xtent.stage(dst)
    assert raised.value.filename == dst
    with pytest.raises(ZeroDivisionError), xtent.stage(dst, replace=True, durable=True) as file:
        os.write(file.fileno(), b"never seen")
        raise ZeroDivisionError
    assert dst.read_bytes() == DATA + b"more"
    with xtent.stage(dst, replace=True) as file:
        file.discard()
    assert dst.read_bytes() == DATA + b"more"
    with xtent.stage(dst, replace=True, mode=None) as file:
        os.fchmod(file.fileno(), 0o606)
    assert stat.S_IMODE(dst.stat().st_mode) == 0o606
    assert names(place) == ["dst", "src"]


def umask() -> int:
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("Umask:")]
    return int(line.split()[1], 8)


def test_a_stage_whose_name_is_taken_meanwhile(place: Place) -> None:
    dst = place.path / "dst"
    file = xtent.stage(dst)
    dst.write_bytes(b"somebody else's")
    with pytest.raises(FileExistsError) as raised:
        file.publish()
    assert raised.value.reason == xtent.Reason.EXISTS
    dst.unlink()
    file.publish()
    assert dst.read_bytes() == b""
    with pytest.raises(FileExistsError), xtent.stage(place.path / "other"):
        (place.path / "other").write_bytes(b"somebody else's")
    assert names(place) == ["dst", "other"]


def test_stable_sources(place: Place, src: Path) -> None:
    dst = place.path / "dst"
    for way in ("none", "lock"):
        assert xtent.copy_file(src, dst, replace=True, stable=way).stable == way
    with pytest.raises(ValueError, match="unknown way"):
        xtent.copy_file(src, dst, stable="sometimes")  # type: ignore[arg-type]
    if place.can_share:
        scratch = os.open(place.path, os.O_RDONLY)
        try:
            report = xtent.copy_file(src, dst, replace=True, stable="snapshot", scratch_dir=scratch)
        finally:
            os.close(scratch)
        assert (report.stable, report.bytes_copied) == ("snapshot", len(DATA))
        assert xtent.copy_file(src, dst, replace=True, stable="best").stable == "snapshot"
    else:
        with pytest.raises(OSError) as raised:
            xtent.copy_file(src, dst, replace=True, stable="snapshot")
        assert raised.value.errno == errno.EOPNOTSUPP
    assert names(place) == ["dst", "src"]


def test_a_source_in_use(place: Place) -> None:
    src, dst = place.path / "src", place.path / "dst"
    src.write_bytes(DATA)
    if place.type == "overlay":
        pytest.skip("an overlay has no leases that bind")
    with open(src, "r+b"), pytest.raises(BlockingIOError) as raised:
        xtent.copy_file(src, dst, stable="lease")
    assert raised.value.reason == xtent.Reason.IN_USE  # type: ignore[attr-defined]
    assert not dst.exists()
    assert xtent.copy_file(src, dst, stable="lease").stable == "lease"


def test_a_source_that_changes(place: Place, src: Path) -> None:
    dst = place.path / "dst"
    with open(src, "r+b", buffering=0) as file:
        change = lambda done, total: file.write(b"x")  # noqa: E731
        with pytest.raises(OSError) as raised:
            xtent.copy_file(src, dst, stable="detect", progress=change)
    assert raised.value.errno in (errno.ESTALE, errno.EOPNOTSUPP)
    assert not dst.exists()


def test_how_bytes_are_moved(place: Place) -> None:
    hole = place.sparse("sparse", 4 * BLOCK, {BLOCK: noise(BLOCK)})
    kept = xtent.copy_file(hole, place.path / "kept")
    filled = xtent.copy_file(hole, place.path / "filled", sparse="fill", cache="neutral", server="allow")
    assert filled.bytes_copied == 4 * BLOCK
    assert kept.bytes_copied + kept.bytes_hole == 4 * BLOCK
    assert (place.path / "kept").read_bytes() == (place.path / "filled").read_bytes()
    with pytest.raises(ValueError, match="sparse must be"):
        xtent.copy_file(hole, place.path / "not", sparse="sometimes")  # type: ignore[arg-type]
    assert names(place) == ["filled", "kept", "sparse"]
