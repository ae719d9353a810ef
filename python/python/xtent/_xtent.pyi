"""The extension module. Import its names from xtent."""

import enum
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import ClassVar, Literal, TypeAlias, final

from _typeshed import FileDescriptorLike, StrOrBytesPath

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

__version__: str

_Stable: TypeAlias = Literal["none", "detect", "lock", "lease", "snapshot", "best"]
_Kept: TypeAlias = Literal["mode", "owner", "times", "xattrs", "acls", "destination"]

class Reason(enum.Enum):
    """Why a verb was refused, failed, ended early or fell back.

    An errno alone does not tell: EINVAL from a clone has at least eight causes. The values
    are stable and the same in C and Rust; new members may be added.
    """

    text: str
    """One plain sentence, without a full stop."""

    UNKNOWN = 1
    """The kernel refused, and no cause could be found."""
    INVALID_ARGUMENT = 2
    """An argument is not valid: NULL, a wrong struct size, or an unknown flag."""
    ZERO_LENGTH = 3
    """The length is 0; use the to-end length for the rest of the file."""
    OVERFLOW = 4
    """Offset plus length passes the largest possible file offset."""
    BAD_DESCRIPTOR = 5
    """A descriptor is not open."""
    NOT_OPEN_FOR_THAT = 6
    """A descriptor is not open for that: the source must be readable, the destination writable."""
    APPEND_ONLY = 7
    """The destination is append-only, so that data cannot be placed at an offset."""
    NOT_A_REGULAR_FILE = 8
    """Only regular files can be used."""
    MISALIGNED = 9
    """An offset or the length is not a multiple of the filesystem's block size."""
    OVERLAP = 10
    """Source and destination ranges overlap in the same file."""
    PAST_END_OF_FILE = 11
    """The range reaches past the end of the file."""
    PARTIAL_BLOCK = 12
    """The source's last partial block would land in the middle of the destination."""
    NO_COPY_ON_WRITE_MISMATCH = 13
    """One file is copy-on-write and the other is not (chattr +C)."""
    DIFFERENT_FILESYSTEM = 14
    """The files are on different filesystems, or reached through different mounts of one that keeps them
    apart.
    """
    FILESYSTEM_CANNOT = 15
    """This type of filesystem cannot do that."""
    MOUNT_CANNOT = 16
    """This filesystem was made or mounted without support for that."""
    DESTINATION_NOT_READABLE = 17
    """The destination is not open for reading."""
    SWAP_FILE = 18
    """The file is in use as swap space or is being executed."""
    IMMUTABLE = 19
    """The file is immutable (chattr +i) or sealed."""
    READ_ONLY = 20
    """The destination's filesystem, mount or subvolume is read-only."""
    FILE_SIZE_LIMIT = 21
    """The destination would pass the file-size limit (RLIMIT_FSIZE, or the filesystem's own)."""
    NO_SPACE = 22
    """The filesystem has no space left."""
    QUOTA = 23
    """The disk quota is used up."""
    PERMISSION = 24
    """The caller is not permitted to do that to this file."""
    CANCELLED = 25
    """Cancelled by the caller."""
    INPUT_OUTPUT = 26
    """The device or server reported an input/output error."""
    OUT_OF_MEMORY = 27
    """The kernel or process ran out of memory."""
    INTERRUPTED = 28
    """Signals interrupted the call before it made progress."""
    NO_SCRATCH_DIRECTORY = 29
    """There is no directory on the same filesystem to make an unlinked file in."""
    SOURCE_CHANGED = 30
    """The source changed while it was read."""
    LEASE_BROKEN = 31
    """Another program wanted to write to the source, and the lease on it ended."""
    IN_USE = 32
    """The source is in use by another program, or another part of this one."""
    EXISTS = 33
    """Something has the destination's name already."""
    NOT_FOUND = 34
    """There is no such file or directory."""
    WOULD_ALLOCATE = 35
    """Sharing would fill a hole and take space: left alone, the bytes are equal."""
    NOT_DURABLE = 36
    """The file was published, but could not be written to disk."""
    VERIFY_FAILED = 37
    """Read again, the copy and its source differ; nothing was published."""
    BUSY = 38
    """Something else keeps the file busy, such as a running btrfs send; try again later."""
    INVALID_NAME = 39
    """A path has no name for a file, or one that the filesystem does not take."""
    TOO_MANY_LINKS = 40
    """A symbolic link where none is followed, or too many of them."""
    CANNOT_EXCHANGE = 41
    """The two cannot be exchanged in one moment: not on this filesystem, or not with these files, or
    not there.
    """
    UNDO_IMPOSSIBLE = 42
    """The destination's old range cannot be kept, and so not be put back after a failure."""
    INSIDE_DESTINATION = 43
    """The source is what would be replaced, or lies inside of it."""
    NOT_A_DIRECTORY = 44
    """Something on a path is no directory."""
    INSIDE_SOURCE = 45
    """The destination lies inside of the source."""
    INDEX_DAMAGED = 46
    """The index is damaged."""
    INDEX_FOREIGN = 47
    """The file is no index of this library."""
    INDEX_NEWER = 48
    """The index was made by a newer version of this library."""
    INDEX_IN_USE = 49
    """Another run uses the index."""
    ROOT_IN_ROOT = 50
    """A root lies in another one, or is the same."""
    GONE = 53
    """The server no longer has the file, or does not know it any more."""

