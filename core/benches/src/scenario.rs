//! What is measured: several ways to do one job, each once in every round.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::process;

/// A scenario by its name, not made yet: making it writes files.
pub(crate) struct Entry {
    /// Words by which it is chosen.
    pub(crate) name: String,
    /// The filesystems that it is on, by the runner's names.
    pub(crate) on: Vec<&'static str>,
    /// Gets a directory on each of them.
    pub(crate) make: Box<Make>,
    only_by_name: bool,
}

type Make = dyn Fn(&Arguments, &[&Path]) -> Scenario;

impl Entry {
    pub(crate) fn new(
        name: impl Into<String>,
        on: &[&'static str],
        make: impl Fn(&Arguments, &[&Path]) -> Scenario + 'static,
    ) -> Self {
        Entry { name: name.into(), on: on.to_vec(), make: Box::new(make), only_by_name: false }
    }

    /// Takes so long that only its own word chooses it, the last of its name.
    pub(crate) fn only_by_name(self) -> Self {
        Entry { only_by_name: true, ..self }
    }

    pub(crate) fn has_words(&self, words: &[String]) -> bool {
        let parts: Vec<&str> = self.name.split(' ').collect();
        let is_meant = !self.only_by_name || words.iter().any(|word| parts.last() == Some(&word.as_str()));
        is_meant && words.iter().all(|word| parts.contains(&word.as_str()))
    }
}

pub(crate) struct Scenario {
    /// What is done, for the head of the table.
    pub(crate) about: String,
    pub(crate) rounds: usize,
    /// The first is xtent's; the others are what it is compared with.
    pub(crate) contenders: Vec<Contender>,
}

type Check = dyn FnMut() -> Result<(), String>;

pub(crate) struct Contender {
    pub(crate) name: String,
    /// Before each run, without being timed.
    pub(crate) prepare: Box<dyn FnMut()>,
    pub(crate) run: Box<dyn FnMut() -> Spent>,
    /// After its first run, which does not count: whether it did the job, or what it did instead.
    pub(crate) check: Box<Check>,
    /// The ratio that xtent must stay under, with its whole interval.
    pub(crate) target: Option<f64>,
    pub(crate) quantity: Option<Quantity>,
}

/// Something else than time that is looked at after each run; the worst counts.
pub(crate) struct Quantity {
    pub(crate) name: &'static str,
    pub(crate) look: Box<dyn FnMut() -> f64>,
    pub(crate) at_most: Option<f64>,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    /// Of the processor, in user and kernel mode; what the kernel's own threads did is not in it.
    pub(crate) cpu: Duration,
}

impl Contender {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> Spent + 'static) -> Self {
        Contender {
            name: name.into(),
            prepare: Box::new(|| {}),
            run: Box::new(run),
            check: Box::new(|| Ok(())),
            target: None,
            quantity: None,
        }
    }

    /// A whole process, from its start to its end.
    pub(crate) fn process(name: impl Into<String>, command: impl Fn() -> Command + 'static) -> Self {
        Contender::new(name, move || process::timed(command()))
    }

    /// The same, with the most memory that it had.
    pub(crate) fn process_with_peak(
        name: impl Into<String>,
        command: impl Fn() -> Command + 'static,
    ) -> Self {
        let peak = Rc::new(Cell::new(0.0));
        let seen = peak.clone();
        let run = move || {
            let (spent, peak) = process::timed_with_peak(command());
            seen.set(peak);
            spent
        };
        Contender::new(name, run).quantity("peak MiB", None, move || peak.get())
    }

    pub(crate) fn prepare(self, prepare: impl FnMut() + 'static) -> Self {
        Contender { prepare: Box::new(prepare), ..self }
    }

    pub(crate) fn check(self, check: impl FnMut() -> Result<(), String> + 'static) -> Self {
        Contender { check: Box::new(check), ..self }
    }

    pub(crate) fn quantity(
        self,
        name: &'static str,
        at_most: Option<f64>,
        look: impl FnMut() -> f64 + 'static,
    ) -> Self {
        Contender { quantity: Some(Quantity { name, look: Box::new(look), at_most }), ..self }
    }
}
