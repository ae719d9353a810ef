//! What the tests share: the filesystems to run on, scratch directories, data, and a look at extent maps that does
//! not go through the library under test.

mod cache;
mod cases;
pub mod conformance;
mod data;
mod exchange;
mod fiemap;
mod filesystems;
mod person;
mod random;
mod skip;
pub mod syscalls;

pub use cache::{cool, resident, resident_bytes};
pub use data::{allocated, pattern, write_file};
pub use exchange::set_exchange;
pub use fiemap::{Extent, extents, flags, shared_with};
pub use filesystems::{
    ENV_BENEATH, ENV_FILESYSTEMS, ENV_REQUIRE, ENV_SKIPPED, Filesystem, Skipped, beneath, filesystems, fs,
    scratch, skipped,
};
pub use person::{as_user, with_umask};
pub use random::Random;
pub use skip::skip;