class Destination(enum.Enum):
    """What a clone's destination is after an error."""

    UNTOUCHED = "untouched"
    """As it was; nothing was changed. Of the times the kernel changes some before it looks for space: the
    modification time is put back where the caller owns the file, and st_ctime never."""
    RESTORED = "restored"
    """As it was again: bytes, holes, size, and the modification time where the caller owns the file, but never
    st_ctime. Space that was preallocated and never written is a hole now.
    """
    CHANGED = "changed"
    """From changed_from up to changed_to it may be other than it was; outside it is as it was."""

class Protection(enum.Enum):
    """What stood between a failed clone and its destination."""

    SIZE = "size"
    """The range was empty: the old size is enough to go back."""
    EXCHANGE = "exchange"
    """The range changed in one moment."""
    UNDO = "undo"
    """The old range was kept aside."""

class DedupeStatus(enum.Enum):
    """What became of one target of dedupe_range()."""

    SAME = "same"
    """All that was compared is equal."""
    DIFFERS = "differs"
    """The bytes differ; what was equal before the first difference may be shared."""
    FAILED = "failed"
    """It was refused, or failed: see errno and reason."""
    NOT_REACHED = "not-reached"
    """The call ended before; what compared tells was done all the same."""

class ExtentFlags(enum.Flag):
    """What an extent is: any number of these, combined with |."""

    HOLE = 0x1
    """No blocks: a read gives zeros."""
    UNWRITTEN = 0x2
    """Blocks are reserved but were never written: a read gives zeros."""
    SHARED = 0x4
    """The same blocks are also used elsewhere. btrfs says so of a whole extent as soon as any part is."""
    INLINE = 0x8
    """Stored inside metadata, not in blocks of its own."""
    ENCODED = 0x10
    """Compressed or encrypted: physical names the whole extent, and it may be shorter on disk."""
    UNKNOWN = 0x20
    """The filesystem does not say where it lies."""

@final
class Report:
    """What a verb did, on success and on failure alike. All amounts are bytes of the range asked for."""

    __match_args__: ClassVar[
        tuple[str, str, str, str, str, str, str, str, str, str, str, str, str, str, str]
    ]

    def __new__(
        cls,
        bytes_copied: int = 0,
        bytes_cloned: int = 0,
        bytes_hole: int = 0,
        reason: Reason | None = None,
        errno: int | None = None,
        fallback: Reason | None = None,
        alignment: int | None = None,
        unkept: Iterable[_Kept] = ...,
        bytes_server: int = 0,
        destination: Destination | None = None,
        changed_from: int | None = None,
        changed_to: int | None = None,
        protection: Protection | None = None,
        undo_reserve: int = 0,
        stable: _Stable = ...,
    ) -> Report: ...
    @property
    def bytes_copied(self) -> int:
        """Bytes that were read and written again, so that the destination has its own blocks."""
    @property
    def bytes_cloned(self) -> int:
        """Bytes that now share the source's blocks because the kernel cloned them."""
    @property
    def bytes_hole(self) -> int:
        """Bytes that are a hole in the source and were made, or left, a hole in the destination."""
    @property
    def reason(self) -> Reason | None:
        """Why it ended before the whole range was done; None when nothing was in the way (also when a
        copy simply met the end of the source).
        """
    @property
    def errno(self) -> int | None:
        """The errno that goes with reason."""
    @property
    def fallback(self) -> Reason | None:
        """clone_or_copy_range() only: why bytes that could have been asked for as a clone were copied."""
    @property
    def alignment(self) -> int | None:
        """The multiple that offsets and lengths need, in bytes, when reason or fallback is MISALIGNED
        or PARTIAL_BLOCK.
        """
    @property
    def unkept(self) -> frozenset[_Kept]:
        """copy_file() and its kin only: metadata that was to be kept and could not be, in the words of
        their argument preserve.
        """
    @property
    def bytes_server(self) -> int:
        """Bytes that a server copied without sending them here, which only server="allow" lets it do. It
        may have shared them instead.
        """
    @property
    def destination(self) -> Destination | None:
        """After an error of a clone, what the destination is now. (After clone_or_copy_range(): behind
        the bytes that are done.)
        """
    @property
    def changed_from(self) -> int | None:
        """With CHANGED, an offset in the destination."""
    @property
    def changed_to(self) -> int | None:
        """With CHANGED, an offset in the destination; None also where it is not known."""
    @property
    def protection(self) -> Protection | None:
        """clone_range() only: what stood between a failure and the destination."""
    @property
    def undo_reserve(self) -> int:
        """Bytes of space that were set aside, during the call, for the way back."""
    @property
    def stable(self) -> _Stable:
        """copy_file() and its kin only: how src was kept stable, in the words of their argument stable."""
    @property
    def bytes(self) -> int:
        """Bytes of the range that are done, from its beginning on, whichever way they went."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[Report], tuple[object, ...]]: ...

@final
class Stage:
    """A file in the making, from stage().

    Fill it by any verbs, which take it as a file, and by os.pwrite() on fileno(). In a with statement it is
    published at the end, and discarded where an exception leaves it.
    """

    def fileno(self) -> int:
        """Its descriptor, open for reading and writing until it is published or discarded."""
    def publish(self) -> None:
        """Give the file its mode and its name, in one step, and close it.

        Raises OSError, with the attributes reason and report; then it is as before: try again, or discard it.
        Only with the reason NOT_DURABLE it is published, but could not be written to disk.
        """
    def discard(self) -> None:
        """End it as if it had never been; nothing where it is over already."""
    def __enter__(self) -> Stage: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class TreeFailure:
    """What is missing in a tree that was made with keep_going, in the numbers of usage(), or undone by dedupe_tree()."""

    __match_args__: ClassVar[tuple[str, str, str]]

    def __new__(
        cls,
        path: str,
        errno: int,
        reason: Reason,
    ) -> TreeFailure: ...
    @property
    def path(self) -> str:
        """The path as os.fsdecode() has it: beneath the source, or with that of the root."""
    @property
    def errno(self) -> int:
        """The errno."""
    @property
    def reason(self) -> Reason:
        """Why."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[TreeFailure], tuple[object, ...]]: ...

