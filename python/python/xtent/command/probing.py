"""`xtent probe`: what works here, and why not."""

import os
from typing import Any

import xtent
from xtent.command import arguments
from xtent.command.arguments import Commands
from xtent.command.output import Output, fields, shown, size

VERBS = ("copy", "clone", "dedupe")
HOLE = 1 << 20


def add(commands: Commands) -> None:
    made = arguments.command(
        commands,
        "probe",
        run,
        "Say what works from one place to another, and why the rest does not.",
        "Nothing is written: for a directory a file without a name is opened in it.",
    )
    made.add_argument("src", metavar="PATH", help="a file or a directory")
    made.add_argument("dst", metavar="PATH", nargs="?", help="another; without it, the same directory")


def run(args: Any, output: Output) -> None:
    src = dst = -1
    to = args.dst if args.dst is not None else _directory(args.src)
    try:
        src, dst = _open(args.src, os.O_RDONLY), _open(to, os.O_RDWR)
        found = xtent.probe(src, dst)
    except OSError as error:
        output.failed(error)
        return
    finally:
        for fd in (src, dst):
            if fd >= 0:
                os.close(fd)
    types = [filesystem(path) for path in (args.src, to)]
    output.result = {"src": args.src, "dst": to, "filesystems": types, **fields(found)}
    output.say(f"from {shown(args.src)} ({types[0]}) to {shown(to)} ({types[1]})")
    rows: list[tuple[str, str, str]] = []
    for verb in VERBS:
        ability: xtent.Ability = getattr(found, verb)
        answer = {True: "works", False: "does not work", None: "not known"}[ability.answer]
        why = ability.reason.text if ability.reason else ""
        if ability.errno:
            why += f" ({os.strerror(ability.errno)})"
        rows.append((verb, answer, why))
    output.table(("", "", "why"), rows, left=3)
    if found.alignment:
        output.say(f"clone and dedupe work on whole blocks of {size(found.alignment)}")


def _directory(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _open(path: str, flags: int) -> int:
    """The file, as it can be had; of a directory, and for a file that is to be, a file without a name in it."""
    if os.path.isdir(path) or (flags == os.O_RDWR and not os.path.lexists(path)):
        fd = os.open(_directory(path), os.O_TMPFILE | os.O_RDWR, 0o600)
        # Of one hole: there is a range to ask about.
        os.ftruncate(fd, HOLE)
        return fd
    flags |= os.O_NONBLOCK | os.O_NOCTTY
    try:
        return os.open(path, flags)
    except PermissionError:
        return os.open(path, flags & ~os.O_ACCMODE)


def filesystem(path: str) -> str:
    """The type of the filesystem that a path is on, as mount(8) calls it."""
    try:
        device = os.stat(path if os.path.lexists(path) else _directory(path)).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            lines = [line.split() for line in mounts]
    except OSError:
        return "unknown"
    real = os.path.realpath(path)
    best = ("", "unknown")
    for line in lines:
        point = line[4].encode("utf-8", "surrogateescape").decode("unicode_escape", "surrogateescape")
        kind = line[line.index("-") + 1]
        if line[2] == f"{os.major(device)}:{os.minor(device)}" and not best[0]:
            best = ("", kind)
        # The deepest one above it; the last one of those that hide each other.
        if os.path.commonpath((real, point)) == point and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]
