//! `xtent_probe`.

use std::ffi::c_int;

use xtent::{Ability, Answer, Capabilities};

use crate::ffi::{Failure, Growing, Output, descriptor, guarded, status};

/// Whether a verb works: only trying would tell.
pub const XTENT_ANSWER_UNKNOWN: i32 = 0;
/// Whether a verb works: it does.
pub const XTENT_ANSWER_YES: i32 = 1;
/// Whether a verb works: it does not.
pub const XTENT_ANSWER_NO: i32 = 2;

/// Whether one verb works, and why not.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_ability {
    /// XTENT_ANSWER_UNKNOWN, XTENT_ANSWER_YES or XTENT_ANSWER_NO.
    pub answer: i32,
    /// With XTENT_ANSWER_NO the errno that the verb would fail with, positive; else 0.
    pub error: i32,
    /// Why it does not work, or why that is not known: XTENT_REASON_...
    pub reason: i32,
    /// 0.
    pub reserved: i32,
}

impl From<Ability> for xtent_ability {
    fn from(ability: Ability) -> Self {
        let answer = match ability.answer {
            Answer::Unknown => XTENT_ANSWER_UNKNOWN,
            Answer::Yes => XTENT_ANSWER_YES,
            Answer::No => XTENT_ANSWER_NO,
        };
        xtent_ability { answer, error: ability.errno, reason: ability.reason.code(), reserved: 0 }
    }
}

/// What works from one file to another. Begin with XTENT_CAPABILITIES_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_capabilities {
    /// sizeof(struct xtent_capabilities).
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// What offsets and lengths of clone and dedupe must be multiples of, in bytes; 0 where neither
    /// works.
    pub alignment: u64,
    /// Of xtent_copy_range.
    pub copy: xtent_ability,
    /// Of xtent_clone_range.
    pub clone: xtent_ability,
    /// Of xtent_dedupe_range.
    pub dedupe: xtent_ability,
}

// SAFETY: repr(C), integers only, the size first.
unsafe impl Growing for xtent_capabilities {}

impl From<Capabilities> for xtent_capabilities {
    fn from(found: Capabilities) -> Self {
        xtent_capabilities {
            size: size_of::<Self>() as u32,
            reserved: 0,
            alignment: found.alignment,
            copy: found.copy.into(),
            clone: found.clone.into(),
            dedupe: found.dedupe.into(),
        }
    }
}

/// Says what works from `src_fd` to `dst_fd`, opened as they are, and why the rest does not. Writes
/// nothing to the files.
///
/// The kernel is asked with a range that no file can have: what it refuses for the range only would
/// work. Filesystems that are done by a server (NFS, SMB) are not asked, and the answer is unknown unless
/// the kernel refuses whatever the filesystem. That a clone works does not promise space for it.
///
/// Returns 0, or -errno; then every answer in `out` is XTENT_ANSWER_UNKNOWN.
///
///   EBADF   a descriptor is not open
///   EIO, ESTALE
///           from looking at one of the files
///   EINVAL  `out` is NULL, or its size is wrong
///   E2BIG   the size of `out` is larger than any version's
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_probe(src_fd: c_int, dst_fd: c_int, out: *mut xtent_capabilities) -> c_int {
    let (src, dst) = (descriptor(src_fd), descriptor(dst_fd));
    status(guarded(|| {
        if out.is_null() {
            return Err(Failure::invalid());
        }
        // SAFETY: the pointer is what the header asks for.
        let out = unsafe { Output::new(out)? };
        out.fill(&Capabilities::default().into());
        out.fill(&xtent::probe(src, dst)?.into());
        Ok(())
    }))
}
