//! Classes of Python's `enum`, made from core's own values, so that they cannot lack one.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use pyo3::{Borrowed, intern};

/// A type whose values are members of a Python enum.
pub(crate) trait Mirrored: Sized + 'static {
    /// The class, in the module `xtent`; made when it is first asked for.
    fn class<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>>;

    /// The member.
    fn member<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    /// The value of a member of the class.
    fn from_member(member: &Bound<'_, PyAny>) -> PyResult<Self>;
}

/// Makes a class of the kind `base` with these members. The docstring stands in the stub too.
fn class<'py, V: IntoPyObject<'py>>(
    py: Python<'py>,
    base: &str,
    name: &str,
    doc: &str,
    members: impl IntoIterator<Item = (String, V)>,
) -> PyResult<Py<PyType>> {
    let members: Vec<_> = members.into_iter().collect();
    let options = PyDict::new(py);
    options.set_item("module", "xtent")?;
    let class = py.import("enum")?.getattr(base)?.call((name, members), Some(&options))?;
    class.setattr("__doc__", doc)?;
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// Why a verb was refused, failed, ended early or fell back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Reason(pub(crate) xtent::Reason);

impl Reason {
    /// `None` where nothing went wrong, which is no member.
    pub(crate) fn of(reason: xtent::Reason) -> Option<Self> {
        (reason != xtent::Reason::None).then_some(Reason(reason))
    }
}

impl Mirrored for Reason {
    fn class<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let made = CLASS.get_or_try_init(py, || {
            let all = || xtent::Reason::ALL.iter().copied().filter_map(Reason::of);
            let members = all().map(|Reason(reason)| (upper(reason.name()), reason.code()));
            let doc = "Why a verb was refused, failed, ended early or fell back.\n\n\
                An errno alone does not tell: EINVAL from a clone has at least eight causes. The values\n\
                are stable and the same in C and Rust; new members may be added.";
            let class = class(py, "Enum", "Reason", doc, members)?;
            for reason in all() {
                let member = class.bind(py).call1((reason.0.code(),))?;
                member.setattr("text", reason.0.text())?;
            }
            PyResult::Ok(class)
        })?;
        Ok(made.bind(py))
    }

    fn member<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Self::class(py)?.call1((self.0.code(),))
    }

    fn from_member(member: &Bound<'_, PyAny>) -> PyResult<Self> {
        let reason = xtent::Reason::from_code(value(member)?.extract()?);
        reason.and_then(Reason::of).ok_or_else(|| PyTypeError::new_err("no Reason"))
    }
}

/// An enum of core without numbers, as a class whose members have their names as values.
macro_rules! named {
    ($name:ident($of:path), $doc:literal, $($text:literal = $variant:ident),*) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $of);

        impl $name {
            const MEMBERS: &[(&str, $of)] = {
                use $of as Of;
                &[$(($text, Of::$variant)),*]
            };
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                discriminant(&self.0).hash(state);
            }
        }

        impl Mirrored for $name {
            fn class<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
                static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
                let members = $name::MEMBERS.iter().map(|(name, _)| (upper(name), *name));
                let made = CLASS.get_or_try_init(py, || class(py, "Enum", stringify!($name), $doc, members))?;
                Ok(made.bind(py))
            }

            fn member<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let name = $name::MEMBERS.iter().find(|(_, it)| *it == self.0).map(|(name, _)| *name);
                Self::class(py)?.call1((name,))
            }

            fn from_member(member: &Bound<'_, PyAny>) -> PyResult<Self> {
                let value: String = value(member)?.extract()?;
                let found = $name::MEMBERS.iter().find(|(name, _)| *name == value);
                found
                    .map(|(_, it)| $name(*it))
                    .ok_or_else(|| PyTypeError::new_err(concat!("no ", stringify!($name))))
            }
        }
    };
}

named! {
    DedupeStatus(xtent::DedupeStatus), "What became of one target of dedupe_range().",
    "same" = Same, "differs" = Differs, "failed" = Failed, "not-reached" = NotReached
}

named! {
    Protection(xtent::Protection), "What stood between a failed clone and its destination.",
    "size" = Size, "exchange" = Exchange, "undo" = Undo
}

impl Protection {
    /// `None` where nothing did, which is no member.
    pub(crate) fn of(protection: xtent::Protection) -> Option<Self> {
        (protection != xtent::Protection::None).then_some(Protection(protection))
    }
}

/// [`xtent::Destination`]; from where to where it changed stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Untouched,
    Restored,
    Changed,
}

named! {
    Destination(Word), "What a clone's destination is after an error.",
    "untouched" = Untouched, "restored" = Restored, "changed" = Changed
}

impl From<xtent::Destination> for Destination {
    fn from(destination: xtent::Destination) -> Self {
        Destination(match destination {
            xtent::Destination::Untouched => Word::Untouched,
            xtent::Destination::Restored => Word::Restored,
            xtent::Destination::Changed { .. } => Word::Changed,
        })
    }
}

/// What an extent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ExtentFlags(pub(crate) u32);

const FLAGS: [(&str, xtent::ExtentFlags); 6] = [
    ("hole", xtent::ExtentFlags::HOLE),
    ("unwritten", xtent::ExtentFlags::UNWRITTEN),
    ("shared", xtent::ExtentFlags::SHARED),
    ("inline", xtent::ExtentFlags::INLINE),
    ("encoded", xtent::ExtentFlags::ENCODED),
    ("unknown", xtent::ExtentFlags::UNKNOWN),
];

impl Mirrored for ExtentFlags {
    fn class<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let members = FLAGS.map(|(name, flag)| (upper(name), flag.bits()));
        let doc = "What an extent is: any number of these, combined with |.";
        let made = CLASS.get_or_try_init(py, || class(py, "Flag", "ExtentFlags", doc, members))?;
        Ok(made.bind(py))
    }

    fn member<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Self::class(py)?.call1((self.0,))
    }

    fn from_member(member: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(ExtentFlags(value(member)?.extract()?))
    }
}

/// `past-end-of-file` is called `PAST_END_OF_FILE`.
fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn value<'py>(member: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    member.getattr(intern!(member.py(), "value"))
}

/// Rust has no way to say this once for everything that is [`Mirrored`].
macro_rules! convert {
    ($($type:ident)*) => {$(
        impl<'py> IntoPyObject<'py> for $type {
            type Target = PyAny;
            type Output = Bound<'py, PyAny>;
            type Error = PyErr;

            fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
                self.member(py)
            }
        }

        impl<'py> FromPyObject<'_, 'py> for $type {
            type Error = PyErr;

            fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
                if !object.is_instance($type::class(object.py())?)? {
                    return Err(PyTypeError::new_err(concat!("must be a member of xtent.", stringify!($type))));
                }
                $type::from_member(&object)
            }
        }
    )*};
}

convert! { Reason DedupeStatus Destination Protection ExtentFlags }
