//! Whole files by their paths: built where nobody sees them, published in one step.

mod at;
mod dedupe;
mod entry;
mod fill;
pub(crate) mod hidden;
mod metadata;
mod publish;
mod room;
mod source;
mod stable;
mod stage;
mod verbs;
mod whole;

pub use at::At;
pub use dedupe::dedupe_files;
pub(crate) use entry::Entry;
pub(crate) use fill::Fill;
pub(crate) use metadata::{Begun, Original, begin, carry, fails, finish, has_acls};
pub(crate) use source::open_regular;
pub use stage::{Stage, StageOptions, stage_open};
pub use verbs::{FileOptions, clone_file, clone_or_copy_file, copy_file};

use crate::error::{Error, Operation};
use crate::explain;
use crate::reason::Reason;
use crate::sys::Errno;

/// Why something about a path was refused; which verb it stops is said further up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    pub(crate) reason: Reason,
}

impl Refusal {
    pub(crate) fn of(self, op: Operation) -> Error {
        Error::new(op, self.errno, self.reason)
    }
}

/// What a call on a path, or on a file that was opened by one, was refused with.
pub(crate) fn path_refusal(errno: Errno) -> Refusal {
    Refusal { errno: errno.0, reason: explain::path(errno.0) }
}
