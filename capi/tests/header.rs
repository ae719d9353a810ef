//! `include/xtent.h` is what cbindgen makes of `src/`, and speaks C.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use xtent::Reason;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn path() -> PathBuf {
    Path::new(CRATE).join("../include/xtent.h")
}

/// The header as it stands; with `BLESS` in the environment it is written anew first.
fn committed() -> &'static str {
    static HEADER: LazyLock<String> = LazyLock::new(|| {
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path(), made()).expect("include/xtent.h");
        }
        std::fs::read_to_string(path()).expect("include/xtent.h")
    });
    &HEADER
}

/// What the header ought to be.
fn made() -> String {
    let config = cbindgen::Config::from_file(Path::new(CRATE).join("cbindgen.toml")).expect("cbindgen.toml");
    let mut header = Vec::new();
    cbindgen::generate_with_config(CRATE, config).expect("cbindgen").write(&mut header);
    fold(&String::from_utf8(header).expect("UTF-8"))
}

/// Puts comments of one line on one line: cbindgen gives each three.
fn fold(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in header.lines() {
        let comment = match lines.as_slice() {
            [.., open, text] if line.trim() == "*/" && open.trim() == "/**" => {
                text.trim_start().strip_prefix('*').map(|text| open.to_owned() + text + " */")
            }
            _ => None,
        };
        match comment.filter(|comment| comment.len() <= 120) {
            Some(comment) => {
                lines.truncate(lines.len() - 2);
                lines.push(comment);
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n").trim_start().to_owned() + "\n"
}

#[test]
fn header_is_up_to_date() {
    let (made, committed) = (made(), committed());
    let differs = made.lines().zip(committed.lines()).position(|(a, b)| a != b);
    assert!(
        made == committed,
        "include/xtent.h is not what capi/src and capi/cbindgen.toml make (first at line {}): \
         look at the change and run: BLESS=1 cargo test -p xtent-capi --test header",
        differs.unwrap_or(0) + 1,
    );
}

#[test]
fn header_speaks_c() {
    let header = committed();
    let comments = header.split("/*").skip(1).filter_map(|rest| rest.split("*/").next());
    let mut seen = 0;
    for line in comments.flat_map(str::lines) {
        let text = line.trim_start_matches([' ', '*']);
        let heading = text.trim_start_matches('#').starts_with(' ') && text.starts_with('#');
        assert!(!heading, "a Markdown heading: {line}");
        for rust in ["::", "[`", "`]", "SAFETY", "Option<", "unsafe", "cbindgen:"] {
            assert!(!text.contains(rust), "{rust} is not C: {line}");
        }
        seen += 1;
    }
    assert!(seen > 200, "where have the comments gone? {seen} lines");
}

#[test]
fn every_reason_is_in_the_header() {
    let header = committed();
    let defines = header.lines().filter(|line| line.starts_with("#define XTENT_REASON_")).count();
    assert_eq!(defines, Reason::ALL.len());
    for reason in Reason::ALL {
        let name = reason.name().to_uppercase().replace('-', "_");
        let lines = format!("/** \"{}\" */\n#define XTENT_REASON_{name} {}\n", reason.text(), reason.code());
        assert!(header.contains(&lines), "the header lacks:\n{lines}");
    }
}
