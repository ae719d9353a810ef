//! Which pages there are, and what stands on each.

use std::collections::{BTreeMap, BTreeSet};

use crate::header::{Header, Item, Kind};
use crate::markdown;
use crate::roff::{Roff, bold};
use crate::text::Block;

/// A page of a family of functions.
struct Family {
    name: &'static str,
    about: &'static str,
    /// The functions, structs and constants that it has; a `*` stands for anything.
    members: &'static [&'static str],
}

const INTRODUCTION: &str = "xtent";

/// The first that fits a name has it. A family whose functions do not exist is no page.
const FAMILIES: &[Family] = &[
    Family {
        name: INTRODUCTION,
        about: "copy, clone and dedupe ranges of files",
        members: &["xtent_version*", "XTENT_VERSION*", "XTENT_TO_END"],
    },
    Family {
        name: "xtent_reasons",
        about: "why something was refused, failed or ended early",
        members: &["xtent_reason_*", "XTENT_REASON_*"],
    },
    Family {
        name: "xtent_copy_tree",
        about: "copy, clone or dedupe whole directories",
        members: &[
            "xtent_*_tree",
            "xtent_*_trees",
            "xtent_dedupe_tree*",
            "XTENT_DEDUPE_TREE_*",
            "xtent_usage*",
        ],
    },
    Family {
        name: "xtent_copy_file",
        about: "copy or clone whole files, all or nothing",
        members: &["xtent_copy_file", "xtent_clone_file", "xtent_clone_or_copy_file", "xtent_file_options"],
    },
    Family {
        name: "xtent_stage",
        about: "fill a file and publish it whole",
        members: &["xtent_stage", "xtent_stage_*"],
    },
    Family { name: "xtent_copy_range", about: "copy a range of a file", members: &["xtent_copy_range"] },
    Family { name: "xtent_clone_range", about: "share a range of a file", members: &["xtent_clone_range"] },
    Family {
        name: "xtent_clone_or_copy_range",
        about: "share a range where possible, else copy it",
        members: &["xtent_clone_or_copy_range"],
    },
    Family { name: "xtent_dedupe", about: "share what is equal already", members: &["xtent_dedupe_*"] },
    Family {
        name: "xtent_extents",
        about: "look at where the data of files lies",
        members: &["xtent_extent*", "xtent_shared_bytes"],
    },
    Family { name: "xtent_probe", about: "say what works between two files", members: &["xtent_probe*"] },
    Family { name: "xtent_report", about: "what a verb did", members: &["xtent_report"] },
];

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => {
            name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
        }
        None => pattern == name,
    }
}

/// The number of the family that has an item.
///
/// What no family names stands where it is needed first: a struct with the function that takes it or the
/// struct that it is part of, a constant where it is told of.
fn families(header: &Header) -> Result<BTreeMap<&str, usize>, String> {
    let by_name = |item: &Item| {
        FAMILIES.iter().position(|family| family.members.iter().any(|pattern| fits(pattern, &item.name)))
    };
    let mut found = BTreeMap::new();
    for item in &header.items {
        match by_name(item) {
            Some(family) => _ = found.insert(item.name.as_str(), family),
            None if matches!(item.kind, Kind::Function(_)) => {
                return Err(format!(
                    "no manual page has {}: add it to FAMILIES in capi/manual/src/pages.rs",
                    item.name
                ));
            }
            None => (),
        }
    }
    // Twice: what is needed by something that found its own page in the first round.
    for _ in 0..2 {
        for item in &header.items {
            if !found.contains_key(item.name.as_str()) {
                let needs = |other: &&Item| other.name != item.name && mentions(other, &item.name);
                let pages =
                    header.items.iter().filter(needs).filter_map(|other| found.get(other.name.as_str()));
                // The report stands beside every function, and is last.
                if let Some(&family) = pages.min() {
                    found.insert(&item.name, family);
                }
            }
        }
    }
    match header.items.iter().find(|item| !found.contains_key(item.name.as_str())) {
        None => Ok(found),
        Some(item) => Err(format!(
            "nothing in the header mentions {}: name it in the comment of the member or function that it is for",
            item.name
        )),
    }
}

