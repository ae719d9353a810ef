"""`xtent dedupe`: files that are equal come to share their blocks."""

import argparse
import errno
import os
from typing import Any

import xtent
from xtent.command import arguments
from xtent.command.arguments import Commands
from xtent.command.output import Output, failures, fields, number, refused, size
from xtent.command.progress import counter

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def add(commands: Commands) -> None:
    made = arguments.command(
        commands,
        "dedupe",
        run,
        "Find files that are equal, and make them share their blocks.",
        "Without --apply nothing is shared, and an estimate says what would be. What is equal the kernel decides, so that "
        "contents never change, whoever writes meanwhile; times stay.",
    )
    made.add_argument("roots", nargs="+", metavar="FILE", help="a file; with -r also a directory")
    made.add_argument("-r", "--recursive", action="store_true", help="go down into directories")
    made.add_argument("--apply", action="store_true", help="do it")
    made.add_argument(
        "--blocks", action="store_true", help="files that differ share what is equal in the same places too, as images do"
    )
    made.add_argument("--index", metavar="FILE", help="remember in FILE what was found: the next run reads what changed")
    made.add_argument("--rebuild", action="store_true", help="make a new index where the old one cannot be used")
    made.add_argument(
        "--min-size", type=_size, default=0, metavar="N", help="leave smaller files alone; N may end in K, M, G or T"
    )
    made.add_argument("--include", action="append", default=[], metavar="GLOB", help="only files that match")
    made.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="no files or directories that match")
    made.add_argument("--cross-mounts", action="store_true", help="go down into what is mounted in a directory")
    made.add_argument("--threads", type=int, default=0, metavar="N", help="N threads; 0 is one a processor")


def _size(text: str) -> int:
    amount, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not amount.isdecimal() or unit not in UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes")
    return int(amount) * UNITS[unit]


def run(args: Any, output: Output) -> None:
    if not args.recursive:
        for root in args.roots:
            if os.path.isdir(root):
                output.failed(refused(errno.EISDIR, "a directory: give -r", root, xtent.Reason.NOT_A_REGULAR_FILE))
                return
    try:
        report = _done(args, output)
    except OSError as error:
        output.failed(error)
        return
    failures(output, report.failures)
    output.result = {"applied": args.apply, "report": fields(report)}
    output.say(f"{number(report.files, 'file')}, {number(report.candidates, 'candidate')} by size")
    if args.apply:
        output.say(f"{number(report.deduped, 'file')} deduped: {size(report.shared)} shared now and not before")
        if report.unmeasured:
            output.say(f"not measured: {number(report.unmeasured, 'file')}")
    else:
        output.say(f"would share about {size(report.estimate)}: an estimate, from samples; --apply does it and measures")
    if report.already_shared:
        output.say(f"{size(report.already_shared)} shared before")


def _done(args: Any, output: Output) -> xtent.DedupeTreeReport:
    with counter(output) as progress:
        return xtent.dedupe_tree(
            args.roots,
            dry_run=not args.apply,
            blocks=args.blocks,
            min_size=args.min_size,
            include=args.include,
            exclude=args.exclude,
            cross_mounts=args.cross_mounts,
            threads=args.threads,
            index=args.index,
            rebuild=args.rebuild,
            progress=progress,
        )
