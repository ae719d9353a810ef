"""`full_disk.py DIRECTORY IMAGE`: clones on a disk that is full, in a mount namespace of its own. See test_full.py.

Mounts the image, and ends with 0 when everything is as promised.
"""

import errno
import fcntl
import os
import resource
import subprocess
import sys
import threading
from typing import Any, BinaryIO

import xtent
from place import FICLONE, content, noise

BLOCK = 4096
EXTENTS = 3000
SIZE = 2 * EXTENTS * BLOCK


class Disk:
    def __init__(self, directory: str) -> None:
        def file(name: str) -> BinaryIO:
            return open(os.path.join(directory, name), "x+b")

        # Holes make the source's many extents; the destination is one, whose blocks another file has too.
        self.src, self.dst, self.holder, self.filler = map(file, ("src", "dst", "holder", "filler"))
        for index in range(EXTENTS):
            os.pwrite(self.src.fileno(), noise(BLOCK), index * 2 * BLOCK)
        self.src.truncate(SIZE)
        self.old = noise(SIZE)
        os.pwrite(self.dst.fileno(), self.old, 0)
        os.fsync(self.src.fileno())
        os.fsync(self.dst.fileno())
        fcntl.ioctl(self.holder.fileno(), FICLONE, self.dst.fileno())
        self.filled = 0

    def leave(self, blocks: int) -> None:
        """Takes all space but so many blocks."""
        for step in (16 << 20, 1 << 20, 64 << 10, BLOCK):
            try:
                while True:
                    os.posix_fallocate(self.filler.fileno(), self.filled, step)
                    self.filled += step
            except OSError as error:
                assert error.errno == errno.ENOSPC
        os.sync()
        self.filled -= blocks * BLOCK
        self.filler.truncate(self.filled)
        os.sync()

    def clone(self) -> Any:
        """A clone that fails."""
        try:
            xtent.clone_range(self.src, self.dst, keep_undo=True)
        except OSError as raised:
            error: Any = raised
            assert (error.errno, error.reason) == (errno.ENOSPC, xtent.Reason.NO_SPACE), error
            return error
        raise AssertionError("there was room")


def restored(disk: Disk) -> None:
    for blocks in range(100):
        disk.leave(blocks)
        error = disk.clone()
        assert content(disk.dst) == disk.old
        assert error.undo_fd is None
        if error.report.destination is xtent.Destination.RESTORED:
            assert error.report.protection is xtent.Protection.UNDO
            assert error.report.undo_reserve > 0
            return
        assert error.report.destination is xtent.Destination.UNTOUCHED
    raise AssertionError("no clone came half-way")


def changed(disk: Disk) -> None:
    """The way back is barred once the clone has begun: by a limit, which the kernel has looked at for the clone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def bar() -> None:
        while os.fstat(disk.dst.fileno()).st_mtime == 1:
            pass
        resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK, before[1]))

    # Until the limit comes in time.
    while True:
        os.utime(disk.dst.fileno(), (1, 1))
        thread = threading.Thread(target=bar)
        thread.start()
        error = disk.clone()
        # A clone that did not begin left the time as it was.
        os.utime(disk.dst.fileno())
        thread.join()
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if error.report.destination is xtent.Destination.CHANGED:
            break
        assert content(disk.dst) == disk.old
    start, end = error.report.changed_from, error.report.changed_to
    assert start is not None and end is not None and start < end <= SIZE
    now = content(disk.dst)
    assert now[:start] == disk.old[:start] and now[end:] == disk.old[end:]
    assert now[start] != disk.old[start]
    # The old bytes, which with room can be put back.
    assert error.undo_fd is not None
    with open(error.undo_fd, "r+b") as kept:
        assert content(kept) == disk.old
        disk.filler.truncate(0)
        xtent.clone_range(kept, disk.dst, undo="off")
    assert content(disk.dst) == disk.old


def main() -> None:
    directory, image = sys.argv[1:]
    subprocess.run(["mount", "-n", "-o", "loop", image, directory], check=True)
    disk = Disk(directory)
    restored(disk)
    changed(disk)
    assert xtent.clone_range(disk.src, disk.dst).bytes == SIZE
    assert content(disk.dst) == content(disk.src)


if __name__ == "__main__":
    main()
