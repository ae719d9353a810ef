//! The header, in parts: its introduction, and what it declares with the comment before it.

use crate::text::{Block, blocks};

/// All that the header says.
#[derive(Debug)]
pub struct Header {
    /// The introduction, in its sections. The first has no title.
    pub introduction: Vec<Section>,
    /// What is declared, in the header's order.
    pub items: Vec<Item>,
}

/// A section of the introduction.
#[derive(Debug)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: Vec<Block>,
}

/// Something that is declared, or a member of it.
#[derive(Debug)]
pub struct Item {
    /// Its name, without `struct`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The comment before it.
    pub text: Vec<Block>,
    /// How it is declared, without comments.
    pub lines: Vec<String>,
}

/// What something is.
#[derive(Debug)]
pub enum Kind {
    /// A macro; its value is the rest of its line.
    Constant(String),
    /// A struct with its members.
    Struct(Vec<Item>),
    /// A function with the names of its parameters.
    Function(Vec<String>),
    /// A member of a struct.
    Member,
}

impl Header {
    /// Reads a header as cbindgen writes it.
    pub fn read(header: &str) -> Header {
        let (introduction, rest) = header.split_once("*/").unwrap_or(("", header));
        Header { introduction: sections(introduction), items: items(&rest.lines().collect::<Vec<_>>()) }
    }

    /// The functions, with the names of their parameters.
    pub fn functions(&self) -> impl Iterator<Item = (&Item, &[String])> {
        self.items.iter().filter_map(|item| match &item.kind {
            Kind::Function(parameters) => Some((item, parameters.as_slice())),
            _ => None,
        })
    }

    /// The structs, with their members.
    pub fn structs(&self) -> impl Iterator<Item = (&Item, &[Item])> {
        self.items.iter().filter_map(|item| match &item.kind {
            Kind::Struct(members) => Some((item, members.as_slice())),
            _ => None,
        })
    }

    /// The constants, with their values.
    pub fn constants(&self) -> impl Iterator<Item = (&Item, &str)> {
        self.items.iter().filter_map(|item| match &item.kind {
            Kind::Constant(value) => Some((item, value.as_str())),
            _ => None,
        })
    }

    /// The version that the header is of, such as `0.1.0`.
    pub fn version(&self) -> String {
        let part = |name: &str| {
            let found = self.constants().find(|(item, _)| item.name == format!("XTENT_VERSION_{name}"));
            found.map_or("0", |(_, value)| value)
        };
        format!("{}.{}.{}", part("MAJOR"), part("MINOR"), part("PATCH"))
    }
}

