//! What an earlier run found, in a file: so that the next one reads only what changed. It is asked for advice alone: what is
//! to share is compared by the kernel all the same.
//!
//! The file is an SQLite database, which is whole again after a kill at any moment: by the journal that lies beside it
//! meanwhile. Each row has a sum of its own, for SQLite has none, and all of them are looked at before a run begins.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::file::hidden::is_named;
use crate::file::{At, Refusal, path_refusal};
use crate::reason::Reason;
use crate::sys::{self, Errno};

use super::identity::Stamp;

/// What is remembered of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// What the file was.
    pub(super) stamp: Stamp,
    /// Of its sample; 0 where it has nothing to share.
    pub(super) digest: u128,
    /// The number of the set of files with this digest among which nothing was left to be done; 0 is none.
    pub(super) settled: u64,
}

/// A filesystem, and an inode in it.
pub(super) type Key = (u64, u64);

pub(super) struct Index {
    database: Mutex<Connection>,
    /// What is not written yet.
    pending: Mutex<Vec<(Key, Entry)>>,
    /// Why it is not used any more.
    failed: Mutex<Option<Refusal>>,
    /// Locked until the database is closed: fields go in their order.
    file: File,
}

const SCHEMA: &str = "CREATE TABLE files (key BLOB PRIMARY KEY, entry BLOB NOT NULL) STRICT, WITHOUT ROWID";

/// Raised whenever what is stored means something else.
const VERSION: i32 = 1;

/// `application_id`: "xtnt". With the name of the format it tells an index from any other file.
const APPLICATION: i32 = 0x7874_6e74;
const FORMAT: &[u8; 16] = b"SQLite format 3\0";

/// Where the header of a database has its `application_id` (https://sqlite.org/fileformat2.html).
const APPLICATION_AT: usize = 68;

/// Where it says, twice, that its journal is one that puts it back, which is 1.
const JOURNALLED_AT: usize = 18;

/// What such a journal begins with.
const JOURNAL: &[u8; 8] = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";

/// The way back to DELETE takes a journal away that was done with when its run was killed. 8 MiB of the file are held in
/// memory. Nothing in the file is trusted, neither the lengths in its pages nor what else it defines.
const RULES: &str =
    "PRAGMA journal_mode = PERSIST; PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -8192; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;";

const KEY: usize = 16;
const ENTRY: usize = 32;
/// An entry, and the sum of it and its key.
const ROW: usize = ENTRY + 8;

/// So many entries are written in one go. What a killed run did is lost from the last of these on.
const PENDING: usize = 32 << 10;

/// Readable and writable by its owner alone: it tells the sizes of files that others may not look at.
const PRIVATE: libc::mode_t = 0o600;

