//! Result classes: frozen, compared and hashed by their fields, with a repr that shows those that are not at their
//! defaults, for `match` and `pickle`.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

/// Declares one. Fields are also the constructor's arguments; with a default where one is given, so that
/// a class can grow at its end. Methods may follow.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $type:ty $(= $default:tt)?,)*
        }
        $($methods:tt)*
    ) => {
        #[pyo3::pyclass(module = "xtent", frozen, eq, hash, get_all)]
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[allow(clippy::too_many_arguments, reason = "fields, which have names in Python")]
            #[pyo3(signature = ($($field $(= $default)?),*))]
            fn new($($field: $type),*) -> Self {
                $name { $($field),* }
            }

            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, pyo3::types::PyTuple>> {
                pyo3::types::PyTuple::new(py, [$(stringify!($field)),*])
            }

            #[allow(clippy::partialeq_to_none, clippy::bool_comparison, reason = "a default like any other")]
            fn __repr__(this: &pyo3::Bound<'_, Self>) -> pyo3::PyResult<String> {
                let tells = [$((true $(&& this.get().$field != $default)?)),*];
                $crate::record::repr(this, &tells)
            }

            fn __reduce__<'py>(this: &pyo3::Bound<'py, Self>) -> pyo3::PyResult<$crate::record::Reduced<'py>> {
                $crate::record::reduce(this)
            }

            $($methods)*
        }
    };
}

pub(crate) use record;

/// How to make an object again: its class and the arguments.
pub(crate) type Reduced<'py> = (Bound<'py, PyType>, Bound<'py, PyTuple>);

pub(crate) fn reduce<'py>(record: &Bound<'py, PyAny>) -> PyResult<Reduced<'py>> {
    let values: Vec<_> = fields(record)?.into_iter().map(|(_, value)| value).collect();
    Ok((record.get_type(), PyTuple::new(record.py(), values)?))
}

/// As one would write it: `tells` says of each field whether it is shown.
pub(crate) fn repr(record: &Bound<'_, PyAny>, tells: &[bool]) -> PyResult<String> {
    let shown: PyResult<Vec<_>> = fields(record)?
        .iter()
        .zip(tells)
        .filter(|(_, tells)| **tells)
        .map(|((name, value), _)| Ok(format!("{name}={}", value.repr()?)))
        .collect();
    Ok(format!("{}({})", record.get_type().name()?, shown?.join(", ")))
}

fn fields<'py>(record: &Bound<'py, PyAny>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let names: Vec<String> = record.getattr("__match_args__")?.extract()?;
    names.into_iter().map(|name| record.getattr(&name).map(|value| (name, value))).collect()
}
