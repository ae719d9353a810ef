"""A cache that names files by their content, as DVC and its like have one.

usage: cache.py CACHE add FILE...           takes files in, prints the name of each
       cache.py CACHE checkout NAME FILE    puts a file there
       cache.py CACHE relink NAME FILE      lets a file that came from elsewhere share the cache's blocks

Adding and checking out clone where the filesystem can, so that a file and its object in the cache take the
space of one; unlike hard links, either may be written afterwards. The cache needs no setting for that: where
nothing can be cloned it copies, and says so.
"""

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import xtent


@dataclass
class Taken:
    """What it took to have the bytes of one file in another."""

    bytes: int = 0
    cloned: int = 0
    because: xtent.Reason | None = None

    def __str__(self) -> str:
        if self.because:
            return f"copied {self.bytes - self.cloned} of {self.bytes} bytes, since {self.because.text}"
        return f"cloned {self.cloned} bytes"


class Cache:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self.root / name[:2] / name[2:]

    def add(self, path: Path) -> tuple[str, Taken]:
        """The name, and what it took. What is hashed is the cache's own copy: others may write the file."""
        with open(path, "rb") as src, open_new(self.root) as dst:
            try:
                taken = take(src, dst)
                name = hashed(dst.name)
                self.path(name).parent.mkdir(exist_ok=True)
                os.chmod(dst.name, 0o444)
                os.replace(dst.name, self.path(name))
            except BaseException:
                os.unlink(dst.name)
                raise
        return name, taken

    def checkout(self, name: str, path: Path) -> Taken:
        with open(self.path(name), "rb") as src, open(path, "xb+") as dst:
            return take(src, dst)

    def relink(self, name: str, path: Path) -> xtent.DedupeResult:
        """The kernel compares: a file that is another, or is written meanwhile, is left as it is."""
        with open(self.path(name), "rb") as src, open(path, "rb+") as dst:
            [result] = xtent.dedupe_range(src, [(dst, 0)])
            return result


def take(src: BinaryIO, dst: BinaryIO) -> Taken:
    """All of src, or an error: what comes back short is taken up again."""
    taken = Taken()
    while True:
        report = xtent.clone_or_copy_range(src, dst, src_offset=taken.bytes, dst_offset=taken.bytes)
        taken.bytes += report.bytes
        taken.cloned += report.bytes_cloned
        taken.because = taken.because or report.fallback
        if report.reason is None:
            return taken


def open_new(directory: Path) -> BinaryIO:
    fd, path = tempfile.mkstemp(dir=directory)
    os.close(fd)
    return open(path, "rb+")


def hashed(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def main() -> None:
    root, verb, *arguments = sys.argv[1:]
    cache = Cache(Path(root))
    match verb, arguments:
        case "add", files:
            for file in files:
                name, taken = cache.add(Path(file))
                print(f"{name} {file}: {taken}")
        case "checkout", [name, file]:
            print(cache.checkout(name, Path(file)))
        case "relink", [name, file]:
            match cache.relink(name, Path(file)):
                case xtent.DedupeResult(status=xtent.DedupeStatus.SAME, shared=shared):
                    print(f"{shared} bytes are shared now that were not before")
                case xtent.DedupeResult(status=xtent.DedupeStatus.DIFFERS, differs_at=offset):
                    print(f"differs at {offset}")
                case xtent.DedupeResult(reason=reason):
                    sys.exit(f"{file}: {reason and reason.text}")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
