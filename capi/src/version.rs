//! `xtent_version` and `xtent_version_string`.

use std::ffi::{c_char, c_uint};

/// The version of this header. The library's own is what xtent_version returns.
pub const XTENT_VERSION_MAJOR: u32 = 0;
/// See XTENT_VERSION_MAJOR.
pub const XTENT_VERSION_MINOR: u32 = 1;
/// See XTENT_VERSION_MAJOR.
pub const XTENT_VERSION_PATCH: u32 = 0;
/// The version of this header as a number, as xtent_version returns that of the library.
pub const XTENT_VERSION: u32 = XTENT_VERSION_MAJOR * 10000 + XTENT_VERSION_MINOR * 100 + XTENT_VERSION_PATCH;

/// The version of the library that runs. It may be later than the header's.
///
/// Returns major * 10000 + minor * 100 + patch.
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn xtent_version() -> c_uint {
    XTENT_VERSION
}

const STRING: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The version of the library that runs, for people.
///
/// Returns a string that stays for ever, such as "0.1.0".
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn xtent_version_string() -> *const c_char {
    STRING.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_one() {
        let numbers = format!("{XTENT_VERSION_MAJOR}.{XTENT_VERSION_MINOR}.{XTENT_VERSION_PATCH}");
        assert_eq!(numbers, xtent::VERSION);
        assert_eq!(STRING, format!("{}\0", xtent::VERSION));
    }
}
