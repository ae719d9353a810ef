//! Gives the shared library its SONAME, which cargo leaves out: the name that programs linked with it
//! look for, whatever file it came from.

use std::path::Path;

const SONAME: &str = "libxtent.so.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");

    // Cargo names the file libxtent.so, in the directory of the profile, three above OUT_DIR. With the
    // link beside it a program runs with the library as it was built (-Wl,-rpath, LD_LIBRARY_PATH).
    let out_dir = std::env::var_os("OUT_DIR").unwrap_or_default();
    if let Some(profile) = Path::new(&out_dir).ancestors().nth(3) {
        // It is there already, or cargo was told of another layout: then only the convenience is missing.
        std::os::unix::fs::symlink("libxtent.so", profile.join(SONAME)).ok();
    }
}
