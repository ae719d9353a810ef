"""`xtent du`: what directories take up, and what they share."""

from typing import Any

import xtent
from xtent.command import arguments
from xtent.command.arguments import Commands
from xtent.command.drawing import MARGIN, NAME, WIDTH, Drawing, labels, shortened
from xtent.command.output import Output, failures, fields, number, shown, size
from xtent.command.progress import counter

# The look in a picture, the style on a terminal, its name, and what it is.
PARTS = (
    ("one", "blue", "exclusive", "free after deleting it"),
    ("two", "magenta", "shared here", "another of these has it too"),
    ("three", "yellow", "not known", "perhaps something else has it too"),
    ("four", "red", "shared elsewhere", "something that is not here has it too"),
)


def add(commands: Commands) -> None:
    made = arguments.command(
        commands,
        "du",
        run,
        "Say what directories take up, what they share with each other and with others, and what deleting one frees.",
        "Blocks are told by where they lie, and each is counted once. Where the filesystem does not say enough, the last "
        "column has what is not known.",
    )
    made.add_argument("roots", nargs="+", metavar="DIR", help="a directory, or a file")
    made.add_argument("--cross-mounts", action="store_true", help="go down into what is mounted in one")
    arguments.picture(made)


def run(args: Any, output: Output) -> None:
    try:
        report = _found(args, output)
    except OSError as error:
        output.failed(error)
        return
    failures(output, report.failures)
    roots = [{"path": path, **fields(usage)} for path, usage in zip(args.roots, report.roots)]
    output.result = {"roots": roots, "total": fields(report.total)}
    named = list(zip(args.roots, report.roots))
    if args.svg is not None:
        try:
            draw(named, report.total, args.svg)
        except OSError as error:
            output.failed(error, args.svg)
    amount = size if output.is_terminal else str
    rows = [_row(shown(path), usage, amount) for path, usage in named]
    if len(rows) > 1:
        rows.append(_row("total", report.total, amount))
    head = ("", "files", "apparent", "allocated", "exclusive", "shared here", "shared elsewhere", "not known")
    output.table(head, rows)
    if output.is_terminal:
        _bars(named, report.total, output)


def _found(args: Any, output: Output) -> xtent.UsageReport:
    with counter(output) as progress:
        return xtent.usage(args.roots, cross_mounts=args.cross_mounts, progress=progress)


def _row(name: str, usage: xtent.Usage, amount: Any) -> tuple[str, ...]:
    numbers = (
        usage.apparent,
        usage.allocated,
        usage.exclusive,
        usage.shared_roots,
        usage.shared_others,
        usage.exclusive_most - usage.exclusive,
    )
    return (name, str(usage.files), *(amount(each) for each in numbers))


def parts(usage: xtent.Usage, is_total: bool) -> tuple[int, int, int, int]:
    """All that is allocated, as the PARTS."""
    perhaps = usage.exclusive_most - usage.exclusive
    shared = 0 if is_total else usage.shared_roots
    return usage.exclusive, shared, perhaps, usage.allocated - usage.exclusive_most - shared


def _all(named: list[tuple[str, xtent.Usage]], total: xtent.Usage) -> list[tuple[str, xtent.Usage, bool]]:
    rows = [(shown(path), usage, False) for path, usage in named]
    return rows if len(rows) == 1 else [*rows, ("total", total, True)]


def _bars(named: list[tuple[str, xtent.Usage]], total: xtent.Usage, output: Output) -> None:
    from rich.text import Text

    console = output.console()
    rows = _all(named, total)
    most = max(*(usage.allocated for _, usage, _ in rows), 1)
    wide = min(max(len(name) for name, _, _ in rows), 30)
    width = max(console.width - wide - 3, 20)
    used: set[int] = set()
    for name, usage, is_total in rows:
        line = Text(shortened(name, wide).ljust(wide) + " ")
        before = 0
        for at, amount in enumerate(parts(usage, is_total)):
            # By where they end, so that rounding does not add up.
            end = before + amount
            cells = round(width * end / most) - round(width * before / most)
            line.append("█▓▒░"[at] * cells, style=PARTS[at][1])
            before = end
            used |= {at} if amount else set()
        console.print(line)
    legend = Text()
    for at in sorted(used):
        legend.append("█▓▒░"[at], style=PARTS[at][1]).append(f" {PARTS[at][2]}  ")
    console.print(legend)


def draw(named: list[tuple[str, xtent.Usage]], total: xtent.Usage, path: str) -> None:
    """Bars, one below the other: that they are as long as what they stand for is what a treemap would not show."""
    rows = _all(named, total)
    most = max(*(usage.allocated for _, usage, _ in rows), 1)
    left, height, step = 300, 30, 60
    bar = WIDTH - left - MARGIN - 110
    drawing = Drawing(f"{size(total.allocated)} used by {number(total.files, 'file')} of {size(total.apparent)}")
    used = {at for _, usage, is_total in rows for at, amount in enumerate(parts(usage, is_total)) if amount}
    entries = [((PARTS[at][0],), f"{PARTS[at][2]}: {PARTS[at][3]}") for at in sorted(used)]
    y = drawing.legend(MARGIN + 46, entries)
    short = [*labels([path for path, _ in named], int((left - MARGIN - 8) / NAME)), "total"]
    for label, (name, usage, is_total) in zip(short, rows):
        drawing.text(MARGIN, y + height / 2 + 5, label, "name")
        at_x = float(left)
        for (look, _, words, _), amount in zip(PARTS, parts(usage, is_total)):
            if amount:
                wide = bar * amount / most
                drawing.box(at_x, y, wide, height, look, f"{name}: {size(amount)} {words}")
                at_x += wide
        drawing.text(at_x + 8, y + height / 2 + 5, size(usage.allocated))
        drawing.text(left, y + height + 16, _said(usage, is_total), "faint")
        y += step
    drawing.write(path, y + MARGIN)


def _said(usage: xtent.Usage, is_total: bool) -> str:
    said = f"{size(usage.exclusive)} exclusive"
    if usage.exclusive_most > usage.exclusive:
        said += f" at least, {size(usage.exclusive_most)} at most"
    if usage.shared_roots:
        said += f", {size(usage.shared_roots)} {'in several of them' if is_total else 'shared among these'}"
    if usage.shared_others:
        said += f", {size(usage.shared_others)} shared elsewhere"
    return f"{said}; {size(usage.apparent)} apparent"
