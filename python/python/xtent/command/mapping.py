"""`xtent map`: where the bytes of files lie, and which of them the files share."""

import os
import shutil
import string
from collections import Counter
from dataclasses import dataclass
from typing import Any

import xtent
from xtent.command import arguments
from xtent.command.arguments import Commands
from xtent.command.drawing import LETTER, MARGIN, NAME, WIDTH, Drawing, colour, labels
from xtent.command.output import Output, number, plain, shown, size
from xtent.command.pieces import ELSEWHERE, HOLE, NAMED, OWN, UNWRITTEN, Kind, Piece, columns, pieces

LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
ANSI = ("blue", "green", "yellow", "magenta", "cyan", "red")
WORDS = {HOLE: "hole", OWN: "data", UNWRITTEN: "never written", ELSEWHERE: "shared with something else"}


def add(commands: Commands) -> None:
    made = arguments.command(
        commands,
        "map",
        run,
        "Draw where the bytes of files lie, and which of their blocks the files share.",
        "Dirty pages are written back first. What a pipe gets is a line for each piece: the file, where the piece begins "
        "in it, how long it is, what it is, and which files have the same blocks.",
    )
    made.add_argument("files", nargs="+", metavar="FILE")
    arguments.picture(made)


@dataclass
class Mapped:
    """A file, and its parts."""

    path: str
    size: int
    extents: list[xtent.Extent]
    filesystem: object
    parts: list[Piece]

    @property
    def amount(self) -> int:
        """How many extents with blocks it is in."""
        return sum(not extent.is_hole for extent in self.extents)

    def shared(self) -> Counter[int]:
        """With which of the files how many bytes."""
        found: Counter[int] = Counter()
        for piece in self.parts:
            for file in piece.files if piece.kind.what == NAMED else ():
                found[file] += piece.length
        return found

    def of(self, what: str) -> int:
        """How many bytes are that."""
        return sum(piece.length for piece in self.parts if piece.kind.what == what)


def run(args: Any, output: Output) -> None:
    files: list[Mapped] = []
    for path in args.files:
        try:
            with open(path, "rb", buffering=0) as opened:
                stat = os.fstat(opened.fileno())
                files.append(Mapped(path, stat.st_size, xtent.extents(opened), _filesystem(path, stat), []))
        except OSError as error:
            output.failed(error, path)
    together = pieces([file.extents for file in files], [file.filesystem for file in files])
    for file, parts in zip(files, together):
        file.parts = parts
    output.result = {"files": [_plain(file, files) for file in files]} if output.as_json else {}
    if not files:
        return
    if args.svg is not None:
        try:
            draw(files, args.svg)
        except OSError as error:
            output.failed(error, args.svg)
    if output.is_terminal:
        _show(files, output)
    elif args.svg is None:
        for file in files:
            for piece in file.parts:
                what = "shared" if piece.kind.what == NAMED else piece.kind.what
                others = ",".join(shown(files[other].path) for other in piece.files if what == "shared")
                output.say("\t".join((shown(file.path), str(piece.start), str(piece.length), what, others)))


