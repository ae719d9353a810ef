//! What the command gets.

use std::fmt;

use xtent_tests::{ENV_FILESYSTEMS, ENV_REQUIRE, ENV_SKIPPED, Filesystem, Skipped};

use crate::kinds::{Kind, Source};
use crate::stage::Stage;
use crate::tools::Missing;

pub(crate) struct Offer {
    available: Vec<Filesystem>,
    skipped: Vec<Skipped>,
}

impl Offer {
    pub(crate) fn make(stage: &Stage, wanted: &[&Kind], missing: &Missing) -> Self {
        let mut offer = Self { available: Vec::new(), skipped: Vec::new() };
        for kind in wanted {
            let made = match kind.source {
                Source::Overlay { on } if offer.available.iter().all(|fs| fs.name != on) => {
                    Err(format!("needs {on}"))
                }
                _ => stage.mount(kind, missing),
            };
            match made {
                Ok(dir) => {
                    offer.available.push(Filesystem { name: kind.name.into(), kind: kind.kind.into(), dir })
                }
                Err(reason) => offer.skipped.push(Skipped { name: kind.name.into(), reason }),
            }
        }
        offer
    }

    /// When none can be made, for one reason.
    pub(crate) fn temporary_directory(wanted: &[&Kind], reason: &str) -> Self {
        let skip = |kind: &&Kind| Skipped { name: kind.name.into(), reason: reason.into() };
        Self {
            available: vec![Filesystem::temporary_directory()],
            skipped: wanted.iter().map(skip).collect(),
        }
    }

    /// One line for each filesystem of `XTENT_REQUIRE` that is not there. Those that `--only` left out were not asked
    /// for and are no skip: the variable may stand for a whole CI run.
    pub(crate) fn required_but_skipped(&self) -> Vec<String> {
        let required = std::env::var(ENV_REQUIRE).unwrap_or_default();
        let required = required.split([' ', ',', '\t', '\n']).filter(|name| !name.is_empty());
        required
            .filter_map(|name| match self.skipped.iter().find(|skipped| skipped.name == name) {
                Some(skipped) => Some(format!("{ENV_REQUIRE} names {name}, skipped: {}", skipped.reason)),
                None if crate::kinds::named(name).is_err() => {
                    Some(format!("{ENV_REQUIRE} names {name}: no such filesystem"))
                }
                None => None,
            })
            .collect()
    }

    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let lines = |items: Vec<String>| items.join("\n");
        [
            (ENV_FILESYSTEMS, lines(self.available.iter().map(Filesystem::to_string).collect())),
            (ENV_SKIPPED, lines(self.skipped.iter().map(Skipped::to_string).collect())),
        ]
    }
}

/// For `--list`: what there is as in the environment, what is skipped as tests say it.
impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.available.iter().try_for_each(|fs| writeln!(f, "{fs}"))?;
        self.skipped.iter().try_for_each(|skipped| writeln!(f, "SKIP {}: {}", skipped.name, skipped.reason))
    }
}