@final
class TreeReport:
    """What a tree verb did. Amounts are bytes of all files."""

    __match_args__: ClassVar[tuple[str, str, str, str, str, str, str, str, str, str, str]]

    def __new__(
        cls,
        bytes_copied: int = 0,
        bytes_cloned: int = 0,
        bytes_hole: int = 0,
        files: int = 0,
        directories: int = 0,
        links: int = 0,
        specials: int = 0,
        vanished: int = 0,
        failures: Iterable[TreeFailure] = ...,
        fallback: Reason | None = None,
        unkept: Iterable[_Kept] = ...,
    ) -> TreeReport: ...
    @property
    def bytes_copied(self) -> int:
        """Bytes that were read and written again, so that the new files have their own blocks."""
    @property
    def bytes_cloned(self) -> int:
        """Bytes that now share the source's blocks because the kernel cloned them."""
    @property
    def bytes_hole(self) -> int:
        """Bytes that are a hole in the source, and in the new tree."""
    @property
    def files(self) -> int:
        """Regular files with contents of their own."""
    @property
    def directories(self) -> int:
        """Directories, the tree itself among them."""
    @property
    def links(self) -> int:
        """Further names of files: hard links."""
    @property
    def specials(self) -> int:
        """Symbolic links, FIFOs, sockets and devices."""
    @property
    def vanished(self) -> int:
        """Names that were listed in the source and not there any more."""
    @property
    def failures(self) -> tuple[TreeFailure, ...]:
        """With keep_going, what failed and is not in the new tree."""
    @property
    def fallback(self) -> Reason | None:
        """clone_or_copy_tree() only: why the first file that could not be cloned was copied."""
    @property
    def unkept(self) -> frozenset[_Kept]:
        """Metadata that could not be kept of some file, in the words of the argument preserve of copy_file()."""
    @property
    def bytes(self) -> int:
        """Bytes of all files, whichever way they went."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[TreeReport], tuple[object, ...]]: ...

@final
class Usage:
    """What a root, or all of them, take up. Amounts are bytes."""

    __match_args__: ClassVar[tuple[str, str, str, str, str, str, str, str, str]]

    def __new__(
        cls,
        files: int = 0,
        apparent: int = 0,
        allocated: int = 0,
        shared_roots: int = 0,
        shared_others: int = 0,
        unknown: int = 0,
        exclusive: int = 0,
        exclusive_most: int = 0,
        exact: bool = True,
    ) -> Usage: ...
    @property
    def files(self) -> int:
        """Regular files; one with several names is one."""
    @property
    def apparent(self) -> int:
        """The sum of their sizes."""
    @property
    def allocated(self) -> int:
        """The blocks that they use, each counted once."""
    @property
    def shared_roots(self) -> int:
        """Of these, what another root uses too; in total, what at least two roots use."""
    @property
    def shared_others(self) -> int:
        """What something that is in none of the roots uses too, as far as is known."""
    @property
    def unknown(self) -> int:
        """What may be used by something that is in none of the roots, and the filesystem does not say."""
    @property
    def exclusive(self) -> int:
        """What nothing else uses: so much at least is free after the root is deleted; in total, after all are."""
    @property
    def exclusive_most(self) -> int:
        """What may be free after that at most."""
    @property
    def exact(self) -> bool:
        """Whether all numbers are known to be exact."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[Usage], tuple[object, ...]]: ...

@final
class UsageReport:
    """What usage() found."""

    __match_args__: ClassVar[tuple[str, str, str]]

    def __new__(
        cls,
        roots: Iterable[Usage],
        total: Usage,
        failures: Iterable[TreeFailure] = ...,
    ) -> UsageReport: ...
    @property
    def roots(self) -> tuple[Usage, ...]:
        """For each root, in their order."""
    @property
    def total(self) -> Usage:
        """For all of them together."""
    @property
    def failures(self) -> tuple[TreeFailure, ...]:
        """What could not be looked at, and is not in the numbers; paths are those of the roots and beneath."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[UsageReport], tuple[object, ...]]: ...

@final
class DedupeTreeReport:
    """What dedupe_tree() did. Amounts are bytes where nothing else is said."""

    __match_args__: ClassVar[tuple[str, str, str, str, str, str, str, str, str, str, str, str, str]]

    def __new__(
        cls,
        files: int = 0,
        directories: int = 0,
        links: int = 0,
        candidates: int = 0,
        known: int = 0,
        read: int = 0,
        deduped: int = 0,
        shared: int = 0,
        already_shared: int = 0,
        unmeasured: int = 0,
        estimate: int = 0,
        vanished: int = 0,
        failures: Iterable[TreeFailure] = ...,
    ) -> DedupeTreeReport: ...
    @property
    def files(self) -> int:
        """Regular files that the filters let pass, each once."""
    @property
    def directories(self) -> int:
        """Directories that were walked."""
    @property
    def links(self) -> int:
        """Further names of files: hard links, and roots that overlap."""
    @property
    def candidates(self) -> int:
        """Files of a size that another one of the same filesystem has."""
    @property
    def known(self) -> int:
        """Candidates of which the index knew that nothing is to be done: they were not even opened."""
    @property
    def read(self) -> int:
        """What was read to tell candidates apart, before the kernel compared what was left."""
    @property
    def deduped(self) -> int:
        """Files that are equal to another one, and came to share all their blocks with it."""
    @property
    def shared(self) -> int:
        """What shares another file's blocks now and did not before, by the files' extent maps. Of files that
        shared their blocks among themselves before, all are counted; of one that the kernel found to differ, what
        comes before the difference; with blocks all its equal blocks."""
    @property
    def already_shared(self) -> int:
        """What of candidates shared another one's blocks before the call: all of those that shared all their blocks
        with one that is counted; of each other one what it shared with that which it was compared with first. What
        is known is not counted."""
    @property
    def unmeasured(self) -> int:
        """Files whose extent maps could not tell how much they share."""
    @property
    def estimate(self) -> int:
        """With dry_run an estimate of what shared would be."""
    @property
    def vanished(self) -> int:
        """Files that were gone, or not what they were when they were listed."""
    @property
    def failures(self) -> tuple[TreeFailure, ...]:
        """What failed; paths are those of the roots and beneath."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[DedupeTreeReport], tuple[object, ...]]: ...

