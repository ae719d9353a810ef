//! What an earlier run found, in a file: so that the next one reads only what changed. It is asked for advice alone: what is
//! to share is compared by the kernel all the same.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, StorageError, TableDefinition, TableError, TableHandle,
};
use xxhash_rust::xxh3::Xxh3;

use crate::explain;
use crate::file::{At, Refusal, path_refusal};
use crate::reason::Reason;
use crate::sys;

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
    database: Database,
    /// What is not written yet.
    pending: Mutex<Vec<(Key, Entry)>>,
    /// Why it is not used any more.
    failed: Mutex<Option<Refusal>>,
}

/// The index as it was when the run began.
pub(super) struct Reading(ReadOnlyTable<&'static [u8; KEY], &'static [u8; ENTRY]>);

const KEY: usize = 16;
const ENTRY: usize = 32;

const FILES: TableDefinition<'_, &'static [u8; KEY], &'static [u8; ENTRY]> = TableDefinition::new("files");
const ABOUT: TableDefinition<'_, &'static str, u64> = TableDefinition::new("xtent");

/// Raised whenever what is stored means something else.
const VERSION: u64 = 1;

/// A file of the store begins with it.
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

/// So much of the file is held in memory, in bytes.
const MEMORY: usize = 8 << 20;

/// So many entries are written in one go. What a killed run did is lost from the last of these on.
const PENDING: usize = 8192;

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

    /// `None` where it cannot be read.
    pub(super) fn reading(&self) -> Option<Reading> {
        let table = self.database.begin_read().map_err(|error| refusal(error.into()));
        match table.map(|transaction| transaction.open_table(FILES)) {
            Ok(Ok(table)) => Some(Reading(table)),
            Ok(Err(error)) => self.fail(&table_refusal(error)),
            Err(refusal) => self.fail(&refusal),
        }
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
        if let Err(refusal) = write(&self.database, &some) {
            self.fail::<()>(&refusal);
        }
    }

    fn fail<T>(&self, refusal: &Refusal) -> Option<T> {
        lock(&self.failed).get_or_insert(*refusal);
        None
    }
}

impl Reading {
    pub(super) fn entry(&self, key: Key) -> Option<Entry> {
        // What cannot be read is not known.
        let found = self.0.get(&key_bytes(key)).ok()??;
        Some(entry(found.value()))
    }
}

/// A number for files, whatever their order.
pub(super) fn set(files: impl Iterator<Item = (Key, u64)>) -> u64 {
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let mut hash = Xxh3::new();
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
    // The store takes this lock too: by the same open file it is the same lock.
    sys::lock::try_lock(file.as_fd()).map_err(|_| in_use())?;
    let file = File::from(file);
    if afresh {
        file.set_len(0).map_err(io_refusal)?;
    }
    if file.metadata().map_err(io_refusal)?.len() > 0 {
        let mut magic = [0; MAGIC.len()];
        if file.read_exact_at(&mut magic, 0).is_err() || magic != MAGIC {
            return Err(foreign());
        }
    }
    // What is damaged may be found out by an assertion.
    let database =
        catch_unwind(AssertUnwindSafe(|| open_database(file))).unwrap_or_else(|_| Err(damaged()))?;
    Ok(Index { database, pending: Mutex::default(), failed: Mutex::default() })
}

fn open_database(file: File) -> Result<Database, Refusal> {
    let mut database = Builder::new().set_cache_size(MEMORY).create_file(file).map_err(database_refusal)?;
    // All checksums. After a kill the last state that was written whole is taken.
    database.check_integrity().map_err(database_refusal)?;
    let reading = database.begin_read().map_err(|error| refusal(error.into()))?;
    let version = match reading.open_table(ABOUT) {
        Ok(about) => {
            about.get("version").map_err(|error| storage_refusal(&error))?.map(|found| found.value())
        }
        Err(TableError::TableDoesNotExist(_)) => {
            let mut tables = reading.list_tables().map_err(|error| storage_refusal(&error))?;
            if tables.any(|table| !table.name().is_empty()) {
                return Err(foreign());
            }
            drop(tables);
            begin(&database)?;
            Some(VERSION)
        }
        Err(error) => return Err(table_refusal(error)),
    };
    match version {
        Some(VERSION) => Ok(database),
        Some(newer) if newer > VERSION => {
            Err(Refusal { errno: libc::EOPNOTSUPP, reason: Reason::IndexNewer })
        }
        _ => Err(damaged()),
    }
}

/// What a new one has.
fn begin(database: &Database) -> Result<(), Refusal> {
    let write = || -> Result<(), redb::Error> {
        let writing = database.begin_write()?;
        writing.open_table(ABOUT)?.insert("version", VERSION)?;
        writing.open_table(FILES)?;
        writing.commit()?;
        Ok(())
    };
    write().map_err(refusal)
}

fn write(database: &Database, some: &[(Key, Entry)]) -> Result<(), Refusal> {
    let write = || -> Result<(), redb::Error> {
        let writing = database.begin_write()?;
        {
            let mut files = writing.open_table(FILES)?;
            for (key, entry) in some {
                files.insert(&key_bytes(*key), &entry_bytes(entry))?;
            }
        }
        writing.commit()?;
        Ok(())
    };
    write().map_err(refusal)
}

fn key_bytes(key: Key) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    bytes[..8].copy_from_slice(&key.0.to_be_bytes());
    bytes[8..].copy_from_slice(&key.1.to_be_bytes());
    bytes
}

fn entry_bytes(entry: &Entry) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&entry.stamp.0.to_be_bytes());
    bytes[8..24].copy_from_slice(&entry.digest.to_be_bytes());
    bytes[24..].copy_from_slice(&entry.settled.to_be_bytes());
    bytes
}

fn entry(bytes: &[u8; ENTRY]) -> Entry {
    let number = |from: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[from..from + 8]);
        u64::from_be_bytes(number)
    };
    let digest = u128::from(number(8)) << 64 | u128::from(number(16));
    Entry { stamp: Stamp(number(0)), digest, settled: number(24) }
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

fn io_refusal(error: io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(errno) => Refusal { errno, reason: explain::path(errno) },
        // It was cut off, or has what no page of the store has.
        None => damaged(),
    }
}

fn storage_refusal(error: &StorageError) -> Refusal {
    match error {
        StorageError::Io(error) => match error.raw_os_error() {
            Some(errno) => Refusal { errno, reason: explain::path(errno) },
            None => damaged(),
        },
        StorageError::PreviousIo => Refusal { errno: libc::EIO, reason: Reason::Io },
        _ => damaged(),
    }
}

fn database_refusal(error: DatabaseError) -> Refusal {
    match error {
        DatabaseError::DatabaseAlreadyOpen => in_use(),
        DatabaseError::Storage(error) => storage_refusal(&error),
        _ => damaged(),
    }
}

fn table_refusal(error: TableError) -> Refusal {
    match error {
        TableError::Storage(error) => storage_refusal(&error),
        // A table of that name with other contents.
        _ => foreign(),
    }
}

fn refusal(error: redb::Error) -> Refusal {
    match error {
        redb::Error::Io(error) => io_refusal(error),
        redb::Error::PreviousIo => Refusal { errno: libc::EIO, reason: Reason::Io },
        _ => damaged(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
