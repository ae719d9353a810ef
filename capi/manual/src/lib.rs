//! The manual of the C interface stands once, in the comments of `include/xtent.h`. This crate reads it:
//! the tests of the header look at what it found, and the manual pages are written from it.
//!
//! No dependencies: `make install` runs it wherever the library is built.

pub mod header;
pub mod markdown;
pub mod pages;
pub mod roff;
pub mod text;