@final
class DedupeResult:
    """What became of one target of dedupe_range(), in bytes of its range."""

    __match_args__: ClassVar[tuple[str, str, str, str, str, str, str]]

    def __new__(
        cls,
        status: DedupeStatus,
        errno: int | None = None,
        reason: Reason | None = None,
        compared: int = 0,
        shared: int | None = None,
        already_shared: int | None = None,
        differs_at: int | None = None,
    ) -> DedupeResult: ...
    @property
    def status(self) -> DedupeStatus:
        """The outcome."""
    @property
    def errno(self) -> int | None:
        """With FAILED the errno."""
    @property
    def reason(self) -> Reason | None:
        """With FAILED why."""
    @property
    def compared(self) -> int:
        """Bytes from the beginning of the range that were found equal."""
    @property
    def shared(self) -> int | None:
        """Bytes that share the source's blocks now and did not before, by the files' extent maps; None
        where these cannot tell.
        """
    @property
    def already_shared(self) -> int | None:
        """Bytes that shared the source's blocks before the call; None where the maps cannot tell."""
    @property
    def differs_at(self) -> int | None:
        """With DIFFERS how far into the range the first difference is; None if the target could not be
        read to find it.
        """
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[DedupeResult], tuple[object, ...]]: ...

@final
class Ability:
    """Whether one verb works, and why not. True in a condition only when it does."""

    __match_args__: ClassVar[tuple[str, str, str]]

    def __new__(
        cls,
        answer: bool | None,
        errno: int | None = None,
        reason: Reason | None = None,
    ) -> Ability: ...
    @property
    def answer(self) -> bool | None:
        """True, False, or None where only trying would tell."""
    @property
    def errno(self) -> int | None:
        """When the answer is False the errno that the verb would fail with."""
    @property
    def reason(self) -> Reason | None:
        """Why it does not work, or why that is not known."""
    def __bool__(self) -> bool: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[Ability], tuple[object, ...]]: ...

@final
class Capabilities:
    """What works from one file to another."""

    __match_args__: ClassVar[tuple[str, str, str, str]]

    def __new__(
        cls,
        copy: Ability,
        clone: Ability,
        dedupe: Ability,
        alignment: int | None = None,
    ) -> Capabilities: ...
    @property
    def copy(self) -> Ability:
        """Of copy_range()."""
    @property
    def clone(self) -> Ability:
        """Of clone_range()."""
    @property
    def dedupe(self) -> Ability:
        """Of dedupe_range()."""
    @property
    def alignment(self) -> int | None:
        """What offsets and lengths of clone and dedupe must be multiples of, in bytes; None where
        neither works.
        """
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[Capabilities], tuple[object, ...]]: ...

@final
class Extent:
    """A run of bytes of a file, and where it lies. All amounts are bytes."""

    __match_args__: ClassVar[tuple[str, str, str, str]]

    def __new__(
        cls,
        logical: int,
        physical: int | None,
        length: int,
        flags: ExtentFlags,
    ) -> Extent: ...
    @property
    def logical(self) -> int:
        """Where it begins in the file."""
    @property
    def physical(self) -> int | None:
        """Where it begins on the filesystem's device (btrfs: in its logical address space); None for a
        hole, and where there is no place to name. Only comparable between files of one filesystem.
        """
    @property
    def length(self) -> int:
        """How long it is in the file."""
    @property
    def flags(self) -> ExtentFlags:
        """What it is."""
    @property
    def end(self) -> int:
        """Where it ends in the file."""
    @property
    def is_hole(self) -> bool:
        """Whether it takes no space: a read gives zeros."""
    @property
    def is_data(self) -> bool:
        """Whether it holds bytes that were written."""
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[type[Extent], tuple[object, ...]]: ...

