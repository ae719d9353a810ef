//! Where the drivers come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::case::Face;

/// Path of a Python that has the module `xtent`.
const ENV_PYTHON: &str = "XTENT_PYTHON";
/// A directory with the drivers, already built: for a machine that has no compiler.
const ENV_BUILT: &str = "XTENT_DRIVERS";
/// What the C driver is called there.
const C_DRIVER: &str = "conformance-driver-c";
/// Names, separated by blanks or commas, of drivers whose absence is a failure.
const ENV_REQUIRE: &str = "XTENT_REQUIRE_DRIVERS";

pub(crate) struct Program {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// The drivers that can be had, and why others cannot. The Rust driver is in the program that runs the table.
pub(crate) fn all(rust: OsString) -> BTreeMap<Face, Result<Program, String>> {
    let find = |face| match face {
        Face::Rust => std::env::current_exe()
            .map(|program| Program { program, arguments: vec![rust.clone()] })
            .map_err(|error| error.to_string()),
        Face::C => c_driver(),
        Face::Python => python_driver(),
    };
    Face::ALL.map(|face| (face, find(face))).into()
}

/// Whether a driver must not be skipped.
pub(crate) fn is_required(face: Face) -> bool {
    let required = std::env::var(ENV_REQUIRE).unwrap_or_default();
    required.split([' ', ',']).any(|name| name == face.name())
}

/// Names of drivers that do not exist: a slip of the pen must not turn a requirement into a permission.
pub(crate) fn required_in_vain() -> Vec<String> {
    let required = std::env::var(ENV_REQUIRE).unwrap_or_default();
    let known = |name: &&str| name.is_empty() || Face::ALL.iter().any(|face| face.name() == *name);
    required.split([' ', ',']).filter(|name| !known(name)).map(str::to_owned).collect()
}

fn built() -> Option<PathBuf> {
    std::env::var_os(ENV_BUILT).map(PathBuf::from)
}

/// Builds the library as it is now, and the driver against it.
fn c_driver() -> Result<Program, String> {
    if let Some(built) = built() {
        return Ok(Program { program: built.join(C_DRIVER), arguments: Vec::new() });
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.parent().ok_or("no workspace")?;
    // target/debug/deps/conformance-0123456789abcdef
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = exe.ancestors().nth(2).ok_or("not in a build directory")?;
    let target = profile.parent().ok_or("not in a build directory")?;

    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "xtent-capi", "--manifest-path"]).arg(root.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    run(&mut cargo)?;

    let program = profile.join(C_DRIVER);
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-g", "-o"]).arg(&program);
    cc.arg(tests.join("drivers/driver.c")).arg("-I").arg(root.join("include"));
    cc.arg("-L").arg(profile).arg("-lxtent");
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(profile);
    run(cc.arg(rpath))?;
    Ok(Program { program, arguments: Vec::new() })
}

fn python_driver() -> Result<Program, String> {
    let python = std::env::var_os(ENV_PYTHON)
        .ok_or_else(|| format!("{ENV_PYTHON} names no Python with the module"))?;
    run(Command::new(&python).args(["-c", "import xtent"]))?;
    let drivers = built().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers"));
    let driver = drivers.join("driver.py");
    Ok(Program { program: python.into(), arguments: vec!["-B".into(), driver.into()] })
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let run = command.output().map_err(|error| format!("{program}: {error}"))?;
    if run.status.success() {
        return Ok(());
    }
    // Of a traceback the last line says what is wrong, of a compiler the first.
    let stderr = String::from_utf8_lossy(&run.stderr);
    let mut lines = stderr.lines().filter(|line| !line.is_empty());
    let line = if stderr.starts_with("Traceback") { lines.next_back() } else { lines.next() };
    Err(format!("{program}: {}", line.unwrap_or("failed")))
}
