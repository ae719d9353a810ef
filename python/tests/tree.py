"""What a directory holds, to be compared."""

import os
import stat
from pathlib import Path


def attributes(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def tree(top: str | Path = ".") -> dict[str, object]:
    """Everything below: what it is, what is in it, which names are one file."""
    found: dict[str, object] = {}
    first: dict[int, str] = {}
    for directory, names, files in os.walk(top):
        for name in sorted([*names, *files]):
            path = os.path.join(directory, name)
            st = os.lstat(path)
            inside: object = None
            if stat.S_ISLNK(st.st_mode):
                inside = os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                inside = Path(path).read_bytes()
            name = os.path.relpath(path, top)
            same_as = first.setdefault(st.st_ino, name)
            # What was written just now differs from run to run.
            kept = st.st_mtime_ns if st.st_mtime_ns < 1_500_000_000 * 10**9 else "now"
            found[name] = (stat.filemode(st.st_mode), inside, same_as, kept, attributes(path))
    return found
