//! Copy, clone and dedupe ranges of files on Linux: three verbs, each with a promise that it keeps.
//!
//! | | copy | clone | dedupe |
//! |---|---|---|---|
//! | what it does | moves bytes; never asks a local filesystem to share them | makes the destination share the source's blocks | makes ranges share blocks only where the bytes are already equal |
//! | how much | may come back short, like read(2) | the whole range, or an error | for each target: same, differs, failed, not reached |
//! | after an error | the report says how far it came | the destination is as it was; where that cannot be had the report says so | contents are never changed |
//! | interruption | between steps: cancel flag, progress callback | none: once begun it ends | between steps; what was shared stays shared |
//! | where the filesystem cannot | there is always a way | `EOPNOTSUPP` or `EXDEV`; never faked by copying | `EOPNOTSUPP`; never faked by comparing and cloning |
//!
//! [`clone_or_copy_range`] is the policy on top: it shares what can be shared, copies the rest, and says
//! how many bytes went which way. Nothing falls back silently.
//!
//! ```
//! use std::io::Write;
//! use std::os::fd::AsFd;
//! use xtent::{CloneOptions, CopyOptions, TO_END, clone_range, copy_range};
//!
//! let dir = tempfile::tempdir()?;
//! let mut src = std::fs::File::create_new(dir.path().join("src"))?;
//! src.write_all(&[7; 100_000])?;
//! let src = std::fs::File::open(dir.path().join("src"))?;
//! let dst = std::fs::File::create_new(dir.path().join("dst"))?;
//!
//! match clone_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CloneOptions::new()) {
//!     Ok(report) => println!("{} bytes share the source's blocks", report.bytes_cloned),
//!     Err(refusal) => {
//!         println!("{refusal}"); // clone_range: ...: this type of filesystem cannot do that
//!         let report = copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CopyOptions::new())?;
//!         println!("{} bytes were copied", report.bytes_copied);
//!     }
//! }
//! # assert_eq!(std::fs::read(dir.path().join("dst"))?, [7; 100_000]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Descriptors
//!
//! The range verbs work on the caller's descriptors, which are never closed, repositioned or duplicated,
//! and never open their files again: closing any descriptor of a file would drop the process's POSIX
//! locks on it (fcntl(2)). Files are never mapped. There are no hidden threads (the tree verbs have as
//! many as the caller says, which are gone when they return), no log, and no environment variables.
//!
//! # Errors and reasons
//!
//! Every [`Error`] has an errno and a [`Reason`]: `EINVAL` from a clone has at least eight causes. The
//! kernel is asked first; what it refuses is explained afterwards.

mod beneath;
mod both;
mod buffer;
mod cache;
mod clone;
mod compare;
mod control;
mod copy;
mod dedupe;
mod error;
mod explain;
mod extents;
mod facts;
mod file;
mod listing;
mod preserve;
mod probe;
mod range;
mod reason;
mod remove;
mod report;
mod roots;
mod scratch;
mod stable;
mod store;
mod sys;
mod tree;
mod usage;

pub use both::clone_or_copy_range;
pub use cache::Cache;
pub use clone::{Atomic, CloneOptions, Undo, clone_range};
pub use control::Control;
pub use copy::{CopyOptions, Server, Sparse, copy_range};
pub use dedupe::{DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, dedupe_range};
pub use error::{Error, Operation, Result};
pub use extents::{Extent, ExtentFlags, extents, shared_bytes};
pub use file::{
    At, FileOptions, Stage, StageOptions, clone_file, clone_or_copy_file, copy_file, dedupe_files, stage_open,
};
pub use preserve::Preserve;
pub use probe::{Ability, Answer, Capabilities, probe};
pub use range::TO_END;
pub use reason::Reason;
pub use report::{Destination, Protection, Report};
pub use stable::Stable;
pub use store::{DedupeTreeOptions, DedupeTreeReport, dedupe_tree};
pub use tree::{TreeFailure, TreeOptions, TreeReport, TreeResult, clone_or_copy_tree, clone_tree, copy_tree};
pub use usage::{Usage, UsageOptions, UsageReport, usage};

/// This library's version, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The example of README.md, run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
