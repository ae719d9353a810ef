import errno
import os
from collections.abc import Callable

import pytest

import xtent
from place import BLOCK, Place, content, noise


def test_shares_everything(sharing: Place) -> None:
    data = noise(8 * BLOCK + 123)
    src, dst = sharing.file("src", data), sharing.file("dst")
    report = xtent.clone_range(src, dst)
    assert report == xtent.Report(bytes_cloned=len(data), protection=xtent.Protection.SIZE)
    assert content(dst) == data
    assert xtent.shared_bytes(src, dst) == len(data)
    os.pwrite(src.fileno(), b"changed", 0)
    assert content(dst) == data


def test_a_range_inside(sharing: Place) -> None:
    data, old = noise(8 * BLOCK), noise(8 * BLOCK)
    src, dst = sharing.file("src", data), sharing.file("dst", old)
    report = xtent.clone_range(src, dst, 2 * BLOCK, src_offset=BLOCK, dst_offset=5 * BLOCK)
    assert (report.bytes_cloned, report.destination) == (2 * BLOCK, None)
    assert report.protection in (xtent.Protection.EXCHANGE, xtent.Protection.UNDO)
    assert content(dst) == old[: 5 * BLOCK] + data[BLOCK : 3 * BLOCK] + old[7 * BLOCK :]
    assert xtent.shared_bytes(src, dst) == 2 * BLOCK


@pytest.mark.parametrize(
    ("length", "src_offset", "dst_offset", "reason"),
    [
        (0, 0, 0, "ZERO_LENGTH"),
        (BLOCK, 1, 0, "MISALIGNED"),
        (BLOCK, 0, 1, "MISALIGNED"),
        (BLOCK + 1, 0, 0, "MISALIGNED"),
        (BLOCK, 9 * BLOCK, 0, "PAST_END_OF_FILE"),
        (None, 7 * BLOCK, 0, "PARTIAL_BLOCK"),
    ],
)
def test_refusals(sharing: Place, length: int | None, src_offset: int, dst_offset: int, reason: str) -> None:
    old = noise(8 * BLOCK)
    src, dst = sharing.file("src", noise(7 * BLOCK + 5)), sharing.file("dst", old)
    with pytest.raises(OSError) as raised:
        xtent.clone_range(src, dst, length, src_offset=src_offset, dst_offset=dst_offset)
    error = raised.value
    assert (error.errno, error.reason) == (errno.EINVAL, xtent.Reason[reason])
    assert (error.report.errno, error.report.reason) == (error.errno, error.reason)
    assert error.report.bytes == 0
    assert error.report.destination is xtent.Destination.UNTOUCHED
    assert error.undo_fd is None
    if reason in ("MISALIGNED", "PARTIAL_BLOCK"):
        assert BLOCK % error.report.alignment == 0
        assert f"({error.report.alignment} bytes)" in str(error)
    else:
        assert error.report.alignment is None
    assert content(dst) == old


def test_never_faked(unsharing: Place) -> None:
    src, dst = unsharing.file("src", noise(BLOCK)), unsharing.file("dst", b"old")
    with pytest.raises(OSError) as raised:
        xtent.clone_range(src, dst)
    error = raised.value
    assert error.errno == errno.EOPNOTSUPP
    assert error.reason in (xtent.Reason.FILESYSTEM_CANNOT, xtent.Reason.MOUNT_CANNOT)
    assert error.reason.text in str(error)
    assert content(dst) == b"old"


def test_between_filesystems(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    src, dst = place.file("src", noise(BLOCK)), elsewhere(place).file("dst")
    with pytest.raises(OSError) as raised:
        xtent.clone_range(src, dst)
    assert (raised.value.errno, raised.value.reason) == (errno.EXDEV, xtent.Reason.DIFFERENT_FILESYSTEM)
    assert content(dst) == b""


def test_what_may_be_asked_for(sharing: Place) -> None:
    data, old = noise(8 * BLOCK), noise(8 * BLOCK)
    src = sharing.file("src", data)
    scratch = os.open(sharing.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for options, protection in (
            ({"undo": "off"}, None),
            ({"undo": "best", "atomic": "best"}, xtent.Protection.UNDO),
            ({"undo": "auto", "scratch_dir": scratch, "keep_undo": True}, xtent.Protection.UNDO),
        ):
            dst = sharing.file("dst", old)
            report = xtent.clone_range(src, dst, **options)
            assert report.protection in (protection, protection and xtent.Protection.EXCHANGE)
            assert content(dst) == data
    finally:
        os.close(scratch)


@pytest.mark.parametrize("options", [{"undo": "yes"}, {"atomic": "auto"}, {"undo": ""}])
def test_words_that_are_none(sharing: Place, options: dict[str, str]) -> None:
    src, dst = sharing.file("src", noise(BLOCK)), sharing.file("dst", b"old")
    with pytest.raises(ValueError, match="must be one of"):
        xtent.clone_range(src, dst, **options)  # type: ignore[arg-type]
    assert content(dst) == b"old"


def test_an_unlinked_destination(sharing: Place) -> None:
    data = noise(BLOCK)
    src, dst = sharing.file("src", data), sharing.file("dst", noise(2 * BLOCK))
    os.unlink(dst.name)
    assert xtent.clone_range(src, dst).protection in (xtent.Protection.UNDO, xtent.Protection.EXCHANGE)
    assert content(dst)[:BLOCK] == data


def test_nothing_is_cloned_that_could_not_be_undone(sharing: Place) -> None:
    old = noise(BLOCK)
    src, dst = sharing.file("src", noise(BLOCK)), sharing.file("dst", old)
    with pytest.raises(NotADirectoryError) as raised:
        xtent.clone_range(src, dst, scratch_dir=src)
    assert raised.value.reason is xtent.Reason.NO_SCRATCH_DIRECTORY
    assert raised.value.report.destination is xtent.Destination.UNTOUCHED
    assert content(dst) == old
