"""What several commands take."""

import argparse
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from xtent.command.output import Output

Run: TypeAlias = Callable[[Any, Output], None]


class Commands(Protocol):
    """What add_subparsers() gives; argparse has no public name for it."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """A new command."""
        ...


def command(commands: Commands, name: str, run: Run, about: str, more: str = "") -> argparse.ArgumentParser:
    """A new command with what all of them take."""
    made = commands.add_parser(
        name,
        help=about[0].lower() + about[1:].rstrip("."),
        description=f"{about}{more and ' '}{more}",
    )
    made.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    made.set_defaults(run=run)
    return made


def picture(made: argparse.ArgumentParser) -> None:
    """For commands that can draw."""
    made.add_argument("--svg", metavar="FILE", help="draw it into FILE, a picture that needs no other file")
