"""What every function does with the same kinds of arguments, good and bad."""

import errno
import fcntl
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

import xtent
from place import BLOCK, Place, content, noise, unused
from xtent import Reason

# Each function as one of two files, and as one of offsets and a length, where it has them.
TWO_FILES: dict[str, Callable[[Any, Any], object]] = {
    "copy_range": xtent.copy_range,
    "clone_range": xtent.clone_range,
    "clone_or_copy_range": xtent.clone_or_copy_range,
    "dedupe_range": lambda src, dst: xtent.dedupe_range(src, [(dst, 0)]),
    "probe": xtent.probe,
    "shared_bytes": xtent.shared_bytes,
    "extents": lambda src, dst: xtent.extents(src),
}
AMOUNTS: dict[str, Callable[[Any, Any, Any], object]] = {
    f"{verb.__name__}-{name}": lambda src, dst, n, verb=verb, name=name: verb(src, dst, **{name: n})
    for verb in (xtent.copy_range, xtent.clone_range, xtent.clone_or_copy_range)
    for name in ("length", "src_offset", "dst_offset")
} | {
    "dedupe_range-length": lambda src, dst, n: xtent.dedupe_range(src, [(dst, 0)], n),
    "dedupe_range-src_offset": lambda src, dst, n: xtent.dedupe_range(src, [(dst, 0)], src_offset=n),
    "dedupe_range-offset": lambda src, dst, n: xtent.dedupe_range(src, [(dst, n)]),
    "extents-offset": lambda src, dst, n: xtent.extents(src, n),
    "extents-length": lambda src, dst, n: xtent.extents(src, 0, n),
}

every_function = pytest.mark.parametrize("call", TWO_FILES.values(), ids=TWO_FILES)
every_amount = pytest.mark.parametrize("call", AMOUNTS.values(), ids=AMOUNTS)
WRITERS = {name: TWO_FILES[name] for name in ("copy_range", "clone_range", "clone_or_copy_range")}
every_writer = pytest.mark.parametrize("call", WRITERS.values(), ids=WRITERS)


class Named:
    """An object with fileno()."""

    def __init__(self, fd: object) -> None:
        self.fd = fd

    def fileno(self) -> object:
        if isinstance(self.fd, Exception):
            raise self.fd
        return self.fd