def copy_range(
    src: FileDescriptorLike,
    dst: FileDescriptorLike,
    length: int | None = None,
    *,
    src_offset: int = 0,
    dst_offset: int = 0,
    sparse: Literal["keep", "fill", "detect"] = "keep",
    cache: Literal["keep", "neutral"] = "keep",
    server: Literal["never", "allow"] = "never",
    progress: Callable[[int, int | None], object] | None = None,
) -> Report:
    """Move bytes from src to dst. They get blocks of their own; holes stay holes.

    src and dst are ints or objects with fileno(); offsets and lengths are bytes, and a length of None is
    the rest of the source. Neither file position is used or moved. What waits in the buffer of a Python
    file object is not in the file yet: flush() first.

    Like os.read() it may come back short: at the end of the source, or when it met an error after some
    bytes. Then report.reason says why, and the same call with what is left goes on or raises.

    sparse says what becomes of holes: "keep" them, "fill" them with zeros that take space, or "detect"
    whole pages of zeros too and make holes of them. cache="neutral" lets go of what the copy brought into
    the page cache, of both files; what was there before stays. The destination is written back for that,
    and an error of writing back takes the bytes that it lost off the report. server="allow" lets an NFS
    4.2, SMB 3 or CephFS server copy by itself what lies on it, or share it; report.bytes_server says how
    much.

    progress(done, total) is called after each step of at most 4 MiB; total is None where the source does
    not say. What it returns is ignored. To stop, let it raise: the exception comes out as it is. So does
    KeyboardInterrupt: signals are looked at between steps, every 20 ms. What was copied until then stays.

    Raises OSError, with the attributes reason and report, only when no byte was moved, and then the
    destination is unchanged: EBADF not open, not open for that, or append-only; EINVAL overlapping
    ranges of one file, or a device; EISDIR; ESPIPE a pipe or socket; EOVERFLOW; EFBIG, ENOSPC, EDQUOT,
    EIO, ENOMEM, EPERM and ETXTBSY from reading or writing.
    """

def clone_range(
    src: FileDescriptorLike,
    dst: FileDescriptorLike,
    length: int | None = None,
    *,
    src_offset: int = 0,
    dst_offset: int = 0,
    undo: Literal["auto", "best", "off"] = "auto",
    atomic: Literal["best", "required"] = "best",
    scratch_dir: FileDescriptorLike | None = None,
    keep_undo: bool = False,
) -> Report:
    """Make a range of dst share the blocks of src: all of it, or an error. It never copies instead.

    src and dst are ints or objects with fileno(). Offsets and length, in bytes, must be multiples of the
    filesystem's block size; the length need not be where the range ends at the end of the source and does
    not land inside the destination. A length of None is the rest of the source. What waits in the buffer
    of a Python file object is not in the file yet: flush() first.

    The kernel's clone is not all or nothing: when the disk is full, it leaves a beginning of the range
    cloned. So where old bytes lie in the range, they are exchanged in one moment (XFS made with that
    feature) or kept aside in an unlinked file, with some space, and cloned back after a failure;
    report.protection says how. undo="auto" clones nothing where they cannot be kept (dst must be open for
    reading too, for one), "best" goes on without, "off" keeps nothing. atomic="required" clones nothing
    where the range cannot be exchanged. The way back is visible while it runs, overwrites what others
    write meanwhile, and is not taken by a killed process.

    Unlinked files are made in scratch_dir, the descriptor of a directory on the same filesystem, or else in
    the directory that dst is found in; that of an unlinked dst is the one that it was in, if it is still on
    the same filesystem. With keep_undo, an error that left dst CHANGED has an attribute undo_fd: the
    descriptor of a file with the old bytes at their offsets and the old size, yours to close; None when
    there is none.

    Once begun it ends: Ctrl-C waits for it.

    Raises OSError, with the attributes reason and report; report.destination says what dst is then, and that
    is always true. EINVAL length 0, misaligned (report.alignment is what is needed), overlap, past the end
    of the source, a partial block inside the destination, a file with and one without chattr +C; EISDIR,
    EINVAL and EXDEV for what is no regular file; EOPNOTSUPP this filesystem or mount cannot; EXDEV two
    filesystems; EBADF not open, not open for that, or append-only; EFBIG; EOVERFLOW; EPERM, ETXTBSY and
    EROFS; ENOSPC, EDQUOT, EIO, ENOMEM. What keeps the old bytes from being kept has a reason of its own:
    NO_SCRATCH_DIRECTORY, DESTINATION_NOT_READABLE, UNDO_IMPOSSIBLE, CANNOT_EXCHANGE.
    """

def clone_or_copy_range(
    src: FileDescriptorLike,
    dst: FileDescriptorLike,
    length: int | None = None,
    *,
    src_offset: int = 0,
    dst_offset: int = 0,
    sparse: Literal["keep", "fill", "detect"] = "keep",
    cache: Literal["keep", "neutral"] = "keep",
    server: Literal["never", "allow"] = "never",
    progress: Callable[[int, int | None], object] | None = None,
) -> Report:
    """Clone what of the range can be cloned, and copy the rest.

    Where both offsets have the same remainder by the filesystem's block size, the whole blocks between
    are cloned and the ragged ends copied; otherwise, or where a clone is refused, everything is copied.
    The report says how many bytes went which way, and report.fallback why some were not cloned.

    Arguments, choices, progress, signals and coming back short are those of copy_range(); the clone is one step,
    whatever its length.

    Raises OSError as copy_range() does, when nothing was done yet. A clone that fails with EIO, ENOSPC,
    EDQUOT, ENOMEM or EFBIG never turns into a copy. Nothing is kept to undo it: what it came to counts as
    done, and what comes behind is as it was.
    """