impl Item {
    /// All the words of its comment, on one line.
    pub fn words(&self) -> String {
        let words = self.text.iter().map(|block| match block {
            Block::Paragraph(words) => words.clone(),
            Block::Item(_, words) => words.clone(),
            Block::Table(rows) => rows.iter().map(|(a, b)| format!("{a} {b} ")).collect(),
            Block::Code(lines) => lines.join(" "),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether it is a struct that begins with its size, and may grow.
    pub fn grows(&self) -> bool {
        matches!(&self.kind, Kind::Struct(members) if members.first().is_some_and(|member| member.name == "size"))
    }
}

/// The text of a comment's line, without the signs at its ends. Blanks at its left are kept.
fn inside(line: &str) -> &str {
    let line = line.trim_start();
    let line = line.strip_prefix("/**").or_else(|| line.strip_prefix("/*")).unwrap_or(line);
    let line = line.strip_suffix("*/").unwrap_or(line);
    let line = line.strip_prefix('*').unwrap_or(line);
    line.strip_prefix(' ').unwrap_or(line).trim_end()
}

/// A title stands after two empty lines.
fn sections(comment: &str) -> Vec<Section> {
    let lines: Vec<&str> = comment.lines().map(inside).collect();
    let title = |at: usize| at >= 2 && lines[at - 2..at] == ["", ""] && !lines[at].is_empty();
    let starts: Vec<usize> = (0..lines.len()).filter(|&at| title(at)).collect();
    let first = starts.first().copied().unwrap_or(lines.len());
    let mut sections = vec![Section { title: String::new(), text: blocks(&lines[..first]) }];
    for (n, &start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(lines.len());
        sections.push(Section { title: lines[start].to_owned(), text: blocks(&lines[start + 1..end]) });
    }
    sections
}

/// What is declared in these lines, each with the comment before it. The rest is preprocessor.
fn items(lines: &[&str]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].trim_start().starts_with("/**") {
            at += 1;
            continue;
        }
        let length = |from: usize, end: &dyn Fn(&str) -> bool| {
            lines[from..].iter().position(|line| end(line)).map_or(lines.len() - from, |n| n + 1)
        };
        let begin = at + length(at, &|line| line.ends_with("*/"));
        let comment: Vec<&str> = lines[at..begin].iter().map(|line| inside(line)).collect();
        let first = lines.get(begin).map_or("", |line| line.trim_start());
        let end = begin
            + if first.starts_with('#') {
                1
            } else if first.starts_with("struct ") && first.ends_with('{') {
                length(begin, &|line| line == "};")
            } else {
                length(begin, &|line| line.ends_with(';'))
            };
        items.push(item(blocks(&comment), &lines[begin..end]));
        at = end;
    }
    items
}

fn item(text: Vec<Block>, lines: &[&str]) -> Item {
    let first = lines.first().map_or("", |line| line.trim_start());
    let declared = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    if let Some(define) = first.strip_prefix("#define ") {
        let (name, value) = define.split_once(' ').unwrap_or((define, ""));
        return Item {
            name: name.to_owned(),
            kind: Kind::Constant(value.to_owned()),
            text,
            lines: declared(lines),
        };
    }
    if let Some(name) = first.strip_prefix("struct ").and_then(|rest| rest.strip_suffix(" {")) {
        let members = items(&lines[1..lines.len() - 1]);
        let lines = members.iter().flat_map(|member| member.lines.clone()).collect();
        return Item { name: name.to_owned(), kind: Kind::Struct(members), text, lines };
    }
    let joined = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let function = first.len() == lines[0].len() && joined.contains('(');
    let (name, kind) = if function {
        let (before, rest) = joined.split_once('(').unwrap_or((&joined, ""));
        let parameters = rest.trim_end_matches(");").split(',').filter(|parameter| *parameter != "void");
        (last_word(before), Kind::Function(parameters.map(last_word).collect()))
    } else {
        // The name of a pointer to a function stands inside.
        let pointer = joined.split_once("(*").and_then(|(_, rest)| rest.split_once(')'));
        let name = pointer.map_or(joined.trim_end_matches(';'), |(name, _)| name);
        (last_word(name.split('[').next().unwrap_or(name)), Kind::Member)
    };
    Item { name, kind, text, lines: declared(lines) }
}

fn last_word(text: &str) -> String {
    text.trim().rsplit([' ', '*']).next().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\
/*
 * Words.
 *
 *
 * A title
 *
 * More.
 */
#ifndef X
#define X
/** The \"one\". */
#define ONE 1

/** A struct. */
struct thing {
    /** sizeof. */
    uint32_t size;
    /**
     * Called.
     */
    int (*progress)(void *user, uint64_t done);
    /** Kept. */
    uint64_t reserved[2];
#define THING_INIT { 1 }
};

/**
 * Does it.
 *
 * Returns 0.
 */
int64_t does_it(int a_fd,
                const struct thing *options);

/** What. */
const char *what(void);
#endif
";

    #[test]
    fn a_header_comes_apart() {
        let header = Header::read(HEADER);
        assert_eq!(header.introduction.len(), 2);
        assert_eq!(header.introduction[1].title, "A title");
        let names: Vec<&str> = header.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["ONE", "thing", "does_it", "what"]);
        assert_eq!(header.constants().next().map(|(_, value)| value), Some("1"));

        let (thing, members) = header.structs().next().expect("a struct");
        assert!(thing.grows());
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["size", "progress", "reserved"]);

        let functions: Vec<_> = header.functions().map(|(_, parameters)| parameters).collect();
        assert_eq!(functions[0], ["a_fd", "options"]);
        assert!(functions[1].is_empty());
        assert_eq!(header.items[2].words(), "Does it. Returns 0.");
    }
}