GIVEN: dict[str, Callable[[Any], Any]] = {
    "file": lambda file: file,
    "int": lambda file: file.fileno(),
    "fileno": lambda file: Named(file.fileno()),
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_descriptors(place: Place, given: Callable[[Any], Any]) -> None:
    data = noise(BLOCK)
    src, dst = place.file("src", data), place.file("dst")
    for copy in (xtent.copy_range, xtent.clone_or_copy_range):
        assert copy(given(src), given(dst)).bytes == BLOCK
        assert content(dst) == data
    assert xtent.probe(given(src), given(dst)).copy


def test_temporary_files(place: Place) -> None:
    with tempfile.NamedTemporaryFile(dir=place.path) as src, tempfile.TemporaryFile(dir=place.path) as dst:
        src.write(b"abc")
        src.flush()
        assert xtent.copy_range(src, dst).bytes == 3


@every_function
@pytest.mark.parametrize("bad", [None, "3", b"3", 3.0, [3], object(), Named("3")])
def test_no_descriptor(place: Place, call: Callable[[Any, Any], object], bad: object) -> None:
    file = place.file("file", b"abc")
    with pytest.raises(TypeError):
        call(bad, file)
    if call is not TWO_FILES["extents"]:
        with pytest.raises(TypeError):
            call(file, bad)


@every_function
@pytest.mark.parametrize("path", ["src", b"src", pathlib.Path("src")])
def test_a_path_is_no_descriptor(place: Place, call: Callable[[Any, Any], object], path: object) -> None:
    file = place.file("file", b"abc")
    with pytest.raises(TypeError, match="an open file is needed here, .*, not the path"):
        call(path, file)
    if call is not TWO_FILES["extents"]:
        with pytest.raises(TypeError, match="an open file is needed here, .*, not the path"):
            call(file, path)


@every_function
def test_numbers_that_are_no_descriptor(place: Place, call: Callable[[Any, Any], object]) -> None:
    file = place.file("file", b"abc")
    with pytest.raises(ValueError, match="negative"):
        call(-1, file)
    for huge in (2**31, 2**63, 2**64, 2**200):
        with pytest.raises(OverflowError):
            call(huge, file)


@every_function
def test_an_exception_of_fileno_comes_out(place: Place, call: Callable[[Any, Any], object]) -> None:
    own = LookupError("own")
    with pytest.raises(LookupError) as raised:
        call(Named(own), place.file("file"))
    assert raised.value is own
    file = place.file("file")
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        call(file, file)


@every_function
def test_closed(place: Place, call: Callable[[Any, Any], object]) -> None:
    file = place.file("file", noise(BLOCK))
    closed = unused(file.fileno())
    with pytest.raises(OSError) as raised:
        call(closed, file)
    error = raised.value
    assert type(error) is OSError
    assert (error.errno, error.reason) == (errno.EBADF, Reason.BAD_DESCRIPTOR)
    assert isinstance(error.report, xtent.Report)
    assert error.filename == closed


@every_writer
def test_not_open_for_that(place: Place, call: Callable[[Any, Any], object]) -> None:
    src, dst = place.file("src", noise(BLOCK)), place.file("dst", b"old")
    for a, b, reason in [
        (src, place.open("dst", "rb"), Reason.NOT_OPEN_FOR_THAT),
        (place.open("src", "ab"), dst, Reason.NOT_OPEN_FOR_THAT),
        (src, place.open("dst", "ab"), Reason.APPEND_ONLY),
    ]:
        with pytest.raises(OSError) as raised:
            call(a, b)
        if raised.value.errno != errno.EOPNOTSUPP:  # which some filesystems say before they look
            assert (raised.value.errno, raised.value.reason) == (errno.EBADF, reason)
    assert content(dst) == b"old"


@every_function
def test_a_directory(place: Place, call: Callable[[Any, Any], object]) -> None:
    file = place.file("file", noise(BLOCK))
    directory = os.open(place.path, os.O_RDONLY)
    try:
        if call is TWO_FILES["probe"]:
            assert xtent.probe(directory, file).copy.reason is Reason.NOT_A_REGULAR_FILE
            return
        with pytest.raises(IsADirectoryError) as raised:
            call(directory, file)
        assert raised.value.errno == errno.EISDIR
        assert raised.value.reason is Reason.NOT_A_REGULAR_FILE
    finally:
        os.close(directory)


def refusal(call: Callable[[Any, Any], object], src: object, dst: object) -> Reason | None:
    """Why it is refused: the call, or its one target."""
    try:
        [result] = call(src, dst)
    except OSError as error:
        return error.reason
    assert result.status is xtent.DedupeStatus.FAILED
    return result.reason


@every_function
def test_a_fifo(place: Place, call: Callable[[Any, Any], object]) -> None:
    os.mkfifo(place.path / "fifo")
    file = place.file("file", noise(BLOCK))
    fifo = os.open(place.path / "fifo", os.O_RDWR)
    try:
        for a, b in [(fifo, file.fileno()), (file.fileno(), fifo)]:
            if call is TWO_FILES["probe"]:
                assert xtent.probe(a, b).copy.reason is Reason.NOT_A_REGULAR_FILE
            elif call is TWO_FILES["extents"] and a != fifo:
                pass
            else:
                reason = refusal(call, a, b)
                # Of the other file the function may say more, if it comes to that first.
                cannot = (Reason.FILESYSTEM_CANNOT, Reason.MOUNT_CANNOT) if b == fifo else ()
                assert reason in (Reason.NOT_A_REGULAR_FILE, *cannot)
    finally:
        os.close(fifo)
    assert len(content(file)) == BLOCK


@every_function
def test_procfs(place: Place, call: Callable[[Any, Any], object]) -> None:
    dst = place.file("dst", b"old")
    with open("/proc/self/status", "rb") as src:
        try:
            call(src, dst)
        except OSError as error:
            assert call not in (TWO_FILES["copy_range"], TWO_FILES["clone_or_copy_range"], TWO_FILES["probe"])
            assert error.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL)
            assert error.reason is not Reason.UNKNOWN
            assert content(dst) == b"old"


