//! What programs were compiled with never changes: the symbols of the library, and the sizes and places of
//! what is in its structs. Both stand in capi/abi; `BLESS=1` writes them anew.
//!
//! Cargo runs tests by name: with `BLESS=1 cargo test -p xtent-capi`, `header` has written the header before.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtent_manual::header::Header;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const HOW: &str = "look at the change and run: BLESS=1 cargo test -p xtent-capi --test symbols_and_structs";

fn header() -> Header {
    let path = Path::new(CRATE).join("../include/xtent.h");
    Header::read(&std::fs::read_to_string(path).expect("include/xtent.h"))
}

/// What is committed in `capi/abi`; with `BLESS` in the environment it is written anew first.
fn committed(file: &str, now: &str) -> String {
    let path = Path::new(CRATE).join("abi").join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, now).expect("capi/abi");
    }
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The shared library, of this build. `XTENT_LIBRARY` names another one to look at.
fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("XTENT_LIBRARY") {
        return path.into();
    }
    // Cargo does not build a cdylib for an integration test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--lib", "--manifest-path"])
        .arg(Path::new(CRATE).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cargo build failed");
    target.join("debug/libxtent.so")
}

fn run(command: &str, args: &[&str]) -> String {
    let output = Command::new(command).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("ASCII")
}

#[test]
fn exports_are_what_the_header_declares() {
    let library = library();
    let library = library.to_str().expect("UTF-8");
    let symbols = run("nm", &["--dynamic", "--defined-only", "--format=posix", library]);
    let mut exported: Vec<_> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
    exported.sort();

    let header = header();
    let mut declared: Vec<_> = header.functions().map(|(function, _)| function.name.as_str()).collect();
    declared.sort();
    assert_eq!(exported, declared, "the library and the header (is it up to date?)");

    let now = exported.join("\n") + "\n";
    assert_eq!(committed("symbols", &now), now, "capi/abi/symbols is not what the library exports: {HOW}");

    let dynamic = run("readelf", &["--dynamic", library]);
    assert!(dynamic.contains("[libxtent.so.0]"), "no SONAME:\n{dynamic}");
}

/// Each struct with its size, and each member with its place and size, as the C compiler has them.
fn layout(header: &Header) -> String {
    let mut program =
        String::from("#include <stddef.h>\n#include <stdio.h>\n#include <xtent.h>\nint main(void)\n{\n");
    for (item, members) in header.structs() {
        let name = &item.name;
        let grows = if item.grows() { "grows" } else { "fixed" };
        let _ = writeln!(program, "printf(\"{name} %zu {grows}\\n\", sizeof(struct {name}));");
        for member in members {
            let member = &member.name;
            let _ = writeln!(
                program,
                "printf(\"  {member} %zu %zu\\n\", offsetof(struct {name}, {member}), sizeof(((struct {name} *)0)->{member}));"
            );
        }
    }
    program.push_str("return 0;\n}\n");

    let directory = tempfile::tempdir().expect("a directory");
    let (source, binary) = (directory.path().join("layout.c"), directory.path().join("layout"));
    std::fs::write(&source, program).expect("layout.c");
    let include = format!("-I{CRATE}/../include");
    run("cc", &[&include, source.to_str().expect("UTF-8"), "-o", binary.to_str().expect("UTF-8")]);
    run(binary.to_str().expect("UTF-8"), &[])
}

/// The file has the places of 64-bit machines; those of others follow from the same rules.
#[test]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the committed file is of a 64-bit machine")]
fn structs_only_grow_at_their_end() {
    let now = layout(&header());
    let before = committed("structs", &now);
    let structs = |text: &str| -> Vec<(String, Vec<String>)> {
        let mut structs: Vec<(String, Vec<String>)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix("  "), structs.last_mut()) {
                (Some(member), Some((_, members))) => members.push(member.to_owned()),
                _ => structs.push((line.to_owned(), Vec::new())),
            }
        }
        structs
    };
    let now_structs = structs(&now);
    for (head, members) in structs(&before) {
        let name = head.split(' ').next().unwrap_or_default();
        let found = now_structs.iter().find(|(now, _)| now.starts_with(&format!("{name} ")));
        let (now_head, now_members) =
            found.unwrap_or_else(|| panic!("struct {name} is gone: that breaks programs"));
        assert!(
            now_members.starts_with(&members),
            "struct {name}: its members were\n  {}\nand are\n  {}\nA member never changes or moves: that breaks programs. \
             New ones go to the end. If nothing was released with the old ones: {HOW}",
            members.join("\n  "),
            now_members.join("\n  "),
        );
        assert!(
            head == *now_head || head.ends_with(" grows"),
            "struct {name} was \"{head}\" and is \"{now_head}\": elements of arrays never grow, that breaks programs; \
             use what is reserved in it"
        );
    }
    assert!(before == now, "capi/abi/structs is not what the header says now: {HOW}");
}
