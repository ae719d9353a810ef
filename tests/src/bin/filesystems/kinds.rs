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
        /// With the feature of XFS that an exchange of ranges needs.
        exchange: bool,
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
    Kind { name: "btrfs", kind: "btrfs", source: image("mkfs.btrfs", &["-q"], "btrfs-progs") },
    Kind { name: "ext4", kind: "ext4", source: image("mkfs.ext4", &["-q"], "e2fsprogs") },
    Kind { name: "tmpfs", kind: "tmpfs", source: Source::Memory },
    Kind { name: "overlay", kind: "overlay", source: Source::Overlay { on: "xfs" } },
];

/// Made only by name: what the tests of everything need not be run on once more.
const ON_REQUEST: &[Kind] = &[Kind {
    name: "xfs-exchange",
    kind: "xfs",
    source: Source::Image {
        mkfs: "mkfs.xfs",
        arguments: &["-q", "-m", "reflink=1"],
        package: "xfsprogs",
        exchange: true,
    },
}];

const fn image(mkfs: &'static str, arguments: &'static [&'static str], package: &'static str) -> Source {
    Source::Image { mkfs, arguments, package, exchange: false }
}

const fn xfs(arguments: &'static [&'static str]) -> Source {
    image("mkfs.xfs", arguments, "xfsprogs")
}

/// Those of a list of names, and what they lie on.
pub(crate) fn named(names: &str) -> Result<Vec<&'static Kind>, String> {
    let mut names: Vec<&str> = names.split([',', ' ']).filter(|name| !name.is_empty()).collect();
    for name in names.clone() {
        match ALL.iter().chain(ON_REQUEST).find(|kind| kind.name == name) {
            Some(Kind { source: Source::Overlay { on }, .. }) => names.push(on),
            Some(_) => {}
            None => return Err(format!("no such filesystem: {name}")),
        }
    }
    if names.is_empty() {
        return Err("no filesystem named".into());
    }
    Ok(ALL.iter().chain(ON_REQUEST).filter(|kind| names.contains(&kind.name)).collect())
}
