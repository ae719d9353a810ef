//! How a source is kept stable, by name.

use std::convert::Infallible;

use pyo3::Borrowed;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stable(pub(crate) xtent::Stable);

/// The default.
pub(crate) const NONE: Stable = Stable(xtent::Stable::None);

impl<'py> IntoPyObject<'py> for Stable {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(PyString::new(py, self.0.name()))
    }
}

impl<'py> FromPyObject<'_, 'py> for Stable {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let name: String = name.extract()?;
        let found = xtent::Stable::ALL.iter().find(|way| way.name() == name);
        found.copied().map(Stable).ok_or_else(|| PyValueError::new_err(format!("unknown way: {name:?}")))
    }
}
