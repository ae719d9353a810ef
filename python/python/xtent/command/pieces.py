"""Where files' bytes lie, side by side: which parts of each are shared with which of the others."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import xtent

HOLE, OWN, UNWRITTEN, ELSEWHERE, NAMED = "hole", "own", "unwritten", "elsewhere", "named"


class Kind(NamedTuple):
    """What a part is; with NAMED also the first of the files that have it."""

    what: str
    first: int = -1


@dataclass(frozen=True)
class Piece:
    """A part of a file, with all files that have the same blocks."""

    start: int
    length: int
    kind: Kind
    files: tuple[int, ...] = ()


class _Place(NamedTuple):
    start: int
    end: int
    file: int
    logical: int
    flags: xtent.ExtentFlags


NOWHERE = xtent.ExtentFlags.UNKNOWN | xtent.ExtentFlags.INLINE
# A compressed extent has only a beginning: these are far enough apart for the lengths in the files.
SPREAD = 32


def pieces(maps: Sequence[Sequence[xtent.Extent]], filesystems: Sequence[object]) -> list[list[Piece]]:
    """For each file its pieces, in order. Addresses are compared between files of one filesystem."""
    found: list[list[Piece]] = [[] for _ in maps]
    places: dict[object, list[_Place]] = {}
    for file, extents in enumerate(maps):
        for extent in extents:
            if extent.is_hole:
                found[file].append(Piece(extent.logical, extent.length, Kind(HOLE)))
            elif extent.physical is None or extent.flags & NOWHERE:
                found[file].append(Piece(extent.logical, extent.length, Kind(OWN)))
            else:
                encoded = bool(extent.flags & xtent.ExtentFlags.ENCODED)
                start = extent.physical * (SPREAD if encoded else 1)
                place = _Place(start, start + extent.length, file, extent.logical, extent.flags)
                places.setdefault((filesystems[file], encoded), []).append(place)
    for together in places.values():
        _compare(sorted(together), found)
    for of_file in found:
        of_file.sort(key=lambda piece: piece.start)
    return found


def _compare(places: list[_Place], found: list[list[Piece]]) -> None:
    """From the lowest address to the highest, with the places that reach over each."""
    over: list[tuple[int, int]] = []
    at, index = 0, 0
    while over or index < len(places):
        edges = [over[0][0]] if over else []
        if index < len(places):
            edges.append(places[index].start)
        to = min(edges)
        if over and to > at:
            here = [places[which] for _, which in over]
            files = tuple(sorted({place.file for place in here}))
            for place in here:
                kind = _kind(place, files, len(here))
                found[place.file].append(Piece(place.logical + at - place.start, to - at, kind, files))
        at = to
        while over and over[0][0] <= at:
            heapq.heappop(over)
        while index < len(places) and places[index].start <= at:
            heapq.heappush(over, (places[index].end, index))
            index += 1


def _kind(place: _Place, files: tuple[int, ...], uses: int) -> Kind:
    if len(files) > 1 or uses > 1:
        return Kind(NAMED, min(files))
    if place.flags & xtent.ExtentFlags.SHARED:
        return Kind(ELSEWHERE)
    if place.flags & xtent.ExtentFlags.UNWRITTEN:
        return Kind(UNWRITTEN)
    return Kind(OWN)


def columns(of_file: Iterable[Piece], length: int, count: int) -> list[dict[Kind, float]]:
    """A file cut into so many equal parts: which share of each is what."""
    parts: list[dict[Kind, float]] = [{} for _ in range(count)]
    width = max(length, 1) / count
    for piece in of_file:
        start, end = piece.start / width, (piece.start + piece.length) / width
        at = min(int(start), count - 1)
        while at < count and at < end:
            share = min(end, at + 1) - max(start, at)
            if share > 0:
                parts[at][piece.kind] = parts[at].get(piece.kind, 0.0) + share
            at += 1
    return parts
