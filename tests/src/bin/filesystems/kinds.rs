//! The filesystems that can be made.

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The kernel's name of the type.
    pub(crate) kind: &'static str,
    pub(crate) source: Source,
}

/// What is mounted.
pub(crate) enum Source {
    /// An image file that this program formats, its name being the last argument.
    Image {
        mkfs: &'static str,
        arguments: &'static [&'static str],
        package: &'static str,
    },
    Memory,
    /// Two directories of the filesystem of that name.
    Overlay {
        on: &'static str,
    },
}

/// In the order in which they are made. An overlay comes after what it lies on.
pub(crate) const ALL: &[Kind] = &[
    Kind { name: "xfs", kind: "xfs", source: xfs(&["-q", "-m", "reflink=1"]) },
    // A second one, for everything between two filesystems of one type.
    Kind { name: "xfs2", kind: "xfs", source: xfs(&["-q", "-m", "reflink=1"]) },
    Kind { name: "xfs-noreflink", kind: "xfs", source: xfs(&["-q", "-m", "reflink=0"]) },
    Kind {
        name: "btrfs",
        kind: "btrfs",
        source: Source::Image { mkfs: "mkfs.btrfs", arguments: &["-q"], package: "btrfs-progs" },
    },
    Kind {
        name: "ext4",
        kind: "ext4",
        source: Source::Image { mkfs: "mkfs.ext4", arguments: &["-q"], package: "e2fsprogs" },
    },
    Kind { name: "tmpfs", kind: "tmpfs", source: Source::Memory },
    Kind { name: "overlay", kind: "overlay", source: Source::Overlay { on: "xfs" } },
];

const fn xfs(arguments: &'static [&'static str]) -> Source {
    Source::Image { mkfs: "mkfs.xfs", arguments, package: "xfsprogs" }
}

/// Those of a list of names, and what they lie on.
pub(crate) fn named(names: &str) -> Result<Vec<&'static Kind>, String> {
    let mut names: Vec<&str> = names.split([',', ' ']).filter(|name| !name.is_empty()).collect();
    for name in names.clone() {
        match ALL.iter().find(|kind| kind.name == name) {
            Some(Kind { source: Source::Overlay { on }, .. }) => names.push(on),
            Some(_) => {}
            None => return Err(format!("no such filesystem: {name}")),
        }
    }
    if names.is_empty() {
        return Err("no filesystem named".into());
    }
    Ok(ALL.iter().filter(|kind| names.contains(&kind.name)).collect())
}
