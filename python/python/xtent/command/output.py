"""What the command says: tables for people, JSON for programs, and failures."""

import enum
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO, cast

import xtent

if TYPE_CHECKING:
    from rich.console import Console

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(amount: int | None) -> str:
    """An amount of bytes for people: 1.5 MiB."""
    if amount is None:
        return "unknown"
    value, unit = float(amount), 0
    while value >= 1023.95 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{amount} B" if unit == 0 else f"{value:.1f} {UNITS[unit]}"


def number(amount: int, one: str, several: str = "") -> str:
    """1 file, 2 files."""
    return f"{amount:,} {one if amount == 1 else several or one + 's'}"


def fields(record: object) -> dict[str, object]:
    """A result of the library as JSON has it."""
    names: Sequence[str] = getattr(record, "__match_args__", ())
    return {name: plain(getattr(record, name)) for name in names}


def plain(value: object) -> object:
    """The same of anything: reasons by their names."""
    if hasattr(value, "__match_args__"):
        return fields(value)
    if isinstance(value, enum.Flag):
        return [flag.name.lower() for flag in type(value) if flag & value and flag.name]
    if isinstance(value, enum.Enum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, (frozenset, set)):
        return sorted(str(each) for each in cast("Iterable[object]", value))
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in cast("Iterable[object]", value)]
    return value


def shown(path: str) -> str:
    """A path as a terminal can have it: no control characters, and bytes that are no text escaped."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def refused(number: int, text: str, path: str, reason: xtent.Reason) -> OSError:
    """What the command itself does not do."""
    error = OSError(number, text, path)
    setattr(error, "reason", reason)
    return error


class Output:
    """One for each run."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.failures: list[dict[str, object]] = []
        self.result: dict[str, object] = {}

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return not self.as_json and sys.stdout.isatty()

    @property
    def has_progress(self) -> bool:
        """Whether a person waits for it."""
        return not self.as_json and sys.stderr.isatty()

    def console(self, stream: TextIO | None = None) -> "Console":
        """Of rich, which is not needed for pipes and JSON."""
        try:
            from rich.console import Console
        except ImportError:
            raise SystemExit("xtent: a terminal needs rich: pip install 'xtent[command]'") from None
        return Console(file=stream or sys.stdout, highlight=False)

    def say(self, line: str = "") -> None:
        """A line of the result, for people and pipes."""
        if not self.as_json:
            print(line)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> None:
        """Columns: the first `left` ones are names, the rest are numbers. Between tabs in a pipe."""
        if self.as_json:
            return
        if not self.is_terminal:
            for row in (head, *rows):
                print("\t".join(row))
            return
        console = self.console()
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for at, name in enumerate(head):
            table.add_column(name, justify="left" if at < left else "right", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)

    def said(self, line: str) -> None:
        """Something beside the result."""
        print(f"xtent: {line}", file=sys.stderr)

    def failed(self, error: OSError, path: str | None = None) -> None:
        """Something failed; the run goes on."""
        names = [path] if path is not None else [error.filename, error.filename2]
        paths = [os.fsdecode(name) for name in names if isinstance(name, (str, bytes))]
        reason = getattr(error, "reason", None)
        self.failure(" -> ".join(paths), error.errno or 0, reason, error.strerror or str(error))

    def failure(self, path: str, errno: int, reason: object, text: str) -> None:
        """The same, of a file that a report names."""
        self.failures.append({"path": path, "errno": errno, "reason": plain(reason), "text": text})
        self.said(f"{shown(path)}: {text}" if path else text)

    def end(self) -> None:
        """All of it is written."""
        if self.as_json:
            # A path that is no text is kept as os.fsdecode() has it, in escapes.
            print(json.dumps({**self.result, "failures": self.failures}, indent=2))
        sys.stdout.flush()


def failures(output: Output, found: Iterable[object], within: str | None = None) -> None:
    """Those that a report lists; paths may be beneath `within`."""
    for each in found:
        path: str = getattr(each, "path")
        reason = getattr(each, "reason")
        errno: int = getattr(each, "errno")
        path = os.path.join(within, path) if within and path else path or within or ""
        output.failure(path, errno, reason, f"{os.strerror(errno)}: {reason.text}")
