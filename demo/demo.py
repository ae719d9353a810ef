"""What each verb did to real files, through the Python module: the table of demo.c once more.

    demo.py DIRECTORY FILE...
"""

import os
import sys
import time
from pathlib import Path

import xtent

MIB = 1 << 20


def used(directory: Path) -> float:
    """Blocks in use once everything is on disk, in MiB."""
    os.sync()
    fs = os.statvfs(directory)
    return (fs.f_blocks - fs.f_bfree) * fs.f_frsize / MIB


def copy(src, dst) -> int:
    done = 0
    while True:  # short copies go on from where they stopped
        report = xtent.copy_range(src, dst, src_offset=done, dst_offset=done)
        if report.bytes == 0:
            return done
        done += report.bytes


def clone(src, dst) -> int:
    return xtent.clone_range(src, dst).bytes


def clone_or_copy(src, dst) -> int:
    # From an odd offset, as a backup format would have it: the whole blocks are cloned, the edges copied.
    return xtent.clone_or_copy_range(src, dst, src_offset=100, dst_offset=100).bytes


def dedupe(src, dst) -> int:
    [result] = xtent.dedupe_range(src, [(dst, 0)])
    return result.compared


def shared(src, dst) -> int:
    try:
        return xtent.shared_bytes(src, dst)
    except OSError:  # no extent maps here, and so nothing shared
        return 0


def show(directory: Path, n: int, name: str, verb, source: str, target: str) -> None:
    before = used(directory)
    done, refusals = 0, []
    start = time.perf_counter()
    for i in range(n):
        with open(directory / f"{source}-{i}", "rb") as src, open(directory / f"{target}-{i}", "ab+") as created:
            with open(created.name, "rb+") as dst:
                try:
                    done += verb(src, dst)
                except OSError as refusal:
                    refusals.append(refusal)
    seconds = time.perf_counter() - start
    sharing = 0
    for i in range(n):
        with open(directory / f"{source}-{i}", "rb") as src, open(directory / f"{target}-{i}", "rb") as dst:
            sharing += shared(src, dst)
    print(
        f"  {name:20} {done / MIB:8.1f} {seconds:9.3f} {sharing / MIB:10.1f}"
        f" {before:9.1f} {used(directory):9.1f}"
    )
    if refusals:
        why = refusals[-1]
        print(f"    {len(refusals)} of {n} files refused: {why.strerror}: {why.reason.text}")


def main() -> None:
    directory, files = Path(sys.argv[1]), sys.argv[2:]
    for i, path in enumerate(files):
        with open(path, "rb") as src, open(directory / f"source-{i}", "wb") as dst:
            copy(src, dst)
    print(f"  {'':20} {'MiB':>8} {'seconds':>9} {'MiB shared':>10} {'MiB used':>9} {'MiB used':>9}")
    print(f"  {'verb':20} {'done':>8} {'':>9} {'after':>10} {'before':>9} {'after':>9}")
    for name, verb, source, target in [
        ("copy", copy, "source", "copy"),
        ("clone", clone, "source", "clone"),
        ("clone_or_copy", clone_or_copy, "source", "both"),
        ("dedupe (the copies)", dedupe, "source", "copy"),
    ]:
        show(directory, len(files), name, verb, source, target)


main()
