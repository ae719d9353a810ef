//! The regular files beneath several roots, each file once, however often the roots or its names lead to it.

mod directories;
mod looked;

pub(crate) use directories::Directory;
pub(crate) use looked::Looked;

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::beneath;
use crate::file::{At, Entry, Refusal, path_refusal};
use crate::listing::Listing;
use crate::reason::Reason;
use crate::sys::{self, Errno};

use directories::Directories;

/// Roots that are open, and the directories beneath them that were walked.
pub(crate) struct Roots {
    roots: Vec<Root>,
    directories: Directories,
}

struct Root {
    /// The root, or the directory that the one file lies in.
    dir: OwnedFd,
    /// The name of the one file.
    file: Option<CString>,
    /// The path as the caller has it.
    path: PathBuf,
}

/// A regular file that was come to.
pub(crate) struct Found<'a> {
    /// Which of the roots.
    pub(crate) root: usize,
    /// The directory that it lies in, and where that is.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) directory: Directory,
    pub(crate) name: &'a CStr,
    pub(crate) looked: &'a Looked,
    roots: &'a Roots,
}

impl Found<'_> {
    /// The path beneath the root; of a root that is a file its name.
    pub(crate) fn relative(&self) -> PathBuf {
        beneath::join(&self.roots.relative(self.directory), self.name)
    }

    /// The path with that of the root.
    pub(crate) fn path(&self) -> PathBuf {
        self.roots.path(self.directory, self.name)
    }
}

/// What is done on the way.
pub(crate) trait Visitor {
    /// Asked now and then: breaking ends the walk.
    fn look(&mut self) -> ControlFlow<()>;

    /// Whether to walk a directory; its path is that beneath its root.
    fn enters(&mut self, _relative: &Path) -> bool {
        true
    }

    /// A directory that is walked now.
    fn directory(&mut self, _dir: BorrowedFd<'_>, _looked: &Looked) -> sys::Result<()> {
        Ok(())
    }

