import errno
import os
import pickle
from pathlib import Path

import pytest

import xtent
from place import BLOCK, Place, noise


@pytest.fixture
def roots(place: Place) -> list[Path]:
    """Two directories: a file of each, and one that is in both."""
    found = [place.path / "one", place.path / "other"]
    for number, root in enumerate(found, 1):
        root.mkdir()
        (root / "own").write_bytes(noise(number * BLOCK))
    (found[0] / "both").write_bytes(noise(BLOCK))
    xtent.clone_or_copy_file(found[0] / "both", found[1] / "both")
    return found


def test_what_is_found(place: Place, roots: list[Path]) -> None:
    report = xtent.usage(roots)
    assert [root.files for root in report.roots] == [2, 2]
    assert [root.apparent for root in report.roots] == [2 * BLOCK, 3 * BLOCK]
    assert (report.total.files, report.total.apparent, report.failures) == (4, 5 * BLOCK, ())
    for usage in [*report.roots, report.total]:
        assert usage.exclusive <= usage.exclusive_most <= usage.allocated
    if place.has_map and place.type != "overlay":
        shared = BLOCK if place.can_share else 0
        assert [root.allocated for root in report.roots] == [2 * BLOCK, 3 * BLOCK]
        assert report.total.allocated == 5 * BLOCK - shared
        assert [root.shared_roots for root in report.roots] == [shared, shared]
        assert [root.exclusive for root in report.roots] == [2 * BLOCK - shared, 3 * BLOCK - shared]


def test_roots_of_every_kind(roots: list[Path]) -> None:
    report = xtent.usage(roots)
    assert xtent.usage(os.fsencode(root) for root in roots) == report
    above = os.open(roots[0].parent, os.O_RDONLY)
    opened = os.open(roots[1], os.O_RDONLY)
    try:
        assert xtent.usage(["one", opened], dir_fd=above) == report
        assert xtent.usage(roots, memory=1, scratch_dir=above, cross_mounts=True) == report
    finally:
        os.close(above)
        os.close(opened)
    assert xtent.usage([roots[0] / "own"]).total.files == 1


def test_results_are_values(roots: list[Path]) -> None:
    report = xtent.usage(roots)
    assert pickle.loads(pickle.dumps(report)) == report
    assert xtent.UsageReport(report.roots, report.total) == report
    assert xtent.Usage(files=2) == xtent.Usage(2, exact=True)
    match report.total:
        case xtent.Usage(files=files, exact=bool()):
            assert files == 4
        case _:
            pytest.fail("no match")


def test_what_is_refused(place: Place, roots: list[Path]) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        xtent.usage([*roots, place.path / "nothing"])
    assert missing.value.filename == str(place.path / "nothing")
    assert getattr(missing.value, "reason") is xtent.Reason.NOT_FOUND
    with pytest.raises(OSError) as nested:
        xtent.usage([place.path, roots[1]])
    assert nested.value.errno == errno.EINVAL and nested.value.filename == str(roots[1])
    assert getattr(nested.value, "reason") is xtent.Reason.ROOT_IN_ROOT
    with pytest.raises(OSError) as none:
        xtent.usage([])
    assert none.value.errno == errno.EINVAL and none.value.filename is None
    for wrong in [str(roots[0]), bytes(roots[0])]:
        with pytest.raises(TypeError):
            xtent.usage(wrong)  # type: ignore[arg-type,unused-ignore]
    with pytest.raises(ValueError):
        xtent.usage(roots, memory=-1)


def test_progress(roots: list[Path]) -> None:
    told: list[tuple[int, int | None]] = []
    xtent.usage(roots, progress=lambda files, total: told.append((files, total)))
    assert told[-1] == (4, 5 * BLOCK)

    class Enough(Exception):
        pass

    def stop(files: int, total: int | None) -> None:
        raise Enough

    with pytest.raises(Enough):
        xtent.usage(roots, progress=stop)
