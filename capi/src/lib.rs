//! The C interface: what C calls becomes a call of the crate `xtent`, and its answer becomes C again.
//!
//! The comments on what is exported are the manual of `include/xtent.h`, which cbindgen makes from
//! these files; they speak C. A function here converts, calls and converts back: what a verb means is
//! decided in core.

// A `# Safety` heading would stand in the C header. What C must keep to is said there in C's words.
#![allow(clippy::missing_safety_doc)]
// The names are those of the header, so that one search finds both.
#![allow(non_camel_case_types)]

// In the order of the header. The empty lines keep rustfmt from sorting them.
pub mod version;

pub mod range;

pub mod reason;

pub mod report;

pub mod copy;

pub mod clone;

pub mod both;

pub mod dedupe;

pub mod file;

pub mod dedupe_files;

pub mod stage;

pub mod tree;

pub mod dedupe_tree;

pub mod usage;

pub mod extents;

pub mod probe;

mod control;
mod ffi;
