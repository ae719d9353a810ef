"""A directory of a filesystem, files in it, and what that filesystem does, found out without xtent."""

import array
import fcntl
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

FICLONE = 0x40049409
FS_IOC_FIEMAP = 0xC020660B

# A multiple of the block size of every filesystem.
BLOCK = 64 * 1024


def noise(length: int) -> bytes:
    return os.urandom(length)


def content(file: BinaryIO) -> bytes:
    """All of a file, whatever its position, which stays."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size + 1, 0)


def unused(like: int) -> int:
    """A descriptor that is not open, and does not come to be soon."""
    fd = fcntl.fcntl(like, fcntl.F_DUPFD, 700)
    os.close(fd)
    return fd


@dataclass
class Place:
    name: str
    type: str
    path: Path
    opened: list[BinaryIO] = field(default_factory=list)

    def inside(self, directory: Path) -> "Place":
        return Place(self.name, self.type, directory)

    def close(self) -> None:
        for file in self.opened:
            file.close()

    def file(self, name: str, content: bytes = b"", mode: str = "rb+") -> BinaryIO:
        """A file with that content, opened unbuffered."""
        (self.path / name).write_bytes(content)
        return self.open(name, mode)

    def open(self, name: str, mode: str = "rb+") -> BinaryIO:
        file = open(str(self.path / name), mode, buffering=0)
        self.opened.append(file)
        return file

    def sparse(self, name: str, size: int, data: dict[int, bytes] = {}) -> BinaryIO:
        """A file of holes, but for that data at those offsets."""
        file = self.file(name)
        file.truncate(size)
        for offset, some in data.items():
            os.pwrite(file.fileno(), some, offset)
        os.fsync(file.fileno())
        return file

    def is_apart_from(self, other: "Place") -> bool:
        # An overlay has a device of its own, and the blocks of what it lies on, which is XFS.
        if {self.type, other.type} == {"overlay", "xfs"}:
            return False
        return os.stat(self.path).st_dev != os.stat(other.path).st_dev

    @property
    def can_share(self) -> bool:
        with self._scratch() as src, self._scratch() as dst:
            return self._works(dst.fileno(), FICLONE, src.fileno())

    @property
    def has_map(self) -> bool:
        with self._scratch() as file:
            # A struct fiemap that has no room for extents: they are only counted.
            return self._works(file.fileno(), FS_IOC_FIEMAP, array.array("Q", [0, 1 << 62, 0, 0]))

    def _scratch(self) -> BinaryIO:
        file = tempfile.TemporaryFile(dir=self.path, buffering=0)
        file.write(noise(BLOCK))
        return file

    @staticmethod
    def _works(fd: int, request: int, argument: "int | array.array[int]") -> bool:
        try:
            fcntl.ioctl(fd, request, argument)
        except OSError:
            return False
        return True
