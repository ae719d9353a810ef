//! The call, as data.

use super::layout::BLOCK;

/// "To the end of the source."
pub(crate) const TO_END: u64 = u64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    CopyRange,
    CloneRange,
    CloneOrCopyRange,
    DedupeRange,
    Extents,
    SharedBytes,
    Probe,
    CopyFile,
    CloneFile,
    CloneOrCopyFile,
    DedupeFiles,
    CopyTree,
    CloneTree,
    CloneOrCopyTree,
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::CopyRange => "copy_range",
            Verb::CloneRange => "clone_range",
            Verb::CloneOrCopyRange => "clone_or_copy_range",
            Verb::DedupeRange => "dedupe_range",
            Verb::Extents => "extents",
            Verb::SharedBytes => "shared_bytes",
            Verb::Probe => "probe",
            Verb::CopyFile => "copy_file",
            Verb::CloneFile => "clone_file",
            Verb::CloneOrCopyFile => "clone_or_copy_file",
            Verb::DedupeFiles => "dedupe_files",
            Verb::CopyTree => "copy_tree",
            Verb::CloneTree => "clone_tree",
            Verb::CloneOrCopyTree => "clone_or_copy_tree",
        }
    }
}

/// A descriptor and an offset: the driver opens `path` with `flags` of open(2).
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) path: String,
    pub(crate) flags: i32,
    pub(crate) offset: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Cancel {
    /// The flag is set before the call.
    Before,
    /// The progress callback ends the call as soon as so many bytes are done.
    After(u64),
}

/// What may be asked of a clone, in the words of Python; `None` leaves the library's default.
#[derive(Debug, Clone, Default)]
pub(crate) struct CloneOptions {
    pub(crate) undo: Option<&'static str>,
    pub(crate) atomic: Option<&'static str>,
    /// A directory.
    pub(crate) scratch: Option<End>,
    pub(crate) keep_undo: bool,
}

/// Options of the verbs that take paths.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileChoices {
    pub(crate) replace: bool,
    pub(crate) durable: bool,
    pub(crate) follow: bool,
    /// The numbers of the C header.
    pub(crate) preserve: u32,
    /// By its name in Python.
    pub(crate) stable: Option<&'static str>,
    /// A directory where a snapshot may lie.
    pub(crate) scratch: Option<&'static str>,
    pub(crate) by: By,
}

/// What a verb that takes paths is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum By {
    /// Paths from the root.
    #[default]
    Path,
    /// The directory of each, open, and a name in it.
    Directory,
    /// The source itself, open, and the destination by its path.
    Open,
}

pub(crate) const KEEP_MODE: u32 = 0x1;
pub(crate) const KEEP_OWNER: u32 = 0x2;
pub(crate) const KEEP_TIMES: u32 = 0x4;
pub(crate) const KEEP_XATTRS: u32 = 0x8;
pub(crate) const KEEP_ACLS: u32 = 0x10;
pub(crate) const KEEP_DESTINATION: u32 = 0x20;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) src: End,
    /// The destination, or the targets of a dedupe, or the second file that is looked at.
    pub(crate) targets: Vec<End>,
    /// The targets go by the source's descriptor and are not opened.
    pub(crate) same_descriptor: bool,
    pub(crate) len: u64,
    /// Options of a copy as `(name, value)`, by their names in Python.
    pub(crate) choices: Vec<(&'static str, &'static str)>,
    pub(crate) file: FileChoices,
    pub(crate) cancel: Option<Cancel>,
    /// SIGALRM comes every millisecond during the call, to a handler without SA_RESTART.
    pub(crate) alarms: bool,
    /// The effective user during the call; the files are opened before.
    pub(crate) uid: Option<u32>,
    /// RLIMIT_FSIZE during the call.
    pub(crate) limit: Option<u64>,
    pub(crate) clone: CloneOptions,
}

fn call(verb: Verb, src: &str, src_off: u64, targets: Vec<End>, len: u64) -> Call {
    let src = End { path: src.into(), flags: libc::O_RDONLY, offset: src_off };
    Call {
        verb,
        src,
        targets,
        same_descriptor: false,
        len,
        choices: Vec::new(),
        file: FileChoices::default(),
        cancel: None,
        alarms: false,
        uid: None,
        limit: None,
        clone: CloneOptions::default(),
    }
}

fn writable(path: &str, offset: u64) -> End {
    End { path: path.into(), flags: libc::O_RDWR, offset }
}

pub(crate) fn copy(src: &str, src_off: u64, dst: &str, dst_off: u64, len: u64) -> Call {
    call(Verb::CopyRange, src, src_off, vec![writable(dst, dst_off)], len)
}

pub(crate) fn clone(src: &str, src_off: u64, dst: &str, dst_off: u64, len: u64) -> Call {
    call(Verb::CloneRange, src, src_off, vec![writable(dst, dst_off)], len)
}

pub(crate) fn clone_or_copy(src: &str, src_off: u64, dst: &str, dst_off: u64, len: u64) -> Call {
    call(Verb::CloneOrCopyRange, src, src_off, vec![writable(dst, dst_off)], len)
}

pub(crate) fn dedupe(src: &str, src_off: u64, len: u64, targets: &[(&str, u64)]) -> Call {
    let targets = targets.iter().map(|(path, offset)| writable(path, *offset)).collect();
    call(Verb::DedupeRange, src, src_off, targets, len)
}

/// One block of `src` is asked of each target, at the same offset.
pub(crate) fn dedupe_block(targets: &[&str]) -> Call {
    let targets: Vec<_> = targets.iter().map(|path| (*path, 0)).collect();
    dedupe("src", 0, BLOCK, &targets)
}

pub(crate) fn extents(path: &str, offset: u64, len: u64) -> Call {
    call(Verb::Extents, path, offset, Vec::new(), len)
}