/// Whether an item's comment or declaration, or those of its members, have a name, or the beginning of it
/// followed by dots.
pub fn mentions(item: &Item, name: &str) -> bool {
    let has = |text: &str| {
        text.match_indices("xtent_").chain(text.match_indices("XTENT_")).any(|(at, _)| {
            let rest = &text[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest[..end] == *name || rest[end..].starts_with("...") && name.starts_with(&rest[..end])
        })
    };
    let members: &[Item] = match &item.kind {
        Kind::Struct(members) => members,
        _ => &[],
    };
    has(&item.words()) || item.lines.iter().any(|line| has(line)) || members.iter().any(|m| has(&m.words()))
}

/// A page of the manual.
#[derive(Debug)]
pub struct Page {
    /// Its file, such as `man3/xtent.3`.
    pub file: String,
    /// What stands in it.
    pub text: String,
    /// The files, in the same directory, by which it is found too.
    pub links: Vec<String>,
}

/// The pages of the header. What one tells of beside its own name leads to it.
pub fn of_header(header: &Header, date: &str) -> Result<Vec<Page>, String> {
    let families = families(header)?;
    let mut pages = Vec::new();
    for (number, family) in FAMILIES.iter().enumerate() {
        let mine = |item: &&Item| families.get(item.name.as_str()) == Some(&number);
        let items: Vec<&Item> = header.items.iter().filter(mine).collect();
        if items.is_empty() {
            continue;
        }
        let named = |item: &&&Item| matches!(item.kind, Kind::Function(_) | Kind::Struct(_));
        let others = items.iter().filter(named).filter(|item| item.name != family.name);
        pages.push(Page {
            file: format!("man3/{}.3", family.name),
            text: page(header, date, family, &items, &families),
            links: others.map(|item| format!("{}.3", item.name)).collect(),
        });
    }
    Ok(pages)
}

fn page(
    header: &Header,
    date: &str,
    family: &Family,
    items: &[&Item],
    families: &BTreeMap<&str, usize>,
) -> String {
    let functions: Vec<&Item> =
        items.iter().copied().filter(|item| matches!(item.kind, Kind::Function(_))).collect();
    let mut roff = Roff::page(family.name, '3', date, &header.version());

    roff.section("NAME");
    let mut names: Vec<&str> = vec![family.name];
    names.extend(functions.iter().map(|item| item.name.as_str()).filter(|name| *name != family.name));
    let (last, others) = names.split_last().unwrap_or((&family.name, &[]));
    for name in others {
        roff.line(&format!("{name},"));
    }
    roff.line(&format!("{last} \\- {}", family.about));
    roff.section("LIBRARY");
    roff.line("xtent (libxtent, \\fI\\-lxtent\\fR)");

    roff.section("SYNOPSIS");
    let mut synopsis = vec!["#include <xtent.h>".to_owned()];
    for function in &functions {
        synopsis.push(String::new());
        synopsis.extend(function.lines.iter().cloned());
    }
    roff.verbatim(&synopsis);

    roff.section("DESCRIPTION");
    if family.name == INTRODUCTION {
        for section in &header.introduction {
            if !section.title.is_empty() {
                roff.subsection(&section.title);
            }
            // The head of the file says whose it is; the page has a NAME for that.
            let licence =
                |block: &&Block| !matches!(block, Block::Paragraph(words) if words.starts_with("SPDX-"));
            let text: Vec<Block> = section.text.iter().filter(licence).cloned().collect();
            roff.blocks(&text);
        }
    }
    let alone = functions.len() == 1 && family.name != INTRODUCTION;
    let parts: Vec<(&Item, Parts)> = functions.iter().map(|item| (*item, Parts::of(&item.text))).collect();
    for (item, parts) in &parts {
        if !alone {
            roff.subsection(&item.name);
        }
        roff.blocks(parts.description);
    }
    if functions.is_empty() {
        for item in items {
            roff.blocks(&item.text);
        }
    }

    structs(&mut roff, items, functions.is_empty());
    constants(&mut roff, items);

    for (title, part) in [("RETURN VALUE", 0), ("ERRORS", 1), ("HISTORY", 2)] {
        let texts: Vec<(&Item, &[Block])> = parts
            .iter()
            .map(|(item, parts)| (*item, [parts.returns, parts.errors, parts.since][part]))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        if texts.is_empty() {
            continue;
        }
        roff.section(title);
        for (item, text) in texts {
            if !alone {
                roff.subsection(&item.name);
            }
            roff.blocks(text);
        }
    }

    roff.section("SEE ALSO");
    see_also(&mut roff, family.name, families);
    roff.finish()
}

/// The members of the structs, with what they are.
fn structs(roff: &mut Roff, items: &[&Item], alone: bool) {
    let structs: Vec<_> = items
        .iter()
        .filter_map(|item| match &item.kind {
            Kind::Struct(members) => Some((item, members)),
            _ => None,
        })
        .collect();
    if structs.is_empty() {
        return;
    }
    roff.section("STRUCTURES");
    for (item, members) in structs {
        roff.subsection(&format!("struct {}", item.name));
        if !alone {
            roff.blocks(&item.text);
        }
        for member in members {
            let declared = member.lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            roff.tag(&bold(&declared), "");
            roff.blocks_in_tag(&member.text);
        }
    }
}

fn constants(roff: &mut Roff, items: &[&Item]) {
    let constants: Vec<_> = items
        .iter()
        .filter_map(|item| match &item.kind {
            Kind::Constant(value) => Some((item, value)),
            _ => None,
        })
        .collect();
    if constants.is_empty() {
        return;
    }
    roff.section("CONSTANTS");
    for (item, value) in constants {
        // A value that is computed says nothing to a reader.
        let value = if value.contains('(') { String::new() } else { format!(" ({value})") };
        roff.tag(&format!("{}{value}", bold(&item.name)), &item.words());
    }
}

/// The pages that the text names, and those where everything begins.
fn see_also(roff: &mut Roff, name: &str, families: &BTreeMap<&str, usize>) {
    let page = |named: &str| {
        families.get(named).map_or(named.to_owned(), |&family| FAMILIES[family].name.to_owned())
    };
    let mut pages: BTreeSet<(char, String)> =
        roff.named.iter().map(|(named, section)| (*section, page(named))).collect();
    pages.extend([('3', INTRODUCTION.to_owned()), ('3', "xtent_reasons".to_owned())]);
    if name == INTRODUCTION {
        pages.extend(families.values().map(|&family| ('3', FAMILIES[family].name.to_owned())));
        pages.insert(('7', "xtent_embedding".to_owned()));
    }
    pages.remove(&('3', name.to_owned()));
    let pages: Vec<String> =
        pages.iter().map(|(section, page)| format!("{}({section})", bold(page))).collect();
    for (n, page) in pages.iter().enumerate() {
        roff.line(&format!("{page}{}", if n + 1 < pages.len() { "," } else { "" }));
    }
}

/// The parts of a function's comment.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What it does.
    pub description: &'a [Block],
    /// What it returns: from the paragraph that begins so, to its table.
    pub returns: &'a [Block],
    /// The tables of its errors, and what is said of them.
    pub errors: &'a [Block],
    /// Since when it is there.
    pub since: &'a [Block],
}