impl Index {
    /// Opens an index, or makes one. `rebuild` puts a new one in the place of what is none, or is damaged, or newer.
    pub(super) fn open(
        at: &At<'_>,
        rebuild: bool,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Index, Refusal> {
        match open(at, false, is_cancelled) {
            Err(Refusal {
                reason: Reason::IndexDamaged | Reason::IndexForeign | Reason::IndexNewer, ..
            }) if rebuild => open(at, true, is_cancelled),
            opened => opened,
        }
    }

    /// What is remembered of files, in their order. What cannot be read is not known.
    pub(super) fn entries(&self, keys: &[Key]) -> Vec<Option<Entry>> {
        let none = || vec![None; keys.len()];
        if keys.is_empty() || lock(&self.failed).is_some() {
            return none();
        }
        let database = lock(&self.database);
        entries(&database, keys).unwrap_or_else(|error| {
            self.fail(refusal(&database, &error));
            none()
        })
    }

    /// Another entry for a file.
    pub(super) fn remember(&self, key: Key, entry: Entry) {
        let mut pending = lock(&self.pending);
        pending.push((key, entry));
        if pending.len() >= PENDING {
            let some = std::mem::take(&mut *pending);
            drop(pending);
            self.write(some);
        }
    }

    /// Writes what is left. Says what went wrong on the way.
    pub(super) fn close(self) -> Result<(), Refusal> {
        let rest = std::mem::take(&mut *lock(&self.pending));
        self.write(rest);
        self.failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn write(&self, mut some: Vec<(Key, Entry)>) {
        if some.is_empty() || lock(&self.failed).is_some() {
            return;
        }
        // In the order of the keys they fill whole pages.
        some.sort_unstable_by_key(|(key, _)| *key);
        let mut database = lock(&self.database);
        let written = is_that_of(&database, &self.file)
            .and_then(|()| write(&mut database, &some).map_err(|error| refusal(&database, &error)));
        if let Err(refusal) = written {
            self.fail(refusal);
        }
    }

    fn fail(&self, refusal: Refusal) {
        lock(&self.failed).get_or_insert(refusal);
    }
}

/// A number for files, whatever their order, and for whether equal blocks of them were looked for.
pub(super) fn set(blocks: bool, files: impl Iterator<Item = (Key, u64)>) -> u64 {
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let mut hash = Xxh3::new();
    hash.update(&[u8::from(blocks)]);
    for ((filesystem, ino), stamp) in files {
        for number in [filesystem, ino, stamp] {
            hash.update(&number.to_le_bytes());
        }
    }
    hash.digest().max(1)
}

fn open(at: &At<'_>, afresh: bool, is_cancelled: &dyn Fn() -> bool) -> Result<Index, Refusal> {
    let path = at.c_path()?;
    let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let open = |more| sys::open::openat(at.directory(), &path, flags | more, PRIVATE);
    let (file, is_new) = match open(0) {
        Err(Errno(libc::ENOENT)) => match open(libc::O_CREAT | libc::O_EXCL) {
            // Another run begins it at this moment.
            Err(Errno(libc::EEXIST)) => return Err(in_use()),
            made => (made.map_err(path_refusal)?, true),
        },
        there => (there.map_err(path_refusal)?, false),
    };
    if sys::stat::fstat(file.as_fd()).map_err(path_refusal)?.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(foreign());
    }
    sys::lock::try_lock(file.as_fd()).map_err(|_| in_use())?;
    let file = File::from(file);
    let opened = open_database(at, &file, afresh, is_cancelled);
    if opened.is_err() && is_new && is_named(file.as_fd(), at.directory(), &path) == Ok(true) {
        sys::names::unlink(at.directory(), &path).ok();
    }
    Ok(Index { database: Mutex::new(opened?), pending: Mutex::default(), failed: Mutex::default(), file })
}

/// Of a file that is locked.
fn open_database(
    at: &At<'_>,
    file: &File,
    afresh: bool,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Connection, Refusal> {
    let stat = sys::stat::fstat(file.as_fd()).map_err(path_refusal)?;
    // Before SQLite, which takes what has such a name for its own.
    look_beside(at, stat.st_uid)?;
    if afresh {
        // A journal that lies beside it is of no use to SQLite then, and goes.
        sys::truncate::set_size(file.as_fd(), 0).map_err(path_refusal)?;
    } else if stat.st_size > 0 {
        look_at_header(file)?;
    }
    // Without locks of SQLite's own, those of fcntl(2): whoever closes the file anywhere in this process would take them away.
    let database = sys::sqlite::open(&name(at)?).map_err(path_refusal)?;
    is_that_of(&database, file)?;
    let told = prepare(&database, is_cancelled).map_err(|error| refusal(&database, &error))?;
    told.map_or(Ok(database), Err)
}

/// A file that only happens to have the name of a journal would be deleted, and one that somebody else laid there be written
/// into the index.
fn look_beside(at: &At<'_>, owner: u32) -> Result<(), Refusal> {
    for suffix in ["-wal", "-journal"] {
        let mut path = at.path.as_os_str().to_owned();
        path.push(suffix);
        let beside = At { path: path.as_ref(), ..*at };
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        match sys::open::openat(beside.directory(), &beside.c_path()?, flags, 0) {
            Err(Errno(libc::ENOENT)) => {}
            Ok(file) if suffix == "-journal" && is_journal(file.as_fd(), owner).map_err(path_refusal)? => {}
            Ok(_) | Err(Errno(libc::ELOOP | libc::EACCES | libc::EPERM | libc::ENXIO)) => {
                return Err(foreign());
            }
            Err(errno) => return Err(path_refusal(errno)),
        }
    }
    Ok(())
}

/// One that a killed run left: its head is zeros until what it holds is on disk, and again when that is done with.
fn is_journal(file: BorrowedFd<'_>, owner: u32) -> sys::Result<bool> {
    let stat = sys::stat::fstat(file)?;
    let is_private = stat.st_nlink == 1 && [owner, sys::metadata::effective_user()].contains(&stat.st_uid);
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG || !is_private {
        return Ok(false);
    }
    let mut head = [0; JOURNAL.len()];
    sys::io::pread(file, &mut head, 0)?;
    Ok(head == [0; JOURNAL.len()] || head == *JOURNAL)
}

fn look_at_header(file: &File) -> Result<(), Refusal> {
    let mut header = [0; APPLICATION_AT + 4];
    if file.read_exact_at(&mut header, 0).is_err()
        || !header.starts_with(FORMAT)
        || !header.ends_with(&APPLICATION.to_be_bytes())
    {
        return Err(foreign());
    }
    if header[JOURNALLED_AT..JOURNALLED_AT + 2] == [1, 1] { Ok(()) } else { Err(damaged()) }
}

/// SQLite finds files by their names, whatever is locked.
fn is_that_of(database: &Connection, file: &File) -> Result<(), Refusal> {
    let path = sys::sqlite::path(database);
    match is_named(file.as_fd(), sys::open::working_directory(), &path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(path_refusal(Errno(libc::ESTALE))),
        Err(errno) => Err(path_refusal(errno)),
    }
}

/// Under which SQLite finds it: never one of the names that it knows other meanings of, such as `file:...`.
fn name(at: &At<'_>) -> Result<CString, Refusal> {
    let dir =
        at.dir.map_or_else(|| PathBuf::from("."), |dir| format!("/proc/self/fd/{}", dir.as_raw_fd()).into());
    At::from(&dir.join(at.path)).c_path()
}

/// Looks whether it is whole, or begins it. What is told is why it is not used.
fn prepare(database: &Connection, is_cancelled: &dyn Fn() -> bool) -> rusqlite::Result<Option<Refusal>> {
    database.execute_batch(RULES)?;
    let number = |name| database.query_row(&format!("PRAGMA {name}"), (), |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: Vec<String> = database
        .prepare("SELECT coalesce(sql, name) FROM sqlite_schema")?
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    match (application, version) {
        (0, 0) if tables.is_empty() => {
            let numbers = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}");
            database.execute_batch(&format!("BEGIN; {numbers}; {SCHEMA}; COMMIT"))?;
            Ok(None)
        }
        (APPLICATION, newer) if newer > VERSION => {
            Ok(Some(Refusal { errno: libc::EOPNOTSUPP, reason: Reason::IndexNewer }))
        }
        (APPLICATION, VERSION) if tables == [SCHEMA] => look(database, is_cancelled),
        (APPLICATION, _) => Ok(Some(damaged())),
        _ => Ok(Some(foreign())),
    }
}

/// At its pages, and then its rows: whether all are in order, and none changed.
fn look(database: &Connection, is_cancelled: &dyn Fn() -> bool) -> rusqlite::Result<Option<Refusal>> {
    let said: String = database.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if said != "ok" {
        return Ok(Some(damaged()));
    }
    let mut all = database.prepare("SELECT key, entry FROM files")?;
    let mut rows = all.query(())?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if is_cancelled() {
            return Ok(Some(Refusal { errno: libc::ECANCELED, reason: Reason::Cancelled }));
        }
        let key: [u8; KEY] = row.get(0)?;
        if last >= Some(key) || entry(&key, &row.get(1)?).is_none() {
            return Ok(Some(damaged()));
        }
        last = Some(key);
    }
    Ok(None)
}

fn entries(database: &Connection, keys: &[Key]) -> rusqlite::Result<Vec<Option<Entry>>> {
    let mut one = database.prepare("SELECT entry FROM files WHERE key = ?1")?;
    let mut find = |key: &Key| {
        let key = key_bytes(*key);
        let found = one.query_row([&key[..]], |row| row.get(0));
        match found {
            Ok(row) => Ok(entry(&key, &row)),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(error),
        }
    };
    keys.iter().map(&mut find).collect()
}

fn write(database: &mut Connection, some: &[(Key, Entry)]) -> rusqlite::Result<()> {
    let writing = database.transaction()?;
    {
        let mut put = writing.prepare("INSERT OR REPLACE INTO files VALUES (?1, ?2)")?;
        for (key, entry) in some {
            let key = key_bytes(*key);
            put.execute([&key[..], &row(&key, entry)[..]])?;
        }
    }
    writing.commit()
}

fn key_bytes(key: Key) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    bytes[..8].copy_from_slice(&key.0.to_be_bytes());
    bytes[8..].copy_from_slice(&key.1.to_be_bytes());
    bytes
}