pub(crate) fn shared_bytes(a: &str, b: &str) -> Call {
    call(Verb::SharedBytes, a, 0, vec![End { flags: libc::O_RDONLY, ..writable(b, 0) }], 0)
}

pub(crate) fn probe(src: &str, dst: &str) -> Call {
    call(Verb::Probe, src, 0, vec![writable(dst, 0)], 0)
}

pub(crate) fn copy_file(src: &str, dst: &str) -> Call {
    call(Verb::CopyFile, src, 0, vec![writable(dst, 0)], TO_END)
}

pub(crate) fn clone_file(src: &str, dst: &str) -> Call {
    call(Verb::CloneFile, src, 0, vec![writable(dst, 0)], TO_END)
}

pub(crate) fn clone_or_copy_file(src: &str, dst: &str) -> Call {
    call(Verb::CloneOrCopyFile, src, 0, vec![writable(dst, 0)], TO_END)
}

pub(crate) fn dedupe_files(src: &str, targets: &[&str]) -> Call {
    let targets = targets.iter().map(|path| writable(path, 0)).collect();
    call(Verb::DedupeFiles, src, 0, targets, TO_END)
}

pub(crate) fn copy_tree(src: &str, dst: &str) -> Call {
    call(Verb::CopyTree, src, 0, vec![writable(dst, 0)], TO_END)
}

pub(crate) fn clone_tree(src: &str, dst: &str) -> Call {
    call(Verb::CloneTree, src, 0, vec![writable(dst, 0)], TO_END)
}

pub(crate) fn clone_or_copy_tree(src: &str, dst: &str) -> Call {
    call(Verb::CloneOrCopyTree, src, 0, vec![writable(dst, 0)], TO_END)
}

impl Call {
    pub(crate) fn stable(mut self, way: &'static str) -> Self {
        self.file.stable = Some(way);
        self
    }

    pub(crate) fn snapshot_in(mut self, directory: &'static str) -> Self {
        self.file.scratch = Some(directory);
        self.stable("snapshot")
    }

    pub(crate) fn by(mut self, by: By) -> Self {
        self.file.by = by;
        self
    }

    pub(crate) fn replace(mut self) -> Self {
        self.file.replace = true;
        self
    }

    pub(crate) fn durable(mut self) -> Self {
        self.file.durable = true;
        self
    }

    pub(crate) fn follow(mut self) -> Self {
        self.file.follow = true;
        self
    }

    pub(crate) fn preserve(mut self, bits: u32) -> Self {
        self.file.preserve = bits;
        self
    }

    /// The driver hands over paths and opens nothing.
    pub(crate) fn takes_paths(&self) -> bool {
        use Verb::*;
        matches!(self.verb, CopyFile | CloneFile | CloneOrCopyFile | DedupeFiles) || self.is_of_trees()
    }

    /// Whether whole directories are made.
    pub(crate) fn is_of_trees(&self) -> bool {
        matches!(self.verb, Verb::CopyTree | Verb::CloneTree | Verb::CloneOrCopyTree)
    }

    /// The name that the call makes, or gives to something new.
    pub(crate) fn made(&self) -> Option<&str> {
        (self.takes_paths() && self.writes()).then(|| self.dst().path.as_str())
    }

    pub(crate) fn src_flags(mut self, flags: i32) -> Self {
        self.src.flags = flags;
        self
    }

    /// Of every target.
    pub(crate) fn dst_flags(mut self, flags: i32) -> Self {
        self.targets.iter_mut().for_each(|target| target.flags = flags);
        self
    }

    pub(crate) fn target_flags(mut self, target: usize, flags: i32) -> Self {
        self.targets[target].flags = flags;
        self
    }

    pub(crate) fn same_descriptor(self) -> Self {
        Self { same_descriptor: true, ..self.src_flags(libc::O_RDWR) }
    }

    pub(crate) fn choose(mut self, option: &'static str, value: &'static str) -> Self {
        self.choices.push((option, value));
        self
    }

    pub(crate) fn cancel(self, cancel: Cancel) -> Self {
        Self { cancel: Some(cancel), ..self }
    }

    pub(crate) fn alarms(self) -> Self {
        Self { alarms: true, ..self }
    }

    pub(crate) fn uid(self, uid: u32) -> Self {
        Self { uid: Some(uid), ..self }
    }

    pub(crate) fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    pub(crate) fn undo(mut self, undo: &'static str) -> Self {
        self.clone.undo = Some(undo);
        self
    }

    pub(crate) fn atomic(mut self, atomic: &'static str) -> Self {
        self.clone.atomic = Some(atomic);
        self
    }

    /// Unlinked files are made there.
    pub(crate) fn scratch(mut self, directory: &str) -> Self {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        self.clone.scratch = Some(End { path: directory.into(), flags, offset: 0 });
        self
    }

    pub(crate) fn scratch_flags(mut self, flags: i32) -> Self {
        self.clone.scratch.as_mut().expect("a scratch directory").flags = flags;
        self
    }

    pub(crate) fn keep_undo(mut self) -> Self {
        self.clone.keep_undo = true;
        self
    }

    /// Whether it may change a target's bytes or size.
    pub(crate) fn writes(&self) -> bool {
        use Verb::*;
        matches!(
            self.verb,
            CopyRange | CloneRange | CloneOrCopyRange | CopyFile | CloneFile | CloneOrCopyFile
        ) || self.is_of_trees()
    }

    pub(crate) fn opens_direct(&self) -> bool {
        std::iter::once(&self.src).chain(&self.targets).any(|end| end.flags & libc::O_DIRECT != 0)
    }

    pub(crate) fn dst(&self) -> &End {
        &self.targets[0]
    }
}
