//! What servers do: on NFS 4.2 a clone is the server's CLONE and a copy its COPY, of which the client's own counters tell
//! (/proc/self/mountstats); signals, a server that starts again, a file that is gone and two exports give right bytes or
//! a clear error.
//!
//! For a guest (`tests/vm`), on the filesystems of the runner's environment that are NFS or SMB, which their names tell.
//! It stops the NFS server and starts it again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};

use xtent::{CloneOptions, Control, CopyOptions, Reason, Report, Server, TO_END, clone_range, copy_range};
use xtent_tests::{Filesystem, beneath, filesystems, pattern, scratch, write_file};

/// Several steps of a server's copy.
const LEN: usize = (24 << 20) + 777;

type Result<T = ()> = std::result::Result<T, String>;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, 0);
    // What it is about, on which filesystems, and the test.
    type Test = (&'static str, fn(&Filesystem) -> bool, fn(&Filesystem) -> Result);
    let all: [Test; 7] = [
        ("a clone is the server's", is_nfs_4_2, a_clone_is_the_servers),
        ("a copy is the server's where that is allowed", is_nfs_4_2, a_copy_is_the_servers),
        ("signals do not stop a copy", is_remote, signals_do_not_stop_a_copy),
        ("a server that starts again in the middle", is_one_of_each_nfs, a_server_that_starts_again),
        ("a file that is gone on the server", is_nfs_3, a_file_that_is_gone),
        ("between two exports", shares, between_two_exports),
        ("a copy that a server of SMB makes", is_smb, a_copy_by_smb),
    ];
    for (name, applies, test) in all {
        for fs in filesystems().iter().filter(|fs| applies(fs)) {
            match test(fs) {
                Ok(()) => passed += 1,
                Err(what) => {
                    failed += 1;
                    say(&format!("FAILED {name} [{}]: {what}", fs.name));
                }
            }
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!("test result: {result}. {passed} passed; {failed} failed;"));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("stdout");
}

fn ensure(right: bool, what: impl FnOnce() -> String) -> Result {
    if right { Ok(()) } else { Err(what()) }
}

/// How often the client asked for each operation so far.
fn asked(fs: &Filesystem) -> Result<BTreeMap<String, u64>> {
    let stats = fs::read_to_string("/proc/self/mountstats").map_err(|error| error.to_string())?;
    let here = format!(" mounted on {} with ", fs.dir.display());
    let lines = stats.lines().skip_while(|line| !line.contains(&here)).skip(1);
    let mut counts = BTreeMap::new();
    for line in lines.take_while(|line| !line.starts_with("device ")) {
        let Some((name, numbers)) = line.trim().split_once(": ") else { continue };
        if let Some(Ok(count)) = numbers.split(' ').next().map(str::parse) {
            counts.insert(name.to_owned(), count);
        }
    }
    if counts.is_empty() { Err("no counters in mountstats".into()) } else { Ok(counts) }
}

/// How often each of these was asked for since then.
fn since(before: &BTreeMap<String, u64>, fs: &Filesystem, names: [&str; 4]) -> Result<[u64; 4]> {
    let now = asked(fs)?;
    Ok(names.map(|name| now.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0)))
}

const COUNTED: [&str; 4] = ["CLONE", "COPY", "READ", "WRITE"];

struct Files {
    dir: tempfile::TempDir,
    src: File,
    dst: File,
    bytes: Vec<u8>,
}

impl Files {
    fn new(fs: &Filesystem) -> Files {
        let dir = scratch(fs);
        let bytes = pattern(1, LEN);
        let src = write_file(&dir.path().join("src"), &bytes).expect("a file");
        let dst = write_file(&dir.path().join("dst"), &[]).expect("a file");
        Files { dir, src, dst, bytes }
    }

    fn copy(&self, server: Server, control: Control<'_>) -> xtent::Result<Report> {
        let options = CopyOptions::new().server(server).control(control);
        copy_range(self.src.as_fd(), 0, self.dst.as_fd(), 0, TO_END, options)
    }

    fn arrived(&self, report: &Report) -> Result {
        ensure(report.bytes() == LEN as u64 && report.errno == 0, || format!("{report:?}"))?;
        let now = fs::read(self.dir.path().join("dst")).map_err(|error| error.to_string())?;
        ensure(now == self.bytes, || "other bytes arrived".into())
    }
}

