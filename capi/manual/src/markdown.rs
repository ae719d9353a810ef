//! The Markdown that our documents are written in, as sections of a manual page: titles, paragraphs, lists,
//! tables and code.

use crate::text::{Block, join};

/// A title with the text under it. The level is the number of its `#`.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// 1 for the document's own title.
    pub level: usize,
    /// The title.
    pub title: String,
    /// What stands under it.
    pub text: Vec<Block>,
}

/// Reads a document.
pub fn read(document: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut lines = document.lines();
    let mut after_blank = true;
    while let Some(line) = lines.next() {
        let level = line.bytes().take_while(|&byte| byte == b'#').count();
        if level > 0 && line[level..].starts_with(' ') {
            let title = plain(&line[level + 1..]).replace('`', "");
            sections.push(Section { level, title, text: Vec::new() });
            after_blank = true;
            continue;
        }
        let Some(Section { text, .. }) = sections.last_mut() else { continue };
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            after_blank = true;
            continue;
        }
        if trimmed.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            text.push(Block::Code(code.map(str::to_owned).collect()));
        } else if trimmed.starts_with('|') {
            table(text, trimmed);
        } else if let Some((mark, words)) = item(trimmed) {
            text.push(Block::Item(mark, plain(words)));
        } else {
            match text.last_mut() {
                Some(Block::Paragraph(words) | Block::Item(_, words)) if !after_blank => {
                    join(words, &plain(trimmed))
                }
                _ => text.push(Block::Paragraph(plain(trimmed))),
            }
        }
        after_blank = false;
    }
    sections
}

/// The mark of a list's element, and its words.
fn item(line: &str) -> Option<(String, &str)> {
    if let Some(words) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        return Some(("\\(bu".into(), words));
    }
    let (number, words) = line.split_once(". ")?;
    let numbered = !number.is_empty() && number.len() < 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    numbered.then(|| (format!("{number}."), words))
}

/// A row: its first cell is the term, the others are its meaning, each with the head of its column where
/// there are several.
fn table(text: &mut Vec<Block>, line: &str) {
    let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| plain(cell.trim())).collect();
    if cells.iter().all(|cell| cell.bytes().all(|byte| matches!(byte, b'-' | b':'))) {
        return;
    }
    let Some(Block::Table(rows)) = text.last_mut() else {
        return text.push(Block::Table(vec![(cells[0].clone(), cells[1..].join("; "))]));
    };
    rows.push((cells[0].clone(), cells[1..].join("; ")));
}

/// Without what a manual page does not show: the stars of bold words, and the addresses of links.
fn plain(text: &str) -> String {
    let text = text.replace("**", "");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after.split_once("](") {
            Some((words, link)) if !words.contains(['[', ']']) => {
                out.push_str(words);
                rest = link.split_once(')').map_or("", |(_, rest)| rest);
            }
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_apart() {
        let sections = read(
            "# Title\n\nTwo\nlines with a [link](to.md), [sic].\n\n## Next\n- **one**\n  more\n- two\n\n1. first\n\n\
             | a | b |\n|---|---|\n| c | d |\n\n```c\n  code\n```\n",
        );
        let item = |mark: &str, words: &str| Block::Item(mark.into(), words.into());
        let row = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            sections,
            [
                Section {
                    level: 1,
                    title: "Title".into(),
                    text: vec![Block::Paragraph("Two lines with a link, [sic].".into())],
                },
                Section {
                    level: 2,
                    title: "Next".into(),
                    text: vec![
                        item("\\(bu", "one more"),
                        item("\\(bu", "two"),
                        item("1.", "first"),
                        Block::Table(vec![row("a", "b"), row("c", "d")]),
                        Block::Code(vec!["  code".into()]),
                    ],
                },
            ]
        );
    }
}
