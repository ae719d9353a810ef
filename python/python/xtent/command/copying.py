"""`xtent copy`, `xtent clone`, `xtent clone-or-copy`: files and trees."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import xtent
from xtent.command import arguments
from xtent.command.arguments import Commands
from xtent.command.output import Output, failures, fields, number, refused, shown, size
from xtent.command.progress import Tell, bar

AnyReport = TypeVar("AnyReport", xtent.Report, xtent.TreeReport)

KEPT: tuple[Literal["mode", "owner", "times", "xattrs", "acls"], ...] = ("mode", "owner", "times", "xattrs", "acls")
STABLE = ("none", "detect", "lock", "lease", "snapshot", "best")

VERBS: dict[str, tuple[Callable[..., xtent.Report], Callable[..., xtent.TreeReport], str, str]] = {
    "copy": (
        xtent.copy_file,
        xtent.copy_tree,
        "Copy files and trees: the bytes are written again, and nothing is shared.",
        "Holes stay holes.",
    ),
    "clone": (
        xtent.clone_file,
        xtent.clone_tree,
        "Clone files and trees: they share all blocks with the originals.",
        "It takes no space and no time to speak of, or fails: it never copies instead.",
    ),
    "clone-or-copy": (
        xtent.clone_or_copy_file,
        xtent.clone_or_copy_tree,
        "Share blocks where possible, copy the rest, and say why.",
        "Files of up to 2 KiB in a tree on btrfs are copied: it keeps them without blocks.",
    ),
}


def add(commands: Commands) -> None:
    for name, (_, _, about, more) in VERBS.items():
        whole = "All metadata is kept as with 'cp -a'. What is made appears under its name whole, or not at all."
        made = arguments.command(commands, name, run, about, f"{more} {whole}")
        made.set_defaults(verb=name)
        made.add_argument("sources", nargs="+", metavar="SRC", help="a file or a directory")
        made.add_argument("dst", metavar="DST", help="the new name, or the directory to put it into")
        made.add_argument(
            "-T", "--no-target-directory", action="store_true", help="DST is the new name, also if it is a directory"
        )
        made.add_argument("--replace", action="store_true", help="take the place of what has the name")
        made.add_argument("--durable", action="store_true", help="wait until it is on disk")
        made.add_argument(
            "--stable",
            choices=STABLE,
            default="none",
            metavar="WAY",
            help="what to do about programs that write to a file meanwhile: none, detect, lock, lease, snapshot "
            "or best; files only",
        )
        made.add_argument("--follow", action="store_true", help="follow a SRC that is a symbolic link")
        made.add_argument("--cross-mounts", action="store_true", help="go down into what is mounted in a tree")
        made.add_argument("--keep-going", action="store_true", help="make a tree without the files that fail")
        made.add_argument(
            "--threads", type=int, default=0, metavar="N", help="work at a tree with N threads; 0 is one a processor"
        )
        made.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")


@dataclass
class Sum:
    """What became of all of it."""

    copied: int = 0
    cloned: int = 0
    hole: int = 0
    files: int = 0
    directories: int = 0
    done: int = 0
    why: dict[str, str] = field(default_factory=dict[str, str])
    unkept: set[str] = field(default_factory=set[str])


def run(args: Any, output: Output) -> None:
    into = not args.no_target_directory and os.path.isdir(args.dst)
    if len(args.sources) > 1 and not into:
        output.failure(args.dst, errno.ENOTDIR, xtent.Reason.NOT_A_DIRECTORY, "several files need a directory")
        return
    total = Sum()
    results: list[dict[str, object]] = []
    output.result = {"results": results}
    if args.quiet:
        results.extend(_each(args, output, into, total, None))
    else:
        with bar(output, args.verb, args.sources) as tell:
            results.extend(_each(args, output, into, total, tell))
        if output.is_terminal and results:
            _summary(total, output)


def _each(args: Any, output: Output, into: bool, total: Sum, tell: Tell | None) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    for src in args.sources:
        dst = os.path.join(args.dst, _last(src)) if into else args.dst
        try:
            report = _one(args, src, dst, total, tell)
        except OSError as error:
            output.failed(error)
            continue
        failures(output, getattr(report, "failures", ()), src)
        results.append({"src": src, "dst": dst, "report": fields(report)})
    return results


def _last(src: str) -> str:
    """The name of what has that path, also of `.` and `directory/`."""
    name = os.path.basename(os.path.normpath(src))
    return os.path.basename(os.path.realpath(src)) if name in ("", ".", "..") else name


def _one(
    args: Any, src: str, dst: str, total: Sum, tell: Tell | None
) -> xtent.Report | xtent.TreeReport:
    before = total.done

    def of_file(done: int, whole: int | None) -> None:
        told(done)

    def of_tree(files: int, done: int | None) -> None:
        told(done or 0)

    def told(done: int) -> None:
        total.done = before + done
        if tell:
            tell(total.done)

    file_verb, tree_verb, _, _ = VERBS[args.verb]
    if args.follow:
        src = os.path.realpath(src)
    if os.path.isdir(src) and not os.path.islink(src):
        if args.stable != "none":
            raise refused(errno.EINVAL, "--stable is for files, not for a tree", src, xtent.Reason.INVALID_ARGUMENT)
        tree = tree_verb(
            src,
            dst,
            replace=args.replace,
            durable=args.durable,
            cross_mounts=args.cross_mounts,
            keep_going=args.keep_going,
            threads=args.threads,
            progress=of_tree,
        )
        total.files += tree.files
        total.directories += tree.directories
        return _added(total, tree, src)
    one = file_verb(
        src,
        dst,
        replace=args.replace,
        durable=args.durable,
        stable=args.stable,
        preserve=KEPT,
        progress=of_file,
    )
    told(one.bytes)
    total.files += 1
    return _added(total, one, src)


def _added(total: Sum, report: AnyReport, src: str) -> AnyReport:
    total.copied += report.bytes_copied
    total.cloned += report.bytes_cloned
    total.hole += report.bytes_hole
    total.unkept |= report.unkept
    if report.fallback:
        total.why.setdefault(report.fallback.text, src)
    return report


def _summary(total: Sum, output: Output) -> None:
    made = number(total.files, "file")
    if total.directories:
        made += f", {number(total.directories, 'directory', 'directories')}"
    ways = [
        f"{size(amount)} {way}"
        for amount, way in ((total.cloned, "cloned"), (total.copied, "copied"), (total.hole, "of holes"))
        if amount
    ]
    output.say(f"{made}: {', '.join(ways) or 'nothing in them'}")
    for why, src in total.why.items():
        output.say(f"copied where it could not be cloned: {why} (first in {shown(src)})")
    if total.unkept:
        output.say(f"could not be kept of some file: {', '.join(sorted(total.unkept))}")
