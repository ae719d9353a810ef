from collections.abc import Callable

import xtent
from place import BLOCK, Place, content, noise


def test_clones_all_where_it_can(sharing: Place) -> None:
    data = noise(4 * BLOCK + 5)
    src, dst = sharing.file("src", data), sharing.file("dst")
    assert xtent.clone_or_copy_range(src, dst) == xtent.Report(bytes_cloned=len(data))
    assert content(dst) == data


def test_copies_the_ragged_ends(sharing: Place) -> None:
    data, old = noise(6 * BLOCK), noise(9 * BLOCK)
    src, dst = sharing.file("src", data), sharing.file("dst", old)
    report = xtent.clone_or_copy_range(src, dst, 4 * BLOCK, src_offset=BLOCK - 10, dst_offset=2 * BLOCK - 10)
    assert report.bytes == 4 * BLOCK
    assert report.bytes_cloned == xtent.shared_bytes(src, dst) >= 3 * BLOCK
    assert report.bytes_copied > 0
    assert report.fallback is xtent.Reason.MISALIGNED
    assert report.reason is None
    assert content(dst) == old[: 2 * BLOCK - 10] + data[BLOCK - 10 : 5 * BLOCK - 10] + old[6 * BLOCK - 10 :]


def test_copies_all_where_it_cannot(unsharing: Place) -> None:
    data = noise(4 * BLOCK)
    src, dst = unsharing.file("src", data), unsharing.file("dst")
    report = xtent.clone_or_copy_range(src, dst)
    assert report.bytes_copied == len(data)
    assert report.bytes_cloned == 0
    assert report.fallback in (xtent.Reason.FILESYSTEM_CANNOT, xtent.Reason.MOUNT_CANNOT)
    assert content(dst) == data


def test_copies_to_another_filesystem(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    data = noise(4 * BLOCK)
    src, dst = place.file("src", data), elsewhere(place).file("dst")
    report = xtent.clone_or_copy_range(src, dst)
    assert report == xtent.Report(bytes_copied=len(data), fallback=xtent.Reason.DIFFERENT_FILESYSTEM)
    assert content(dst) == data
