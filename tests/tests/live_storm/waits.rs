//! What a writer notices of a backup: it writes in bursts, and now and then somebody copies its file, as a snapshot or,
//! for comparison, unprotected. How long it waited is told, and no matter of passing.

use std::time::Duration;

use xtent::Stable;

use crate::copies::{Kind, MEANS, Often, Promise, storm};
use crate::writer::Manner;
use crate::{Plan, Tally, pair};

/// A real backup lets hours pass; the share that the writer waits becomes less with it.
const APART: Duration = Duration::from_secs(4);

const KINDS: [Kind; 2] = [
    Kind { stable: Stable::None, manner: Manner::Bursts, weight: 1, promise: Promise::Nothing },
    Kind { stable: Stable::Snapshot, manner: Manner::Bursts, weight: 1, promise: Promise::Always },
];

pub(crate) fn run(plan: &Plan, tally: &mut Tally) {
    for name in ["xfs", "btrfs"] {
        let Some((from, to)) = pair(name, tally) else { continue };
        for means in MEANS {
            for kind in &KINDS {
                if plan.time_is_up() {
                    return;
                }
                let often = Often { times: plan.cases, apart: APART };
                // The writer of both does the same.
                let counts = storm((from, to), means, kind, often, plan.seed, plan);
                tally.case(&format!("{name} {means:?} {:?}: {counts}", kind.stable), counts.violations);
            }
        }
    }
}