    /// A file that was not seen before.
    fn file(&mut self, found: Found<'_>);

    /// A further name of a file that was seen, or one that another root led to.
    fn again(&mut self, found: Found<'_>);

    /// A name that was listed and is not there any more.
    fn vanished(&mut self);

    /// What could not be looked at; the path is with that of the root.
    fn failed(&mut self, root: usize, path: PathBuf, errno: Errno);
}

impl Roots {
    /// Opens all of them: directories, and regular files. No symbolic link is followed. Says which one is refused.
    pub(crate) fn open(roots: &[At<'_>]) -> Result<Roots, (PathBuf, Refusal)> {
        let open = |at: &At<'_>| Root::open(at).map_err(|refusal| (at.path.to_owned(), refusal));
        let roots: Vec<Root> = roots.iter().map(open).collect::<Result<_, _>>()?;
        let directories = Directories::new(roots.len());
        Ok(Roots { roots, directories })
    }

    /// Walks them, depth first, in the caller's thread. Unless `cross_mounts` is set, what is mounted beneath a root is left out.
    pub(crate) fn walk(&mut self, cross_mounts: bool, visitor: &mut impl Visitor) {
        let mut walk = Walk { cross_mounts, visitor, directories: HashSet::new(), files: HashSet::new() };
        let any_file = self.roots.iter().any(|root| root.file.is_some());
        for root in 0..self.roots.len() {
            let done = match self.roots[root].file.clone() {
                Some(name) => walk.one(self, root, &name),
                None => walk.everything(self, root, any_file),
            };
            if done.is_break() {
                return;
            }
        }
    }

    /// Each root's directory, the name of its one file where it is one, and its path.
    pub(crate) fn each(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Option<&CStr>, &Path)> {
        self.roots.iter().map(|root| (root.dir.as_fd(), root.file.as_deref(), root.path.as_path()))
    }

    /// Opens a directory that was walked.
    pub(crate) fn reopen(&self, directory: Directory) -> sys::Result<OwnedFd> {
        let root = &self.roots[self.directories.root(directory)];
        beneath::directory(root.dir.as_fd(), &self.relative(directory))
    }

    /// The path of `name` in a directory, as the caller would have it.
    pub(crate) fn path(&self, directory: Directory, name: &CStr) -> PathBuf {
        let root = &self.roots[self.directories.root(directory)];
        match root.file {
            Some(_) => root.path.clone(),
            None => beneath::join(&root.path.join(self.relative(directory)), name),
        }
    }

    fn relative(&self, directory: Directory) -> PathBuf {
        self.directories.path(directory)
    }
}

impl Root {
    fn open(at: &At<'_>) -> Result<Root, Refusal> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let path = at.path.to_owned();
        if let Some(dir) = at.already_open() {
            // Again, for a position of its own.
            let dir = sys::open::openat(dir, c".", flags, 0).map_err(path_refusal)?;
            return Ok(Root { dir, file: None, path });
        }
        match sys::open::openat(at.directory(), &at.c_path()?, flags, 0) {
            Ok(dir) => Ok(Root { dir, file: None, path }),
            Err(Errno(libc::ENOTDIR)) => {
                let entry = Entry::open(at)?;
                let looked = Looked::at(entry.dir(), entry.name()).map_err(path_refusal)?;
                match looked.kind {
                    libc::S_IFREG => {
                        let open =
                            |access| sys::open::openat(entry.dir(), c".", access | libc::O_DIRECTORY, 0);
                        let dir = match open(libc::O_RDONLY) {
                            Err(Errno(libc::EACCES)) => open(libc::O_PATH),
                            opened => opened,
                        };
                        let dir = dir.map_err(path_refusal)?;
                        Ok(Root { dir, file: Some(entry.name().to_owned()), path })
                    }
                    libc::S_IFLNK => Err(Refusal { errno: libc::ELOOP, reason: Reason::TooManyLinks }),
                    _ => Err(Refusal { errno: libc::EINVAL, reason: Reason::NotRegularFile }),
                }
            }
            Err(errno) => Err(path_refusal(errno)),
        }
    }
}

/// One on its way.
struct Walk<'v, V> {
    cross_mounts: bool,
    visitor: &'v mut V,
    /// What was walked, by device and inode.
    directories: HashSet<(u64, u64)>,
    /// Files that may be come to again, likewise.
    files: HashSet<(u64, u64)>,
}

impl<V: Visitor> Walk<'_, V> {
    fn one(&mut self, roots: &Roots, root: usize, name: &CStr) -> ControlFlow<()> {
        self.visitor.look()?;
        let dir = roots.roots[root].dir.as_fd();
        let mount = Looked::at(dir, name).ok().and_then(|looked| looked.mount);
        self.file(roots, root, dir, roots.directories.top(root), name, mount, true);
        ControlFlow::Continue(())
    }

    fn everything(&mut self, roots: &mut Roots, root: usize, any_file: bool) -> ControlFlow<()> {
        let top = roots.directories.top(root);
        let at = match Looked::at(roots.roots[root].dir.as_fd(), c"") {
            Ok(at) => at,
            Err(errno) => {
                self.visitor.failed(root, roots.roots[root].path.clone(), errno);
                return ControlFlow::Continue(());
            }
        };
        let mut left = vec![top];
        while let Some(directory) = left.pop() {
            self.visitor.look()?;
            let path = roots.relative(directory);
            if directory != top && !self.visitor.enters(&path) {
                continue;
            }
            match self.directory(roots, root, directory, &path, &at, &mut left, any_file) {
                Ok(done) => done?,
                // It is gone since it was listed, or something else has its name.
                Err(Errno(libc::ENOENT | libc::ELOOP | libc::ENOTDIR)) => self.visitor.vanished(),
                Err(errno) => self.visitor.failed(root, roots.roots[root].path.join(path), errno),
            }
        }
        ControlFlow::Continue(())
    }

    #[expect(clippy::too_many_arguments, reason = "one call of it, in the loop above")]
    fn directory(
        &mut self,
        roots: &mut Roots,
        root: usize,
        directory: Directory,
        path: &Path,
        top: &Looked,
        left: &mut Vec<Directory>,
        any_file: bool,
    ) -> sys::Result<ControlFlow<()>> {
        let dir = beneath::directory(roots.roots[root].dir.as_fd(), path)?;
        let looked = Looked::at(dir.as_fd(), c"")?;
        let elsewhere = !self.cross_mounts && looked.is_elsewhere(top);
        if elsewhere || !self.directories.insert((looked.dev, looked.ino)) {
            return Ok(ControlFlow::Continue(()));
        }
        self.visitor.directory(dir.as_fd(), &looked)?;
        let mut listing = Listing::new(dir.as_fd());
        while let Some(some) = listing.some()? {
            if self.visitor.look().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            for listed in some {
                match listed.kind {
                    libc::DT_DIR => left.push(roots.directories.add(directory, &listed.name)),
                    libc::DT_REG => {
                        self.file(roots, root, dir.as_fd(), directory, &listed.name, looked.mount, any_file);
                    }
                    libc::DT_UNKNOWN => match Looked::at(dir.as_fd(), &listed.name).map(|looked| looked.kind)
                    {
                        Ok(libc::S_IFDIR) => left.push(roots.directories.add(directory, &listed.name)),
                        _ => self.file(
                            roots,
                            root,
                            dir.as_fd(),
                            directory,
                            &listed.name,
                            looked.mount,
                            any_file,
                        ),
                    },
                    _ => {}
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    #[expect(clippy::too_many_arguments, reason = "what a file is found by")]
    fn file(
        &mut self,
        roots: &Roots,
        root: usize,
        dir: BorrowedFd<'_>,
        directory: Directory,
        name: &CStr,
        mount: Option<u64>,
        remember: bool,
    ) {
        let looked = match Looked::at(dir, name) {
            Ok(looked) if looked.kind == libc::S_IFREG => looked,
            // A special file, where the listing does not say so.
            Ok(_) => return,
            Err(Errno(libc::ENOENT)) => return self.visitor.vanished(),
            Err(errno) => return self.visitor.failed(root, roots.path(directory, name), errno),
        };
        // A file may be a mount too. Without the mounts' numbers it is not seen: on an overlay each layer has its device.
        if !self.cross_mounts && looked.mount.is_some() && looked.mount != mount {
            return;
        }
        let found = Found { root, dir, directory, name, looked: &looked, roots };
        if (remember || looked.is_linked) && !self.files.insert((looked.dev, looked.ino)) {
            return self.visitor.again(found);
        }
        self.visitor.file(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[derive(Default)]
    struct Seen {
        files: Vec<PathBuf>,
        again: usize,
        failed: Vec<PathBuf>,
        left_out: Option<&'static str>,
    }

    impl Visitor for Seen {
        fn look(&mut self) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }

        fn enters(&mut self, relative: &Path) -> bool {
            self.left_out.is_none_or(|name| !relative.ends_with(name))
        }

        fn file(&mut self, found: Found<'_>) {
            assert!(found.path().ends_with(found.relative()));
            self.files.push(found.path());
        }

        fn again(&mut self, _found: Found<'_>) {
            self.again += 1;
        }

        fn vanished(&mut self) {}

        fn failed(&mut self, _root: usize, path: PathBuf, _errno: Errno) {
            self.failed.push(path);
        }
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        for file in ["one", "a/two", "a/b/three", "a/b/c/four", "d/five"] {
            fs::write(dir.path().join(file), file).unwrap();
        }
        fs::hard_link(dir.path().join("a/two"), dir.path().join("d/two")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        dir
    }

    fn walked(roots: &[PathBuf], left_out: Option<&'static str>) -> Seen {
        let at: Vec<At<'_>> = roots.iter().map(At::from).collect();
        let mut roots = Roots::open(&at).map_err(|(path, refusal)| panic!("{path:?} {refusal:?}")).unwrap();
        let mut seen = Seen { left_out, ..Seen::default() };
        roots.walk(false, &mut seen);
        seen.files.sort();
        seen
    }

    #[test]
    fn each_file_is_come_to_once() {
        let dir = tree();
        let seen = walked(&[dir.path().to_owned()], None);
        assert_eq!((seen.files.len(), seen.again, seen.failed.len()), (5, 1, 0));
        assert!(seen.files.contains(&dir.path().join("a/b/c/four")));
    }

    #[test]
    fn roots_may_overlap_and_be_files() {
        let dir = tree();
        let at = |path| dir.path().join(path);
        let seen = walked(&[at("a/b/three"), at("a/b"), at(""), at("d/five"), at("a")], None);
        assert_eq!((seen.files.len(), seen.failed.len()), (5, 0));
        // `three`, the hard link and `five` again; whole directories are not walked twice.
        assert_eq!(seen.again, 3);
    }

    #[test]
    fn a_directory_may_be_left_out() {
        let dir = tree();
        assert_eq!(walked(&[dir.path().to_owned()], Some("b")).files.len(), 3);
    }

    #[test]
    fn what_cannot_be_a_root() {
        let dir = tree();
        for (path, errno) in [
            ("nothing", libc::ENOENT),
            ("link", libc::ELOOP),
            ("socket", libc::EINVAL),
            ("one/x", libc::ENOTDIR),
        ] {
            let path = dir.path().join(path);
            let refused = Roots::open(&[At::from(&path)]).err().map(|(path, refusal)| (path, refusal.errno));
            assert_eq!(refused, Some((path, errno)));
        }
    }

    #[test]
    fn a_directory_that_was_walked_is_opened_again() {
        struct Last(Option<Directory>);
        impl Visitor for Last {
            fn look(&mut self) -> ControlFlow<()> {
                ControlFlow::Continue(())
            }
            fn file(&mut self, found: Found<'_>) {
                if found.name == c"four" {
                    self.0 = Some(found.directory);
                }
            }
            fn again(&mut self, _found: Found<'_>) {}
            fn vanished(&mut self) {}
            fn failed(&mut self, _root: usize, _path: PathBuf, _errno: Errno) {}
        }
        let dir = tree();
        let mut roots = Roots::open(&[At::from(dir.path())]).map_err(|(path, _)| path).unwrap();
        let mut last = Last(None);
        roots.walk(false, &mut last);
        let opened = roots.reopen(last.0.unwrap()).unwrap();
        assert!(Looked::at(opened.as_fd(), c"four").is_ok());
    }
}
