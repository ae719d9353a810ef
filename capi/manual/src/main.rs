//! Writes the manual pages below a directory: `xtent-manual ROOT MANDIR DATE`, where ROOT is the top of the tree.

use std::error::Error;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::{env, fs};

use xtent_manual::header::Header;
use xtent_manual::pages;

/// The documents that are pages too, where the tree has them.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("capi/EMBEDDING.md", "xtent_embedding", "libxtent in a backup program: which call when, and what then"),
    ("docs/lock-protocol.md", "xtent_lock_protocol", "how who writes a file and who copies it agree"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [root, out, date] = arguments.as_slice() else {
        return Err("usage: xtent-manual ROOT MANDIR DATE".into());
    };
    let (root, out) = (Path::new(root), Path::new(out));
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));

    let header = Header::read(&read("include/xtent.h")?);
    let mut pages = pages::of_header(&header, date)?;
    for (path, name, about) in DOCUMENTS.iter().filter(|(path, ..)| root.join(path).exists()) {
        pages.push(pages::of_document(&read(path)?, name, about, date, &header.version()));
    }
    for page in pages {
        let file = out.join(&page.file);
        let directory = file.parent().unwrap_or(out);
        fs::create_dir_all(directory)?;
        fs::write(&file, page.text)?;
        for link in page.links {
            let link = directory.join(link);
            fs::remove_file(&link).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
            symlink(file.file_name().unwrap_or_default(), link)?;
        }
    }
    Ok(())
}
