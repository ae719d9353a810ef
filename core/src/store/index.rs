//! What an earlier run found, in a file: so that the next one reads only what changed. It is asked for advice alone: what is
//! to share is compared by the kernel all the same.
//!
//! The file is an SQLite database, which is whole again after a kill at any moment: by the journal that lies beside it
//! meanwhile. Each row has a sum of its own, for SQLite has none, and all of them are looked at before a run begins.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

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
    _file: File,
}

const SCHEMA: &str = "CREATE TABLE files (key BLOB PRIMARY KEY, entry BLOB NOT NULL) STRICT, WITHOUT ROWID";

/// Raised whenever what is stored means something else.
const VERSION: i32 = 1;

/// `application_id`: "xtnt". With the name of the format it tells an index from any other file.
const APPLICATION: i32 = 0x7874_6e74;
const FORMAT: &[u8; 16] = b"SQLite format 3\0";

/// Where the header of a database has its `application_id` (https://sqlite.org/fileformat2.html).
const APPLICATION_AT: usize = 68;

/// The way back to DELETE takes a journal away that was done with when its run was killed. 8 MiB of the file are held in
/// memory. Nothing in the file is trusted, neither the lengths in its pages nor what else it defines.
const RULES: &str =
    "PRAGMA journal_mode = PERSIST; PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -8192; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";

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
    pub(super) fn open(at: &At<'_>, rebuild: bool) -> Result<Index, Refusal> {
        match open(at, false) {
            Err(Refusal {
                reason: Reason::IndexDamaged | Reason::IndexForeign | Reason::IndexNewer, ..
            }) if rebuild => open(at, true),
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
        if let Err(error) = write(&mut database, &some) {
            self.fail(refusal(&database, &error));
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

fn open(at: &At<'_>, afresh: bool) -> Result<Index, Refusal> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = sys::open::openat(at.directory(), &at.c_path()?, flags, PRIVATE).map_err(path_refusal)?;
    if sys::stat::fstat(file.as_fd()).map_err(path_refusal)?.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(foreign());
    }
    sys::lock::try_lock(file.as_fd()).map_err(|_| in_use())?;
    let file = File::from(file);
    if afresh {
        // A journal that lies beside it is of no use to SQLite then, and goes.
        sys::truncate::set_size(file.as_fd(), 0).map_err(path_refusal)?;
    }
    // Before SQLite, which would put back by a journal what it takes for a database of its own.
    if sys::stat::fstat(file.as_fd()).map_err(path_refusal)?.st_size > 0 && !is_index(&file) {
        return Err(foreign());
    }
    // Without locks of SQLite's own, those of fcntl(2): whoever closes the file anywhere in this process would take them away.
    let database = sys::sqlite::open(&name(at)).map_err(path_refusal)?;
    let told = prepare(&database).map_err(|error| refusal(&database, &error))?;
    told.map_or(Ok(()), Err)?;
    Ok(Index {
        database: Mutex::new(database),
        pending: Mutex::default(),
        failed: Mutex::default(),
        _file: file,
    })
}

fn is_index(file: &File) -> bool {
    let mut header = [0; APPLICATION_AT + 4];
    file.read_exact_at(&mut header, 0).is_ok()
        && header.starts_with(FORMAT)
        && header.ends_with(&APPLICATION.to_be_bytes())
}

/// Under which SQLite finds it: never one of the names that it knows other meanings of, such as `file:...`.
fn name(at: &At<'_>) -> PathBuf {
    let dir =
        at.dir.map_or_else(|| PathBuf::from("."), |dir| format!("/proc/self/fd/{}", dir.as_raw_fd()).into());
    dir.join(at.path)
}

/// Looks whether it is whole, or begins it. What is told is why it is not used.
fn prepare(database: &Connection) -> rusqlite::Result<Option<Refusal>> {
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
        (APPLICATION, VERSION) if tables == [SCHEMA] && is_whole(database)? => Ok(None),
        (APPLICATION, _) => Ok(Some(damaged())),
        _ => Ok(Some(foreign())),
    }
}

/// Its pages, and then its rows: all in order, and none changed.
fn is_whole(database: &Connection) -> rusqlite::Result<bool> {
    let said: String = database.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if said != "ok" {
        return Ok(false);
    }
    let mut all = database.prepare("SELECT key, entry FROM files")?;
    let mut rows = all.query(())?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let key: [u8; KEY] = row.get(0)?;
        if last >= Some(key) || entry(&key, &row.get(1)?).is_none() {
            return Ok(false);
        }
        last = Some(key);
    }
    Ok(true)
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