fn is_nfs_4_2(fs: &Filesystem) -> bool {
    fs.name.starts_with("nfs4.2")
}

/// The server of NFS 4 holds a file that is open, and forgets none.
fn is_nfs_3(fs: &Filesystem) -> bool {
    fs.name == "nfs3"
}

/// The server is the same for all.
fn is_one_of_each_nfs(fs: &Filesystem) -> bool {
    matches!(fs.name.as_str(), "nfs4.2-xfs" | "nfs3")
}

fn is_smb(fs: &Filesystem) -> bool {
    fs.kind == "smb"
}

fn is_remote(fs: &Filesystem) -> bool {
    matches!(fs.kind.as_str(), "nfs" | "smb")
}

fn shares(fs: &Filesystem) -> bool {
    matches!(fs.name.as_str(), "nfs4.2-xfs" | "nfs4.2-btrfs")
}

fn a_clone_is_the_servers(fs: &Filesystem) -> Result {
    let files = Files::new(fs);
    let before = asked(fs)?;
    let cloned = clone_range(files.src.as_fd(), 0, files.dst.as_fd(), 0, TO_END, CloneOptions::new());
    let [clones, copies, reads, writes] = since(&before, fs, COUNTED)?;
    let counts = format!("CLONE {clones}, COPY {copies}, READ {reads}, WRITE {writes}");
    if shares(fs) {
        let report = cloned.map_err(|error| error.to_string())?;
        ensure(report.bytes_cloned == LEN as u64, || format!("{report:?}"))?;
        ensure(clones > 0 && copies + reads + writes == 0, || counts.clone())?;
        say(&format!("clone of {LEN} bytes on {}: {counts}", fs.name));
        return files.arrived(&report);
    }
    let error = cloned.expect_err("nothing that shares");
    ensure(copies + reads + writes == 0, || counts)?;
    let said = (error.errno, error.reason);
    ensure(said == (libc::EOPNOTSUPP, Reason::FilesystemCannot), || format!("{error:?}"))?;
    ensure(files.dst.metadata().is_ok_and(|now| now.len() == 0), || "the destination is another".into())
}

fn a_copy_is_the_servers(fs: &Filesystem) -> Result {
    let files = Files::new(fs);
    let before = asked(fs)?;
    let report = files.copy(Server::Allow, Control::new()).map_err(|error| error.to_string())?;
    let [clones, copies, reads, writes] = since(&before, fs, COUNTED)?;
    let counts = format!("CLONE {clones}, COPY {copies}, READ {reads}, WRITE {writes}");
    ensure(report.bytes_server == LEN as u64, || format!("{report:?}"))?;
    ensure(copies > 0 && clones + reads + writes == 0, || counts.clone())?;
    say(&format!("copy of {LEN} bytes on {}: {counts}", fs.name));
    files.arrived(&report)?;

    // Not allowed: they come here, and go back.
    let files = Files::new(fs);
    let before = asked(fs)?;
    let report = files.copy(Server::Never, Control::new()).map_err(|error| error.to_string())?;
    files.dst.sync_all().map_err(|error| error.to_string())?;
    let [clones, copies, _, writes] = since(&before, fs, COUNTED)?;
    ensure(report.bytes_server == 0 && clones + copies == 0 && writes > 0, || format!("{report:?}"))?;
    files.arrived(&report)
}

/// While it lives a signal comes every millisecond, to a handler without SA_RESTART; but not for ever.
struct Alarms;

/// With each the client cancels a COPY, and after a hundred of them a server of Linux 6.1.176 with eight threads was seen to
/// put off every COPY (NFS4ERR_DELAY), for which the client waits until a signal ends the process. The server has no more
/// copies at a time than threads, and seems to count some of the cancelled ones; starting again sets the count to 0.
const MOST_ALARMS: u32 = 20;
static ALARMS: AtomicU32 = AtomicU32::new(0);
/// More than all alarms on the filesystems that are NFS 4.2.
const NFSD_THREADS: &str = "64";

impl Alarms {
    fn begin() -> Alarms {
        extern "C" fn handler(_: libc::c_int) {
            if ALARMS.fetch_add(1, Ordering::Relaxed) < MOST_ALARMS {
                Alarms::once_after(1000);
            }
        }
        ALARMS.store(0, Ordering::Relaxed);
        // SAFETY: a handler that does nothing, and numbers.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        }
        Alarms::once_after(1000);
        Alarms
    }

