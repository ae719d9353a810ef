"""The command `xtent`: what the library does, from a shell. Its manual page is xtent(1)."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import xtent
from xtent.command import completing, copying, deduping, mapping, probing, using
from xtent.command.output import Output

EXIT = """\
exit status:
  0    all of it was done
  1    something failed, which was said; the rest was done
  2    the command line is not right
  130  ended by Ctrl-C; 143, 129 by SIGTERM, SIGHUP; nothing is left half made
"""


def parser() -> argparse.ArgumentParser:
    """All of the command line."""
    top = argparse.ArgumentParser(
        prog="xtent",
        description="Copy, clone and dedupe files and trees, and see who shares what.",
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"xtent {xtent.__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in (copying, deduping, using, mapping, probing, completing):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says, and gives the exit status."""
    args = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    output = Output(args.json)
    try:
        args.run(args, output)
        output.end()
    except KeyboardInterrupt:
        output.said("interrupted; nothing was left half made")
        return 130
    except OSError as error:
        # Of what is done the command says itself what failed: this is its own output. Nothing more is to be written
        # when Python ends either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Whoever reads this may have enough.
        if not isinstance(error, BrokenPipeError):
            output.failed(error, "standard output")
    return 1 if output.failures else 0


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
