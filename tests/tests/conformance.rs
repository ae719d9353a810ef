//! Runs the conformance table (`tests/src/cases`) through the drivers (`tests/drivers`).
//!
//! `cargo test --test conformance -- clone` runs the cases with "clone" in their names.

use std::process::ExitCode;

// The Rust driver is this same program: so it is always built with it, and never an old one.
#[path = "../drivers/driver.rs"]
mod driver;

const DRIVER: &str = "--be-the-driver";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == DRIVER) {
        driver::main();
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    // Other options are libtest's, and mean nothing here.
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    xtent_tests::conformance::run(DRIVER.into(), wanted.map_or("", String::as_str))
}
