//! Each system call of each verb is made to fail, with each errno that matters, once and from then on. What may come of it
//! is right bytes, or that error with a true report; never a short file that is called whole.
//!
//! `make test` takes a few errnos; XTENT_FAULTS=all takes all.

mod scene;
mod supervisor;

use std::io::Write;

use xtent_tests::{Filesystem, fs, skip};

use scene::{SCENES, Scene, Set};
use supervisor::{Call, Fault, run};

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
    if let Err(error) = run(None, || ()) {
        return skip(test, &format!("no thread can be supervised: {error}"));
    }
    let errnos = if std::env::var_os("XTENT_FAULTS").is_some_and(|value| value == "all") { ALL } else { FEW };
    let mut tally = Tally::default();
    for scene in SCENES {
        every_fault(fs, scene, errnos, &mut tally);
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

fn every_fault(fs: &Filesystem, scene: &'static Scene, errnos: &[i32], tally: &mut Tally) {
    let set = Set::new(fs, scene);
    let run = |fault| {
        set.reset();
        run(fault, || set.act()).expect("it was supervised before")
    };
    let calm = run(None);
    set.judge(&calm.result, &calm.result, &[])
        .unwrap_or_else(|what| panic!("{} without faults: {what}: {:?}", scene.name, calm.result));
    for (at, call) in calm.calls.iter().enumerate() {
        for errno in errnos {
            for for_good in [false, true] {
                let faulty = run(Some(Fault { at, errno: *errno, for_good }));
                assert!(faulty.failed > 0, "{}: {} is not made any more", scene.name, call.name());
                tally.runs += 1;
                tally.calls += faulty.failed;
                if let Err(what) = set.judge(&faulty.result, &calm.result, &may_come(*call, *errno)) {
                    let times = if for_good { "from then on" } else { "once" };
                    let call = call.name();
                    tally.problems.push(format!(
                        "{}: call {at}, {call}, errno {errno} {times}: {what}: {:?}",
                        scene.name, faulty.result
                    ));
                }
            }
        }
    }
}

/// What a verb may say of that fault: its errno. Of a call that only looks at a descriptor the kernel itself says that it
/// is not open, and by no other errno: it may be told as that, as one that is not open for this, or as a file of which
/// nobody knows where it is.
fn may_come(call: Call, errno: i32) -> Vec<i32> {
    if call.looks() { vec![errno, libc::EBADF, libc::EINVAL, libc::EXDEV] } else { vec![errno] }
}

/// Past libtest, which keeps what a passing test prints.
fn say(text: &str) {
    std::io::stdout().lock().write_all(text.as_bytes()).expect("stdout");
}
