"""The pictures in a browser: legible for one file and for many, on light and on dark ground."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import xtent
from place import BLOCK, Place, noise
from test_command import piped, shared_files

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; make check-all installs it")

# As root, without a display, and without looking for anything in a network.
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1"
).split()
SCHEMES = {"dark": "0", "light": "1"}

# What a browser makes of a picture: where its words and boxes are, and their colours.
LOOK = """<script>
const svg = document.querySelector("svg"), edges = e => {
    const { left, top, right, bottom } = e.getBoundingClientRect();
    return [left, top, right, bottom];
};
const style = e => getComputedStyle(e);
const texts = [...svg.querySelectorAll("text")].map(e => (
    { text: e.textContent, edges: edges(e), colour: style(e).fill, size: parseFloat(style(e).fontSize) }));
const boxes = [...svg.querySelectorAll("rect:not(.ground)")].filter(e => !e.closest("defs")).map(edges);
const frames = [...svg.querySelectorAll(".frame")].map(edges);
const ground = style(svg.querySelector(".ground")).fill;
document.body.textContent = JSON.stringify({ texts, boxes, frames, ground, whole: edges(svg) });
</script>"""


def browser(work: Path, scheme: str, *arguments: str) -> str:
    assert CHROMIUM
    line = [CHROMIUM, *FLAGS, f"--user-data-dir={work}/profile"]
    line += [f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=600).stdout


def looked_at(svg: str, work: Path, scheme: str) -> dict[str, Any]:
    page = work / "page.html"
    page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin: 0; width: 1200px">{svg}{LOOK}')
    body = re.search("<body[^>]*>(.*)</body>", browser(work, scheme, "--dump-dom", f"file://{page}"), re.DOTALL)
    assert body
    found: dict[str, Any] = json.loads(html.unescape(body[1]))
    return found


def meet(one: list[float], other: list[float]) -> bool:
    # The edges of what is next to each other may be the same.
    return one[0] + 1 < other[2] and other[0] + 1 < one[2] and one[1] + 1 < other[3] and other[1] + 1 < one[3]


def brightness(colour: str) -> float:
    """Relative luminance, as WCAG 2 has it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def check(svg: str, work: Path, name: str) -> list[str]:
    """Legible in both schemes; gives the words."""
    words: list[str] = []
    for scheme in SCHEMES:
        found = looked_at(svg, work, scheme)
        texts, whole = found["texts"], found["whole"]
        ground = brightness(found["ground"])
        assert (ground < 0.1) == (scheme == "dark")
        for text in texts:
            assert whole[0] <= text["edges"][0] and text["edges"][2] <= whole[2], f"outside: {text}"
            assert text["edges"][3] <= whole[3] and text["size"] >= 12, f"outside or small: {text}"
            dark, light = sorted((ground, brightness(text["colour"])))
            assert (light + 0.05) / (dark + 0.05) > 4.5, f"too faint: {text}"
            for box in found["boxes"]:
                assert not meet(text["edges"], box), f"on a box at {box}: {text}"
        for box in found["boxes"]:
            for frame in found["frames"]:
                assert not meet(box, frame) or frame[1] - 1 < box[1] and box[3] < frame[3] + 1, f"out of its bar: {box}"
        for one, other in combinations(texts, 2):
            assert not meet(one["edges"], other["edges"]), f"on each other: {one}, {other}"
        words = [text["text"] for text in texts]
        # A picture of one colour would be some hundred bytes.
        (work / "picture.svg").write_text(svg)
        size = f"--window-size=1200,{int(whole[3] - whole[1]) + 1}"
        browser(work, scheme, f"--screenshot={work}/picture.png", size, f"file://{work}/picture.svg")
        assert (work / "picture.png").stat().st_size > 5000
        if "XTENT_SCREENSHOTS" in os.environ:
            shutil.copy(work / "picture.png", f"{os.environ['XTENT_SCREENSHOTS']}/{name}-{scheme}.png")
    assert len(svg) < 200_000
    return words


def one(place: Place) -> list[Path]:
    """All there is: data, a hole, what was never written, and what another one has."""
    with place.sparse("a picture of a disk.img", 64 * BLOCK, {0: noise(20 * BLOCK), 40 * BLOCK: noise(10 * BLOCK)}) as file:
        os.posix_fallocate(file.fileno(), 52 * BLOCK, 6 * BLOCK)
        with place.file("not shown") as other:
            xtent.clone_range(file, other, 5 * BLOCK)
    return [place.path / "a picture of a disk.img"]


def five(place: Place) -> list[Path]:
    files = shared_files(place)
    for name in ("before", "W" * 200):
        xtent.clone_file(files[0], place.path / name)
        files.append(place.path / name)
    return files


def forty(place: Place) -> list[Path]:
    """Each begins as the one before it, and ends otherwise."""
    files: list[Path] = []
    for number in range(40):
        file = place.file(f"snapshot-{number:02}", noise((20 + number) * BLOCK))
        if files:
            with open(files[-1], "rb") as before:
                xtent.clone_range(before, file, (number % 20 + 1) * BLOCK)
        files.append(place.path / f"snapshot-{number:02}")
    return files


def fragments(place: Place) -> list[Path]:
    """40,000 extents, of which another file has a quarter, and one file has one block."""
    block = os.statvfs(place.path).f_bsize
    data = noise(block)
    # As long as it will be: XFS takes more blocks in advance for a file that grows, and fills its holes.
    with place.sparse("fragments", 80_000 * block) as file, place.file("quarter") as quarter:
        for at in range(40_000):
            os.pwrite(file.fileno(), data, 2 * at * block)
        xtent.clone_range(file, quarter, 20_000 * block)
        xtent.clone_range(file, place.file("dot", noise(8_000 * block)), block, dst_offset=4_000 * block)
        assert sum(not extent.is_hole for extent in xtent.extents(file)) == 40_000
    return [place.path / name for name in ("fragments", "quarter", "dot")]


@pytest.mark.parametrize("made", [one, five, forty, fragments], ids=lambda made: made.__name__)
def test_a_map_is_legible(sharing: Place, made: Callable[[Place], list[Path]], tmp_path: Path) -> None:
    files = made(sharing)
    piped("map", *files, "--svg", tmp_path / "map.svg")
    words = check((tmp_path / "map.svg").read_text(), tmp_path, f"map-{made.__name__}")
    assert "data that nothing else has" in words or made is forty
    assert made is one or "shared: in the colour of the first file that has it" in words
    if made is one:
        assert {"hole", "reserved, never written", "shared with something that is not here"} <= set(words)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_bars_are_legible(sharing: Place, count: int, tmp_path: Path) -> None:
    trees: list[Path] = []
    for number in range(count):
        tree = sharing.path / f"{'long ' * (number % 9)}tree {number}"
        tree.mkdir()
        (tree / "own").write_bytes(noise((number % 3 + 1) * BLOCK))
        if trees:
            xtent.clone_file(trees[0] / "own", tree / "shared")
        trees.append(tree)
    piped("du", *trees, "--svg", tmp_path / "du.svg")
    words = check((tmp_path / "du.svg").read_text(), tmp_path, f"du-{count}")
    assert any(word.startswith(("exclusive: ", "not known: ")) for word in words)
