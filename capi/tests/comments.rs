//! The header is the manual: what the comment of everything in it has to say.

use std::path::Path;

use xtent_manual::header::{Header, Item, Kind};
use xtent_manual::pages::{self, Parts};
use xtent_manual::text::Block;

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/xtent.h");
    std::fs::read_to_string(path).expect("include/xtent.h")
}

fn header() -> Header {
    Header::read(&text())
}

/// What is the same everywhere is told in the introduction of the header.
const SELF_EXPLAINING: &[&str] = &[
    "fd", "off", "len", "src_fd", "src_off", "dst_fd", "dst_off", "a_fd", "b_fd", "src_dir", "dst_dir",
    "src", "dst",
];

fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n  {}\nThe comments are in capi/src.\n", wrong.join("\n  "));
}

fn paragraphs(text: &[Block]) -> String {
    let words = text.iter().filter_map(|block| match block {
        Block::Paragraph(words) => Some(words.as_str()),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether it can fail: whether it returns a number that may be -errno.
fn can_fail(function: &Item) -> bool {
    function.lines[0].starts_with("int ") || function.lines[0].starts_with("int64_t ")
}

#[test]
fn the_header_is_read_whole() {
    let (header, text) = (header(), text());
    let declared = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    // The guard has no comment, and what begins a struct stands inside it.
    let others = text
        .lines()
        .filter(|line| *line == "#define XTENT_H" || line.contains("_INIT ") || line.contains("_INIT("));
    let others = others.filter(|line| line.starts_with("#define ")).count();
    assert_eq!(header.constants().count() + others, declared("#define XTENT_"), "a constant has no comment");
    // One that is only named has no members to tell of.
    let named = text.lines().filter(|line| line.starts_with("struct ") && line.ends_with(';')).count();
    assert_eq!(header.structs().count() + named, declared("struct "), "a struct has no comment");
    assert!(header.functions().count() >= 11);
}

#[test]
fn functions_say_what_they_do() {
    let mut wrong = Vec::new();
    for (function, parameters) in header().functions() {
        let mut say = |what: String| wrong.push(format!("{}: {what}", function.name));
        let parts = Parts::of(&function.text);
        if parts.description.is_empty() {
            say("begin with a paragraph that says what it does".into());
        }
        if parts.returns.is_empty() && !function.lines[0].starts_with("void ") {
            say("lacks a paragraph that begins with \"Returns\"".into());
        }
        if can_fail(function) && !paragraphs(parts.returns).contains("-errno") {
            say("the paragraph \"Returns\" must speak of -errno".into());
        }
        let words = function.words();
        for parameter in parameters.iter().filter(|parameter| !SELF_EXPLAINING.contains(&parameter.as_str()))
        {
            if !words.contains(&format!("`{parameter}`")) {
                say(format!("say what `{parameter}` is (with the backticks), and whether it may be NULL"));
            }
        }
    }
    none(wrong);
}

#[test]
fn functions_say_since_when() {
    let header = header();
    let version: Vec<u32> = header.version().split('.').filter_map(|part| part.parse().ok()).collect();
    let mut wrong = Vec::new();
    for (function, _) in header.functions() {
        let since = paragraphs(Parts::of(&function.text).since);
        let since = since.strip_prefix("Since ").and_then(|since| since.strip_suffix('.')).unwrap_or("");
        let since: Vec<u32> = since.split('.').filter_map(|part| part.parse().ok()).collect();
        if since.len() != 3 || since > version {
            wrong.push(format!(
                "{}: the last paragraph must be \"Since {}.\"",
                function.name,
                header.version()
            ));
        }
    }
    none(wrong);
}

#[test]
fn functions_have_a_table_of_errnos() {
    let header = header();
    let mut wrong = Vec::new();
    for (function, _) in header.functions().filter(|(function, _)| can_fail(function)) {
        let mut say = |what: String| wrong.push(format!("{}: {what}", function.name));
        let parts = Parts::of(&function.text);
        let rows: Vec<_> = parts
            .errors
            .iter()
            .filter_map(|block| match block {
                Block::Table(rows) => Some(rows),
                _ => None,
            })
            .flatten()
            .collect();
        let rest = paragraphs(parts.returns) + &paragraphs(parts.errors);
        let elsewhere = header
            .functions()
            .any(|(other, _)| rest.contains(&format!("errors are those of {}", other.name)));
        if rows.is_empty() && !elsewhere {
            say("lacks a table of errnos behind \"Returns\" (two blanks, the errno, two blanks or more, what it \
                 means here), or the sentence \"The errors are those of xtent_...\""
                .into());
        }
        for (errnos, meaning) in rows {
            let errno = |name: &str| {
                name.len() > 2
                    && name.starts_with('E')
                    && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            };
            if !errnos.split(", ").all(errno) {
                say(format!("\"{errnos}\" in the table is no list of errnos"));
            }
            if meaning.is_empty() {
                say(format!("{errnos} in the table has no meaning"));
            }
        }
    }
    none(wrong);
}

#[test]
fn structs_say_what_their_members_are() {
    let mut wrong = Vec::new();
    let (header, text) = (header(), text());
    for (item, members) in header.structs() {
        let declared = text
            .split(&format!("\nstruct {} {{\n", item.name))
            .nth(1)
            .and_then(|rest| rest.split("\n};").next())
            .unwrap_or("");
        let comment = |line: &&str| line.trim_start().starts_with(['*', '/']);
        let declared_members = declared.lines().filter(|line| line.ends_with(';') && !comment(line)).count();
        if declared_members != members.len() {
            wrong.push(format!("struct {}: a member has no comment", item.name));
        }
        let init = format!("{}_INIT", item.name.to_uppercase());
        if item.grows() && !item.words().contains(&init) {
            wrong.push(format!(
                "struct {}: say \"Begin with {init}.\" (the macro stands in cbindgen.toml)",
                item.name
            ));
        }
        if item.grows() && !declared.contains(&format!("#define {init} ")) {
            wrong
                .push(format!("struct {}: lacks the macro {init} (export.body in cbindgen.toml)", item.name));
        }
    }
    none(wrong);
}

/// Every function has a page, and every constant is told of by what it is for.
#[test]
fn manual_pages_can_be_made() {
    let header = header();
    let pages = pages::of_header(&header, "2000-01-01").unwrap_or_else(|what| panic!("{what}"));
    for item in header.items.iter().filter(|item| !matches!(item.kind, Kind::Constant(_))) {
        let link = format!("{}.3", item.name);
        let found =
            pages.iter().any(|page| page.file.ends_with(&format!("/{link}")) || page.links.contains(&link));
        assert!(found, "no manual page for {}", item.name);
    }
}

/// The guide for programs that use the library says what to do with each reason.
#[test]
fn every_reason_has_an_advice() {
    let guide = include_str!("../EMBEDDING.md");
    let header = header();
    let reasons = header.constants().filter(|(item, _)| item.name.starts_with("XTENT_REASON_"));
    let missing = reasons.filter(|(item, _)| !guide.contains(&format!("`{}`", item.name)));
    none(
        missing
            .map(|(item, _)| {
                format!("{}: say what a program does about it, in the table of capi/EMBEDDING.md", item.name)
            })
            .collect(),
    );
}