impl Parts<'_> {
    /// Finds them.
    pub fn of(text: &[Block]) -> Parts<'_> {
        let begins =
            |block: &Block, word: &str| matches!(block, Block::Paragraph(words) if words.starts_with(word));
        let (text, since) = match text.split_last() {
            Some((last, rest)) if begins(last, "Since ") => (rest, &text[rest.len()..]),
            _ => (text, &[][..]),
        };
        let returns = text.iter().position(|block| begins(block, "Returns ")).unwrap_or(text.len());
        let (description, rest) = text.split_at(returns);
        let table = rest.iter().position(|block| matches!(block, Block::Table(_))).unwrap_or(rest.len());
        let (returns, errors) = rest.split_at(table);
        Parts { description, returns, errors, since }
    }
}

/// The page of a document.
pub fn of_document(document: &str, name: &str, about: &str, date: &str, version: &str) -> Page {
    let mut roff = Roff::page(name, '7', date, version);
    roff.section("NAME");
    roff.line(&format!("{name} \\- {about}"));
    for section in markdown::read(document) {
        match section.level {
            1 => roff.section("DESCRIPTION"),
            2 => roff.section(&section.title),
            _ => roff.subsection(&section.title),
        }
        roff.blocks(&section.text);
    }
    roff.section("SEE ALSO");
    roff.line(&format!("{}(3),\n{}(3)", bold("xtent"), bold("xtent_reasons")));
    Page { file: format!("man7/{name}.7"), text: roff.finish(), links: Vec::new() }
}
