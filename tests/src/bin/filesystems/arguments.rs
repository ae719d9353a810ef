//! The command line.

use std::ffi::OsString;

use crate::kinds::{self, Kind};

pub(crate) const USAGE: &str = "\
usage: filesystems [--size-mib N] [--only NAME,NAME] [--list] [--] CMD ARGS...
  --size-mib N   size of each filesystem, default 2048; only what is written takes memory; XFS needs 300
  --only NAMES   make these alone, of: xfs xfs2 xfs-noreflink btrfs ext4 tmpfs overlay; and xfs-exchange, which is made
                 only by name
  --list         print what there is and what is skipped, run nothing
XTENT_REQUIRE=\"xfs btrfs\" in the environment: fail if one of these cannot be made.";

pub(crate) struct Arguments {
    pub(crate) size_mib: u32,
    pub(crate) wanted: Vec<&'static Kind>,
    pub(crate) list: bool,
    pub(crate) command: Vec<OsString>,
}

impl Arguments {
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let mut parsed =
            Self { size_mib: 2048, wanted: kinds::ALL.iter().collect(), list: false, command: Vec::new() };
        while let Some(option) = arguments.next_if(|word| word.as_encoded_bytes().starts_with(b"--")) {
            let mut value = || {
                let value = arguments.next().and_then(|value| value.into_string().ok());
                value.ok_or_else(|| format!("{} needs a value", option.display()))
            };
            match option.to_str() {
                Some("--") => break,
                Some("--list") => parsed.list = true,
                Some("--size-mib") => {
                    let value = value()?;
                    parsed.size_mib = value.parse().map_err(|_| format!("not a size in MiB: {value}"))?;
                }
                Some("--only") => parsed.wanted = kinds::named(&value()?)?,
                _ => return Err(format!("unknown option {}", option.display())),
            }
        }
        parsed.command = arguments.collect();
        if parsed.list != parsed.command.is_empty() {
            return Err("either --list or a command".into());
        }
        Ok(parsed)
    }
}
