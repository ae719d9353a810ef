"""The programs of examples/, each on every filesystem."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import xtent
from place import BLOCK, Place, noise

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(place: Place, example: str, *arguments: object) -> list[str]:
    """The lines that it printed."""
    line = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(line, cwd=place.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def shared(place: Place, a: Path | str, b: Path | str) -> int:
    return xtent.shared_bytes(place.open(str(a), "rb"), place.open(str(b), "rb"))


def test_three_verbs(place: Place) -> None:
    data = noise(5 * BLOCK)
    place.file("src", data)
    said = run(place, "three_verbs.py", "src", "dst")
    assert (place.path / "dst").read_bytes() == data
    if place.can_share:
        assert said == [
            f"cloned {len(data)} bytes",
            f"deduped: 0 bytes are shared now, {len(data)} were before",
        ]
    else:
        assert said[0].startswith("not cloned: [Errno 95] ")
        assert said[1].startswith(f"copied {len(data)} bytes")
        assert said[2].startswith("not deduped: ")


def test_cache(place: Place) -> None:
    data = noise(5 * BLOCK)
    place.file("data", data)
    [line] = run(place, "cache.py", "cache", "add", "data")
    name = line.split()[0]
    object = Path("cache", name[:2], name[2:])
    assert (place.path / object).read_bytes() == data
    run(place, "cache.py", "cache", "add", "data")
    [line] = run(place, "cache.py", "cache", "checkout", name, "again")
    assert (place.path / "again").read_bytes() == data
    if not place.can_share:
        assert line.startswith(f"copied {len(data)} of {len(data)} bytes, since ")
        return

    assert line == f"cloned {len(data)} bytes"
    assert shared(place, object, "again") == len(data)
    place.file("from elsewhere", data)
    relink = ("cache.py", "cache", "relink", name)
    assert run(place, *relink, "from elsewhere") == [f"{len(data)} bytes are shared now that were not before"]
    place.file("other", data[:BLOCK] + noise(4 * BLOCK))
    assert run(place, *relink, "other") == [f"differs at {BLOCK}"]


@pytest.mark.skipif(not importlib.util.find_spec("fsspec"), reason="fsspec is not installed")
def test_layer(place: Place, elsewhere: Callable[[Place], Place]) -> None:
    data = noise(5 * BLOCK)
    place.file("src", data)
    assert run(place, "layer.py", "src", "dst")[-1] == f"{len(data)} of {len(data)} bytes"
    assert (place.path / "dst").read_bytes() == data
    other = elsewhere(place).path / "dst"
    run(place, "layer.py", "src", other)
    assert other.read_bytes() == data
    (place.path / "tree" / "deep").mkdir(parents=True)
    os.link(place.path / "src", place.path / "tree" / "deep" / "file")
    run(place, "layer.py", "tree", "copy")
    if place.can_share:
        assert shared(place, "src", "dst") == len(data)
        assert shared(place, "src", "copy/deep/file") == len(data)


def test_backup(place: Place) -> None:
    source, store = place.path / "source", place.path / "store"
    stays, changes = noise(3 * BLOCK), noise(64 * BLOCK)
    (source / "deep").mkdir(parents=True)
    (source / "stays").write_bytes(stays)
    (source / "deep" / "changes").write_bytes(changes)
    os.symlink("stays", source / "link")
    os.mkfifo(source / "fifo")
    said = run(place, "backup.py", source, store)
    assert said == [
        f"{source}/fifo: left out, since it is no regular file",
        "0001: 0 files as before, 2 copied, of which 0 bytes are shared with the last backup",
    ]

    changed = changes[: 9 * BLOCK] + b"!" + changes[9 * BLOCK + 1 :]
    (source / "deep" / "changes").write_bytes(changed)
    (source / "new").write_bytes(b"new")
    line = run(place, "backup.py", source, store)[-1]
    first, second = store / "0001", store / "0002"
    assert sorted(os.listdir(store)) == ["0001", "0002"]
    assert (first / "deep" / "changes").read_bytes() == changes
    assert (second / "deep" / "changes").read_bytes() == changed
    assert (second / "stays").read_bytes() == stays
    assert os.readlink(second / "link") == "stays"
    assert (second / "stays").stat().st_mtime_ns == (source / "stays").stat().st_mtime_ns
    assert line.startswith("0002: 1 files as before, 2 copied, ")
    if place.can_share:
        assert shared(place, first / "stays", second / "stays") == len(stays)
        # All but the block with the change: of a piece that differs, what is before that is shared.
        assert shared(place, first / "deep" / "changes", second / "deep" / "changes") == 63 * BLOCK
