//! The runner itself. These tests run also inside it: namespaces nest.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use xtent_tests::{ENV_FILESYSTEMS, ENV_REQUIRE, ENV_SKIPPED, Filesystem, Skipped, skip};

const RUNNER: &str = env!("CARGO_BIN_EXE_filesystems");

fn runner(arguments: &[&str]) -> Command {
    let mut command = Command::new(RUNNER);
    command.args(arguments).env_remove(ENV_REQUIRE).stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the runner starts");
    // Without namespaces the runner becomes the command, and a signal to one is a signal to the other.
    let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).expect("it ended");
    (status, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let status = |command: &[&str]| output(&mut runner(&[&["--only", "tmpfs", "--"], command].concat())).0;
    assert_eq!(status(&["true"]), 0);
    assert_eq!(status(&["sh", "-c", "exit 7"]), 7);
    assert_eq!(status(&["sh", "-c", "kill -KILL $$"]), 128 + libc::SIGKILL);
    assert_eq!(status(&["/"]), 126);
    assert_eq!(status(&["/no/such/command"]), 127);
}

#[test]
fn a_wrong_command_line_is_refused() {
    for arguments in [
        &[][..],
        &["--only", "ntfs", "--", "true"],
        &["--size-mib", "big", "--", "true"],
        &["--what"],
        &["--only"],
    ] {
        let (status, stdout, stderr) = output(&mut runner(arguments));
        assert_eq!((status, stdout.as_str()), (125, ""), "{arguments:?}");
        assert!(stderr.contains("usage: filesystems"), "{stderr}");
    }
}

#[test]
fn the_environment_names_every_filesystem_or_why_not() {
    let names = ["xfs", "xfs2", "xfs-noreflink", "btrfs", "ext4", "tmpfs", "overlay"];
    // The directories are looked at from inside, they are nowhere else.
    let script = format!(
        "printf '%s\\n--\\n%s\\n--\\n' \"${ENV_FILESYSTEMS}\" \"${ENV_SKIPPED}\"
         printf '%s\\n' \"${ENV_FILESYSTEMS}\" | cut -f3 | while read -r dir; do test -w \"$dir\" && stat -fc %T \"$dir\"; done"
    );
    let (status, stdout, _) = output(&mut runner(&["--", "sh", "-c", &script]));
    assert_eq!(status, 0);
    let parts: Vec<&str> = stdout.split("--\n").collect();
    let available: Vec<Filesystem> = parts[0].lines().map(|line| line.parse().unwrap()).collect();
    let skipped: Vec<Skipped> =
        parts[1].lines().filter(|line| !line.is_empty()).map(|line| line.parse().unwrap()).collect();
    assert_eq!(parts[2].lines().count(), available.len(), "{stdout}");
    for name in names {
        let here = available.iter().any(|fs| fs.name == name);
        let there = skipped.iter().any(|skipped| skipped.name == name && !skipped.reason.is_empty());
        assert!(here != there, "{name}: {stdout}");
    }
}

#[test]
fn a_required_filesystem_is_not_skipped() {
    // The first mkfs.btrfs in the search path is one that fails, so that there is something to skip.
    let bin = tempfile::tempdir().unwrap();
    let mkfs = bin.path().join("mkfs.btrfs");
    fs::write(&mkfs, "#!/bin/sh\necho out of luck >&2\nexit 1\n").unwrap();
    fs::set_permissions(&mkfs, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let with = |arguments: &[&str], required: &str| {
        output(runner(arguments).env("PATH", &path).env(ENV_REQUIRE, required))
    };
    let command = ["--only", "tmpfs,btrfs", "--", "printenv", ENV_SKIPPED];

    let (status, stdout, _) = with(&command, "");
    assert_eq!(status, 0);
    assert!(stdout.contains("btrfs\t"), "{stdout}");

    let (status, stdout, stderr) = with(&command, "xfs btrfs");
    assert_eq!((status, stdout.as_str()), (125, ""), "{stderr}");
    assert!(stderr.contains("names btrfs, skipped: "), "{stderr}");
    assert!(!stderr.contains("xfs,"), "not asked for, so not skipped: {stderr}");
    if unavailable().is_none() {
        assert!(stderr.contains("mkfs.btrfs: out of luck"), "{stderr}");
    }

    let (status, stdout, stderr) = with(&command, "brtfs");
    assert_eq!((status, stdout.as_str()), (125, ""), "a slip of the pen is no permission: {stderr}");
}

#[test]
fn without_root_there_is_the_temporary_directory() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("filesystems");
    let mut command = Command::new(&copy);
    // The build directory may be closed to the user nobody.
    fs::copy(RUNNER, &copy).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // SAFETY: no arguments, cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(65534).gid(65534);
    }
    command.args(["--only", "btrfs", "--", "printenv", ENV_FILESYSTEMS, ENV_SKIPPED]);
    command.current_dir("/").env("TMPDIR", dir.path()).env_remove(ENV_REQUIRE);
    let (status, stdout, stderr) = output(&mut command);
    assert_eq!(status, 0, "{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    let fs: Filesystem = lines[0].parse().unwrap();
    assert_eq!((fs.name.as_str(), fs.dir.as_path()), ("tmpdir", dir.path()));
    assert_eq!(lines[1], "btrfs\tmounting needs root");

    assert_eq!(output(command.env(ENV_REQUIRE, "btrfs")).0, 125);
}

