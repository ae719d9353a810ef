/*
 * xtent: copy, clone and dedupe ranges of files on Linux.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * There are three verbs, each with a promise of its own:
 *
 *   copy    moves bytes, and never asks a local filesystem to share them. It may come back short, like
 *           read(2), and can be cancelled. There is always a way.
 *   clone   makes the destination share the source's blocks: the whole range, or an error. It is never
 *           faked by copying.
 *   dedupe  makes ranges share blocks only where their bytes are already equal, for any number of
 *           targets. It never changes what a file contains.
 *
 * Each is there for ranges of open files (xtent_copy_range) and for whole files by their paths
 * (xtent_copy_file), which appear under their names whole or not at all. A stage (xtent_stage_open) is a
 * file that a program fills itself and publishes in the same way. Whole directories (xtent_copy_tree) are
 * copied or cloned, and appear likewise; xtent_dedupe_tree finds what is equal in directories and makes it
 * share, and xtent_usage says what they take up and what deleting one would free.
 *
 * xtent_clone_or_copy_range is the policy on top, share if possible, else copy, and says how many bytes
 * went which way. Nothing else falls back, and nothing falls back silently.
 *
 *
 * A program
 *
 *     #include <fcntl.h>
 *     #include <stdio.h>
 *     #include <xtent.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *         if (argc != 3)
 *             return 2;
 *         int src = open(argv[1], O_RDONLY);
 *         int dst = open(argv[2], O_WRONLY | O_CREAT | O_EXCL, 0666);
 *         struct xtent_report report = XTENT_REPORT_INIT;
 *
 *         if (xtent_clone_range(src, 0, dst, 0, XTENT_TO_END, NULL, &report) == 0)
 *             printf("the files share %llu bytes\n", (unsigned long long)report.bytes_cloned);
 *         else
 *             printf("not cloned: %s\n", xtent_reason_text(report.reason));
 *         return report.error != 0;
 *     }
 *
 * It is built with "cc program.c -lxtent".
 *
 *
 * Errors and reasons
 *
 * A function that can fail returns a negative errno; the variable errno itself means nothing
 * afterwards. One errno has many causes (EINVAL from a clone at least eight), so the report, and each
 * target of a dedupe, also has a reason: a number that stays the same in all versions (XTENT_REASON_...),
 * with a name (xtent_reason_name) and a sentence for people (xtent_reason_text). The kernel is asked
 * first; what it refuses is explained afterwards, and where no cause can be found the reason is
 * XTENT_REASON_UNKNOWN. Later versions may have more reasons.
 *
 * ENOTRECOVERABLE, which any function may return, is a bug of this library.
 *
 *
 * Offsets and lengths
 *
 * They are bytes. Arguments come in the order source, source offset, destination, destination offset,
 * length. The length XTENT_TO_END means to the end of the source, as the kernel sees it at that moment.
 *
 *
 * Structs
 *
 * Options, reports and capabilities begin with their size, grow only at their end, and must be begun
 * with their INIT macro: a size of 0 is EINVAL, one of more than 4096 E2BIG. A program runs with later
 * and with earlier libraries than it was compiled for. Options that it does not know stay at their
 * defaults; options that the library does not know are E2BIG unless they are zero, and unknown flags are
 * EINVAL. What a library does not know of a report is filled with zeros. Elements of arrays (targets,
 * extents) never grow.
 *
 * A report is written on success and on failure, except that its own size is wrong.
 *
 *
 * Descriptors and locks
 *
 * A file descriptor of the caller is never closed, repositioned or duplicated, and its file is never
 * opened again: closing any descriptor of a file would drop the POSIX locks (fcntl(2)) that the process
 * holds on it. Files are never mapped into memory. Functions that take paths open files, and close them.
 *
 *
 * Signals
 *
 * No signal handler is installed. SIGXFSZ is blocked in the calling thread while a copy runs, and one
 * that a write of the copy raised is taken away: the error is EFBIG. A signal that the program handles
 * does not end a call: to end a copy or a dedupe, let the handler set the flag `cancel` of the options,
 * or let `progress` return something else than 0. A clone of a range cannot be cancelled, and while it
 * changes the destination the calling thread's signals wait. No function here may be called from a signal
 * handler.
 *
 *
 * Threads and fork
 *
 * All functions may be called from any number of threads at once, also on the same descriptors, and
 * after fork(2): but not xtent_dedupe_tree with an index, in the child of a process that had another such
 * call in some thread at the fork, for SQLite's locks may be held there for ever. No call leaves a thread
 * or a lock behind; only those for whole trees have threads while they run, as many as their options say.
 * There is no output, and there are no environment variables.
 * No function is a cancellation point: a thread that is cancelled (pthread_cancel(3)) meanwhile ends after it.
 *
 *
 * Versions
 *
 * A function is there since the version that its description ends with. Programs that were built for a
 * version run with every later one that has the same SONAME; a program that wants to run with an earlier
 * one looks at xtent_version, or finds its functions with dlsym(3).
 */

#ifndef XTENT_H
#define XTENT_H

/* Made by cbindgen from the sources in capi/src: change those, not this file. */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/** The version of this header. The library's own is what xtent_version returns. */
#define XTENT_VERSION_MAJOR 0

/** See XTENT_VERSION_MAJOR. */
#define XTENT_VERSION_MINOR 1

/** See XTENT_VERSION_MAJOR. */
#define XTENT_VERSION_PATCH 0

/** The version of this header as a number, as xtent_version returns that of the library. */
#define XTENT_VERSION (((XTENT_VERSION_MAJOR * 10000) + (XTENT_VERSION_MINOR * 100)) + XTENT_VERSION_PATCH)

/** As a length: to the end of the source, as the kernel sees it at that moment. */
#define XTENT_TO_END UINT64_MAX

/** "no reason: nothing went wrong" */
#define XTENT_REASON_NONE 0

/** "the kernel refused, and no cause could be found" */
#define XTENT_REASON_UNKNOWN 1

/** "an argument is not valid: NULL, a wrong struct size, or an unknown flag" */
#define XTENT_REASON_INVALID_ARGUMENT 2

/** "the length is 0; use the to-end length for the rest of the file" */
#define XTENT_REASON_ZERO_LENGTH 3

/** "offset plus length passes the largest possible file offset" */
#define XTENT_REASON_OVERFLOW 4

/** "a descriptor is not open" */
#define XTENT_REASON_BAD_DESCRIPTOR 5

/** "a descriptor is not open for that: the source must be readable, the destination writable" */
#define XTENT_REASON_NOT_OPEN_FOR_THAT 6

/** "the destination is append-only, so that data cannot be placed at an offset" */
#define XTENT_REASON_APPEND_ONLY 7

/** "only regular files can be used" */
#define XTENT_REASON_NOT_A_REGULAR_FILE 8

/** "an offset or the length is not a multiple of the filesystem's block size" */
#define XTENT_REASON_MISALIGNED 9

/** "source and destination ranges overlap in the same file" */
#define XTENT_REASON_OVERLAP 10

/** "the range reaches past the end of the file" */
#define XTENT_REASON_PAST_END_OF_FILE 11

/** "the source's last partial block would land in the middle of the destination" */
#define XTENT_REASON_PARTIAL_BLOCK 12

/** "one file is copy-on-write and the other is not (chattr +C)" */
#define XTENT_REASON_NO_COPY_ON_WRITE_MISMATCH 13

/** "the files are on different filesystems, or reached through different mounts of one that keeps them apart" */
#define XTENT_REASON_DIFFERENT_FILESYSTEM 14

/** "this type of filesystem cannot do that" */
#define XTENT_REASON_FILESYSTEM_CANNOT 15

/** "this filesystem was made or mounted without support for that" */
#define XTENT_REASON_MOUNT_CANNOT 16

/** "the destination is not open for reading" */
#define XTENT_REASON_DESTINATION_NOT_READABLE 17

/** "the file is in use as swap space or is being executed" */
#define XTENT_REASON_SWAP_FILE 18

/** "the file is immutable (chattr +i) or sealed" */
#define XTENT_REASON_IMMUTABLE 19

/** "the destination's filesystem, mount or subvolume is read-only" */
#define XTENT_REASON_READ_ONLY 20

/** "the destination would pass the file-size limit (RLIMIT_FSIZE, or the filesystem's own)" */
#define XTENT_REASON_FILE_SIZE_LIMIT 21

/** "the filesystem has no space left" */
#define XTENT_REASON_NO_SPACE 22

/** "the disk quota is used up" */
#define XTENT_REASON_QUOTA 23

/** "the caller is not permitted to do that to this file" */
#define XTENT_REASON_PERMISSION 24

/** "cancelled by the caller" */
#define XTENT_REASON_CANCELLED 25

/** "the device or server reported an input/output error" */
#define XTENT_REASON_INPUT_OUTPUT 26

/** "the kernel or process ran out of memory" */
#define XTENT_REASON_OUT_OF_MEMORY 27

/** "signals interrupted the call before it made progress" */
#define XTENT_REASON_INTERRUPTED 28

/** "there is no directory on the same filesystem to make an unlinked file in" */
#define XTENT_REASON_NO_SCRATCH_DIRECTORY 29

/** "the source changed while it was read" */
#define XTENT_REASON_SOURCE_CHANGED 30

/** "another program wanted to write to the source, and the lease on it ended" */
#define XTENT_REASON_LEASE_BROKEN 31

/** "the source is in use by another program, or another part of this one" */
#define XTENT_REASON_IN_USE 32

/** "something has the destination's name already" */
#define XTENT_REASON_EXISTS 33

/** "there is no such file or directory" */
#define XTENT_REASON_NOT_FOUND 34

/** "sharing would fill a hole and take space: left alone, the bytes are equal" */
#define XTENT_REASON_WOULD_ALLOCATE 35

/** "the file was published, but could not be written to disk" */
#define XTENT_REASON_NOT_DURABLE 36

/** "read again, the copy and its source differ; nothing was published" */
#define XTENT_REASON_VERIFY_FAILED 37

/** "something else keeps the file busy, such as a running btrfs send; try again later" */
#define XTENT_REASON_BUSY 38

/** "a path has no name for a file, or one that the filesystem does not take" */
#define XTENT_REASON_INVALID_NAME 39

/** "a symbolic link where none is followed, or too many of them" */
#define XTENT_REASON_TOO_MANY_LINKS 40