@every_amount
@pytest.mark.parametrize(
    ("amount", "raised"),
    [
        (-1, ValueError),
        (-(2**64), ValueError),
        (2**64, OverflowError),
        (2**200, OverflowError),
        (1.0, TypeError),
        ("1", TypeError),
    ],
)
def test_no_amount(
    place: Place, call: Callable[[Any, Any, Any], object], amount: object, raised: type[Exception]
) -> None:
    src, dst = place.file("src", noise(BLOCK)), place.file("dst", b"old")
    with pytest.raises(raised):
        call(src, dst, amount)
    assert content(dst) == b"old"


@every_amount
@pytest.mark.parametrize("amount", [2**63 - 1, 2**63, 2**64 - 2])
def test_amounts_past_every_file(place: Place, call: Callable[[Any, Any, Any], object], amount: int) -> None:
    """An error of the system, or nothing to do; never a crash, and nothing is written."""
    src, dst = place.file("src", b""), place.file("dst", b"old")
    try:
        call(src, dst, amount)
    except OSError as error:
        assert error.errno in (errno.EOVERFLOW, errno.EINVAL, errno.EFBIG, errno.EOPNOTSUPP)
    assert content(dst) == b"old"


def test_only_files_and_length_have_a_place(place: Place) -> None:
    file = place.file("file")
    for verb in (xtent.copy_range, xtent.clone_range, xtent.clone_or_copy_range):
        with pytest.raises(TypeError):
            verb(file, file, 0, 0)
        assert verb.__name__ in xtent.__all__
    with pytest.raises(TypeError):
        xtent.copy_range(src=file)


@pytest.mark.parametrize("verb", [xtent.copy_range, xtent.clone_or_copy_range])
def test_overlap(place: Place, verb: Any) -> None:
    file = place.file("file", noise(4 * BLOCK))
    with pytest.raises(OSError) as raised:
        verb(file, file, 2 * BLOCK, dst_offset=BLOCK)
    assert (raised.value.errno, raised.value.reason) == (errno.EINVAL, Reason.OVERLAP)


@every_writer
def test_names_in_errors(place: Place, call: Callable[[Any, Any], object]) -> None:
    """A file object has the name that it was opened with, anything else its number."""
    src = place.file("src", noise(BLOCK))
    closed = unused(src.fileno())
    with pytest.raises(OSError) as raised:
        call(src, closed)
    assert (raised.value.filename, raised.value.filename2) == (src.name, closed)
    assert os.strerror(errno.EBADF) in str(raised.value)
    assert Reason.BAD_DESCRIPTOR.text in str(raised.value)


@every_function
def test_the_file_position_stays(place: Place, call: Callable[[Any, Any], object]) -> None:
    data = noise(BLOCK)
    src, dst = place.file("src", data), place.file("dst", data)
    src.seek(7)
    dst.seek(11)
    try:
        call(src, dst)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
    assert (src.tell(), dst.tell()) == (7, 11)


IS_LOCKED = """
import fcntl, sys
for name in sys.argv[1:]:
    with open(name, "rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sys.exit(f"{name} is not locked")
        except BlockingIOError:
            pass
"""


@every_function
def test_posix_locks_stay(place: Place, call: Callable[[Any, Any], object]) -> None:
    """They belong to the process, and closing any descriptor of the file would drop them."""
    data = noise(BLOCK)
    src, dst = place.file("src", data), place.file("dst", data)
    fcntl.lockf(src, fcntl.LOCK_EX)
    fcntl.lockf(dst, fcntl.LOCK_EX)
    try:
        call(src, dst)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
    look = [sys.executable, "-c", IS_LOCKED, place.path / "src", place.path / "dst"]
    subprocess.run(look, check=True)


@every_function
def test_no_descriptor_is_left_or_closed(place: Place, call: Callable[[Any, Any], object]) -> None:
    data = noise(BLOCK)
    src, dst = place.file("src", data), place.file("dst", data)
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        try:
            call(src, dst)
        except OSError as error:
            assert error.errno == errno.EOPNOTSUPP
    assert os.listdir("/proc/self/fd") == before
