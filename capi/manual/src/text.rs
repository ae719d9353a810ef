//! The plain text of a comment, in blocks.
//!
//! Paragraphs stand at the left. Two blanks begin a table, a term and its text on each line; the text goes
//! on where it is indented deeper. Four blanks are code.

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Words, on one line.
    Paragraph(String),
    /// Terms, each with what it means.
    Table(Vec<(String, String)>),
    /// Lines to be kept as they are.
    Code(Vec<String>),
    /// One thing among several, with a mark or a number before it.
    Item(String, String),
}

/// The blocks of lines that have no comment signs any more.
pub fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut after_blank = true;
    for line in lines {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.is_empty() {
            // Code goes on behind an empty line, if more of it follows.
            if let Some(Block::Code(code)) = blocks.last_mut() {
                code.push(String::new());
            }
            after_blank = true;
            continue;
        }
        match blocks.last_mut() {
            Some(Block::Table(rows)) if !after_blank => match rows.last_mut() {
                Some((_, meaning)) if indent > 2 => join(meaning, text),
                _ => rows.push(row(text)),
            },
            Some(Block::Code(code)) if indent >= 4 => code.push(line[4..].to_owned()),
            Some(Block::Paragraph(words)) if !after_blank => join(words, text),
            _ if indent >= 4 => blocks.push(Block::Code(vec![line[4..].to_owned()])),
            _ if indent >= 2 => blocks.push(Block::Table(vec![row(text)])),
            _ => blocks.push(Block::Paragraph(text.to_owned())),
        }
        after_blank = false;
    }
    for block in &mut blocks {
        if let Block::Code(code) = block {
            code.truncate(code.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        }
    }
    blocks
}

/// A term, and after two blanks what it means; or a term whose meaning follows on the next line.
fn row(text: &str) -> (String, String) {
    let (term, meaning) = text.split_once("  ").unwrap_or((text, ""));
    (term.to_owned(), meaning.trim().to_owned())
}

/// Puts the next line of a text behind it.
pub(crate) fn join(text: &mut String, next: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(next.trim());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let lines = [
            "Two lines",
            "of words.",
            "",
            "  EIO     the device",
            "          failed",
            "  EA, EB",
            "          both",
            "",
            "    code",
            "",
            "      more",
            "",
            "End.",
        ];
        let row = |term: &str, meaning: &str| (term.to_owned(), meaning.to_owned());
        assert_eq!(
            blocks(&lines),
            [
                Block::Paragraph("Two lines of words.".into()),
                Block::Table(vec![row("EIO", "the device failed"), row("EA, EB", "both")]),
                Block::Code(vec!["code".into(), String::new(), "  more".into()]),
                Block::Paragraph("End.".into()),
            ]
        );
    }
}
