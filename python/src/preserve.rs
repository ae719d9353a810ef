//! Which metadata is kept, by names: an iterable of strings going in, a frozenset coming out.

use std::hash::{Hash, Hasher};

use pyo3::Borrowed;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PyString};
use xtent::Preserve;

const NAMES: [(&str, Preserve); 6] = [
    ("mode", Preserve::MODE),
    ("owner", Preserve::OWNER),
    ("times", Preserve::TIMES),
    ("xattrs", Preserve::XATTRS),
    ("acls", Preserve::ACLS),
    ("destination", Preserve::DESTINATION),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept(pub(crate) Preserve);

/// The default.
pub(crate) const NOTHING: Kept = Kept(Preserve::NONE);

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.bits().hash(state);
    }
}

impl<'py> IntoPyObject<'py> for Kept {
    type Target = PyFrozenSet;
    type Output = Bound<'py, PyFrozenSet>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyFrozenSet::new(py, NAMES.iter().filter(|(_, bit)| self.0.contains(*bit)).map(|(name, _)| *name))
    }
}

impl<'py> FromPyObject<'_, 'py> for Kept {
    type Error = PyErr;

    fn extract(names: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if names.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(
                "preserve must be an iterable of names, such as (\"mode\", \"times\"), not one string",
            ));
        }
        let mut kept = Preserve::NONE;
        for name in names.try_iter()? {
            let name: String = name?.extract()?;
            let found = NAMES.iter().find(|(known, _)| *known == name);
            kept |= found.ok_or_else(|| unknown(&name))?.1;
        }
        Ok(Kept(kept))
    }
}

fn unknown(name: &str) -> PyErr {
    let known = NAMES.map(|(name, _)| format!("\"{name}\"")).join(", ");
    PyValueError::new_err(format!("unknown metadata {name:?}: there are {known}"))
}
