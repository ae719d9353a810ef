//! Text as man(7) wants it.

use std::collections::BTreeSet;

use crate::text::Block;

/// Where a line of the source ends at the latest; `mandoc -Tlint` minds longer ones.
const WIDTH: usize = 78;

/// A manual page while it is written.
#[derive(Debug, Default)]
pub struct Roff {
    out: String,
    /// The pages that the text names, with their sections.
    pub named: BTreeSet<(String, char)>,
    /// Whether a paragraph follows another, and needs room before it.
    follows: bool,
}

impl Roff {
    /// A page with its head.
    pub fn page(name: &str, section: char, date: &str, version: &str) -> Roff {
        let mut roff = Roff::default();
        roff.line(&format!(
            r#".TH {} {section} {date} "xtent {version}" "xtent manual""#,
            name.to_uppercase()
        ));
        roff
    }

    /// The finished page.
    pub fn finish(self) -> String {
        self.out
    }

    /// A line that is roff already.
    pub fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// A section.
    pub fn section(&mut self, title: &str) {
        self.line(&format!(".SH {}", quoted(&title.to_uppercase())));
        self.follows = false;
    }

    /// A section inside a section.
    pub fn subsection(&mut self, title: &str) {
        self.line(&format!(".SS {}", quoted(title)));
        self.follows = false;
    }

    /// Blocks of text.
    pub fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::Paragraph(words) => {
                    self.paragraph();
                    self.words(words);
                }
                Block::Code(lines) => {
                    self.paragraph();
                    self.code(lines);
                }
                Block::Table(rows) => {
                    for (term, meaning) in rows {
                        let tag = inline(term, &mut self.named);
                        if tag.len() <= WIDTH {
                            self.tag(&tag, meaning);
                            continue;
                        }
                        // A tag is one line of the source.
                        self.paragraph();
                        self.words(term);
                        self.line(".RS");
                        self.words(meaning);
                        self.line(".RE");
                    }
                }
                Block::Item(mark, words) => {
                    self.line(&format!(".IP {} 4", quoted(mark)));
                    self.words(words);
                }
            }
            self.follows = true;
        }
    }

    /// What a tag means, where it is more than a paragraph.
    pub fn blocks_in_tag(&mut self, blocks: &[Block]) {
        self.follows = false;
        self.blocks(blocks);
    }

    /// A term, which is roff already, and what it means.
    pub fn tag(&mut self, term: &str, meaning: &str) {
        self.line(".TP");
        self.line(term);
        self.words(meaning);
        self.follows = true;
    }

    /// Begins a paragraph.
    pub fn paragraph(&mut self) {
        if self.follows {
            self.line(".P");
        }
        self.follows = true;
    }

    /// Lines as they are.
    pub fn code(&mut self, lines: &[String]) {
        self.line(".RS 4");
        self.verbatim(lines);
        self.line(".RE");
    }

    /// Lines as they are, at the left.
    pub fn verbatim(&mut self, lines: &[String]) {
        self.line(".nf");
        for line in lines {
            let line = escaped(line).replace('-', "\\-");
            self.line(&guarded(&line));
        }
        self.line(".fi");
        self.follows = true;
    }

    /// Words, each sentence on lines of its own.
    pub fn words(&mut self, text: &str) {
        let marked = inline(text, &mut self.named);
        let mut line = String::new();
        for word in marked.split(' ').filter(|word| !word.is_empty()) {
            let sentence =
                line.ends_with(['.', '?', '!']) && !line.ends_with("...") && !line.ends_with("e.g.");
            if !line.is_empty() && (sentence || line.len() + 1 + word.len() > WIDTH) {
                self.line(&guarded(&line));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(&guarded(&line));
        }
    }
}

/// A name in bold.
pub fn bold(name: &str) -> String {
    format!("\\fB{}\\fR", escaped(name))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

/// A line that begins like a request is none.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// Marks names in a text: what is between backticks, our own names, errnos, and pages of the manual, which
/// are noted.
fn inline(text: &str, named: &mut BTreeSet<(String, char)>) -> String {
    let mut out = String::new();
    let mut code = false;
    for (n, part) in text.split('`').enumerate() {
        if n > 0 {
            code = !code;
        }
        if code {
            let ours = part.starts_with("xtent") || !part.starts_with(|c: char| c.is_ascii_lowercase());
            // Words between backticks stay together.
            let part = escaped(part).replace('-', "\\-").replace(' ', "\\~");
            out.push_str(&format!("\\f{}{part}\\fR", if ours { 'B' } else { 'I' }));
            continue;
        }
        for (n, word) in part.split(' ').enumerate() {
            if n > 0 {
                out.push(' ');
            }
            out.push_str(&marked(word, named));
        }
    }
    out
}

/// A word with its name in bold, if it is one; what stands around it stays.
fn marked(word: &str, named: &mut BTreeSet<(String, char)>) -> String {
    let begin = word.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(word.len());
    let (before, rest) = word.split_at(begin);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let section = match after.as_bytes() {
        [b'(', section @ b'1'..=b'8', b')', ..] => Some(char::from(*section)),
        _ => None,
    };
    let errno =
        name.len() > 2 && name.starts_with('E') && name.chars().all(|c| matches!(c, 'A'..='Z' | '0'..='9'));
    let ours = name.starts_with("xtent_") || name.starts_with("XTENT_");
    if let Some(section) = section.filter(|_| !name.is_empty()) {
        named.insert((name.to_owned(), section));
    } else if name.starts_with("xtent_") {
        named.insert((name.to_owned(), '3'));
    }
    let name = if section.is_some() || errno || ours { bold(name) } else { escaped(name) };
    format!("{}{name}{}", escaped(before), escaped(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_marked() {
        let mut named = BTreeSet::new();
        assert_eq!(
            inline("Like read(2), `len` of (XTENT_TO_END) is EINVAL.", &mut named),
            "Like \\fBread\\fR(2), \\fIlen\\fR of (\\fBXTENT_TO_END\\fR) is \\fBEINVAL\\fR."
        );
        assert_eq!(named.into_iter().collect::<Vec<_>>(), [("read".to_owned(), '2')]);
    }

    #[test]
    fn sentences_have_lines() {
        let mut roff = Roff::default();
        roff.words("One sentence. .Another \\one.");
        assert_eq!(roff.finish(), "One sentence.\n\\&.Another \\eone.\n");
    }
}
