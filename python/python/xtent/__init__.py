"""Copy, clone and dedupe ranges of files on Linux: three verbs, each with a promise that it keeps.

- copy_range() moves bytes. It never asks a local filesystem to share them, and may come back short.
- clone_range() makes the destination share the source's blocks: the whole range, or an error.
- dedupe_range() makes ranges share blocks only where the bytes are already equal.

clone_or_copy_range() is the policy on top: it shares what can be shared, copies the rest, and says how
many bytes went which way. probe() tells beforehand what works; extents() and shared_bytes() look.

copy_file(), clone_file(), clone_or_copy_file() and dedupe_files() do the same with whole files by their paths:
a new file appears under its name whole or not at all. stage() is a file that the program fills itself, and that
is published in the same way. copy_tree(), clone_tree() and clone_or_copy_tree() do it with whole directories.
dedupe_tree() finds equal files in directories and makes them share. usage() says how much directories take up, what
they share, and what deleting one would free.

Files are ints or objects with fileno(). They are never closed, repositioned or duplicated, and nothing
opens them again, so that POSIX locks stay. Do not close one in another thread while a verb works on it.
The GIL is released meanwhile. Offsets and lengths are bytes.

What fails raises OSError of the subclass for its errno, with two more attributes: reason, a Reason, and
report, a Report.
"""

from xtent._xtent import (
    Ability,
    Capabilities,
    DedupeResult,
    DedupeStatus,
    DedupeTreeReport,
    Destination,
    Extent,
    ExtentFlags,
    Protection,
    Reason,
    Report,
    Stage,
    TreeFailure,
    TreeReport,
    Usage,
    UsageReport,
    __version__,
    clone_file,
    clone_or_copy_file,
    clone_or_copy_range,
    clone_or_copy_tree,
    clone_range,
    clone_tree,
    copy_file,
    copy_range,
    copy_tree,
    dedupe_files,
    dedupe_range,
    dedupe_tree,
    extents,
    probe,
    shared_bytes,
    stage,
    usage,
)

__all__ = [
    "Ability",
    "Capabilities",
    "DedupeResult",
    "DedupeStatus",
    "DedupeTreeReport",
    "Destination",
    "Extent",
    "ExtentFlags",
    "Protection",
    "Reason",
    "Report",
    "Stage",
    "TreeFailure",
    "TreeReport",
    "Usage",
    "UsageReport",
    "__version__",
    "clone_file",
    "clone_or_copy_file",
    "clone_or_copy_range",
    "clone_or_copy_tree",
    "clone_range",
    "clone_tree",
    "copy_file",
    "copy_range",
    "copy_tree",
    "dedupe_files",
    "dedupe_range",
    "dedupe_tree",
    "extents",
    "probe",
    "shared_bytes",
    "stage",
    "usage",
]
