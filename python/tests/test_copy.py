import errno
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import xtent
from place import BLOCK, Place, content, noise


def test_moves_bytes(place: Place) -> None:
    data = noise(3_000_001)
    src, dst = place.file("src", data), place.file("dst")
    assert xtent.copy_range(src, dst) == xtent.Report(bytes_copied=len(data))
    assert content(dst) == data


def test_shares_nothing(mapped: Place) -> None:
    src, dst = mapped.file("src", noise(BLOCK * 4)), mapped.file("dst")
    xtent.copy_range(src, dst)
    assert xtent.shared_bytes(src, dst) == 0


def test_offsets_and_length(place: Place) -> None:
    data, old = noise(10_000), noise(20_000)
    src, dst = place.file("src", data), place.file("dst", old)
    report = xtent.copy_range(src, dst, 3_000, src_offset=17, dst_offset=5_001)
    assert report.bytes == report.bytes_copied == 3_000
    assert content(dst) == old[:5_001] + data[17:3_017] + old[8_001:]


@pytest.mark.parametrize("length", [None, 99_999_999])
def test_comes_back_short_at_the_end(place: Place, length: int | None) -> None:
    src, dst = place.file("src", b"0123456789"), place.file("dst")
    assert xtent.copy_range(src, dst, length, src_offset=4) == xtent.Report(bytes_copied=6)
    assert content(dst) == b"456789"
    assert xtent.copy_range(src, dst, length, src_offset=10) == xtent.Report()


def test_nothing_to_do(place: Place) -> None:
    src, dst = place.file("src", b"abc"), place.file("dst")
    assert xtent.copy_range(src, dst, 0) == xtent.Report()


def test_holes_stay_holes(place: Place) -> None:
    data = {0: noise(BLOCK), 32 * BLOCK: noise(BLOCK)}
    src, dst = place.sparse("src", 64 * BLOCK, data), place.file("dst", noise(16 * BLOCK))
    report = xtent.copy_range(src, dst)
    assert report == xtent.Report(bytes_copied=2 * BLOCK, bytes_hole=62 * BLOCK)
    assert report.bytes == 64 * BLOCK
    assert content(dst) == content(src)
    os.fsync(dst.fileno())
    assert os.fstat(dst.fileno()).st_blocks * 512 < 16 * BLOCK


def test_sparse_says_what_becomes_of_holes(place: Place) -> None:
    data = {0: noise(BLOCK), 32 * BLOCK: bytes(BLOCK)}
    src = place.sparse("src", 64 * BLOCK, data)
    fill = xtent.copy_range(src, place.file("fill"), sparse="fill")
    assert fill == xtent.Report(bytes_copied=64 * BLOCK)
    detect = xtent.copy_range(src, place.file("detect"), sparse="detect")
    assert detect == xtent.Report(bytes_copied=BLOCK, bytes_hole=63 * BLOCK)


def test_cache_and_server_change_no_byte(place: Place) -> None:
    data = noise(5_000_001)
    src = place.file("src", data)
    for verb in (xtent.copy_range, xtent.clone_or_copy_range):
        dst = place.file(verb.__name__)
        report = verb(src, dst, cache="neutral", server="allow")
        assert report.bytes == len(data)
        assert report.bytes_server == 0
        assert content(dst) == data


@pytest.mark.parametrize("keyword", ["sparse", "cache", "server"])
def test_unknown_choices(place: Place, keyword: str) -> None:
    src, dst = place.file("src", b"abc"), place.file("dst")
    with pytest.raises(ValueError, match=f"{keyword} must be '.*' or '.*', not \"other\""):
        xtent.copy_range(src, dst, **{keyword: "other"})  # type: ignore[arg-type]
    assert content(dst) == b""


def test_from_a_file_that_says_it_is_empty(place: Place) -> None:
    with open("/proc/version", "rb") as version:
        dst = place.file("dst")
        report = xtent.copy_range(version, dst)
        assert content(dst) == version.read()
        assert report.bytes == len(content(dst)) > 0


LIMITED = """
import resource, sys, xtent
src, dst = open(sys.argv[1], "rb"), open(sys.argv[2], "wb")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
print(repr(xtent.copy_range(src, dst)))
try:
    xtent.copy_range(src, dst, src_offset=100_000, dst_offset=100_000)
except OSError as error:
    print(error.errno, error.reason.name, error.report.reason.name, error.report.bytes)
"""


NO_PIPE = """
import os, resource, sys, xtent
src, dst = open(sys.argv[1], "rb"), open(sys.argv[2], "wb")
first_free = os.dup(0)
os.close(first_free)
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + int(sys.argv[3]), most))
print(xtent.copy_range(src, dst).bytes_copied)
"""


@pytest.mark.parametrize("descriptors", [0, 1, 2])
def test_where_there_are_no_descriptors_for_a_pipe(place: Place, descriptors: int) -> None:
    data = noise(3_000_001)
    place.file("src", data)
    run = [sys.executable, "-c", NO_PIPE, place.path / "src", place.path / "dst", str(descriptors)]
    assert subprocess.run(run, check=True, capture_output=True).stdout == b"3000001\n"
    assert (place.path / "dst").read_bytes() == data


def test_short_with_a_reason_and_then_an_error(place: Place) -> None:
    place.file("src", noise(300_000))
    run = [sys.executable, "-c", LIMITED, place.path / "src", place.path / "dst"]
    short, failed = subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines()
    assert short == repr(
        xtent.Report(bytes_copied=100_000, reason=xtent.Reason.FILE_SIZE_LIMIT, errno=errno.EFBIG)
    )
    assert failed == f"{errno.EFBIG} FILE_SIZE_LIMIT FILE_SIZE_LIMIT 0"


def test_to_another_filesystem(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    data = noise(100_000)
    src, dst = place.file("src", data), elsewhere(place).file("dst")
    assert xtent.copy_range(src, dst).bytes_copied == len(data)
    assert content(dst) == data
