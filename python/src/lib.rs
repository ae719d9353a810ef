//! The Python face of `xtent`: the extension module `xtent._xtent`.
//!
//! A function here converts, calls core without the GIL, and converts back. What the verbs mean stands in
//! core; what Python sees of it stands in `python/xtent/_xtent.pyi`, whose docstrings are those of this
//! crate (a test compares them).

mod both;
mod clone;
mod control;
mod convert;
mod copy;
mod dedupe;
mod dedupe_tree;
mod enums;
mod extents;
mod file;
mod preserve;
mod probe;
mod record;
mod report;
mod stable;
mod stage;
mod tree;
mod usage;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _xtent {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::both::clone_or_copy_range;
    #[pymodule_export]
    use crate::clone::clone_range;
    #[pymodule_export]
    use crate::copy::copy_range;
    #[pymodule_export]
    use crate::dedupe::{DedupeResult, dedupe_range};
    #[pymodule_export]
    use crate::dedupe_tree::{DedupeTreeReport, dedupe_tree};
    #[pymodule_export]
    use crate::extents::{Extent, extents, shared_bytes};
    #[pymodule_export]
    use crate::file::{clone_file, clone_or_copy_file, copy_file, dedupe_files};
    #[pymodule_export]
    use crate::probe::{Ability, Capabilities, probe};
    #[pymodule_export]
    use crate::report::Report;
    #[pymodule_export]
    use crate::stage::{Stage, stage};
    #[pymodule_export]
    use crate::tree::{TreeFailure, TreeReport, clone_or_copy_tree, clone_tree, copy_tree};
    #[pymodule_export]
    use crate::usage::{Usage, UsageReport, usage};

    use crate::enums::{DedupeStatus, Destination, ExtentFlags, Mirrored, Protection, Reason};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        module.add("Reason", Reason::class(py)?)?;
        module.add("DedupeStatus", DedupeStatus::class(py)?)?;
        module.add("Destination", Destination::class(py)?)?;
        module.add("Protection", Protection::class(py)?)?;
        module.add("ExtentFlags", ExtentFlags::class(py)?)?;
        module.add("__version__", xtent::VERSION)
    }
}
