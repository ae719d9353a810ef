//! Each system call of each verb is made to fail, with each errno that matters, once and from then on. What may come of it
//! is right bytes, or that error with a true report; never a short file that is called whole.
//!
//! `make test` takes a few errnos; XTENT_FAULTS=all takes all.

mod dedupe;
mod files;
mod scene;
mod supervisor;
mod trees;

use std::fmt::Debug;
use std::io::Write;

use xtent_tests::{fs, skip, syscalls};

use dedupe::ManyFiles;
use files::{FILES, FileSet};
use scene::{SCENES, Set};
use supervisor::{Call, Fault, run};
use trees::{TREES, TreeSet};

const FEW: &[i32] = &[libc::EIO, libc::ENOSPC, libc::EPERM, libc::ENOSYS];
const ALL: &[i32] = &[
    libc::EIO,
    libc::ENOSPC,
    libc::EPERM,
    libc::ENOSYS,
    libc::EDQUOT,
    libc::EINTR,
    libc::EAGAIN,
    libc::EINVAL,
    libc::EOPNOTSUPP,
    libc::EXDEV,
    libc::ENOMEM,
    libc::EFBIG,
    libc::EBADF,
    libc::ETXTBSY,
    libc::EOVERFLOW,
];

#[test]
fn on_xfs() {
    on("on_xfs", "xfs");
}

#[test]
fn on_btrfs() {
    on("on_btrfs", "btrfs");
}

#[test]
fn on_ext4() {
    on("on_ext4", "ext4");
}

#[test]
fn on_tmpfs() {
    on("on_tmpfs", "tmpfs");
}

fn on(test: &str, name: &str) {
    let Some(fs) = fs(name) else { return skip(test, &format!("there is no {name}")) };
    if let Err(error) = run(None, |_| None, || ()) {
        return skip(test, &format!("no thread can be supervised: {error}"));
    }
    let is_all = std::env::var_os("XTENT_FAULTS").is_some_and(|value| value == "all");
    let errnos = if is_all { ALL } else { FEW };
    // A run of these makes and removes two trees.
    let errnos_of_trees = match name {
        "xfs" if is_all => ALL,
        "xfs" => &FEW[..2],
        _ => &FEW[..1],
    };
    let mut tally = Tally::default();
    for scene in SCENES {
        every_fault(&Set::new(fs, scene), errnos, &mut tally);
    }
    for scene in FILES {
        every_fault(&FileSet::new(fs, scene), errnos, &mut tally);
    }
    every_fault(&ManyFiles::new(fs), errnos, &mut tally);
    for scene in TREES {
        every_fault(&TreeSet::new(fs, scene), errnos_of_trees, &mut tally);
    }
    say(&format!("faults on {name}: {} calls failed in {} runs\n", tally.calls, tally.runs));
    assert!(tally.problems.is_empty(), "{} on {name}:\n{}", tally.problems.len(), tally.problems.join("\n"));
}

#[derive(Default)]
struct Tally {
    runs: usize,
    calls: usize,
    problems: Vec<String>,
}

/// What is done while calls fail, and what may come of it.
trait Trial: Sync {
    /// What a verb said.
    type Said: Debug + Send;

    fn name(&self) -> &'static str;

    /// Everything as it is before.
    fn reset(&self);

    fn act(&self) -> Self::Said;

    /// Which calls fail anyway.
    fn pretended(&self, _call: &syscalls::Call) -> Option<i32> {
        None
    }

    /// What is wrong, compared with what was said without the fault; without one, with itself.
    fn judge(&self, said: &Self::Said, calm: &Self::Said, fault: Option<(Call, i32)>) -> Result<(), String>;
}

fn every_fault<T: Trial>(trial: &T, errnos: &[i32], tally: &mut Tally) {
    let run = |fault| {
        trial.reset();
        run(fault, |call| trial.pretended(call), || trial.act()).expect("it was watched before")
    };
    let calm = run(None);
    trial
        .judge(&calm.result, &calm.result, None)
        .unwrap_or_else(|what| panic!("{} without faults: {what}: {:?}", trial.name(), calm.result));
    for (at, call) in calm.calls.iter().enumerate() {
        for errno in errnos {
            for for_good in [false, true] {
                // Somebody holds it and never lets go: whoever asks for a lock waits until he cancels.
                if for_good && call.is_a_lock() && *errno == libc::EAGAIN {
                    continue;
                }
                let faulty = run(Some(Fault { at, errno: *errno, for_good }));
                assert!(faulty.failed > 0, "{}: {} is not made any more", trial.name(), call.name());
                tally.runs += 1;
                tally.calls += faulty.failed;
                if let Err(what) = trial.judge(&faulty.result, &calm.result, Some((*call, *errno))) {
                    let times = if for_good { "from then on" } else { "once" };
                    let (name, call) = (trial.name(), call.name());
                    tally.problems.push(format!(
                        "{name}: call {at}, {call}, errno {errno} {times}: {what}: {:?}",
                        faulty.result
                    ));
                }
            }
        }
    }
}

/// What a verb may say of that fault: its errno, and what it says of the cause that this errno has.
fn may_come(fault: Option<(Call, i32)>) -> Vec<i32> {
    let Some((call, errno)) = fault else { return Vec::new() };
    let cause = match errno {
        // Somebody else has the lock of each name that was tried.
        libc::EAGAIN if call.is(libc::SYS_flock) => Some(libc::EEXIST),
        // As filesystems answer that have no leases.
        libc::EINVAL if call.is_a_lease() => Some(libc::EOPNOTSUPP),
        _ => None,
    };
    [Some(errno), cause].into_iter().flatten().collect()
}

/// Past libtest, which keeps what a passing test prints.
fn say(text: &str) {
    std::io::stdout().lock().write_all(text.as_bytes()).expect("stdout");
}