def dedupe_range(
    src: FileDescriptorLike,
    targets: Iterable[tuple[FileDescriptorLike, int]],
    length: int | None = None,
    *,
    src_offset: int = 0,
    measure: bool = True,
    blocks: bool = False,
    cache: Literal["keep", "neutral"] = "keep",
    progress: Callable[[int, int | None], object] | None = None,
) -> list[DedupeResult]:
    """Make each target share the blocks of src where the bytes are already equal.

    targets are (descriptor, offset) tuples, any number of them; each gets a result, in their order. The
    kernel compares and shares while it holds the files' locks: contents never change, by no outcome.
    Offsets and length are bytes; offsets must be multiples of the filesystem's block size, and a length
    of None is the rest of the source. A target that differs keeps what was shared before the first
    difference, to the block.

    measure=False does not compare the files' extent maps before and after: shared and already_shared are
    None, and what is shared already is compared again. blocks=True goes on behind the first difference and
    shares every run of equal blocks, of targets that can be read. cache="neutral" lets go of what the call
    brought into the page cache; the kernel itself lets go of a target's pages where it shared, on XFS.

    One target's failure does not disturb another; that targets differ, or all of them fail, raises
    nothing. progress and signals are those of copy_range(), with bytes counted over all targets and steps
    of at most 16 MiB of each; what was shared until then stays shared.

    Raises OSError, with the attributes reason and report, for the call as a whole, with no target
    touched: EINVAL length 0, past the end of the source, source not open for reading or no regular file;
    EISDIR; EBADF; EOVERFLOW; EOPNOTSUPP this filesystem or mount cannot, or is not known to compare.
    """

