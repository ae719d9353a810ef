//! `probe`: see [`xtent::probe`].

use std::os::fd::AsFd;

use pyo3::prelude::*;
use xtent::Answer;

use crate::convert::{Descriptor, os_error};
use crate::enums::Reason;
use crate::record::record;

record! {
    /// Whether one verb works, and why not. True in a condition only when it does.
    #[pyo3(from_py_object)]
    Ability {
        /// True, False, or None where only trying would tell.
        answer: Option<bool>,
        /// When the answer is False the errno that the verb would fail with.
        errno: Option<i32> = None,
        /// Why it does not work, or why that is not known.
        reason: Option<Reason> = None,
    }

    fn __bool__(&self) -> bool {
        self.answer == Some(true)
    }
}

impl From<xtent::Ability> for Ability {
    fn from(ability: xtent::Ability) -> Self {
        Ability {
            answer: match ability.answer {
                Answer::Yes => Some(true),
                Answer::No => Some(false),
                Answer::Unknown => None,
            },
            errno: (ability.errno != 0).then_some(ability.errno),
            reason: Reason::of(ability.reason),
        }
    }
}

record! {
    /// What works from one file to another.
    Capabilities {
        /// Of copy_range().
        copy: Ability,
        /// Of clone_range().
        clone: Ability,
        /// Of dedupe_range().
        dedupe: Ability,
        /// What offsets and lengths of clone and dedupe must be multiples of, in bytes; None where
        /// neither works.
        alignment: Option<u64> = None,
    }
}

/// Say what works from src to dst, opened as they are, and why the rest does not. Writes nothing.
///
/// src and dst are ints or objects with fileno(). That a clone works does not promise space for it.
///
/// Raises OSError, with the attributes reason and report: EBADF when one of them is not open; what looking at
/// them fails with, EIO or ESTALE say.
#[pyfunction]
pub(crate) fn probe(py: Python<'_>, src: Descriptor, dst: Descriptor) -> PyResult<Capabilities> {
    let found = py.detach(|| xtent::probe(src.as_fd(), dst.as_fd()));
    let found = found.map_err(|error| os_error(py, error, &[&src, &dst]))?;
    Ok(Capabilities {
        copy: found.copy.into(),
        clone: found.clone.into(),
        dedupe: found.dedupe.into(),
        alignment: (found.alignment != 0).then_some(found.alignment),
    })
}
