"""Move money between the two ends of a file, or copy the file meanwhile and check that none is lost or found.

usage: lock_protocol.py write FILE CHANGES
       lock_protocol.py copy FILE COPY TIMES

Both keep to docs/lock-protocol.md, the copier by stable="lock".
"""

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import xtent

LENGTH, TOTAL = 8 << 20, 1000

# Every byte that the file has or can have; and the last offset that a lock can name.
CONTENTS = (0, 2**63 - 1)
GATE = (2**63 - 1, 1)


def lock(fd: int, command: int, kind: int, start: int, length: int) -> None:
    # struct flock of a 64-bit Linux. fcntl.lockf would take locks of the process, which closing drops.
    fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))


@contextmanager
def change(fd: int) -> Iterator[None]:
    """What others see all of or nothing of."""
    lock(fd, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, *GATE)
    try:
        lock(fd, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, *CONTENTS)
    finally:
        lock(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, *GATE)
    try:
        yield
    finally:
        lock(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, *CONTENTS)


def get(fd: int) -> tuple[int, int]:
    [front], [back] = (struct.unpack("q", os.pread(fd, 8, at)) for at in (0, LENGTH - 8))
    return front, back


def put(fd: int, front: int, back: int) -> None:
    os.pwrite(fd, struct.pack("q", front), 0)
    os.pwrite(fd, struct.pack("q", back), LENGTH - 8)


def write(path: str, changes: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    with change(fd):
        put(fd, TOTAL, 0)
    for i in range(changes):
        with change(fd):
            front, back = get(fd)
            put(fd, front - i % 7, back + i % 7)


def copy(path: str, to: str, times: int) -> None:
    for i in range(times):
        xtent.copy_file(path, to, replace=True, stable="lock")
        with open(to, "rb") as file:
            money = sum(get(file.fileno()))
        if money != TOTAL:
            sys.exit(f"copy {i} has {money}")
    print(f"{times} copies, each with all the money")


match sys.argv[1:]:
    case ["write", path, changes]:
        write(path, int(changes))
    case ["copy", path, to, times]:
        copy(path, to, int(times))
    case _:
        sys.exit(__doc__)
