//! A failure: which verb, the errno, the reason, and what had been done.

use crate::reason::Reason;
use crate::report::Report;

/// The verb, or the way of looking, that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`copy_range`](crate::copy_range)
    CopyRange,
    /// [`clone_range`](crate::clone_range)
    CloneRange,
    /// [`clone_or_copy_range`](crate::clone_or_copy_range)
    CloneOrCopyRange,
    /// [`dedupe_range`](crate::dedupe_range)
    DedupeRange,
    /// [`copy_file`](crate::copy_file)
    CopyFile,
    /// [`clone_file`](crate::clone_file)
    CloneFile,
    /// [`clone_or_copy_file`](crate::clone_or_copy_file)
    CloneOrCopyFile,
    /// [`copy_tree`](crate::copy_tree)
    CopyTree,
    /// [`clone_tree`](crate::clone_tree)
    CloneTree,
    /// [`clone_or_copy_tree`](crate::clone_or_copy_tree)
    CloneOrCopyTree,
    /// [`dedupe_files`](crate::dedupe_files)
    DedupeFiles,
    /// [`dedupe_tree`](crate::dedupe_tree)
    DedupeTree,
    /// [`stage_open`](crate::stage_open)
    StageOpen,
    /// [`Stage::publish`](crate::Stage::publish)
    StagePublish,
    /// [`probe`](crate::probe)
    Probe,
    /// [`extents`](crate::extents())
    Extents,
    /// [`shared_bytes`](crate::shared_bytes)
    SharedBytes,
    /// [`usage`](crate::usage())
    Usage,
}

impl Operation {
    /// The name, as the function is called in all three languages.
    pub fn name(self) -> &'static str {
        match self {
            Operation::CopyRange => "copy_range",
            Operation::CloneRange => "clone_range",
            Operation::CloneOrCopyRange => "clone_or_copy_range",
            Operation::DedupeRange => "dedupe_range",
            Operation::CopyFile => "copy_file",
            Operation::CloneFile => "clone_file",
            Operation::CloneOrCopyFile => "clone_or_copy_file",
            Operation::CopyTree => "copy_tree",
            Operation::CloneTree => "clone_tree",
            Operation::CloneOrCopyTree => "clone_or_copy_tree",
            Operation::DedupeFiles => "dedupe_files",
            Operation::DedupeTree => "dedupe_tree",
            Operation::StageOpen => "stage_open",
            Operation::StagePublish => "stage_publish",
            Operation::Probe => "probe",
            Operation::Extents => "extents",
            Operation::SharedBytes => "shared_bytes",
            Operation::Usage => "usage",
        }
    }
}

/// Why a verb did nothing, or could not go on.
///
/// A copy that moved some bytes and then met an error is not an `Error`: it is short, and its report
/// has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}: {}", .op.name(), std::io::Error::from_raw_os_error(*.errno), Explanation(.reason, .report))]
#[non_exhaustive]
pub struct Error {
    /// What was asked for.
    pub op: Operation,
    /// The errno, as in `<errno.h>`; never 0.
    pub errno: i32,
    /// The cause behind the errno.
    pub reason: Reason,
    /// What had been done; `report.errno` and `report.reason` say the same as this error.
    pub report: Report,
}

impl Error {
    pub(crate) fn new(op: Operation, errno: i32, reason: Reason) -> Self {
        Error { op, errno, reason, report: Report { errno, reason, ..Report::default() } }
    }

    /// With the alignment that a refusal for misalignment asks for.
    pub(crate) fn aligned(mut self, alignment: u64) -> Self {
        if matches!(self.reason, Reason::Misaligned | Reason::PartialBlock) {
            self.report.alignment = alignment;
        }
        self
    }

    /// The same failure, told by the verb that the caller called.
    pub(crate) fn told_by(mut self, op: Operation) -> Self {
        self.op = op;
        self
    }
}

impl From<Error> for std::io::Error {
    /// Keeps the errno (`raw_os_error`); the reason is lost.
    fn from(error: Error) -> Self {
        std::io::Error::from_raw_os_error(error.errno)
    }
}

/// The result of a verb.
pub type Result<T> = std::result::Result<T, Error>;

struct Explanation<'a>(&'a Reason, &'a Report);

impl std::fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.text())?;
        match self.1.alignment {
            0 => Ok(()),
            alignment => write!(f, " ({alignment} bytes)"),
        }
    }
}