/** "the two cannot be exchanged in one moment: not on this filesystem, or not with these files, or not there" */
#define XTENT_REASON_CANNOT_EXCHANGE 41

/** "the destination's old range cannot be kept, and so not be put back after a failure" */
#define XTENT_REASON_UNDO_IMPOSSIBLE 42

/** "the source is what would be replaced, or lies inside of it" */
#define XTENT_REASON_INSIDE_DESTINATION 43

/** "something on a path is no directory" */
#define XTENT_REASON_NOT_A_DIRECTORY 44

/** "the destination lies inside of the source" */
#define XTENT_REASON_INSIDE_SOURCE 45

/** "the index is damaged" */
#define XTENT_REASON_INDEX_DAMAGED 46

/** "the file is no index of this library" */
#define XTENT_REASON_INDEX_FOREIGN 47

/** "the index was made by a newer version of this library" */
#define XTENT_REASON_INDEX_NEWER 48

/** "another run uses the index" */
#define XTENT_REASON_INDEX_IN_USE 49

/** "a root lies in another one, or is the same" */
#define XTENT_REASON_ROOT_IN_ROOT 50

/** "the server no longer has the file, or does not know it any more" */
#define XTENT_REASON_GONE 53

/** For `destination`: no clone failed. */
#define XTENT_DESTINATION_NONE 0

/**
 * For `destination`: it is as it was; nothing was changed. Of the times the kernel changes some before it looks for
 * space: the modification time is put back where the caller owns the file, and st_ctime never.
 */
#define XTENT_DESTINATION_UNTOUCHED 1

/**
 * For `destination`: it is as it was again: bytes, holes and size, and the modification time where the
 * caller owns the file, but never st_ctime. Space that was preallocated and never written is a hole now.
 */
#define XTENT_DESTINATION_RESTORED 2

/**
 * For `destination`: from `changed_from` up to `changed_to` it may be other than it was, and its size too;
 * outside it is as it was. Where nothing was kept these bytes are the source's.
 */
#define XTENT_DESTINATION_CHANGED 3

/** For `protection`: nothing stood between a failure and the destination. */
#define XTENT_PROTECTION_NONE 0

/** For `protection`: the range was empty, and the old size enough to go back. */
#define XTENT_PROTECTION_SIZE 1

/** For `protection`: the range changed in one moment. */
#define XTENT_PROTECTION_EXCHANGE 2

/** For `protection`: the old range was kept aside. */
#define XTENT_PROTECTION_UNDO 3

/** Holes of the source, and space that was reserved there and never written, become holes. */
#define XTENT_SPARSE_KEEP 0

/** Everything is written out: the destination has blocks for all of it. */
#define XTENT_SPARSE_FILL 1

/** Holes stay holes, and whole pages of zeros become holes too. */
#define XTENT_SPARSE_DETECT 2

/** What was read and written stays in the page cache, as always. */
#define XTENT_CACHE_KEEP 0

/**
 * What the call brought into the page cache goes again, of all its files; what was there before stays.
 * The destination of a copy is written back for that, at some cost in time; an error of writing back takes
 * the bytes that it lost off the count. Where the kernel does not say what is cached, nothing of that file
 * is let go: before Linux 6.5, and for a source that the caller may neither write nor owns.
 */
#define XTENT_CACHE_NEUTRAL 1

/** The bytes are read and written here. */
#define XTENT_SERVER_NEVER 0

/**
 * Where both files are on a network filesystem the server is asked to copy (copy_file_range(2)): NFS 4.2,
 * SMB 3, CephFS. It may share the blocks instead. Where it cannot, the bytes are read and written.
 */
#define XTENT_SERVER_ALLOW 1

/**
 * For `undo`: the old bytes are kept until the clone is whole, and put back after a failure. Where they
 * cannot be kept, nothing is cloned.
 */
#define XTENT_UNDO_AUTO 0

/** For `undo`: the old bytes are kept where possible. Where they cannot be, the clone goes on without. */
#define XTENT_UNDO_BEST 1

/** For `undo`: nothing is kept: the kernel's clone as it is. */
#define XTENT_UNDO_OFF 2

/** For `atomic`: by an exchange where the filesystem has it and there is something to lose. */
#define XTENT_ATOMIC_BEST 0

/** For `atomic`: by an exchange, or nothing is cloned. */
#define XTENT_ATOMIC_REQUIRED 1

/**
 * A target's status: the call ended before it was done with this target. What `compared` and `shared`
 * say was done all the same.
 */
#define XTENT_NOT_REACHED 0

/** A target's status: all that was compared is equal. */
#define XTENT_SAME 1

/** A target's status: the bytes differ. What was equal before the first difference may be shared. */
#define XTENT_DIFFERS 2

/** A target's status: it was refused, or failed. See its `error` and `reason`. */
#define XTENT_FAILED 3

/** The files' extent maps are compared before and after. */
#define XTENT_MEASURE_YES 0

/**
 * They are not: `shared` and `already_shared` are XTENT_UNKNOWN, and what is shared already is compared
 * again. For files in so many extents that reading their maps costs more.
 */
#define XTENT_MEASURE_NO 1

/** A target is left at its first difference. */
#define XTENT_BLOCKS_NO 0

/**
 * A target that differs goes on to share every run of equal blocks behind the first difference. It must be
 * readable for that; of one that is not, steps are shared that are equal as a whole.
 */
#define XTENT_BLOCKS_YES 1

/** A number of bytes that cannot be told. */
#define XTENT_UNKNOWN UINT64_MAX

/**
 * For `preserve` and `unkept`: the permission bits as they are. Set-user-id and set-group-id only where the
 * new file's owner, or group, is the source's.
 */
#define XTENT_PRESERVE_MODE 1

/** For `preserve` and `unkept`: owner and group. */
#define XTENT_PRESERVE_OWNER 2

/**
 * For `preserve` and `unkept`: the times of the last access and modification, as they were when the source
 * was opened.
 */
#define XTENT_PRESERVE_TIMES 4

/** For `preserve` and `unkept`: extended attributes, capabilities among them; not ACLs. */
#define XTENT_PRESERVE_XATTRS 8

/** For `preserve` and `unkept`: access control lists, with the permission bits that are part of them. */
#define XTENT_PRESERVE_ACLS 16

/**
 * For `preserve`: where a regular file is replaced, mode, owner, extended attributes and ACLs are its own, as
 * if it had been rewritten in place: without set-id bits and capabilities, which are not given to new
 * contents. Of the other bits only XTENT_PRESERVE_TIMES counts then; where none is replaced this one does not.
 */
#define XTENT_PRESERVE_DESTINATION 32

/** For `flags`: the new file may take the place of another that has the name. */
#define XTENT_FILE_REPLACE 1

/** For `flags`: wait until the file and its name are on disk. */
#define XTENT_FILE_DURABLE 2

/** For `flags`: a source that is a symbolic link is followed. */
#define XTENT_FILE_FOLLOW 4

/**
 * For `flags`: both files are read again and compared before the new one is published: written back, and
 * past the page cache as far as the filesystem lets one. Where they differ the error is EIO, the reason
 * XTENT_REASON_VERIFY_FAILED, and nothing is published.
 */
#define XTENT_FILE_VERIFY 8

/**
 * For `stable`: nothing is done about programs that write to the source meanwhile, and a copy may be a mix of
 * different moments. (A clone never is.)
 */
#define XTENT_STABLE_NONE 0

/**
 * For `stable`: nothing is held. A change while the source is read is seen, and then nothing is published:
 * ESTALE, XTENT_REASON_SOURCE_CHANGED. So it is where the source is not quiet for 100 ms within some tries.
 * EOPNOTSUPP where the times of a file do not tell of every change: tmpfs, NFS, SMB, FUSE. An O_DIRECT write that
 * began more than 100 ms before and has not ended yet is not seen.
 */
#define XTENT_STABLE_DETECT 1

/**
 * For `stable`: a lock is waited for and held that programs with the same protocol take, too
 * (docs/lock-protocol.md). It keeps out nobody else. EDEADLK, XTENT_REASON_IN_USE where this process itself has a lock in the
 * way, by F_SETLK.
 */
#define XTENT_STABLE_LOCK 2

/**
 * For `stable`: a lease (fcntl(2), F_SETLEASE), so that nobody has the source open for writing: else EAGAIN,
 * XTENT_REASON_IN_USE. Who opens it for writing later waits for the next step at most, 4 MiB, which ends the copy: EAGAIN,
 * XTENT_REASON_LEASE_BROKEN. No SIGIO reaches the process. EACCES for who neither owns the source nor has
 * CAP_LEASE; EOPNOTSUPP on FUSE and overlays.
 */
#define XTENT_STABLE_LEASE 3

/**
 * For `stable`: the source is cloned into a file without a name, in `scratch_dir` or beside the source, and the copy is
 * made from that: one moment, whoever writes. Writers wait for the clone, not for the copy. EOPNOTSUPP where
 * the filesystem does not clone.
 */
#define XTENT_STABLE_SNAPSHOT 4

/**
 * For `stable`: the first of snapshot, lease and detect that is to be had, chosen before the first byte is read. The report
 * says which.
 */
#define XTENT_STABLE_BEST 5

/** For `flags`: the file may take the place of another that has the name. */
#define XTENT_STAGE_REPLACE 1

/** For `flags`: publishing waits until the file and its name are on disk. */
#define XTENT_STAGE_DURABLE 2

/**
 * For `flags`: the published file has the permission bits that the program gave it by fchmod(2), and `mode`
 * must be 0.
 */
#define XTENT_STAGE_KEEP_MODE 4

/** For `flags`: the new tree may take the place of what has the name. */
#define XTENT_TREE_REPLACE 1

/** For `flags`: wait until all of the tree and its name are on disk. */
#define XTENT_TREE_DURABLE 2

/** For `flags`: go down into other filesystems that are mounted in the source. */
#define XTENT_TREE_CROSS_MOUNTS 4

/** For `flags`: go on where a file fails, and publish the tree without it. */
#define XTENT_TREE_KEEP_GOING 8

/** For `flags`: share nothing, and only estimate what would be shared. */
#define XTENT_DEDUPE_TREE_DRY_RUN 1

/** For `flags`: go down into other filesystems that are mounted beneath a root. */
#define XTENT_DEDUPE_TREE_CROSS_MOUNTS 2

/** For `flags`: a new index in the place of one that is damaged, newer, or none at all. */
#define XTENT_DEDUPE_TREE_REBUILD 4

