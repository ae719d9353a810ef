//! What works on the filesystems of the runner's environment, a line for each: the rows of the README's table, which
//! `tests/vm/works` makes of them.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use xtent::{
    CloneOptions, CopyOptions, DedupeOptions, DedupeStatus, DedupeTarget, FileOptions, Server, TO_END,
    TreeOptions, clone_range, copy_file, copy_range, copy_tree, dedupe_range,
};
use xtent_tests::{Filesystem, filesystems, pattern, scratch, write_file};

const LEN: usize = 1 << 20;

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let mut stdout = std::io::stdout().lock();
    for fs in filesystems().iter().filter(|fs| fs.name != "xfs2") {
        let dir = scratch(fs);
        let all: [fn(&Filesystem, &std::path::Path) -> String; 5] = [clone, dedupe, copy, server, whole];
        let words: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(number, look)| {
                let place = dir.path().join(number.to_string());
                std::fs::create_dir(&place).expect("a directory");
                look(fs, &place)
            })
            .collect();
        writeln!(stdout, "WORKS\t{}\t{}", fs.name, words.join("\t")).expect("stdout");
    }
}

fn files(dir: &std::path::Path, old: &[u8]) -> (File, File) {
    let src = write_file(&dir.join("src"), &pattern(1, LEN)).expect("a file");
    (src, write_file(&dir.join("dst"), old).expect("a file"))
}

fn no(error: &xtent::Error) -> String {
    refused(error.errno)
}

fn refused(errno: i32) -> String {
    match errno {
        libc::EOPNOTSUPP => "`EOPNOTSUPP`".into(),
        libc::EINVAL => "`EINVAL`".into(),
        libc::EXDEV => "`EXDEV`".into(),
        errno => format!("errno {errno}"),
    }
}

/// Also onto bytes that are there and would be put back.
fn clone(_: &Filesystem, dir: &std::path::Path) -> String {
    let (src, dst) = files(dir, &pattern(2, LEN));
    match clone_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CloneOptions::new()) {
        Ok(_) => "yes".into(),
        Err(error) => no(&error),
    }
}

fn dedupe(_: &Filesystem, dir: &std::path::Path) -> String {
    let (src, dst) = files(dir, &pattern(1, LEN));
    let targets = [DedupeTarget { fd: dst.as_fd(), offset: 0 }];
    match dedupe_range(src.as_fd(), 0, TO_END, &targets, DedupeOptions::new()) {
        Err(error) => no(&error),
        Ok(results) if results[0].status == DedupeStatus::Same => "yes".into(),
        Ok(results) => refused(results[0].errno),
    }
}

/// Whether a hole comes out as one.
fn copy(_: &Filesystem, dir: &std::path::Path) -> String {
    let (src, dst) = files(dir, &[]);
    src.set_len(3 * LEN as u64).expect("a hole");
    match copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CopyOptions::new()) {
        Err(error) => no(&error),
        Ok(report) if report.bytes_hole >= 2 * LEN as u64 - 4096 => "yes, holes stay".into(),
        Ok(_) => "yes, holes are filled".into(),
    }
}

fn server(fs: &Filesystem, dir: &std::path::Path) -> String {
    let (src, dst) = files(dir, &[]);
    let options = CopyOptions::new().server(Server::Allow);
    match copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options) {
        Err(error) => no(&error),
        Ok(report) if report.bytes_server > 0 => "yes".into(),
        Ok(_) if matches!(fs.kind.as_str(), "nfs" | "smb") => "no".into(),
        Ok(_) => "-".into(),
    }
}

/// Files and trees, made new and in the place of others.
fn whole(_: &Filesystem, dir: &std::path::Path) -> String {
    files(dir, &[]);
    let (src, new) = (dir.join("src"), dir.join("new"));
    let made = copy_file(&src, &new, FileOptions::new())
        .and_then(|_| copy_file(&src, &new, FileOptions::new().replace(true).durable(true)));
    if let Err(error) = made {
        return no(&error);
    }
    let (tree, copied) = (dir.join("tree"), dir.join("copied"));
    std::fs::create_dir(&tree).expect("a directory");
    write_file(&tree.join("file"), &pattern(1, 5000)).expect("a file");
    if let Err(failure) = copy_tree(&tree, &copied, TreeOptions::new()) {
        return format!("files; trees {}", no(&failure.error));
    }
    match copy_tree(&tree, &copied, TreeOptions::new().replace(true)) {
        Ok(_) => "files, trees".into(),
        Err(failure) => format!("files, trees; replaced trees {}", no(&failure.error)),
    }
}