def copy_file(
    src: StrOrBytesPath | FileDescriptorLike,
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    preserve: Iterable[_Kept] = (),
    durable: bool = False,
    follow_symlinks: bool = False,
    verify: bool = False,
    sparse: Literal["keep", "fill", "detect"] = "keep",
    cache: Literal["keep", "neutral"] = "keep",
    server: Literal["never", "allow"] = "never",
    stable: _Stable = "none",
    scratch_dir: FileDescriptorLike | None = None,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> Report:
    """Copy a file to a new name: whole, or it raises and what is at dst is what it was.

    src is a path, or a file that is open: an int or an object with fileno(). dst is a path. Paths are str,
    bytes or PathLike, and relative to src_dir_fd and dst_dir_fd where these are given.

    The new file is built where nobody sees it, in the directory of dst, and appears under the name at once,
    with its metadata. A failure, a kill or a power cut leaves the old file, or nothing, under the name: never
    a part. A symbolic link at dst is replaced, not followed; one at src raises ELOOP without follow_symlinks.

    Without replace it raises FileExistsError where something has the name. preserve names the metadata to
    keep, any of "mode", "owner", "times", "xattrs", "acls" and "destination" (what a replaced file had);
    report.unkept has what of it could not be kept. Without "mode" it has the source's permission bits through
    the umask. durable waits until the file and its name are on disk.

    With verify both files are read again and compared before the new one is published: written back, and past
    the page cache as far as the filesystem lets one. A difference raises EIO with the reason VERIFY_FAILED.

    stable says what to do about programs that write to src meanwhile; report.stable has the way that was
    taken. "none": nothing, and a copy may be a mix of different moments. "detect": a change raises ESTALE,
    and nothing is published; EOPNOTSUPP where times do not tell of every change (tmpfs, NFS, SMB, FUSE).
    "lock": a lock is waited for and held, for programs that use the same protocol (docs/lock-protocol.md).
    "lease": nobody has src open for writing, else it raises BlockingIOError; so it does when somebody opens
    it later, who waits for a step at most. "snapshot": what is copied is a clone without a name, one moment
    of src, made in scratch_dir, the descriptor of a directory on the filesystem of src, or beside src.
    "best": the first of snapshot, lease and detect that is to be had.

    Bytes, sparse, cache, server, progress and signals are those of copy_range(). An exception from progress, or
    KeyboardInterrupt, leaves nothing behind.

    Raises OSError of the subclass for its errno, with the attributes reason and report, and both names.
    """

def clone_file(
    src: StrOrBytesPath | FileDescriptorLike,
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    preserve: Iterable[_Kept] = (),
    durable: bool = False,
    follow_symlinks: bool = False,
    verify: bool = False,
    stable: _Stable = "none",
    scratch_dir: FileDescriptorLike | None = None,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> Report:
    """Make a new file that shares all blocks of src: whole, or it raises. It never copies instead.

    Arguments and promises are those of copy_file(), but for the choices of a copy. It is filled as by clone_range(), in one step.

    Raises OSError as copy_file() does; and EOPNOTSUPP this filesystem or mount cannot, EXDEV two filesystems.
    """

def clone_or_copy_file(
    src: StrOrBytesPath | FileDescriptorLike,
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    preserve: Iterable[_Kept] = (),
    durable: bool = False,
    follow_symlinks: bool = False,
    verify: bool = False,
    sparse: Literal["keep", "fill", "detect"] = "keep",
    cache: Literal["keep", "neutral"] = "keep",
    server: Literal["never", "allow"] = "never",
    stable: _Stable = "none",
    scratch_dir: FileDescriptorLike | None = None,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> Report:
    """Clone a file to a new name, or copy it where a clone is refused.

    Arguments and promises are those of copy_file(). The report says which it was, and report.fallback why.

    Raises OSError as copy_file() does. A clone that fails with EIO, ENOSPC, EDQUOT, ENOMEM or EFBIG is such
    an error and never turns into a copy.
    """

def dedupe_files(
    src: StrOrBytesPath | FileDescriptorLike,
    targets: Iterable[StrOrBytesPath | FileDescriptorLike],
    *,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    measure: bool = True,
    blocks: bool = False,
    cache: Literal["keep", "neutral"] = "keep",
    progress: Callable[[int, int | None], object] | None = None,
) -> list[DedupeResult]:
    """Make each of some files share the blocks of src where it is its equal.

    src and the targets are paths, relative to src_dir_fd and dst_dir_fd where these are given, or files that
    are open: ints or objects with fileno(). Any number of targets; each gets a result, in their order, and
    none disturbs another. Contents and times never change, by no outcome. Read-only files of the caller, and
    programs that run, are targets too. Symbolic links are not followed.

    A target of another size differs, and nothing of it is shared. Another name of a file that was asked
    before, or of src itself, is the same without being asked.

    measure, blocks, cache, progress and signals are those of dedupe_range().

    Raises OSError, with the attributes reason and report, for the call as a whole, with no target touched: as
    dedupe_range() does, and where src cannot be opened.
    """

def copy_tree(
    src: StrOrBytesPath | FileDescriptorLike,
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    durable: bool = False,
    cross_mounts: bool = False,
    keep_going: bool = False,
    threads: int = 0,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> TreeReport:
    """Copy a directory with everything in it to a new name: the whole tree, or it raises and dst is what it was.

    src is a path, or a directory that is open: an int or an object with fileno(). dst is a path. Paths are str,
    bytes or PathLike, and relative to src_dir_fd and dst_dir_fd where these are given.

    Kept is what "cp -a" keeps: modes, owners, times, extended attributes, ACLs, hard links within the tree,
    symbolic links, FIFOs, sockets, devices, holes. report.unkept has what of it could not be kept.

    The tree is built in a hidden directory beside dst and appears under the name by one rename; with replace, old
    and new change names in one moment. A failure, a kill or a full disk leaves no half tree under the name.

    Directories on which another filesystem is mounted stay empty, unless cross_mounts is set. keep_going goes on where a
    file fails: report.failures has what is missing then. durable waits until all of it is on disk. threads says
    how many work at it; 0 is one for each processor.

    progress is called with the files and the bytes that are done. An exception from it, or KeyboardInterrupt, leaves
    nothing behind.

    Raises OSError of the subclass for its errno, with the attributes reason and report; filename is the file
    that failed.
    """

def clone_tree(
    src: StrOrBytesPath | FileDescriptorLike,
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    durable: bool = False,
    cross_mounts: bool = False,
    keep_going: bool = False,
    threads: int = 0,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> TreeReport:
    """Make a directory whose files share all their blocks with those of src. It never copies instead.

    Arguments and promises are those of copy_tree().

    Raises OSError as copy_tree() does; and EOPNOTSUPP for a file that cannot be cloned, EXDEV for two
    filesystems.
    """

def clone_or_copy_tree(
    src: StrOrBytesPath | FileDescriptorLike,
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    durable: bool = False,
    cross_mounts: bool = False,
    keep_going: bool = False,
    threads: int = 0,
    src_dir_fd: FileDescriptorLike | None = None,
    dst_dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> TreeReport:
    """Make a copy of a directory whose files share blocks with those of src where they can. Files of up
    to 2 KiB on btrfs are copied: it keeps them without blocks.

    Arguments and promises are those of copy_tree().

    Raises OSError as copy_tree() does. A clone that fails with EIO, ENOSPC, EDQUOT, ENOMEM or EFBIG never turns
    into a copy.
    """

def stage(
    dst: StrOrBytesPath,
    *,
    replace: bool = False,
    durable: bool = False,
    mode: int | None = 0o666,
    dst_dir_fd: FileDescriptorLike | None = None,
) -> Stage:
    """Make a stage for the file dst: a file that nobody sees until it is published whole.

        with xtent.stage("restored", replace=True) as file:
            xtent.clone_or_copy_range(first, file)
            os.pwrite(file.fileno(), b"more", 1_000_000)

    dst is a path: str, bytes or PathLike, relative to dst_dir_fd where that is given. The stage is in its
    directory, with the mode 0600. With replace it may take the place of a file that has the name; durable
    waits, when it is published, until the file and its name are on disk. mode is that of the published file,
    through the umask as with os.open(); with None it keeps what os.fchmod() gave it.

    Raises OSError, with the attributes reason and report: FileExistsError without replace, and what is wrong
    with the path or from making a file in the directory.
    """

def dedupe_tree(
    roots: Iterable[StrOrBytesPath | FileDescriptorLike],
    *,
    dry_run: bool = False,
    blocks: bool = False,
    min_size: int = 0,
    include: Sequence[str] = ...,
    exclude: Sequence[str] = ...,
    cross_mounts: bool = False,
    cache: Literal["keep", "neutral"] = "keep",
    threads: int = 0,
    index: StrOrBytesPath | None = None,
    rebuild: bool = False,
    dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> DedupeTreeReport:
    """Make equal files share their blocks: all that lie beneath the directories, or are the files, of roots.

    roots are paths, relative to dir_fd where it is given, or directories that are open: ints or objects with fileno().
    What is equal the kernel decides, as for dedupe_range(), under both files' locks: contents never change, by no
    outcome and whoever writes meanwhile. The files' times stay; that of the last access may not where the caller is
    not the owner.

    Each file counts once, however many names and roots lead to it. Symbolic links are not followed, and what is no
    regular file is passed over. Only files of one filesystem share; what is mounted beneath a root is left out, unless
    cross_mounts is set.

    dry_run shares nothing, and estimates what would be shared: samples stand for files of more than 128 KiB, so much of
    them as is equal and not shared already. Files of fewer than min_size bytes are left alone. include are patterns of
    which a file must match one, where there are any, and exclude those of files, and of directories with all in them,
    that are left out: "*", "?", "[...]", "{a,b}", and "**" for any number of directories. A pattern without a slash is one
    of names, at any depth, and one with a slash that of a whole path beneath its root. cache is that of dedupe_range().
    threads says how many work at it; 0 is one for each processor, and no more than 8 do.

    blocks has files of more than 128 KiB that differ share every run of equal blocks too: those of one size of which
    two of four samples are equal, in the same places, and not all zeros, such as yesterday's image of a disk and
    today's. Those with equal samples are compared among themselves, as without, and then each of them with one file of
    other samples; both are read for that where they do not share already. What was inserted into, or is of another size,
    is not found. All files of one size are one matter then: where one of them is new or changed, an index does not keep
    the others from being opened, and sampled, again. While they are told apart each takes up to some 450 bytes of
    memory more.

    index is a file that remembers what was found, made where there is none: the next call reads and opens only files that
    changed, by their size and times, and those that have one of these for their equal. It is used by one call at a time,
    and does not decide what is equal. It is an SQLite database, in a directory that nobody else should be able to write to:
    its journal lies beside it, by its name and "-journal", as long as a call writes, and after one that was killed until the
    next. Any other file of that name, or with "-wal", is left alone, and the call refused. rebuild puts a new one in the
    place of what is damaged, newer, or no index at all.

    A file that fails is in report.failures, and the others go on. progress is called with the files and the bytes that are
    done. An exception from it, or KeyboardInterrupt, ends the call; what was shared stays shared.

    Raises OSError of the subclass for its errno, with the attributes reason and report, and the path of the root or the
    index as filename: where a root cannot be opened; EOPNOTSUPP a root's filesystem cannot share, or is not known to
    compare; EINVAL a pattern is none; and of the index EBUSY INDEX_IN_USE, EUCLEAN INDEX_DAMAGED, EINVAL INDEX_FOREIGN,
    EOPNOTSUPP INDEX_NEWER, ENAMETOOLONG a whole path of more than 504 bytes, ESTALE another file took its place meanwhile.
    """

def usage(
    roots: Iterable[StrOrBytesPath | FileDescriptorLike],
    *,
    cross_mounts: bool = False,
    memory: int = 0,
    scratch_dir: FileDescriptorLike | None = None,
    dir_fd: FileDescriptorLike | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> UsageReport:
    """Say how much each of some directories or files takes up, who else uses its blocks, and what deleting it would free.

    roots are paths, relative to dir_fd where it is given, or what is open: ints or objects with fileno(). Regular
    files beneath them are looked at; symbolic links are not followed, and a root is not left for what is mounted in
    it, unless cross_mounts is set. Roots may lie on different filesystems, and not one in another.

    Blocks are told by where they lie, and each is counted once, however many files or places share it; so is a file
    with several names. What the filesystem takes for itself, directories and extended attributes are not counted.
    Dirty pages are written back first.

    How exact it is: a map says of a block that it is shared, and not with how many. What is flagged and seen once is
    used by something beside the roots. What is flagged and seen twice may be used by a third. On XFS with rmapbt (the
    default of mkfs.xfs since 6.5), and for root, the filesystem is asked who uses it, and every number is exact; else
    such blocks are unknown, and exclusive_most says what they could add. On btrfs the flag is of whole extents, a part
    of which others may use: shared_others is what it says, exclusive is certain to be used by nobody else, compressed
    extents are counted by the length that they have in the file, an extent of which only a part is still in use takes
    more space than is counted, and nothing is exact. Files without a map (tmpfs) count by the blocks that os.stat()
    tells; on an overlay, NFS, SMB, FUSE and ZFS these are unknown.

    memory is about how many bytes the extents may take, each of them 32; 0 is 32 MiB. What is more waits in an unlinked
    file in scratch_dir, the descriptor of a directory, or /var/tmp.

    progress is called with the files and the bytes in them that were looked at. An exception from it, or
    KeyboardInterrupt, ends the call. What cannot be looked at is in report.failures.

    Raises OSError of the subclass for its errno, with the attributes reason and report, where a root cannot be opened,
    or lies in another one (EINVAL, ROOT_IN_ROOT).
    """

def probe(src: FileDescriptorLike, dst: FileDescriptorLike) -> Capabilities:
    """Say what works from src to dst, opened as they are, and why the rest does not. Writes nothing.

    src and dst are ints or objects with fileno(). That a clone works does not promise space for it.

    Raises OSError, with the attributes reason and report: EBADF when one of them is not open; what looking at
    them fails with, EIO or ESTALE say.
    """

def extents(fd: FileDescriptorLike, offset: int = 0, length: int | None = None) -> list[Extent]:
    """List the extents of a range of a file, in order, holes among them.

    They are cut to the range and to the end of the file. fd is an int or an object with fileno(); offset
    and length are bytes, and a length of None is the rest of the file. Dirty pages of the file are written
    back first: data that is not on disk yet has no place.

    Raises OSError, with the attributes reason and report: EOPNOTSUPP where the filesystem has no map
    (tmpfs, NFS, FUSE); EBADF; EISDIR; EINVAL for what is no regular file; EIO.
    """

def shared_bytes(a: FileDescriptorLike, b: FileDescriptorLike) -> int:
    """Count the bytes of blocks that two files share.

    It is the intersection of where their data lies, each block counted once. a and b are ints or objects
    with fileno(). Exact on XFS; on btrfs compressed extents are compared by their beginning only. Data
    inside metadata is never shared.

    Raises OSError as extents() does; and EXDEV where the addresses cannot be compared: two filesystems,
    or an overlay and the filesystem under it. EOPNOTSUPP also on SMB, whose maps have no addresses.
    """
