//! The reasons, and what they are called.

use std::ffi::{CString, c_char, c_int};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use xtent::Reason;

/// "no reason: nothing went wrong"
pub const XTENT_REASON_NONE: i32 = 0;
/// "the kernel refused, and no cause could be found"
pub const XTENT_REASON_UNKNOWN: i32 = 1;
/// "an argument is not valid: NULL, a wrong struct size, or an unknown flag"
pub const XTENT_REASON_INVALID_ARGUMENT: i32 = 2;
/// "the length is 0; use the to-end length for the rest of the file"
pub const XTENT_REASON_ZERO_LENGTH: i32 = 3;
/// "offset plus length passes the largest possible file offset"
pub const XTENT_REASON_OVERFLOW: i32 = 4;
/// "a descriptor is not open"
pub const XTENT_REASON_BAD_DESCRIPTOR: i32 = 5;
/// "a descriptor is not open for that: the source must be readable, the destination writable"
pub const XTENT_REASON_NOT_OPEN_FOR_THAT: i32 = 6;
/// "the destination is append-only, so that data cannot be placed at an offset"
pub const XTENT_REASON_APPEND_ONLY: i32 = 7;
/// "only regular files can be used"
pub const XTENT_REASON_NOT_A_REGULAR_FILE: i32 = 8;
/// "an offset or the length is not a multiple of the filesystem's block size"
pub const XTENT_REASON_MISALIGNED: i32 = 9;
/// "source and destination ranges overlap in the same file"
pub const XTENT_REASON_OVERLAP: i32 = 10;
/// "the range reaches past the end of the file"
pub const XTENT_REASON_PAST_END_OF_FILE: i32 = 11;
/// "the source's last partial block would land in the middle of the destination"
pub const XTENT_REASON_PARTIAL_BLOCK: i32 = 12;
/// "one file is copy-on-write and the other is not (chattr +C)"
pub const XTENT_REASON_NO_COPY_ON_WRITE_MISMATCH: i32 = 13;
/// "the files are on different filesystems, or reached through different mounts of one that keeps them apart"
pub const XTENT_REASON_DIFFERENT_FILESYSTEM: i32 = 14;
/// "this type of filesystem cannot do that"
pub const XTENT_REASON_FILESYSTEM_CANNOT: i32 = 15;
/// "this filesystem was made or mounted without support for that"
pub const XTENT_REASON_MOUNT_CANNOT: i32 = 16;
/// "the destination is not open for reading"
pub const XTENT_REASON_DESTINATION_NOT_READABLE: i32 = 17;
/// "the file is in use as swap space or is being executed"
pub const XTENT_REASON_SWAP_FILE: i32 = 18;
/// "the file is immutable (chattr +i) or sealed"
pub const XTENT_REASON_IMMUTABLE: i32 = 19;
/// "the destination's filesystem, mount or subvolume is read-only"
pub const XTENT_REASON_READ_ONLY: i32 = 20;
/// "the destination would pass the file-size limit (RLIMIT_FSIZE, or the filesystem's own)"
pub const XTENT_REASON_FILE_SIZE_LIMIT: i32 = 21;
/// "the filesystem has no space left"
pub const XTENT_REASON_NO_SPACE: i32 = 22;
/// "the disk quota is used up"
pub const XTENT_REASON_QUOTA: i32 = 23;
/// "the caller is not permitted to do that to this file"
pub const XTENT_REASON_PERMISSION: i32 = 24;
/// "cancelled by the caller"
pub const XTENT_REASON_CANCELLED: i32 = 25;
/// "the device or server reported an input/output error"
pub const XTENT_REASON_INPUT_OUTPUT: i32 = 26;
/// "the kernel or process ran out of memory"
pub const XTENT_REASON_OUT_OF_MEMORY: i32 = 27;
/// "signals interrupted the call before it made progress"
pub const XTENT_REASON_INTERRUPTED: i32 = 28;
/// "there is no directory on the same filesystem to make an unlinked file in"
pub const XTENT_REASON_NO_SCRATCH_DIRECTORY: i32 = 29;
/// "the source changed while it was read"
pub const XTENT_REASON_SOURCE_CHANGED: i32 = 30;
/// "another program wanted to write to the source, and the lease on it ended"
pub const XTENT_REASON_LEASE_BROKEN: i32 = 31;
/// "the source is in use by another program, or another part of this one"
pub const XTENT_REASON_IN_USE: i32 = 32;
/// "something has the destination's name already"
pub const XTENT_REASON_EXISTS: i32 = 33;
/// "there is no such file or directory"
pub const XTENT_REASON_NOT_FOUND: i32 = 34;
/// "sharing would fill a hole and take space: left alone, the bytes are equal"
pub const XTENT_REASON_WOULD_ALLOCATE: i32 = 35;
/// "the file was published, but could not be written to disk"
pub const XTENT_REASON_NOT_DURABLE: i32 = 36;
/// "read again, the copy and its source differ; nothing was published"
pub const XTENT_REASON_VERIFY_FAILED: i32 = 37;
/// "something else keeps the file busy, such as a running btrfs send; try again later"
pub const XTENT_REASON_BUSY: i32 = 38;
/// "a path has no name for a file, or one that the filesystem does not take"
pub const XTENT_REASON_INVALID_NAME: i32 = 39;
/// "a symbolic link where none is followed, or too many of them"
pub const XTENT_REASON_TOO_MANY_LINKS: i32 = 40;
/// "the two cannot be exchanged in one moment: not on this filesystem, or not with these files, or not there"
pub const XTENT_REASON_CANNOT_EXCHANGE: i32 = 41;
/// "the destination's old range cannot be kept, and so not be put back after a failure"
pub const XTENT_REASON_UNDO_IMPOSSIBLE: i32 = 42;
/// "the source is what would be replaced, or lies inside of it"
pub const XTENT_REASON_INSIDE_DESTINATION: i32 = 43;
/// "something on a path is no directory"
pub const XTENT_REASON_NOT_A_DIRECTORY: i32 = 44;
/// "the destination lies inside of the source"
pub const XTENT_REASON_INSIDE_SOURCE: i32 = 45;
/// "the index is damaged"
pub const XTENT_REASON_INDEX_DAMAGED: i32 = 46;
/// "the file is no index of this library"
pub const XTENT_REASON_INDEX_FOREIGN: i32 = 47;
/// "the index was made by a newer version of this library"
pub const XTENT_REASON_INDEX_NEWER: i32 = 48;
/// "another run uses the index"
pub const XTENT_REASON_INDEX_IN_USE: i32 = 49;
/// "a root lies in another one, or is the same"
pub const XTENT_REASON_ROOT_IN_ROOT: i32 = 50;
/// "the server no longer has the file, or does not know it any more"
pub const XTENT_REASON_GONE: i32 = 53;