def _filesystem(path: str, stat: os.stat_result) -> object:
    """What addresses belong to. Subvolumes of one btrfs differ in st_dev, and f_fsid differs with them: the device that
    is mounted is the same."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        points = {line.split()[4]: line.split(" - ")[1].split()[:2] for line in mounts}
    at = os.path.realpath(path)
    while at not in points and at != "/":
        at = os.path.dirname(at)
    kind, device = points.get(at, ("", ""))
    return device if kind == "btrfs" else stat.st_dev


def _plain(file: Mapped, files: list[Mapped]) -> dict[str, object]:
    found: list[dict[str, object]] = []
    for piece in file.parts:
        what = "shared" if piece.kind.what == NAMED else piece.kind.what
        one: dict[str, object] = {"start": piece.start, "length": piece.length, "kind": what}
        if what == "shared":
            one["files"] = [files[other].path for other in piece.files]
        found.append(one)
    return {"path": file.path, "size": file.size, "extents": plain(file.extents), "pieces": found}


def _about(file: Mapped, me: int, name: "list[str]") -> str:
    said = f"{size(file.size)} in {number(file.amount, 'extent')}"
    for what in (HOLE, UNWRITTEN):
        if amount := file.of(what):
            said += f", {size(amount)} {WORDS[what]}"
    shared = [(other, amount) for other, amount in file.shared().items() if other != me]
    for other, amount in sorted(shared, key=lambda pair: -pair[1])[:3]:
        said += f", {size(amount)} shared with {name[other]}"
    if len(shared) > 3:
        said += f" and {len(shared) - 3} more"
    if amount := file.of(ELSEWHERE):
        said += f", {size(amount)} {WORDS[ELSEWHERE]}"
    return said


def _letter(file: int) -> str:
    return LETTERS[file] if file < len(LETTERS) else "#"


def _show(files: list[Mapped], output: Output) -> None:
    from rich.text import Text

    console = output.console()
    most = max(max(file.size for file in files), 1)
    width = max(shutil.get_terminal_size().columns - 4, 20)
    names = [_letter(at) for at in range(len(files))]
    for at, file in enumerate(files):
        line = Text(f"{_letter(at)} ", style=f"bold {ANSI[at % len(ANSI)]}")
        line.append(shown(file.path), style="bold")
        console.print(line, soft_wrap=True)
        bar = Text("  ")
        for column in columns(file.parts, file.size, max(1, round(width * file.size / most))):
            kind = max(column, key=lambda kind: column[kind], default=Kind(HOLE))
            match kind.what:
                case "own":
                    bar.append("█", style="bright_black")
                case "unwritten":
                    bar.append("░", style="bright_black")
                case "elsewhere":
                    bar.append("▒", style="white")
                case "named":
                    bar.append(_letter(kind.first), style=f"bold black on {ANSI[kind.first % len(ANSI)]}")
                case _:
                    bar.append("·", style="dim")
        console.print(bar)
        console.print(Text(f"  {_about(file, at, names)}", style="dim"), soft_wrap=True)
    console.print(
        "[bright_black]█[/] data  [dim]·[/] hole  [bright_black]░[/] never written  "
        "A shared, as first seen in A  ▒ shared with something else"
    )


LEFT, BAR = 300, WIDTH - 300 - MARGIN


def draw(files: list[Mapped], path: str) -> None:
    """The picture: a bar for each file, as long as the file is."""
    few = len(files) <= 12
    height, step = (28, 66) if few else (18, 26)
    most = max(max(file.size for file in files), 1)
    drawing = Drawing(f"{number(len(files), 'file')}, {size(sum(file.size for file in files))}")
    y = _legend(drawing, files, MARGIN + 44)
    paths = [file.path for file in files]
    names = labels(paths, 24)
    for at, (file, label) in enumerate(zip(files, labels(paths, int((LEFT - MARGIN - 28) / NAME)))):
        drawing.box(MARGIN, y + height / 2 - 6, 12, 12, colour(at))
        drawing.text(MARGIN + 20, y + height / 2 + 5, label, "name")
        about = f"{shown(file.path)}: {_about(file, at, names)}"
        wide = max(BAR * file.size / most, 1)
        _bar(drawing, file, (LEFT, y, wide, height))
        drawing.parts.append(
            f'<rect class="frame" pointer-events="all" x="{LEFT}" y="{y}" width="{wide:.6g}" height="{height}">'
            f"<title>{_escaped(about)}</title></rect>"
        )
        if few:
            drawing.text(LEFT, y + height + 17, _fitting(_about(file, at, names)), "faint")
        y += step
    drawing.text(LEFT, y + 14, "0", "faint")
    drawing.text(LEFT + BAR, y + 14, size(most), "faint number")
    drawing.write(path, y + 14 + MARGIN)


def _fitting(about: str) -> str:
    """As much of it as there is room for."""
    most = int(BAR / LETTER)
    return about if len(about) <= most else f"{about[: about.rfind(', ', 0, most - 3)]}, …"


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


def _legend(drawing: Drawing, files: list[Mapped], y: float) -> float:
    kinds = {piece.kind.what for file in files for piece in file.parts}
    entries: list[tuple[tuple[str, ...], str]] = [((OWN,), "data that nothing else has")]
    for what, look, words in (
        (UNWRITTEN, UNWRITTEN, "reserved, never written"),
        (HOLE, "frame", "hole"),
        (ELSEWHERE, ELSEWHERE, "shared with something that is not here"),
    ):
        if what in kinds:
            entries.append(((look,), words))
    if NAMED in kinds:
        entries.append((tuple(map(colour, range(3))), "shared: in the colour of the first file that has it"))
    return drawing.legend(y, entries)


def _bar(drawing: Drawing, file: Mapped, place: tuple[float, float, float, float]) -> None:
    """A column for each point; one with several kinds in it is divided by their shares."""
    left, top, wide, height = place
    count = max(1, min(int(wide), BAR))
    step = wide / count
    # In eighths: what looks the same is one box.
    looks = [
        tuple(sorted((kind, round(8 * share)) for kind, share in column.items() if kind.what != HOLE))
        for column in columns(file.parts, file.size, count)
    ]
    at = 0
    while at < count:
        until = at + 1
        while until < count and looks[until] == looks[at]:
            until += 1
        # What is little is shown larger, and then all of it is less: it stays in the bar.
        amounts = [max(eighths, 0.5) for _, eighths in looks[at]]
        y = top + height
        for (kind, _), amount in zip(looks[at], amounts):
            tall = height * amount / max(sum(amounts), 8)
            y -= tall
            look = colour(kind.first) if kind.what == NAMED else kind.what
            drawing.box(left + at * step, y, (until - at) * step, tall, look)
        at = until
