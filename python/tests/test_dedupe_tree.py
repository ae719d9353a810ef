import errno
import os
import pickle
from pathlib import Path

import pytest

import xtent
from place import BLOCK, Place, noise


@pytest.fixture
def roots(place: Place) -> list[Path]:
    """Two directories: a file of each, as long as one that is in both."""
    if not place.can_share or place.type == "overlay":
        pytest.skip("this filesystem does not share, or says not what is shared")
    found = [place.path / "one", place.path / "other"]
    both = noise(3 * BLOCK)
    for root in found:
        root.mkdir()
        (root / "own").write_bytes(noise(3 * BLOCK))
        (root / "both").write_bytes(both)
    return found


def test_what_is_shared(roots: list[Path]) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for root in roots for path in root.iterdir()}
    dry = xtent.dedupe_tree(roots, dry_run=True)
    assert (dry.files, dry.directories, dry.candidates, dry.shared) == (4, 2, 4, 0)
    assert dry.estimate == 3 * BLOCK
    report = xtent.dedupe_tree(roots, threads=2, cache="neutral")
    assert (report.deduped, report.shared, report.failures) == (1, 3 * BLOCK, ())
    with open(roots[0] / "both", "rb") as one, open(roots[1] / "both", "rb") as other:
        assert xtent.shared_bytes(one, other) == 3 * BLOCK
    for path, (content, modified) in before.items():
        assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, modified)


def test_blocks(roots: list[Path]) -> None:
    content = noise(64 * BLOCK)
    for root, changed in zip(roots, (b"", b"other"), strict=True):
        (root / "image").write_bytes(changed + content[len(changed) :])
    assert xtent.dedupe_tree(roots, include=["image"]).shared == 0
    report = xtent.dedupe_tree(roots, include=["image"], blocks=True)
    assert (report.deduped, report.shared, report.failures) == (0, 64 * BLOCK - 4096, ())
    assert (roots[1] / "image").read_bytes() == b"other" + content[5:]


def test_what_is_left_out(roots: list[Path]) -> None:
    def candidates(**filters: object) -> int:
        return xtent.dedupe_tree(roots, dry_run=True, **filters).candidates  # type: ignore[arg-type]

    assert candidates(include=["b*"]) == 2
    assert candidates(exclude=("own",)) == 2
    assert candidates(min_size=3 * BLOCK + 1) == 0
    assert candidates(cross_mounts=True) == 4


def test_roots_of_every_kind(roots: list[Path]) -> None:
    above = os.open(roots[0].parent, os.O_RDONLY)
    opened = os.open(roots[1], os.O_RDONLY)
    try:
        report = xtent.dedupe_tree(["one", opened, "one/own"], dir_fd=above, dry_run=True)
    finally:
        os.close(above)
        os.close(opened)
    assert (report.files, report.links) == (4, 1)


def test_an_index(roots: list[Path], place: Place) -> None:
    index = place.path / "index"
    xtent.dedupe_tree(roots, index=index)
    assert index.stat().st_mode & 0o777 == 0o600
    index.write_bytes(b"something else")
    with pytest.raises(OSError) as foreign:
        xtent.dedupe_tree(roots, index=index)
    assert (foreign.value.errno, foreign.value.filename) == (errno.EINVAL, str(index))
    assert getattr(foreign.value, "reason") is xtent.Reason.INDEX_FOREIGN
    assert xtent.dedupe_tree(roots, index=os.fsencode(index), rebuild=True).failures == ()

    def while_it_runs(files: int, total: int | None) -> None:
        with pytest.raises(OSError) as busy:
            xtent.dedupe_tree(roots, index=index)
        assert busy.value.errno == errno.EBUSY
        assert getattr(busy.value, "reason") is xtent.Reason.INDEX_IN_USE

    xtent.dedupe_tree(roots, index=index, progress=while_it_runs)


def test_results_are_values(roots: list[Path]) -> None:
    report = xtent.dedupe_tree(roots)
    assert pickle.loads(pickle.dumps(report)) == report
    assert xtent.DedupeTreeReport(files=2) == xtent.DedupeTreeReport(2)


def test_what_is_refused(roots: list[Path], place: Place) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        xtent.dedupe_tree([*roots, place.path / "nothing"])
    assert missing.value.filename == str(place.path / "nothing")
    with pytest.raises(OSError) as pattern:
        xtent.dedupe_tree(roots, include=["["])
    assert (pattern.value.errno, pattern.value.filename) == (errno.EINVAL, None)
    with pytest.raises(TypeError):
        xtent.dedupe_tree(roots, include="*")
    with pytest.raises(TypeError):
        xtent.dedupe_tree(str(roots[0]))  # type: ignore[arg-type,unused-ignore]
    with pytest.raises(ValueError):
        xtent.dedupe_tree(roots, cache="none")  # type: ignore[arg-type,unused-ignore]


def test_progress(roots: list[Path]) -> None:
    told: list[tuple[int, int | None]] = []
    xtent.dedupe_tree(roots, progress=lambda files, total: told.append((files, total)))
    assert told[-1] == (4, 12 * BLOCK)

    class Enough(Exception):
        pass

    def stop(files: int, total: int | None) -> None:
        raise Enough

    with pytest.raises(Enough):
        xtent.dedupe_tree(roots, progress=stop)