/** For `flags`: files of more than 128 KiB that differ share what blocks of theirs are equal. */
#define XTENT_DEDUPE_TREE_BLOCKS 8

/** For `flags`: go down into other filesystems that are mounted beneath a root. */
#define XTENT_USAGE_CROSS_MOUNTS 1

/** An extent is a hole: it takes no space, and a read gives zeros. */
#define XTENT_EXTENT_HOLE 1

/** An extent has blocks that were never written: a read gives zeros. */
#define XTENT_EXTENT_UNWRITTEN 2

/**
 * Another file, or another place in this one, uses the same blocks. XFS says so of each block; btrfs
 * of a whole extent as soon as any part of it is shared.
 */
#define XTENT_EXTENT_SHARED 4

/** Stored inside metadata, not in blocks of its own. */
#define XTENT_EXTENT_INLINE 8

/** Compressed or encrypted: `physical` names the whole extent, which may be shorter on disk. */
#define XTENT_EXTENT_ENCODED 16

/** The filesystem does not say where it lies. */
#define XTENT_EXTENT_UNKNOWN 32

/** Whether a verb works: only trying would tell. */
#define XTENT_ANSWER_UNKNOWN 0

/** Whether a verb works: it does. */
#define XTENT_ANSWER_YES 1

/** Whether a verb works: it does not. */
#define XTENT_ANSWER_NO 2

/** A file in the making: see xtent_stage_open. */
struct xtent_stage;

/** Options of xtent_copy_range and xtent_clone_or_copy_range. Begin with XTENT_COPY_OPTIONS_INIT. */
struct xtent_copy_options {
    /** sizeof(struct xtent_copy_options). */
    uint32_t size;
    /** Must be 0: there are no flags yet. */
    uint32_t flags;
    /**
     * NULL, or a flag that is looked at before each step: once it is not 0 the call ends. A signal
     * handler may set it, or another thread.
     */
    const volatile sig_atomic_t *cancel;
    /**
     * NULL, or called after each step in the calling thread, with `user`, the bytes that are done and
     * the bytes that there are in all (XTENT_TO_END where the source does not say). The call ends when
     * it returns anything but 0. It must return: no longjmp, no C++ exception.
     */
    int (*progress)(void *user, uint64_t done, uint64_t total);
    /** Handed to `progress`. */
    void *user;
    /** What becomes of holes: XTENT_SPARSE_... The bytes are the same each time. */
    uint32_t sparse;
    /** What becomes of the page cache: XTENT_CACHE_... */
    uint32_t cache;
    /** Whether a server may copy by itself what lies on it: XTENT_SERVER_... */
    uint32_t server;
    /** Must be 0. */
    uint32_t reserved;
#define XTENT_COPY_OPTIONS_INIT { sizeof(struct xtent_copy_options), 0, NULL, NULL, NULL, 0, 0, 0, 0 }
};

/**
 * What a verb did, written on success and on failure alike. Begin with XTENT_REPORT_INIT. All
 * amounts are bytes of the range that was asked for.
 */
struct xtent_report {
    /** sizeof(struct xtent_report). */
    uint32_t size;
    /**
     * Why the verb ended before the whole range was done: XTENT_REASON_..., XTENT_REASON_NONE when
     * nothing was in the way (also when a copy just met the end of the source).
     */
    int32_t reason;
    /** The errno that goes with `reason`, positive; 0 when there is none. */
    int32_t error;
    /** xtent_clone_or_copy_range only: why bytes that could have been cloned were copied. */
    int32_t fallback;
    /**
     * Bytes that are done, from the beginning of the range on: the sum of `bytes_copied`,
     * `bytes_cloned`, `bytes_hole` and `bytes_server`.
     */
    uint64_t bytes;
    /** Bytes that were read and written, so that the destination has blocks of its own. */
    uint64_t bytes_copied;
    /** Bytes that share the source's blocks now because the kernel cloned them. */
    uint64_t bytes_cloned;
    /** Bytes that are a hole in the source, and were made or left a hole in the destination. */
    uint64_t bytes_hole;
    /**
     * The multiple that offsets and lengths need, in bytes, when `reason` or `fallback` is
     * XTENT_REASON_MISALIGNED or XTENT_REASON_PARTIAL_BLOCK; else 0.
     */
    uint64_t alignment;
    /** File verbs only, metadata that was to be kept and could not be: any of XTENT_PRESERVE_... */
    uint32_t unkept;
    /**
     * After an error of a clone, what the destination is now: XTENT_DESTINATION_... (After
     * xtent_clone_or_copy_range: behind the bytes that are done.)
     */
    uint32_t destination;
    /**
     * Bytes that a server copied without sending them here, which only XTENT_SERVER_ALLOW lets it do. It
     * may have shared them instead.
     */
    uint64_t bytes_server;
    /** xtent_clone_range only, what stood between a failure and the destination: XTENT_PROTECTION_... */
    uint32_t protection;
    /**
     * With `keep_undo` and XTENT_DESTINATION_CHANGED, a file with the old bytes of the range at their
     * offsets and the destination's old size, open for reading and writing; yours to close. Else 0.
     */
    int32_t undo_fd;
    /** With XTENT_DESTINATION_CHANGED, an offset in the destination. */
    uint64_t changed_from;
    /** With XTENT_DESTINATION_CHANGED, an offset in the destination, or XTENT_TO_END if it is not known. */
    uint64_t changed_to;
    /** How many bytes of space were set aside, during the call, for the way back. */
    uint64_t undo_reserve;
    /** File verbs only, how the source was kept stable: XTENT_STABLE_... */
    uint32_t stable;
    /** Always 0. */
    uint32_t unused;
#define XTENT_REPORT_INIT { sizeof(struct xtent_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
};

/** Options of xtent_clone_range. Begin with XTENT_CLONE_OPTIONS_INIT. */
struct xtent_clone_options {
    /** sizeof(struct xtent_clone_options). */
    uint32_t size;
    /** Must be 0: there are no flags yet. */
    uint32_t flags;
    /** Whether the old bytes of the range are kept until the clone is whole: XTENT_UNDO_... */
    uint32_t undo;
    /** Whether the range must change in one moment: XTENT_ATOMIC_... */
    uint32_t atomic;
    /**
     * A directory on the destination's filesystem, for unlinked files. 0: the one that the destination
     * is in, or was before it was unlinked, looked up by /proc/self/fd and only used if the destination is
     * still found there, or of an unlinked one if it is on the same filesystem.
     */
    int32_t scratch_dir;
    /**
     * Not 0: hand over the file with the old bytes, should they not have come back (the report's
     * `undo_fd`). EINVAL without a report that has this member.
     */
    uint32_t keep_undo;
#define XTENT_CLONE_OPTIONS_INIT { sizeof(struct xtent_clone_options), 0, 0, 0, 0, 0 }
};

/**
 * A place that may come to share the source's blocks, and what became of it. Begin with
 * XTENT_DEDUPE_TARGET_INIT(fd, offset). The numbers are bytes of its range.
 */
struct xtent_dedupe_target {
    /** The file: open for writing, or for reading by its owner or somebody who may write it. */
    int fd;
    /** What became of it: XTENT_NOT_REACHED, XTENT_SAME, XTENT_DIFFERS or XTENT_FAILED. */
    int32_t status;
    /** Where the range begins in it; a multiple of the filesystem's block size. */
    uint64_t offset;
    /** With XTENT_FAILED the errno, positive; else 0. */
    int32_t error;
    /** With XTENT_FAILED why: XTENT_REASON_... */
    int32_t reason;
    /** From the beginning of the range, what was found equal. */
    uint64_t compared;
    /**
     * What shares the source's blocks now and did not before the call; XTENT_UNKNOWN where the
     * files' extent maps cannot tell.
     */
    uint64_t shared;
    /** What shared the source's blocks before the call; or XTENT_UNKNOWN. */
    uint64_t already_shared;
    /**
     * With XTENT_DIFFERS how far into the range the first difference is; XTENT_UNKNOWN otherwise, and
     * where the target could not be read to find it.
     */
    uint64_t differs_at;
    /** Must be 0. */
    uint64_t reserved[2];
#define XTENT_DEDUPE_TARGET_INIT(fd, offset) { (fd), XTENT_NOT_REACHED, (offset), 0, 0, 0, 0, 0, 0, { 0, 0 } }
};

/** Options of xtent_dedupe_range. Begin with XTENT_DEDUPE_OPTIONS_INIT. */
struct xtent_dedupe_options {
    /** sizeof(struct xtent_dedupe_options). */
    uint32_t size;
    /** Must be 0: there are no flags yet. */
    uint32_t flags;
    /**
     * NULL, or a flag that is looked at before each step: once it is not 0 the call ends. A signal
     * handler may set it, or another thread.
     */
    const volatile sig_atomic_t *cancel;
    /**
     * NULL, or called after each step in the calling thread, with `user`, the bytes that are done and
     * the bytes that there are in all, counted over all targets. The call ends when it returns anything
     * but 0. It must return: no longjmp, no C++ exception.
     */
    int (*progress)(void *user, uint64_t done, uint64_t total);
    /** Handed to `progress`. */
    void *user;
    /** Whether it is measured what is shared: XTENT_MEASURE_... */
    uint32_t measure;
    /** What becomes of a target behind a difference: XTENT_BLOCKS_... */
    uint32_t blocks;
    /**
     * What becomes of the page cache: XTENT_CACHE_... The kernel itself lets go of a target's pages where it
     * shared, on XFS.
     */
    uint32_t cache;
    /** Must be 0. */
    uint32_t reserved;
#define XTENT_DEDUPE_OPTIONS_INIT { sizeof(struct xtent_dedupe_options), 0, NULL, NULL, NULL, 0, 0, 0, 0 }
};

/**
 * Options of xtent_copy_file, xtent_clone_file and xtent_clone_or_copy_file. Begin with
 * XTENT_FILE_OPTIONS_INIT.
 */
