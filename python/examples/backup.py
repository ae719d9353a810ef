"""Backups of which each is a whole tree, and shares with the one before all blocks that did not change.

usage: backup.py SOURCE STORE       makes STORE/0001, STORE/0002 and so on

A file whose size and time did not change is cloned from the last backup. Of one that did, the bytes are copied
from the source, and then the blocks that are as they were come to share the last backup's: the kernel compares
them, so that a wrong guess costs time and never a byte. SOURCE may be on any filesystem, STORE should be on one
that can share blocks.
"""

import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import xtent
import xtent.shutil

# So long a piece is compared at once: a difference in it ends it.
PIECE = 128 * 1024


class Backup:
    def __init__(self, last: Path | None, new: Path) -> None:
        self.last, self.new = last, new
        self.same = self.copied = self.shared = 0

    def run(self, source: Path) -> None:
        shutil.copytree(source, self.new, symlinks=True, copy_function=self.file(source))

    def file(self, source: Path) -> Callable[[str, str], None]:
        def copy(src: str, dst: str) -> None:
            if not regular(src):
                print(f"{src}: left out, since it is no regular file")
                return
            old = self.last / Path(src).relative_to(source) if self.last else None
            if old and unchanged(old, src):
                xtent.shutil.copy2(old, dst)
                self.same += 1
                return
            xtent.shutil.copy2(src, dst)
            self.copied += 1
            if old and regular(old):
                self.shared += share(old, Path(dst))

        return copy


def regular(path: str | Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def unchanged(old: Path, src: str) -> bool:
    if not regular(old):
        return False
    a, b = os.stat(old), os.stat(src)
    return (a.st_size, a.st_mtime_ns) == (b.st_size, b.st_mtime_ns)


def share(old: Path, new: Path) -> int:
    """Bytes of new that came to share blocks of old, at the same place."""
    count = 0
    times = os.stat(new)
    with open(old, "rb") as src, open(new, "rb+") as dst:
        for offset in range(0, min(os.fstat(src.fileno()).st_size, times.st_size), PIECE):
            length = min(PIECE, os.fstat(src.fileno()).st_size - offset, times.st_size - offset)
            try:
                [result] = xtent.dedupe_range(src, [(dst, offset)], length, src_offset=offset)
            except OSError as error:
                print(f"{new}: not shared: {error}")
                break
            count += result.shared or 0
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    return count


def main() -> None:
    source, store = map(Path, sys.argv[1:])
    store.mkdir(parents=True, exist_ok=True)
    backups = sorted(store.glob("[0-9][0-9][0-9][0-9]"))
    last = backups[-1] if backups else None
    number = int(last.name) + 1 if last else 1
    # It has its name only when it is whole.
    unfinished = store / "unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    backup = Backup(last, unfinished)
    backup.run(source)
    unfinished.rename(store / f"{number:04}")
    print(f"{number:04}: {backup.same} files as before, {backup.copied} copied", end=", ")
    print(f"of which {backup.shared} bytes are shared with the last backup")


if __name__ == "__main__":
    main()
