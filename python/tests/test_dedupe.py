import errno
import gc
import os
from collections.abc import Iterator

import pytest

import xtent
from place import BLOCK, Place, content, noise, unused
from xtent import DedupeResult, DedupeStatus, Reason


def test_same(sharing: Place) -> None:
    data = noise(4 * BLOCK + 9)
    src, dst = sharing.file("src", data), sharing.file("dst", data)
    results = xtent.dedupe_range(src, [(dst, 0)])
    assert results == [
        DedupeResult(DedupeStatus.SAME, compared=len(data), shared=len(data), already_shared=0)
    ]
    assert xtent.shared_bytes(src, dst) == len(data)
    [again] = xtent.dedupe_range(src, [(dst, 0)])
    assert (again.shared, again.already_shared) == (0, len(data))


def test_differs(sharing: Place) -> None:
    data = noise(4 * BLOCK)
    other = data[: 3 * BLOCK + 77] + bytes([data[3 * BLOCK + 77] ^ 1]) + data[3 * BLOCK + 78 :]
    src, dst = sharing.file("src", data), sharing.file("dst", other)
    [result] = xtent.dedupe_range(src, [(dst, 0)])
    assert result.status is DedupeStatus.DIFFERS
    assert result.differs_at == result.compared == 3 * BLOCK + 77
    assert result.shared == xtent.shared_bytes(src, dst) == 3 * BLOCK
    assert content(dst) == other


def test_a_part_of_the_source(sharing: Place) -> None:
    data = noise(8 * BLOCK)
    src = sharing.file("src", data)
    dst = sharing.file("dst", noise(BLOCK) + data[2 * BLOCK : 5 * BLOCK])
    [result] = xtent.dedupe_range(src, [(dst, BLOCK)], 3 * BLOCK, src_offset=2 * BLOCK)
    assert (result.status, result.shared) == (DedupeStatus.SAME, 3 * BLOCK)


def test_one_failure_disturbs_no_other(sharing: Place) -> None:
    data = noise(4 * BLOCK)
    src, good = sharing.file("src", data), sharing.file("good", data)
    closed = unused(good.fileno())
    directory = os.open(sharing.path, os.O_RDONLY)
    try:
        results = xtent.dedupe_range(src, [(closed, 0), (directory, 0), (good, 1), (good, 0)])
    finally:
        os.close(directory)
    assert [(r.status, r.errno, r.reason) for r in results] == [
        (DedupeStatus.FAILED, errno.EBADF, Reason.BAD_DESCRIPTOR),
        (DedupeStatus.FAILED, errno.EISDIR, Reason.NOT_A_REGULAR_FILE),
        (DedupeStatus.FAILED, errno.EINVAL, Reason.PAST_END_OF_FILE),
        (DedupeStatus.SAME, None, None),
    ]


def test_any_number_of_targets_from_any_iterable(sharing: Place) -> None:
    data = noise(BLOCK)
    src, dst = sharing.file("src", data), sharing.file("dst", data * 130)

    def targets() -> Iterator[tuple[int, int]]:
        for i in range(130):
            yield dst.fileno(), i * BLOCK

    results = xtent.dedupe_range(src, targets())
    assert [r.status for r in results] == [DedupeStatus.SAME] * 130
    assert sum(r.shared or 0 for r in results) == 130 * BLOCK
    assert xtent.dedupe_range(src, []) == []


def test_targets_are_held(sharing: Place) -> None:
    """Also when the list loses them in the middle of the call."""
    data = noise(BLOCK)
    src = sharing.file("src", data)
    names = [sharing.path / f"dst{i}" for i in range(130)]
    for name in names:
        name.write_bytes(data)
    targets = [(open(name, "rb+", buffering=0), 0) for name in names]

    def forget(done: int, total: int | None) -> None:
        targets.clear()
        gc.collect()

    results = xtent.dedupe_range(src, targets, progress=forget)
    assert not targets
    assert [r.status for r in results] == [DedupeStatus.SAME] * 130


def test_progress_counts_all_targets(sharing: Place) -> None:
    data = noise(4 * BLOCK)
    src, a, b = sharing.file("src", data), sharing.file("a", data), sharing.file("b", data)
    told: list[tuple[int, int | None]] = []
    xtent.dedupe_range(src, [(a, 0), (b, 0)], progress=lambda *step: told.append(step))
    assert told[-1] == (8 * BLOCK, 8 * BLOCK)


def test_an_exception_stops_it(sharing: Place) -> None:
    data = noise(BLOCK)
    src, dst = sharing.file("src", data), sharing.file("dst", data * 130)

    def stop(done: int, total: int | None) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="^enough$"):
        xtent.dedupe_range(src, [(dst, i * BLOCK) for i in range(130)], progress=stop)
    # Once more in one go: what the first call shared stayed shared, the rest was not reached.
    results = xtent.dedupe_range(src, [(dst, i * BLOCK) for i in range(130)])
    assert {r.already_shared for r in results[:100]} == {BLOCK}
    assert results[-1].already_shared == 0


@pytest.mark.parametrize(
    ("length", "src_offset", "reason"), [(0, 0, "ZERO_LENGTH"), (BLOCK, 4 * BLOCK, "PAST_END_OF_FILE")]
)
def test_the_call_as_a_whole(sharing: Place, length: int, src_offset: int, reason: str) -> None:
    src, dst = sharing.file("src", noise(4 * BLOCK)), sharing.file("dst", noise(4 * BLOCK))
    with pytest.raises(OSError) as raised:
        xtent.dedupe_range(src, [(dst, 0)], length, src_offset=src_offset)
    assert (raised.value.errno, raised.value.reason) == (errno.EINVAL, Reason[reason])
    assert raised.value.report.reason is raised.value.reason


def test_never_faked(unsharing: Place) -> None:
    data = noise(BLOCK)
    src, dst = unsharing.file("src", data), unsharing.file("dst", data)
    # Where the type of filesystem could, the kernel refuses each target and not the call.
    try:
        [refusal] = xtent.dedupe_range(src, [(dst, 0)])
        assert refusal.status is DedupeStatus.FAILED
        assert refusal.reason is Reason.MOUNT_CANNOT
    except OSError as error:
        assert (error.filename, error.filename2) == (src.name, None)
        assert error.reason is error.report.reason is Reason.FILESYSTEM_CANNOT
        refusal = error
    assert refusal.errno == errno.EOPNOTSUPP


@pytest.mark.parametrize(
    "targets", [None, 3, "ab", [3], [(3,)], [(3, 0, 0)], [[3, 0]], [("a", 0)], [(3, "a")]]
)
def test_targets_of_other_types(targets: object) -> None:
    with pytest.raises(TypeError):
        xtent.dedupe_range(0, targets)


def test_a_file_is_no_target(place: Place) -> None:
    """It can be iterated over, and then would be read."""
    src, dst = place.file("src", b"a\nb\n"), place.file("dst", b"a\nb\n")
    with pytest.raises(TypeError, match="tuple"):
        xtent.dedupe_range(src, [dst])
    assert dst.tell() == 0


@pytest.mark.parametrize(("offset", "raised"), [(-1, ValueError), (2**64, OverflowError)])
def test_offsets_that_are_none(place: Place, offset: int, raised: type[Exception]) -> None:
    src, dst = place.file("src", b"abc"), place.file("dst", b"abc")
    with pytest.raises(raised):
        xtent.dedupe_range(src, [(dst, offset)])