#[test]
fn nothing_is_left_behind_when_it_is_killed() {
    if let Some(reason) = unavailable() {
        return skip("nothing_is_left_behind_when_it_is_killed", &reason);
    }
    let before = Surroundings::look();
    // In the middle of mkfs and mount, wherever that is on this machine.
    for milliseconds in [0, 5, 10, 20, 40, 60, 80, 100, 150, 200] {
        let mut run = Run::start();
        std::thread::sleep(Duration::from_millis(milliseconds));
        run.child.kill().unwrap();
        run.child.wait().unwrap();
        poll("everything is gone", || run.traces().is_empty() && Surroundings::look() == before);
    }
    // In the middle of the command.
    let mut run = Run::start();
    run.wait_for_command();
    let traces = run.traces();
    assert!(traces.iter().any(|trace| trace.starts_with("loop")), "{traces:?}");
    assert!(traces.iter().any(|trace| trace.starts_with("setsid")), "{traces:?}");
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    poll("everything is gone", || run.traces().is_empty() && Surroundings::look() == before);
}

#[test]
fn nothing_is_left_behind_when_it_is_asked_to_end() {
    if let Some(reason) = unavailable() {
        return skip("nothing_is_left_behind_when_it_is_asked_to_end", &reason);
    }
    let before = Surroundings::look();
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let mut run = Run::start();
        run.wait_for_command();
        // SAFETY: kill(2) with the number of a child that was not waited for.
        unsafe { libc::kill(run.child.id() as libc::pid_t, signal) };
        assert_eq!(run.child.wait().unwrap().code(), Some(128 + signal));
        poll("everything is gone", || run.traces().is_empty() && Surroundings::look() == before);
    }
}

/// Why this runner cannot make filesystems here.
fn unavailable() -> Option<String> {
    let (_, stdout, _) = output(&mut runner(&["--only", "ext4", "--list"]));
    stdout.lines().find_map(|line| line.strip_prefix("SKIP ext4: ")).map(str::to_owned)
}

/// A runner whose command writes, leaves a daemon behind, and goes on.
struct Run {
    child: Child,
    dir: tempfile::TempDir,
}

impl Run {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The directory stands in the command line of every process, so that they can be found.
        let script = r#"
            for fs in $(printf '%s' "$XTENT_FILESYSTEMS" | cut -f3); do head -c 8M /dev/urandom >"$fs/file"; done
            setsid sh -c 'while :; do sleep 1; done' setsid "$1" &
            : >"$1/ready"
            while :; do sleep 1; done"#;
        let mut command = runner(&["--", "sh", "-c", script, "sh"]);
        // What nohup(1) ignores, and a shell for what it begins with `&`, its children ignore too.
        let heed = || {
            for signal in [libc::SIGTERM, libc::SIGHUP] {
                // SAFETY: a number and SIG_DFL.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            Ok(())
        };
        // SAFETY: signal(2) is async-signal-safe, signal-safety(7).
        unsafe { command.pre_exec(heed) };
        Self { child: command.arg(dir.path()).spawn().unwrap(), dir }
    }

    fn wait_for_command(&self) {
        poll("the command goes", || self.dir.path().join("ready").exists() && self.traces().len() > 4);
    }

    /// Loop devices and processes of this runner. Its number stands in the names of its images.
    fn traces(&self) -> Vec<String> {
        let image = format!("xtent-{}-", self.child.id());
        let dir = self.dir.path().to_str().unwrap();
        let entries = |path: &str| fs::read_dir(path).into_iter().flatten().flatten();
        let loops = entries("/sys/block")
            .filter_map(|entry| fs::read_to_string(entry.path().join("loop/backing_file")).ok())
            .filter(|file| file.contains(&image))
            .map(|file| format!("loop {file}"));
        // A zombie's command line is empty: nobody but its parent can do anything about it.
        let processes = entries("/proc")
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&image) || line.contains(dir))
            .map(|line| if line.contains(" setsid ") { format!("setsid {line}") } else { line });
        loops.chain(processes).collect()
    }
}

impl Drop for Run {
    /// After a failed assertion.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a runner must not change.
#[derive(PartialEq, Debug)]
struct Surroundings {
    mounts: String,
    places: Vec<Vec<OsString>>,
}

impl Surroundings {
    fn look() -> Self {
        let names = |dir: &str| {
            fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
        };
        Self {
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
            places: ["/mnt", "/media", "/srv", "/opt"].map(names).into(),
        }
    }
}

/// The kernel takes mounts and loop devices down in the background: soon, but a busy machine is slow to say so.
fn poll(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(300);
    while !done() {
        assert!(Instant::now() < end, "waited 300 s until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
