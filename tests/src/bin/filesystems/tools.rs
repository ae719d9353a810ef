//! Other programs: running them, and installing those that make filesystems.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;

use crate::kinds::{Kind, Source};

/// Why a program is not there.
pub(crate) type Missing = BTreeMap<&'static str, String>;

/// Installs what the wanted filesystems need and this machine lacks.
///
/// A signal during apt-get ends the runner and not apt-get, which then finishes by itself: a dpkg killed half-way
/// leaves the machine in a worse state than a package more.
pub(crate) fn install(wanted: &[&Kind]) -> Missing {
    let needed: BTreeMap<&str, &str> = wanted
        .iter()
        .filter_map(|kind| match kind.source {
            Source::Image { mkfs, package, .. } if !is_there(mkfs) => Some((mkfs, package)),
            _ => None,
        })
        .collect();
    if needed.is_empty() {
        return Missing::new();
    }
    let packages: Vec<&str> = needed.values().copied().collect();
    eprintln!("filesystems: installing {}", packages.join(" "));
    let mut failure = None;
    for package in packages {
        if let Err(reason) = install_package(package) {
            failure = Some(reason);
        }
    }
    let reason = failure.unwrap_or_else(|| "apt-get installed the package, yet it is not there".into());
    needed
        .into_iter()
        .filter(|(mkfs, _)| !is_there(mkfs))
        .map(|(mkfs, package)| (mkfs, format!("{mkfs} (package {package}) is missing: {reason}")))
        .collect()
}

/// By the package lists as they are, and if that fails (none yet, or too old) once more with fresh ones.
fn install_package(package: &str) -> Result<(), String> {
    let apt_get = |arguments: &[&str]| {
        let mut command = tool("apt-get");
        // Another apt-get may be at work; an unreachable mirror must not hold the tests up for long.
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=1"]);
        command.args(["-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    let install = || apt_get(&["install", "--yes", "--no-install-recommends", package]);
    install().or_else(|_| {
        // Its failure is not the last word: one broken mirror among several fails it too.
        let updated = apt_get(&["update"]);
        install().map_err(|reason| updated.err().unwrap_or(reason))
    })
}

/// Runs a program to its end. The error is one line of what it said.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    // mkfs.xfs(8) and mount(8) say what is wrong first, then how they are used; apt-get(8) warns first.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines().find(|line| line.starts_with("E: ")).or_else(|| lines().next());
    let said = said.map_or_else(|| output.status.to_string(), |line| line.replace('\t', " "));
    Err(if said.starts_with(&program) { said } else { format!("{program}: {said}") })
}

/// A program, found also where a user who became root with su(1) does not look, speaking the language of the tests.
pub(crate) fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path()).env("LC_ALL", "C");
    command
}

fn is_there(program: &str) -> bool {
    std::env::split_paths(&search_path()).any(|dir| dir.join(program).is_file())
}

fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push("/usr/sbin:/sbin:/usr/bin:/bin");
    path
}