struct xtent_file_options {
    /** sizeof(struct xtent_file_options). */
    uint32_t size;
    /** Any of XTENT_FILE_..., combined with |. */
    uint32_t flags;
    /**
     * Metadata to keep: any of XTENT_PRESERVE_..., combined with |. With 0 the new file has the source's
     * permission bits, without set-id and sticky bits, through the umask or the directory's default ACL.
     */
    uint32_t preserve;
    /** Must be 0. */
    uint32_t reserved;
    /** NULL, or how bytes are moved, with `cancel` and `progress`. */
    const struct xtent_copy_options *copy;
    /**
     * What to do about programs that write to the source meanwhile: XTENT_STABLE_... For a source that is
     * open already, lock and lease are EINVAL: its descriptor may have others.
     */
    uint32_t stable;
    /**
     * A directory on the source's filesystem, for XTENT_STABLE_SNAPSHOT. 0: the one that the source is in,
     * looked up by /proc/self/fd and only used if the source is still found there.
     */
    int32_t scratch_dir;
#define XTENT_FILE_OPTIONS_INIT { sizeof(struct xtent_file_options), 0, 0, 0, NULL, 0, 0 }
};

/**
 * A file that may come to share the source's blocks, and what became of it. Begin with
 * XTENT_DEDUPE_FILE_INIT(dir, path). The numbers are bytes.
 */
struct xtent_dedupe_file {
    /** The directory that `path` is relative to, or AT_FDCWD; with an empty `path` the open file itself. */
    int dir;
    /** What became of it: XTENT_NOT_REACHED, XTENT_SAME, XTENT_DIFFERS or XTENT_FAILED. */
    int32_t status;
    /** The file. A symbolic link is not followed. */
    const char *path;
    /** With XTENT_FAILED the errno, positive; else 0. */
    int32_t error;
    /** With XTENT_FAILED why: XTENT_REASON_... */
    int32_t reason;
    /** From its beginning, what was found equal. */
    uint64_t compared;
    /**
     * What shares the source's blocks now and did not before the call; XTENT_UNKNOWN where the
     * files' extent maps cannot tell.
     */
    uint64_t shared;
    /** What shared the source's blocks before the call; or XTENT_UNKNOWN. */
    uint64_t already_shared;
    /**
     * With XTENT_DIFFERS where the first difference is; XTENT_UNKNOWN otherwise, where the file could not be
     * read to find it, and where it is of another size.
     */
    uint64_t differs_at;
    /** Must be 0. */
    uint64_t reserved[2];
#define XTENT_DEDUPE_FILE_INIT(dir, path) { (dir), XTENT_NOT_REACHED, (path), 0, 0, 0, 0, 0, 0, { 0, 0 } }
};

/** Options of xtent_stage_open. Begin with XTENT_STAGE_OPTIONS_INIT. */
struct xtent_stage_options {
    /** sizeof(struct xtent_stage_options). */
    uint32_t size;
    /** Any of XTENT_STAGE_..., combined with |. */
    uint32_t flags;
    /**
     * The permission bits of the published file, at most 07777, through the umask or the directory's default
     * ACL as for any new file; 0 stands for 0666.
     */
    uint32_t mode;
    /** Must be 0. */
    uint32_t reserved;
#define XTENT_STAGE_OPTIONS_INIT { sizeof(struct xtent_stage_options), 0, 0, 0 }
};

/**
 * Options of xtent_copy_tree, xtent_clone_tree and xtent_clone_or_copy_tree. Begin with
 * XTENT_TREE_OPTIONS_INIT.
 */
struct xtent_tree_options {
    /** sizeof(struct xtent_tree_options). */
    uint32_t size;
    /** Any of XTENT_TREE_..., combined with |. */
    uint32_t flags;
    /** How many threads work at it, the calling one among them: 0 is one for each processor. At most 64. */
    uint32_t threads;
    /** Must be 0. */
    uint32_t reserved;
    /**
     * NULL, or a flag that is looked at between files and between steps of large ones: once it is not 0 the
     * call ends. A signal handler may set it, or another thread.
     */
    const volatile sig_atomic_t *cancel;
    /**
     * NULL, or called in the calling thread between files and steps, with `user`, the files and the bytes that
     * are done. The call ends when it returns anything but 0. It must return: no longjmp, no C++ exception.
     */
    int (*progress)(void *user, uint64_t files, uint64_t bytes);
    /**
     * NULL, or called in the calling thread for what failed, with `user`, the path beneath `src` (empty for
     * the tree itself), the errno and the reason: once where the call fails, and with
     * XTENT_TREE_KEEP_GOING for each file, at the end.
     */
    void (*failed)(void *user, const char *path, int error, int reason);
    /** Handed to `progress` and `failed`. */
    void *user;
#define XTENT_TREE_OPTIONS_INIT { sizeof(struct xtent_tree_options), 0, 0, 0, NULL, NULL, NULL, NULL }
};