fn row(key: &[u8; KEY], entry: &Entry) -> [u8; ROW] {
    let mut bytes = [0; ROW];
    bytes[..8].copy_from_slice(&entry.stamp.0.to_be_bytes());
    bytes[8..24].copy_from_slice(&entry.digest.to_be_bytes());
    bytes[24..ENTRY].copy_from_slice(&entry.settled.to_be_bytes());
    let sum = sum(key, &bytes[..ENTRY]);
    bytes[ENTRY..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// `None` where it is not what was written.
fn entry(key: &[u8; KEY], row: &[u8; ROW]) -> Option<Entry> {
    let number = |from: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&row[from..from + 8]);
        u64::from_be_bytes(number)
    };
    let digest = u128::from(number(8)) << 64 | u128::from(number(16));
    (number(ENTRY) == sum(key, &row[..ENTRY])).then(|| Entry {
        stamp: Stamp(number(0)),
        digest,
        settled: number(24),
    })
}

fn sum(key: &[u8; KEY], entry: &[u8]) -> u64 {
    xxh3_64(&[key, entry].concat())
}

fn damaged() -> Refusal {
    Refusal { errno: libc::EUCLEAN, reason: Reason::IndexDamaged }
}

fn foreign() -> Refusal {
    Refusal { errno: libc::EINVAL, reason: Reason::IndexForeign }
}

fn in_use() -> Refusal {
    Refusal { errno: libc::EBUSY, reason: Reason::IndexInUse }
}

fn refusal(database: &Connection, error: &rusqlite::Error) -> Refusal {
    let errno = match error.sqlite_error_code() {
        Some(ErrorCode::OutOfMemory) => libc::ENOMEM,
        Some(ErrorCode::DiskFull) => libc::ENOSPC,
        // No journal may be made beside it.
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => libc::EACCES,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => {
            match sys::sqlite::system_errno(database).0 {
                0 => libc::EIO,
                errno => errno,
            }
        }
        _ => return damaged(),
    };
    path_refusal(Errno(errno))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bit_of_a_row_is_another() {
        let key = key_bytes((7, 1 << 40));
        let what = Entry { stamp: Stamp(u64::MAX - 1), digest: 1 << 100 | 5, settled: 3 };
        let whole = row(&key, &what);
        assert_eq!(entry(&key, &whole), Some(what));
        for bit in 0..8 * ROW {
            let mut other = whole;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(entry(&key, &other), None, "bit {bit}");
        }
        assert_eq!(entry(&key_bytes((7, 1)), &whole), None);
    }
}
