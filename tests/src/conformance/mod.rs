//! The conformance table: each case is data, run on every filesystem through every face of the library.
//!
//! A case says what files there are, what is called, and what must come of it: the answer, and the files' bytes,
//! sizes, holes, times and sharing. The drivers (`tests/drivers`) only call; everything is set up and checked here,
//! without the library.

mod answer;
pub(crate) mod call;
pub(crate) mod case;
mod check;
mod column;
mod contents;
mod driver;
mod kernel;
pub(crate) mod layout;
mod making;
mod maps;
mod meanwhile;
mod model;
pub(crate) mod outcome;
mod profile;
mod programs;
pub(crate) mod reason;
mod run;
mod stage;

pub use run::run;
