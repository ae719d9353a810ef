//! Saying that something was not tested.

use std::io::Write;

/// Prints `SKIP name: reason`, which `tests/run` counts and repeats in its closing lines.
///
/// `name` is the test's, when it does nothing: it then counts as skipped instead of passed. A part of a test that
/// does the rest is `test/part`: it counts as skipped beside the passed test.
pub fn skip(name: &str, reason: &str) {
    // print! would be swallowed: libtest captures the macros of a passing test, not the stream itself. The line break
    // in front is there because with one test thread `test name ... ` already stands on the line.
    let line = format!("\nSKIP {name}: {reason}\n");
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).expect("stdout");
}
