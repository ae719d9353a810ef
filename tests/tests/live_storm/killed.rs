//! A process that is killed while it holds a protection leaves nothing behind: no lock, no lease, no name, no space.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use xtent::{Control, FileOptions, Stable, copy_file};
use xtent_tests::{Filesystem, pattern, scratch};

use crate::{Plan, Tally, pair, say};

const SIZE: usize = 32 << 20;

/// In the child: copies, and stops for ever after the first step.
pub(crate) fn hold(arguments: &[String]) -> ! {
    let [way, src, dst] = arguments else { panic!("hold WAY SRC DST") };
    let way = Stable::ALL.iter().find(|stable| stable.name() == way).expect("a way");
    let mut wait = |_, _| -> ControlFlow<()> {
        say("holds");
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    };
    let control = Control::new().progress(&mut wait);
    let done = copy_file(Path::new(src), Path::new(dst), FileOptions::new().stable(*way).control(control));
    say(&format!("{done:?}"));
    std::process::exit(1);
}

pub(crate) fn run(plan: &Plan, tally: &mut Tally) {
    for name in ["xfs", "btrfs", "ext4"] {
        let Some((from, to)) = pair(name, tally) else { continue };
        for way in [Stable::Detect, Stable::Lock, Stable::Lease, Stable::Snapshot] {
            if way == Stable::Snapshot && name == "ext4" {
                continue;
            }
            let (mut kills, mut problems) = (0, Vec::new());
            for _ in 0..plan.cases.div_ceil(11) {
                if plan.time_is_up() {
                    break;
                }
                problems.extend(kill(from, to, way));
                kills += 1;
            }
            tally.case(&format!("{name} {}: {kills} kills {problems:?}", way.name()), problems.len() as u64);
        }
    }
}

fn kill(from: &Filesystem, to: &Filesystem, way: Stable) -> Vec<String> {
    let (here, there) = (scratch(from), scratch(to));
    let (src, dst) = (here.path().join("src"), there.path().join("dst"));
    xtent_tests::write_file(&src, &pattern(1, SIZE)).unwrap();
    let free_before = (free(from), free(to));

    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("hold")
        .args([way.name().as_ref(), src.as_os_str(), dst.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut problems = Vec::new();
    let mut expect = |right: bool, what: &str| {
        if !right {
            problems.push(what.to_owned());
        }
    };
    expect(line == "holds\n", &format!("the child said {line:?}"));

    // It is there before, so that it can be gone afterwards.
    match way {
        Stable::Lock => expect(!can_lock(&src), "there was no lock"),
        Stable::Lease => expect(!can_open(&src), "there was no lease"),
        Stable::Snapshot => {
            // The snapshot alone has the old blocks now.
            File::options().write(true).open(&src).unwrap().write_all_at(&pattern(2, SIZE), 0).unwrap();
            expect(free_before.0 - free(from) > SIZE as i64 / 2, "there was no snapshot");
        }
        _ => {}
    }
    child.kill().unwrap();
    child.wait().unwrap();

    expect(can_lock(&src), "a lock");
    expect(can_open(&src), "a lease");
    expect(names(here.path()) == ["src"], "a name beside the source");
    expect(names(there.path()).is_empty(), "a name beside the destination");
    // The kernel frees an unlinked file's blocks after its last close, by itself (xfs_inodegc, btrfs-cleaner).
    let room = |fs, before| (0..200).any(|_| before - free(fs) < 4 << 20 || nap());
    expect(room(from, free_before.0), "space of the source's filesystem");
    expect(room(to, free_before.1), "space of the destination's");
    problems
}

/// For `any`: not yet.
fn nap() -> bool {
    std::thread::sleep(Duration::from_millis(100));
    false
}

fn can_lock(path: &Path) -> bool {
    let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
    let Ok(file) = file else { return false };
    let lock = libc::flock64 {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: F_OFD_SETLK reads one `flock64`, which lives until the call returns.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) == 0 }
}

fn can_open(path: &Path) -> bool {
    File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path).is_ok()
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Bytes, once all that waits is on disk.
fn free(fs: &Filesystem) -> i64 {
    let dir = File::open(&fs.dir).unwrap();
    let mut stat = std::mem::MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: syncfs takes a number; fstatfs64 fills one `statfs64` when it succeeds.
    let stat = unsafe {
        assert_eq!(libc::syncfs(dir.as_raw_fd()), 0);
        assert_eq!(libc::fstatfs64(dir.as_raw_fd(), stat.as_mut_ptr()), 0);
        stat.assume_init()
    };
    stat.f_bfree as i64 * stat.f_bsize
}