/// One plain sentence on `reason`, a code such as a report has it, without a full stop, in English.
///
/// Returns a string that stays for ever, and for a number that is no reason "no such reason".
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn xtent_reason_text(reason: c_int) -> *const c_char {
    static TEXTS: Strings = strings();
    string(&TEXTS, reason, Reason::text)
}

/// A short stable name of `reason`, such as "misaligned", for logs and configuration files.
///
/// Returns a string that stays for ever, and for a number that is no reason "no such reason".
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn xtent_reason_name(reason: c_int) -> *const c_char {
    static NAMES: Strings = strings();
    string(&NAMES, reason, Reason::name)
}

/// A C string for each reason, made when it is first asked for. No lock: a fork could leave it held.
type Strings = [AtomicPtr<c_char>; Reason::ALL.len()];

const fn strings() -> Strings {
    [const { AtomicPtr::new(null_mut()) }; Reason::ALL.len()]
}

fn string(strings: &Strings, reason: c_int, text: fn(Reason) -> &'static str) -> *const c_char {
    let Some(i) = Reason::ALL.iter().position(|known| known.code() == reason) else {
        return c"no such reason".as_ptr();
    };
    let made = strings[i].load(Ordering::Acquire);
    if !made.is_null() {
        return made;
    }
    // A text of ours has no NUL in it.
    let ours = CString::new(text(Reason::ALL[i])).unwrap_or_default().into_raw();
    match strings[i].compare_exchange(null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => ours,
        Err(theirs) => {
            // SAFETY: made by `into_raw` above and handed to nobody: another thread was faster.
            drop(unsafe { CString::from_raw(ours) });
            theirs
        }
    }
}