/** What a tree verb did, written on success and on failure alike. Begin with XTENT_TREE_REPORT_INIT. */
struct xtent_tree_report {
    /** sizeof(struct xtent_tree_report). */
    uint32_t size;
    /** Why the call failed: XTENT_REASON_..., XTENT_REASON_NONE when it did not. */
    int32_t reason;
    /** The errno that goes with `reason`, positive; 0 when there is none. */
    int32_t error;
    /** xtent_clone_or_copy_tree only: why the first file that could not be cloned was copied. */
    int32_t fallback;
    /** Bytes of all files: the sum of the next three. */
    uint64_t bytes;
    /** Bytes that were read and written, so that the new files have blocks of their own. */
    uint64_t bytes_copied;
    /** Bytes that share the source's blocks now because the kernel cloned them. */
    uint64_t bytes_cloned;
    /** Bytes that are a hole in the source, and in the new tree. */
    uint64_t bytes_hole;
    /** Regular files with contents of their own. */
    uint64_t files;
    /** Directories, the tree itself among them. */
    uint64_t directories;
    /** Further names of files: hard links. */
    uint64_t links;
    /** Symbolic links, FIFOs, sockets and devices. */
    uint64_t specials;
    /** Names that were listed in the source and not there any more. */
    uint64_t vanished;
    /** With XTENT_TREE_KEEP_GOING, what failed and is not in the new tree. */
    uint64_t failures;
    /** Metadata that could not be kept of some file: any of XTENT_PRESERVE_... */
    uint32_t unkept;
    /** Always 0. */
    uint32_t unused;
#define XTENT_TREE_REPORT_INIT \
    { sizeof(struct xtent_tree_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
};

/** A directory or file. Begin with XTENT_DEDUPE_TREE_ROOT_INIT(dir, path). */
struct xtent_dedupe_tree_root {
    /** The directory that `path` is relative to, or AT_FDCWD; with an empty `path` the root itself, a directory. */
    int dir;
    /** Must be 0. */
    uint32_t reserved;
    /** The root. A symbolic link is not followed. */
    const char *path;
#define XTENT_DEDUPE_TREE_ROOT_INIT(dir, path) { (dir), 0, (path) }
};

/** Options of xtent_dedupe_tree. Begin with XTENT_DEDUPE_TREE_OPTIONS_INIT. */
struct xtent_dedupe_tree_options {
    /** sizeof(struct xtent_dedupe_tree_options). */
    uint32_t size;
    /** Any of XTENT_DEDUPE_TREE_..., combined with |. */
    uint32_t flags;
    /** How many threads work at it, the calling one among them: 0 is one for each processor. At most 8. */
    uint32_t threads;
    /** What becomes of the page cache: XTENT_CACHE_... */
    uint32_t cache;
    /** Files of fewer bytes are left alone. Empty ones always are. */
    uint64_t min_size;
    /**
     * Patterns, in UTF-8, of which a file must match one, where there are any. "*", "?", "[...]", "{a,b}", and
     * "**" for any number of directories; a pattern without a slash is one of names, at any depth, and one with a
     * slash that of a whole path beneath its root.
     */
    const char *const *include;
    /** How many those are. */
    size_t n_include;
    /** Patterns of files that are left out, and of directories with all that is in them. */
    const char *const *exclude;
    /** How many those are. */
    size_t n_exclude;
    /** NULL, or a file that remembers what was found, for the next call; made where there is none. */
    const char *index;
    /** The directory that `index` is relative to; 0 and AT_FDCWD are the working directory. */
    int index_dir;
    /** Must be 0. */
    uint32_t reserved;
    /**
     * NULL, or a flag that is looked at between files and between steps of large ones: once it is not 0 the
     * call ends. A signal handler may set it, or another thread.
     */
    const volatile sig_atomic_t *cancel;
    /**
     * NULL, or called in the calling thread between files and steps, with `user`, the files and the bytes that
     * are done. The call ends when it returns anything but 0. It must return: no longjmp, no C++ exception.
     */
    int (*progress)(void *user, uint64_t files, uint64_t bytes);
    /**
     * NULL, or called in the calling thread for what failed, with `user`, its path with that of the root, the
     * errno and the reason: at the end for each, or once where the call fails, with the path of the root, of the
     * index, or an empty one.
     */
    void (*failed)(void *user, const char *path, int error, int reason);
    /** Handed to `progress` and `failed`. */
    void *user;
#define XTENT_DEDUPE_TREE_OPTIONS_INIT \
    { sizeof(struct xtent_dedupe_tree_options), 0, 0, 0, 0, NULL, 0, NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL }
};

/**
 * What xtent_dedupe_tree did, written on success and on failure alike. Begin with
 * XTENT_DEDUPE_TREE_REPORT_INIT. The amounts are bytes where nothing else is said.
 */
struct xtent_dedupe_tree_report {
    /** sizeof(struct xtent_dedupe_tree_report). */
    uint32_t size;
    /** Why the call failed: XTENT_REASON_..., XTENT_REASON_NONE when it did not. */
    int32_t reason;
    /** The errno that goes with `reason`, positive; 0 when there is none. */
    int32_t error;
    /** Always 0. */
    uint32_t unused;
    /** Regular files that the filters let pass, each once. */
    uint64_t files;
    /** Directories that were walked. */
    uint64_t directories;
    /** Further names of files: hard links, and roots that overlap. */
    uint64_t links;
    /** Files of a size that another one of the same filesystem has. */
    uint64_t candidates;
    /** Candidates of which the index knew that nothing is to be done: they were not even opened. */
    uint64_t known;
    /** What was read to tell candidates apart, before the kernel compared what was left. */
    uint64_t read;
    /** Files that are equal to another one, and came to share all their blocks with it. */
    uint64_t deduped;
    /**
     * What shares another file's blocks now and did not before, by the files' extent maps. Of files that shared
     * their blocks among themselves before, all are counted; of one that the kernel found to differ, what comes
     * before the difference; with XTENT_DEDUPE_TREE_BLOCKS all its equal blocks.
     */
    uint64_t shared;
    /**
     * What of candidates shared another one's blocks before the call: all of those that shared all their blocks with
     * one that is counted; of each other one what it shared with that which it was compared with first. What is
     * `known` is not counted.
     */
    uint64_t already_shared;
    /** Files whose extent maps could not tell how much they share. */
    uint64_t unmeasured;
    /**
     * With XTENT_DEDUPE_TREE_DRY_RUN an estimate of what `shared` would be. Samples stand for files of more than
     * 128 KiB: so much of them as is equal, and not shared already by the extent maps.
     */
    uint64_t estimate;
    /** Files that were gone, or not what they were when they were listed. */
    uint64_t vanished;
    /** Files that failed. */
    uint64_t failures;
#define XTENT_DEDUPE_TREE_REPORT_INIT \
    { sizeof(struct xtent_dedupe_tree_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
};

/**
 * A directory or file, and what is found of it. Begin with XTENT_USAGE_ROOT_INIT(dir, path). The amounts are
 * bytes.
 */
struct xtent_usage_root {
    /** The directory that `path` is relative to, or AT_FDCWD; with an empty `path` the root itself. */
    int dir;
    /** 1 if all numbers are known to be exact; 0 if not. */
    uint32_t exact;
    /** The root. A symbolic link is not followed. */
    const char *path;
    /** Regular files; one with several names is one. */
    uint64_t files;
    /** The sum of their sizes. */
    uint64_t apparent;
    /** The blocks that they use, each counted once. */
    uint64_t allocated;
    /** Of these, what another root uses too. */
    uint64_t shared_roots;
    /** What something that is in none of the roots uses too, as far as is known. */
    uint64_t shared_others;
    /** What may be used by something that is in none of the roots, and the filesystem does not say. */
    uint64_t unknown;
    /** What nothing else uses: so much at least is free after the root is deleted. */
    uint64_t exclusive;
    /** What may be free after that at most. */
    uint64_t exclusive_most;
    /** Must be 0. */
    uint64_t reserved[2];
#define XTENT_USAGE_ROOT_INIT(dir, path) { (dir), 0, (path), 0, 0, 0, 0, 0, 0, 0, 0, { 0, 0 } }
};

/** Options of xtent_usage. Begin with XTENT_USAGE_OPTIONS_INIT. */
struct xtent_usage_options {
    /** sizeof(struct xtent_usage_options). */
    uint32_t size;
    /** 0, or XTENT_USAGE_CROSS_MOUNTS. */
    uint32_t flags;
    /** About how many bytes of memory the extents may take, each of them 32; 0 is 32 MiB. */
    uint64_t memory;
    /** A directory for the unlinked file in which more than that waits; 0 is /var/tmp. */
    int scratch_dir;
    /** Must be 0. */
    uint32_t reserved;
    /**
     * NULL, or a flag that is looked at between files: once it is not 0 the call ends. A signal handler may
     * set it, or another thread.
     */
    const volatile sig_atomic_t *cancel;
    /**
     * NULL, or called between files with `user`, the files and the bytes in them that were looked at so far.
     * The call ends when it returns anything but 0. It must return: no longjmp, no C++ exception.
     */
    int (*progress)(void *user, uint64_t files, uint64_t bytes);
    /**
     * NULL, or called for what could not be looked at, with `user`, its path, the errno and the reason: at
     * the end for each, or once where the call fails, with the path of the root or an empty one.
     */
    void (*failed)(void *user, const char *path, int error, int reason);
    /** Handed to `progress` and `failed`. */
    void *user;
#define XTENT_USAGE_OPTIONS_INIT { sizeof(struct xtent_usage_options), 0, 0, 0, 0, NULL, NULL, NULL, NULL }
};

/**
 * What all roots take up together, written on success and on failure alike. Begin with
 * XTENT_USAGE_REPORT_INIT. The amounts are bytes.
 */
struct xtent_usage_report {
    /** sizeof(struct xtent_usage_report). */
    uint32_t size;
    /** Why the call failed: XTENT_REASON_..., XTENT_REASON_NONE when it did not. */
    int32_t reason;
    /** The errno that goes with `reason`, positive; 0 when there is none. */
    int32_t error;
    /** 1 if all numbers are known to be exact; 0 if not. */
    uint32_t exact;
    /** Regular files; one with several names is one. */
    uint64_t files;
    /** The sum of their sizes. */
    uint64_t apparent;
    /** The blocks that they use, each counted once. */
    uint64_t allocated;
    /** Of these, what at least two roots use. */
    uint64_t shared_roots;
    /** What something that is in none of the roots uses too, as far as is known. */
    uint64_t shared_others;
    /** What may be used by something that is in none of the roots, and the filesystem does not say. */
    uint64_t unknown;
    /** What nothing else uses: so much at least is free after all roots are deleted. */
    uint64_t exclusive;
    /** What may be free after that at most. */
    uint64_t exclusive_most;
    /** What could not be looked at, and is not in the numbers. */
    uint64_t failures;
#define XTENT_USAGE_REPORT_INIT { sizeof(struct xtent_usage_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
};

/** A run of bytes of a file, and where it lies. */
struct xtent_extent {
    /** Where it begins in the file. */
    uint64_t logical;
    /**
     * Where it begins on the filesystem's device (btrfs: in its logical address space). 0 for a hole,
     * and where there is no place to name. Only comparable between files of one filesystem.
     */
    uint64_t physical;
    /** How long it is in the file. */
    uint64_t length;
    /** XTENT_EXTENT_... bits. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
};

/** Whether one verb works, and why not. */
struct xtent_ability {
    /** XTENT_ANSWER_UNKNOWN, XTENT_ANSWER_YES or XTENT_ANSWER_NO. */
    int32_t answer;
    /** With XTENT_ANSWER_NO the errno that the verb would fail with, positive; else 0. */
    int32_t error;
    /** Why it does not work, or why that is not known: XTENT_REASON_... */
    int32_t reason;
    /** 0. */
    int32_t reserved;
};

/** What works from one file to another. Begin with XTENT_CAPABILITIES_INIT. */
struct xtent_capabilities {
    /** sizeof(struct xtent_capabilities). */
    uint32_t size;
    /** 0. */
    uint32_t reserved;
    /**
     * What offsets and lengths of clone and dedupe must be multiples of, in bytes; 0 where neither
     * works.
     */
    uint64_t alignment;
    /** Of xtent_copy_range. */
    struct xtent_ability copy;
    /** Of xtent_clone_range. */
    struct xtent_ability clone;
    /** Of xtent_dedupe_range. */
    struct xtent_ability dedupe;
#define XTENT_CAPABILITIES_INIT \
    { sizeof(struct xtent_capabilities), 0, 0, { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } }
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs. It may be later than the header's.
 *
 * Returns major * 10000 + minor * 100 + patch.
 *
 * Since 0.1.0.
 */
unsigned int xtent_version(void);

/**
 * The version of the library that runs, for people.
 *
 * Returns a string that stays for ever, such as "0.1.0".
 *
 * Since 0.1.0.
 */
const char *xtent_version_string(void);

/**
 * One plain sentence on `reason`, a code such as a report has it, without a full stop, in English.
 *
 * Returns a string that stays for ever, and for a number that is no reason "no such reason".
 *
 * Since 0.1.0.
 */
const char *xtent_reason_text(int reason);

/**
 * A short stable name of `reason`, such as "misaligned", for logs and configuration files.
 *
 * Returns a string that stays for ever, and for a number that is no reason "no such reason".
 *
 * Since 0.1.0.
 */
const char *xtent_reason_name(int reason);

/**
 * Copies up to `len` bytes of `src_fd` at `src_off` to `dst_fd` at `dst_off`.
 *
 * The bytes are moved, so that the destination has blocks of its own: no local filesystem is asked to
 * share them. Holes of the source become holes of the destination, also where that had data; `sparse`
 * has other wishes. The destination grows where the range passes its end, and never shrinks.
 *
 * Like read(2) it may come back short: at the end of the source (a `len` that reaches behind it is no
 * error), when it was cancelled, or when it met an error after some bytes; then the report has the
 * reason, and the same call for what is left goes on or returns the error. A `len` of XTENT_TO_END is
 * the rest of the source, a `len` of 0 copies nothing. The range is written from its beginning to its
 * end, in steps of at most 4 MiB; at most one step is done after `cancel` was set. A signal alone does
 * not stop a copy: let its handler set the flag.
 *
 * When another program writes to the source meanwhile, each page is the old or the new one. When it cuts
 * the source shorter, the copy ends there, and the last step may have left zeros behind it that are not
 * counted.
 *
 * `options` and `report` may be NULL.
 *
 * Returns the number of bytes that are done, holes among them, or -errno when there are none. After an
 * error the destination is as it was.
 *
 *   EINVAL     the ranges overlap in one file; a device; options or report of a wrong size, an unknown
 *              flag, or a choice that there is not
 *   E2BIG      options of a later version, asking for what this library does not know
 *   EBADF      not open; the source not for reading, or the destination not for writing; the
 *              destination is O_APPEND, so that data cannot be placed at an offset
 *   EISDIR     a directory
 *   ESPIPE     a pipe or socket
 *   EOVERFLOW  offset plus length passes the largest possible offset
 *   ECANCELED  cancelled before anything was done
 *   EFBIG      the file-size limit: RLIMIT_FSIZE (no SIGXFSZ reaches the caller) or the filesystem's
 *   ENOSPC     the filesystem is full
 *   EDQUOT     the quota is used up
 *   EIO        the device or server failed
 *   ENOMEM     the kernel has no memory
 *   EPERM      the destination is immutable or sealed
 *   ETXTBSY    the destination is used as swap space
 *
 * Since 0.1.0.
 */
int64_t xtent_copy_range(int src_fd,
                         uint64_t src_off,
                         int dst_fd,
                         uint64_t dst_off,
                         uint64_t len,
                         const struct xtent_copy_options *options,
                         struct xtent_report *report);

/**
 * Makes `len` bytes of `dst_fd` at `dst_off` share the blocks of `src_fd` at `src_off`: the whole range,
 * or an error. It never copies instead.
 *
 * The offsets must be multiples of the filesystem's block size; so must `len`, unless the range ends
 * at the end of the source and not inside the destination. A `len` of XTENT_TO_END is the rest of the
 * source, whose size the kernel reads while it holds both files' locks. Writers to the source wait
 * meanwhile, so that the clone is one consistent cut. The destination grows where the range passes its
 * end, and never shrinks; its modification time changes.
 *
 * It cannot be cancelled. From the first change of the destination to the last, signals wait in the calling
 * thread, except SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS.
 *
 * The kernel's clone is not all or nothing: when the disk is full, it leaves a beginning of the range
 * cloned. This function has four ways; the report's `protection` tells which one was taken:
 *
 *   SIZE      nothing of the destination lies in the range: the old size is enough to go back
 *   EXCHANGE  (XFS made with that feature) the source's range is cloned into an unlinked file, and the two
 *             ranges change places in one moment, also for who looks after a kill or a power cut; not where
 *             the range begins behind an end in the middle of a block, and the destination must be open for
 *             reading too
 *   UNDO      the old range is cloned into an unlinked file, some space is set aside, and after a failure
 *             the range is cloned back; the destination must be open for reading too
 *   NONE      XTENT_UNDO_OFF: the kernel's clone as it is
 *
 * The way back of SIZE and UNDO is visible while it runs and overwrites what other programs write
 * meanwhile; a killed process does not take it; a program that takes all space as soon as it is free takes
 * the reserve too.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno. The report's `destination` says what the destination is after an error, and that
 * is always true.
 *
 *   EINVAL      see the reason: `len` is 0; misaligned (the report's `alignment` has the multiple that
 *               is needed); overlap in one file; past the end of the source; a partial block would land
 *               inside the destination; chattr +C on one file only; no regular file; options or report
 *               of a wrong size, an unknown flag or value
 *   E2BIG       options of a later version, asking for what this library does not know
 *   EBADF       not open; the source not for reading, or the destination not for writing, or O_APPEND;
 *               for UNDO, the destination not for reading (XTENT_REASON_DESTINATION_NOT_READABLE); the same
 *               for EXCHANGE with XTENT_ATOMIC_REQUIRED (XTENT_REASON_CANNOT_EXCHANGE)
 *   EISDIR      a directory
 *   EXDEV       the files are on two filesystems, or one is a pipe or device
 *   EOPNOTSUPP  this type of filesystem, or this one as it was made or mounted, cannot; or there is no
 *               exchange and XTENT_ATOMIC_REQUIRED (XTENT_REASON_CANNOT_EXCHANGE)
 *   EOVERFLOW   offset plus length passes the largest possible offset
 *   EFBIG       the file-size limit: RLIMIT_FSIZE, or the filesystem's own
 *   EPERM       the destination is immutable, or the caller is not permitted to do that
 *   ETXTBSY     a file is used as swap space
 *   EROFS       the destination is on a read-only mount or subvolume
 *   ENOSPC, EDQUOT, EIO, ENOMEM
 *               as xtent_copy_range; also where the old bytes could not be kept
 *   ENOENT, EACCES
 *               no directory for an unlinked file (XTENT_REASON_NO_SCRATCH_DIRECTORY)
 *
 * Since 0.1.0.
 */
int xtent_clone_range(int src_fd,
                      uint64_t src_off,
                      int dst_fd,
                      uint64_t dst_off,
                      uint64_t len,
                      const struct xtent_clone_options *options,
                      struct xtent_report *report);

/**
 * Clones what of the range can be cloned, and copies the rest: share if possible, else copy.
 *
 * Where both offsets have the same remainder by the filesystem's block size, the whole blocks between
 * are cloned and the ragged ends copied; otherwise, and where a clone is refused, everything is copied.
 * The report's `bytes_cloned`, `bytes_copied`, `bytes_hole` and `bytes_server` say how much went which way, and its
 * `fallback` why some was copied that could have been cloned.
 *
 * It may come back short, as xtent_copy_range does and for the same causes. The flag `cancel` is
 * looked at between steps; the clone is one step, whatever its length.
 *
 * `options` and `report` may be NULL.
 *
 * Returns the number of bytes that are done, or -errno when there are none. The errors are those of
 * xtent_copy_range. A clone that fails with EIO, ENOSPC, EDQUOT, ENOMEM or EFBIG never turns into a copy.
 * Nothing is kept to undo it: what it came to counts as done, and what comes behind is as it was.
 *
 * Since 0.1.0.
 */
int64_t xtent_clone_or_copy_range(int src_fd,
                                  uint64_t src_off,
                                  int dst_fd,
                                  uint64_t dst_off,
                                  uint64_t len,
                                  const struct xtent_copy_options *options,
                                  struct xtent_report *report);

/**
 * Makes each target share the `len` bytes of `src_fd` at `src_off` where the bytes are already equal.
 * The kernel compares and shares under both files' locks: contents never change, by no outcome.
 *
 * `targets` are any number of places, in `n_targets` elements; each gets its own result. One target's
 * failure does not disturb another, and it is no error of the call that targets differ or fail, not
 * even all of them. A target that differs keeps what was shared before the first difference, to the
 * block; `blocks` goes on behind it.
 *
 * A `len` of XTENT_TO_END is the rest of the source. The kernel shares whole blocks; a last partial
 * block is shared where both files end in it. Elsewhere the library compares it and counts it as
 * compared; where the target is not open for reading that, `compared` leaves it out.
 *
 * What is shared is measured with the files' extent maps before and after, which writes dirty pages
 * back; the kernel's own answer only repeats the request. What shares the source's blocks already is
 * not read again. Modification and change times stay; reading may set the time of last access.
 *
 * The flag `cancel` is looked at between steps
 * of at most 16 MiB of one target, of a few targets at once. What was shared stays shared, and
 * targets that were not done with are XTENT_NOT_REACHED.
 *
 * `options` and `report` may be NULL. The report has only the call's own error and reason.
 *
 * Returns 0 when every target has its result (cancelled or not), or -errno when the call as a whole
 * failed, no target was touched, and all of them are XTENT_NOT_REACHED.
 *
 *   EINVAL      see the reason: `len` is 0; past the end of the source; the source is no regular file,
 *               or not open for reading; `targets` is NULL, or a reserved member is not 0; options or
 *               report of a wrong size, or an unknown flag
 *   E2BIG       options of a later version, asking for what this library does not know
 *   EBADF       the source is not open
 *   EISDIR      the source is a directory
 *   EOVERFLOW   offset plus length passes the largest possible offset
 *   EOPNOTSUPP  the filesystem cannot, or is not known to compare before it shares (NFS and SMB
 *               clients once did not)
 *   ENOMEM      no memory for the list of targets
 *
 * The `error` of a target:
 *
 *   EINVAL      see the reason: misaligned; past the target's end; overlap with the source in one file;
 *               chattr +C on one file only; no regular file
 *   EPERM       neither open for writing nor the caller's own; immutable; on an overlay, a file that
 *               still lies on the lower filesystem
 *   EXDEV       on another filesystem than the source
 *   EAGAIN      btrfs: its subvolume is being sent; tried again for about a second, for all targets
 *               together
 *   EBADF, EISDIR, EROFS, EOPNOTSUPP, EOVERFLOW, ETXTBSY, EIO
 *               not open; a directory; read-only; the others as above or as xtent_clone_range
 *
 * Since 0.1.0.
 */
int xtent_dedupe_range(int src_fd,
                       uint64_t src_off,
                       uint64_t len,
                       struct xtent_dedupe_target *targets,
                       size_t n_targets,
                       const struct xtent_dedupe_options *options,
                       struct xtent_report *report);

/**
 * Copies the file `src` to the name `dst`: whole, or there is an error and `dst` is what it was.
 *
 * The paths are relative to the directories `src_dir` and `dst_dir`, or to the working directory where these
 * are AT_FDCWD, as in linkat(2). With an empty `src` the descriptor `src_dir` is itself the source, open for
 * reading; its file is not opened again, and its position not used.
 *
 * The new file is built without a name in the destination's directory, for nobody but its owner (mode 0600),
 * and appears under the name at once, with its metadata. A failure, a kill or a power cut leaves the old file, or
 * nothing, under the name: never a part. A symbolic link as `dst` is replaced, not followed. Hard links of a
 * file that is replaced keep its old contents. The directory is opened once, so that renaming it meanwhile
 * leads nowhere else.
 *
 * Bytes are moved as by xtent_copy_range: holes stay holes, no blocks are shared. After ECANCELED nothing is
 * published. What of `preserve` could not be kept is in the report's `unkept`, and is no error.
 *
 * Where O_TMPFILE is missing (NFS, OCFS2, older FUSE and overlays) the file has a hidden name meanwhile, .xtent-
 * and 16 hexadecimal digits; everywhere it has one for a moment when it replaces another. A process that is
 * killed then leaves it behind, and the next call for the same destination clears it.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno with nothing published (except with XTENT_REASON_NOT_DURABLE).
 *
 *   EEXIST     the name `dst` is taken, and XTENT_FILE_REPLACE is not set
 *   ENOENT     no such file; no directory for `dst`, or `dst` is empty
 *   ENOTDIR    something on a path is no directory
 *   ELOOP      too many symbolic links, or one as the source without XTENT_FILE_FOLLOW
 *   EISDIR     the source, or what has the name `dst`, is a directory; `dst` ends with "/", "." or ".."
 *   ENAMETOOLONG
 *              a name is longer than the filesystem takes
 *   EINVAL     see the reason: a path is NULL; the source is a device; a name that the filesystem does not
 *              take; options or report of a wrong size, an unknown flag or bit, or a reserved member is not 0
 *   E2BIG      options of a later version, asking for what this library does not know
 *   ESPIPE     the source is a FIFO or socket
 *   EBADF      a descriptor is not open, or the source not for reading
 *   EACCES     a file may not be read, or the directory not written
 *   EPERM      not permitted; also where the kernel (before Linux 6.10) does not let this caller name an open
 *              file, and /proc, the other way to, is not mounted
 *   EROFS      the destination's filesystem is read-only
 *   ECANCELED  cancelled
 *   ESTALE, EAGAIN, EDEADLK, EOPNOTSUPP
 *              with `stable`: see there
 *   ENOSPC, EDQUOT, EFBIG, EIO, ENOMEM, ETXTBSY
 *              as xtent_copy_range; with the reason XTENT_REASON_NOT_DURABLE the file is published, but could
 *              not be written to disk
 *
 * Since 0.1.0.
 */
int xtent_copy_file(int src_dir,
                    const char *src,
                    int dst_dir,
                    const char *dst,
                    const struct xtent_file_options *options,
                    struct xtent_report *report);

/**
 * Makes the file `dst` share all blocks of the file `src`: whole, or there is an error and `dst` is what it was.
 * It never copies instead.
 *
 * As xtent_copy_file, but filled as by xtent_clone_range, in one step. The new file first gets the source's
 * chattr +C (btrfs) or realtime attribute (XFS), without which the two could not share.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno. Beside those below the errors are those of xtent_copy_file.
 *
 *   EOPNOTSUPP  this type of filesystem, or this one as it was made or mounted, cannot
 *   EXDEV       the files are on two filesystems
 *
 * Since 0.1.0.
 */
int xtent_clone_file(int src_dir,
                     const char *src,
                     int dst_dir,
                     const char *dst,
                     const struct xtent_file_options *options,
                     struct xtent_report *report);

/**
 * Clones the file `src` to the name `dst`, or copies it where a clone is refused. The report says which, and
 * its `fallback` why.
 *
 * Otherwise it is as xtent_copy_file.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno. The errors are those of xtent_copy_file. A clone that fails with EIO, ENOSPC, EDQUOT,
 * ENOMEM or EFBIG is such an error and never turns into a copy.
 *
 * Since 0.1.0.
 */
int xtent_clone_or_copy_file(int src_dir,
                             const char *src,
                             int dst_dir,
                             const char *dst,
                             const struct xtent_file_options *options,
                             struct xtent_report *report);

/**
 * Makes each of some files share the blocks of the file `src` where it is its equal: as xtent_dedupe_range of
 * whole files, which are opened here. Contents and times never change, by no outcome.
 *
 * `src` is relative to `src_dir`, as with xtent_copy_file; symbolic links are not followed. `targets` are any number
 * of files, in `n_targets` elements; each gets its own result, and none disturbs another. They are opened for
 * reading, which is enough for files of the caller, read-only ones and programs that run among them, or, where that
 * is denied, for writing; a few at a time, so that no more descriptors are needed than a process has.
 *
 * A target of another size differs, and nothing of it is shared. A name of the source's own file, or of one that
 * an earlier target named, is the same without being asked: all of it is shared already.
 *
 * `options` and `report` may be NULL. The report has only the call's own error and reason.
 *
 * Returns 0 when every target has its result (cancelled or not), or -errno when the call as a whole failed,
 * no target was touched, and all of them are XTENT_NOT_REACHED.
 *
 *   EINVAL      see the reason: `src`, `targets` or the path of one is NULL, or a reserved member is not 0; the
 *               source is a device, or not open for reading; options or report of a wrong size, or an unknown flag
 *   E2BIG       options of a later version, asking for what this library does not know
 *   ENOENT, ENOTDIR, ENAMETOOLONG, EACCES
 *               the source cannot be opened
 *   ELOOP       the source is a symbolic link, or there are too many on its path
 *   EISDIR      the source is a directory
 *   ESPIPE      the source is a FIFO or socket
 *   EBADF       a descriptor of the source is not open
 *   EOPNOTSUPP  the filesystem cannot, or is not known to compare before it shares
 *   ENOMEM      no memory for the list of targets
 *
 * The `error` of a target is one of these, or one of those that xtent_dedupe_range has for a target.
 *
 * Since 0.1.0.
 */
int xtent_dedupe_files(int src_dir,
                       const char *src,
                       struct xtent_dedupe_file *targets,
                       size_t n_targets,
                       const struct xtent_dedupe_options *options,
                       struct xtent_report *report);

/**
 * Makes a stage for the file `dst`: a file that nobody sees until it is published whole.
 *
 * The path is relative to the directory `dst_dir`, or to the working directory where that is AT_FDCWD. The stage
 * is in the directory of `dst`, without a name, or where the filesystem has no O_TMPFILE under a hidden one. Its
 * mode is 0600. The descriptor that is returned is open for reading and writing, and closed on exec: fill the file
 * by any verbs and writes, then give `*stage` to xtent_stage_publish or xtent_stage_discard, which close it.
 *
 * `stage` is set on success, and to NULL otherwise. `options` and `report` may be NULL.
 *
 * Returns the stage's descriptor, or -errno.
 *
 *   EEXIST     the name `dst` is taken, and XTENT_STAGE_REPLACE is not set
 *   ENOENT     no directory for `dst`, or `dst` is empty
 *   ENOTDIR    something on the path is no directory
 *   ELOOP      too many symbolic links
 *   EISDIR     what has the name `dst` is a directory; `dst` ends with "/", "." or ".."
 *   ENAMETOOLONG
 *              the name is longer than the filesystem takes
 *   EINVAL     `dst` or `stage` is NULL; options or report of a wrong size, an unknown flag, a wrong mode, or a
 *              reserved member is not 0
 *   E2BIG      options of a later version, asking for what this library does not know
 *   EBADF      `dst_dir` is not open
 *   EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EIO, ENOMEM
 *              from making a file in the directory
 *
 * Since 0.1.0.
 */
int xtent_stage_open(int dst_dir,
                     const char *dst,
                     const struct xtent_stage_options *options,
                     struct xtent_stage **stage,
                     struct xtent_report *report);

/**
 * Gives a stage its mode and its name, in one step: whoever opens the name finds the old file, or none, or the
 * new one whole.
 *
 * On success `stage` is over, and its descriptor closed. After an error it is as before: try again, or discard it.
 * Only with the reason XTENT_REASON_NOT_DURABLE the file has its name, but could not be written to disk; then it
 * is to be discarded, which leaves the published file alone.
 *
 * `stage` NULL is EINVAL. `report` may be NULL.
 *
 * Returns 0, or -errno.
 *
 *   EEXIST     the name is taken, perhaps only since the stage was opened
 *   EISDIR     a directory has the name
 *   EPERM      the kernel (before Linux 6.10) does not let this caller name an open file, and /proc, the other
 *              way to, is not mounted
 *   EINVAL     `stage` is NULL, or was published before; a report of a wrong size
 *   ENOENT, EACCES, EROFS, ENOSPC, EDQUOT, EIO, ENOMEM
 *              from giving it a name
 *
 * Since 0.1.0.
 */
int xtent_stage_publish(struct xtent_stage *stage,
                        struct xtent_report *report);

/**
 * Ends a stage as if it had never been, and closes its descriptor. `stage` NULL does nothing.
 *
 * Since 0.1.0.
 */
void xtent_stage_discard(struct xtent_stage *stage);

/**
 * Copies the directory `src` with everything in it to the name `dst`: the whole tree, or there is an error and
 * `dst` is what it was.
 *
 * The paths are relative to the directories `src_dir` and `dst_dir`, or to the working directory where these
 * are AT_FDCWD, as in linkat(2). With an empty `src` the descriptor `src_dir` is itself the source.
 *
 * Kept is what "cp -a" keeps: modes, owners, times to the nanosecond, extended attributes, ACLs, hard links
 * within the tree, symbolic links, FIFOs, sockets, devices, holes, names of any bytes. What of it the
 * filesystem or the caller's rights do not allow is in the report's `unkept`, and is no error. Bytes are moved
 * as by xtent_copy_range: no blocks are shared.
 *
 * The tree is built in a directory of mode 0700 with a hidden name, .xtent- and 16 hexadecimal digits, beside
 * `dst`, and appears under the name by one rename. With XTENT_TREE_REPLACE old and new change names in one
 * moment, and the old tree is removed then. A failure, a kill, a full disk leaves no half tree under the name.
 * A killed call leaves its hidden directory; the next for the same `dst` clears it. Where the kernel has no rename
 * that never replaces (NFS, FUSE, a container's filter), the name is looked at first; an empty directory that
 * somebody gives it between that look and the rename is replaced, and nothing else ever is.
 *
 * A directory on which another filesystem is mounted is made, and stays empty, unless XTENT_TREE_CROSS_MOUNTS
 * is set. A btrfs subvolume is no mount: it is copied as a directory.
 *
 * Others may change the source meanwhile: what is removed between being listed and being opened is left out,
 * and counted as `vanished`. Whatever they rename or link, nothing outside of `src` is read and nothing
 * outside of the new tree is written.
 *
 * Threads work at it, as many as `threads` says; all signals that can wait are blocked in those that the call
 * makes, and they are gone when it returns.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno with nothing published (except with XTENT_REASON_NOT_DURABLE).
 *
 *   EEXIST      the name `dst` is taken, and XTENT_TREE_REPLACE is not set
 *   ENOTDIR     `src`, or something on a path, is no directory
 *   ENOENT      no such directory; no directory for `dst`, or `dst` is empty
 *   ELOOP       too many symbolic links on a path
 *   EISDIR      `dst` ends with "/", "." or ".."
 *   ENAMETOOLONG
 *               a name is longer than the filesystem takes
 *   EINVAL      `dst` lies inside of `src`, or would be replaced with `src` inside; a path is NULL; options or
 *               report of a wrong size, an unknown flag, or a reserved member is not 0
 *   E2BIG       options of a later version, asking for what this library does not know
 *   EBADF       a descriptor is not open
 *   EACCES      a file may not be read, or a directory not written
 *   EPERM       not permitted, as making a device is
 *   EROFS       the destination's filesystem is read-only
 *   EOPNOTSUPP  XTENT_TREE_REPLACE, this filesystem cannot exchange two names, and what has the name is no empty
 *               directory
 *   ECANCELED   cancelled
 *   EMFILE, ENFILE
 *               too many open files: each thread needs up to six
 *   ENOSPC, EDQUOT, EFBIG, EIO, ENOMEM, ETXTBSY
 *               as xtent_copy_range; with the reason XTENT_REASON_NOT_DURABLE the tree is published, but could
 *               not be written to disk
 *
 * Since 0.1.0.
 */
int xtent_copy_tree(int src_dir,
                    const char *src,
                    int dst_dir,
                    const char *dst,
                    const struct xtent_tree_options *options,
                    struct xtent_tree_report *report);

/**
 * Makes the directory `dst` a clone of the directory `src`: each file shares all its blocks with the
 * original's. It never copies instead.
 *
 * As xtent_copy_tree, but files are filled as by xtent_clone_file.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno. Beside those below the errors are those of xtent_copy_tree.
 *
 *   EOPNOTSUPP  a file that cannot be cloned: `failed` is told which, and why
 *   EXDEV       the directories are on two filesystems
 *
 * Since 0.1.0.
 */
int xtent_clone_tree(int src_dir,
                     const char *src,
                     int dst_dir,
                     const char *dst,
                     const struct xtent_tree_options *options,
                     struct xtent_tree_report *report);

/**
 * Makes the directory `dst` a copy of the directory `src` whose files share blocks with the originals where
 * they can. Files of up to 2 KiB on btrfs are copied: it keeps them without blocks.
 *
 * Otherwise it is as xtent_copy_tree.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno. The errors are those of xtent_copy_tree. A clone that fails with EIO, ENOSPC, EDQUOT,
 * ENOMEM or EFBIG is such an error and never turns into a copy.
 *
 * Since 0.1.0.
 */
int xtent_clone_or_copy_tree(int src_dir,
                             const char *src,
                             int dst_dir,
                             const char *dst,
                             const struct xtent_tree_options *options,
                             struct xtent_tree_report *report);

/**
 * Makes files that are equal share their blocks: all that lie beneath the directories, or are the files, of
 * `roots`, in `n_roots` elements. What is equal the kernel decides, as for xtent_dedupe_range, under both files'
 * locks: contents never change, by no outcome and whoever writes meanwhile. The files' times stay; that of the last
 * access may not where the caller is not the owner.
 *
 * Each file counts once, however many names and roots lead to it. Symbolic links are not followed, and what is no
 * regular file is passed over. Only files of one filesystem share; what is mounted beneath a root is left out
 * without XTENT_DEDUPE_TREE_CROSS_MOUNTS. A btrfs subvolume is no mount.
 *
 * Files of one size are told apart by as little reading as will do. Those that share all their blocks already, by
 * their extent maps, are not read. Files of up to 128 KiB are read whole, once; of larger ones a few samples, and
 * what is equal in these the kernel compares at once. Only where four or more are left that differ from the one
 * that they were compared with are these read for a digest of all their bytes.
 *
 * With XTENT_DEDUPE_TREE_BLOCKS files of more than 128 KiB that differ share every run of equal blocks too: those
 * of one size of which two of four samples are equal, in the same places, and not all zeros, such as yesterday's
 * image of a disk and today's. Those with equal samples are compared among themselves, as without, and then each of
 * them with one file of other samples; both are read for that where they do not share already. What was inserted
 * into, or is of another size, is not found. All files of one size are one matter then: where one of them is new or
 * changed, an index does not keep the others from being opened, and sampled, again. While they are told apart each
 * takes up to some 450 bytes of memory more.
 *
 * A file that fails is told to `failed`, and the others go on: that is no error of the call. What was shared stays
 * shared when the call is cancelled, or killed; the next one passes it over.
 *
 * With an `index` the next call reads and opens only files that changed, by their size and times, and those that
 * have one of these for their equal. An index is private to its caller, is used by one call at a time, and does
 * not decide what is equal. It is an SQLite database, in a directory that may be written to, and that nobody else
 * should be able to write to: its journal lies beside it, by its name and "-journal", as long as a call writes, and
 * after one that was killed until the next. Any other file of that name, or with "-wal", is left alone, and the call
 * refused. Killed at any moment, an index stays whole, and loses what some 32,000 files were found to be at most. It
 * grows with the files that ever were there; without the file the next call begins anew. All of it is looked at
 * first; `cancel` is asked between its rows, though not while its pages are checked.
 *
 * Threads work at it, as many as `threads` says; all signals that can wait are blocked in those that the call
 * makes, and they are gone when it returns.
 *
 * `options` and `report` may be NULL.
 *
 * Returns 0, or -errno.
 *
 *   ENOENT, ENOTDIR, ENAMETOOLONG, EACCES
 *               a root, or the index, cannot be opened; ENAMETOOLONG also an index whose whole path has more than
 *               504 bytes
 *   ELOOP       a root or the index is a symbolic link, or there are too many on its path
 *   EINVAL      a root is neither directory nor regular file; `roots`, a path or a pattern is NULL, or a pattern is
 *               none; the file `index` is none, or what has the name of its journal is not its own
 *               (XTENT_REASON_INDEX_FOREIGN); options or report of a wrong size, an unknown flag, or a reserved
 *               member is not 0
 *   E2BIG       options of a later version, asking for what this library does not know
 *   EBADF       a descriptor is not open
 *   EOPNOTSUPP  a root's filesystem cannot share, or is not known to compare before it does; or the index is of a
 *               later version (XTENT_REASON_INDEX_NEWER)
 *   EUCLEAN     the index is damaged (XTENT_REASON_INDEX_DAMAGED)
 *   EBUSY       another call uses the index (XTENT_REASON_INDEX_IN_USE)
 *   ESTALE      another file took the place of the index meanwhile, or none is there any more
 *   EISDIR, EROFS, ENOSPC, EDQUOT, EIO
 *               of the index
 *   ECANCELED   cancelled
 *   ENOMEM      no memory for the list of roots
 *   EMFILE, ENFILE
 *               too many open files: each root needs one, and each thread up to 70
 *
 * Since 0.1.0.
 */
int xtent_dedupe_tree(const struct xtent_dedupe_tree_root *roots,
                      size_t n_roots,
                      const struct xtent_dedupe_tree_options *options,
                      struct xtent_dedupe_tree_report *report);

/**
 * Says of each of some directories or files how long the regular files in it are, how many blocks they use, who
 * else uses these, and what deleting it would free; and the same of all of them together. `roots` are any
 * number of them, in `n_roots` elements, which get the numbers.
 *
 * Blocks are told by where they lie, and each is counted once, however many files or places share it; so is a
 * file with several names. What a filesystem takes for itself, directories and extended attributes are not
 * counted. Dirty pages are written back first. Symbolic links are not followed. The roots may lie on different
 * filesystems; what is mounted in one is left out without XTENT_USAGE_CROSS_MOUNTS.
 *
 * How exact it is: an extent map says of a block that it is shared, and not with how many. What is flagged and
 * seen once is used by something beside the roots. What is flagged and seen twice may be used by a third. On XFS
 * with rmapbt (the default of mkfs.xfs since 6.5), and for root, the filesystem is asked who uses it, and every
 * number is exact; else such blocks are `unknown`, and `exclusive_most` says what they could add. On btrfs the
 * flag is of whole extents, a part of which others may use: `shared_others` is what it says, `exclusive` is
 * certain to be used by nobody else, compressed extents are counted by the length that they have in the file, an
 * extent of which only a part is still in use takes more space than is counted, and nothing is `exact`. Files
 * without a map (tmpfs) count by the blocks that stat(2) tells; on an overlay, NFS, SMB, FUSE and ZFS these are
 * `unknown`. Where others write meanwhile, the numbers are of no single moment.
 *
 * Memory is bounded, whatever the number of extents: what `memory` does not hold is sorted in an unlinked file.
 * Beside that a directory takes some 20 bytes and its name, and a file with several names some 100 bytes.
 *
 * `options` and `report` may be NULL. What cannot be looked at beneath a root is told to `failed`, and is no
 * error.
 *
 * Returns 0, or -errno, with the numbers of the roots as they were.
 *
 *   ENOENT, ENOTDIR, ENAMETOOLONG, EACCES
 *               a root cannot be opened; or the directory for the unlinked file, where memory did not suffice
 *   ELOOP       a root is a symbolic link, or there are too many on its path
 *   EINVAL      see the reason: there are no roots, `roots` or a path is NULL; a root is neither directory nor
 *               regular file; one lies in another, or is the same (XTENT_REASON_ROOT_IN_ROOT); options or report
 *               of a wrong size, an unknown flag, or a reserved member is not 0
 *   E2BIG       options of a later version, asking for what this library does not know
 *   EBADF       a descriptor is not open
 *   ECANCELED   cancelled
 *   ENOMEM      out of memory
 *   ENOSPC, EDQUOT, EFBIG, EIO
 *               the unlinked file
 *   EMFILE, ENFILE
 *               too many open files: each root needs one, and some more
 *
 * Since 0.1.0.
 */
int xtent_usage(struct xtent_usage_root *roots,
                size_t n_roots,
                const struct xtent_usage_options *options,
                struct xtent_usage_report *report);

/**
 * Lists where `len` bytes of a file at `off` lie: its extents in order, holes among them, without gaps,
 * cut to that range and to the end of the file. XTENT_TO_END is a length too.
 *
 * Fills the first `n` elements of `out` at most. To go on, call it again with `off` at the end of the
 * last one (`logical` plus `length`); it is done when it returns 0. Writes dirty pages of the file back
 * first: data that is not on disk yet has no place.
 *
 * Returns the number of elements that were filled, or -errno.
 *
 *   EINVAL      `out` is NULL, or `n` is 0; no regular file
 *   EBADF       not open, or opened with O_PATH
 *   EISDIR      a directory
 *   EOPNOTSUPP  the filesystem has no such maps (tmpfs, NFS, FUSE)
 *   EIO         the device failed
 *
 * Since 0.1.0.
 */
int64_t xtent_extents(int fd, uint64_t off, uint64_t len, struct xtent_extent *out, size_t n);

/**
 * How many bytes of blocks two files share, each block counted once. A file shares all its data with
 * itself.
 *
 * Exact on XFS; on btrfs compressed extents are compared by their beginning only, and counted by the
 * bytes of file data. Data without blocks of its own (XTENT_EXTENT_INLINE) is never shared. Writes
 * dirty pages of both files back first.
 *
 * Returns the number of bytes, or -errno.
 *
 *   EXDEV       the files are on two filesystems, or on an overlay and the filesystem under it, where
 *               addresses cannot be compared
 *   EOPNOTSUPP  also on SMB, whose maps have no addresses
 *   EINVAL, EBADF, EISDIR, EOPNOTSUPP, EIO
 *               as xtent_extents
 *
 * Since 0.1.0.
 */
int64_t xtent_shared_bytes(int a_fd, int b_fd);

/**
 * Says what works from `src_fd` to `dst_fd`, opened as they are, and why the rest does not. Writes
 * nothing to the files.
 *
 * The kernel is asked with a range that no file can have: what it refuses for the range only would
 * work. Filesystems that are done by a server (NFS, SMB) are not asked, and the answer is unknown unless
 * the kernel refuses whatever the filesystem. That a clone works does not promise space for it.
 *
 * Returns 0, or -errno; then every answer in `out` is XTENT_ANSWER_UNKNOWN.
 *
 *   EBADF   a descriptor is not open
 *   EIO, ESTALE
 *           from looking at one of the files
 *   EINVAL  `out` is NULL, or its size is wrong
 *   E2BIG   the size of `out` is larger than any version's
 *
 * Since 0.1.0.
 */
int xtent_probe(int src_fd, int dst_fd, struct xtent_capabilities *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* XTENT_H */
