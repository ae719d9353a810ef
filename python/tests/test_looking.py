import errno
import os
from collections.abc import Callable

import pytest

import xtent
from place import BLOCK, Place, noise
from xtent import ExtentFlags, Reason


def test_probe_where_blocks_can_be_shared(sharing: Place) -> None:
    src, dst = sharing.file("src", noise(BLOCK)), sharing.file("dst")
    found = xtent.probe(src, dst)
    assert found.copy.answer is found.clone.answer is found.dedupe.answer is True
    assert found.copy and found.clone and found.dedupe
    assert found.clone == xtent.Ability(True)
    assert found.alignment and BLOCK % found.alignment == 0
    assert os.fstat(dst.fileno()).st_size == 0


def test_probe_where_they_cannot(unsharing: Place) -> None:
    src, dst = unsharing.file("src", noise(BLOCK)), unsharing.file("dst")
    found = xtent.probe(src, dst)
    assert found.copy == xtent.Ability(True)
    assert found.clone.answer is False
    assert not found.clone and not found.dedupe
    assert found.clone.errno == errno.EOPNOTSUPP
    assert found.clone.reason in (Reason.FILESYSTEM_CANNOT, Reason.MOUNT_CANNOT)
    assert found.alignment is None


def test_probe_foresees_what_clone_says(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    src, dst = place.file("src", noise(BLOCK)), elsewhere(place).file("dst")
    clone = xtent.probe(src, dst).clone
    with pytest.raises(OSError) as raised:
        xtent.clone_range(src, dst)
    assert (clone.errno, clone.reason) == (raised.value.errno, raised.value.reason)


def test_unknown_is_not_true(sharing: Place) -> None:
    src, dst = sharing.file("src"), sharing.file("dst")
    dedupe = xtent.probe(src, dst).dedupe
    assert dedupe.answer is None
    assert not dedupe


def test_extents(mapped: Place) -> None:
    file = mapped.sparse("file", 8 * BLOCK, {2 * BLOCK: noise(BLOCK)})
    found = xtent.extents(file)
    assert [(e.logical, e.length, e.is_hole, e.is_data) for e in found] == [
        (0, 2 * BLOCK, True, False),
        (2 * BLOCK, BLOCK, False, True),
        (3 * BLOCK, 5 * BLOCK, True, False),
    ]
    hole, data, _ = found
    assert (hole.physical, hole.flags, hole.end) == (None, ExtentFlags.HOLE, 2 * BLOCK)
    assert data.physical and data.flags == ExtentFlags(0)
    assert xtent.extents(file, 2 * BLOCK + 7, 9) == [
        xtent.Extent(2 * BLOCK + 7, data.physical + 7, 9, ExtentFlags(0))
    ]
    assert xtent.extents(file, length=0) == xtent.extents(file, 8 * BLOCK) == []


def test_unwritten(mapped: Place) -> None:
    file = mapped.file("file")
    os.posix_fallocate(file.fileno(), 0, BLOCK)
    [extent] = xtent.extents(file)
    assert extent.flags & ExtentFlags.UNWRITTEN
    assert not extent.is_hole and not extent.is_data


def test_shared_bytes(sharing: Place) -> None:
    a, b = sharing.file("a", noise(4 * BLOCK)), sharing.file("b")
    assert xtent.shared_bytes(a, b) == 0
    xtent.clone_range(a, b, BLOCK)
    assert xtent.shared_bytes(a, b) == BLOCK
    assert xtent.shared_bytes(a, a) == 4 * BLOCK
    assert ExtentFlags.SHARED in xtent.extents(a)[0].flags


def test_no_map(unmapped: Place) -> None:
    file = unmapped.file("file", noise(BLOCK))
    for look in (lambda: xtent.extents(file), lambda: xtent.shared_bytes(file, file)):
        with pytest.raises(OSError) as raised:
            look()
        assert (raised.value.errno, raised.value.reason) == (errno.EOPNOTSUPP, Reason.FILESYSTEM_CANNOT)


def test_addresses_that_cannot_be_compared(mapped: Place, elsewhere: Callable[[Place], Place]) -> None:
    other = elsewhere(mapped)
    if not other.has_map:
        pytest.skip("the second filesystem has no extent maps")
    a, b = mapped.file("a", noise(BLOCK)), other.file("b", noise(BLOCK))
    with pytest.raises(OSError) as raised:
        xtent.shared_bytes(a, b)
    assert (raised.value.errno, raised.value.reason) == (errno.EXDEV, Reason.DIFFERENT_FILESYSTEM)