    /// How many came.
    fn count() -> u32 {
        ALARMS.load(Ordering::Relaxed)
    }

    fn once_after(microseconds: i64) {
        let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let it_value = libc::timeval { tv_usec: microseconds, ..never };
        let timer = libc::itimerval { it_interval: never, it_value };
        // SAFETY: the call reads one struct.
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        Alarms::once_after(0);
    }
}

fn signals_do_not_stop_a_copy(fs: &Filesystem) -> Result {
    let files = Files::new(fs);
    let report = {
        let _alarms = Alarms::begin();
        files.copy(Server::Allow, Control::new()).map_err(|error| error.to_string())?
    };
    ensure(Alarms::count() > 0, || "it was done before the first signal".into())?;
    say(&format!(
        "under signals on {}: {} bytes by the server, {} here",
        fs.name, report.bytes_server, report.bytes_copied
    ));
    files.arrived(&report)
}

fn nfsd(threads: &str) {
    Command::new("rpc.nfsd").arg(threads).status().expect("rpc.nfsd");
}

fn a_server_that_starts_again(fs: &Filesystem) -> Result {
    for server in [Server::Allow, Server::Never] {
        let files = Files::new(fs);
        let mut begun = false;
        let mut restart = |done, _| {
            if done > 0 && !begun {
                begun = true;
                nfsd("0");
                nfsd(NFSD_THREADS);
                fs::write("/proc/fs/nfsd/v4_end_grace", "Y").ok();
            }
            ControlFlow::Continue(())
        };
        let report = files.copy(server, Control::new().progress(&mut restart));
        let report = report.map_err(|error| format!("{server:?}: {error}"))?;
        ensure(begun, || "it was never stopped".into())?;
        files.arrived(&report).map_err(|what| format!("{server:?}: {what}"))?;
    }
    Ok(())
}

fn a_file_that_is_gone(fs: &Filesystem) -> Result {
    for server in [Server::Allow, Server::Never] {
        let files = Files::new(fs);
        let served = beneath(&fs.name).ok_or("nobody told where it lies")?;
        let served = served.join(files.dir.path().strip_prefix(&fs.dir).expect("beneath it"));
        fs::remove_file(served.join("src")).map_err(|error| error.to_string())?;
        fs::write("/proc/sys/vm/drop_caches", "3").map_err(|error| error.to_string())?;
        // What is in the page cache may still be had.
        let (errno, reason, done) = match files.copy(server, Control::new()) {
            Ok(report) => (report.errno, report.reason, report.bytes() as usize),
            Err(error) => (error.errno, error.reason, 0),
        };
        ensure((errno, reason) == (libc::ESTALE, Reason::Gone), || format!("errno {errno}, {reason:?}"))?;
        let now = fs::read(files.dir.path().join("dst")).map_err(|error| error.to_string())?;
        ensure(done < LEN && now == files.bytes[..done], || "the destination is another".into())?;
    }
    Ok(())
}

fn between_two_exports(fs: &Filesystem) -> Result {
    let Some(other) = filesystems().iter().find(|other| other.name == "nfs4.2-ext4") else { return Ok(()) };
    let (here, there) = (Files::new(fs), Files::new(other));
    let files = Files { dst: there.dst, src: here.src, bytes: here.bytes, dir: there.dir };
    let report = files.copy(Server::Allow, Control::new()).map_err(|error| error.to_string())?;
    files.arrived(&report)?;
    files.dst.set_len(0).map_err(|error| error.to_string())?;
    let cloned = clone_range(files.src.as_fd(), 0, files.dst.as_fd(), 0, TO_END, CloneOptions::new());
    let error = cloned.expect_err("two filesystems");
    let said = (error.errno, error.reason);
    ensure(said == (libc::EXDEV, Reason::DifferentFilesystem), || format!("{error:?}"))
}

fn a_copy_by_smb(fs: &Filesystem) -> Result {
    let files = Files::new(fs);
    let report = files.copy(Server::Allow, Control::new()).map_err(|error| error.to_string())?;
    ensure(report.bytes_server == LEN as u64, || format!("{report:?}"))?;
    files.arrived(&report)
}
