//! `sqlite3_open_v2()` and `sqlite3_system_errno()`: of what failed in the system, SQLite itself tells only the kind.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, ffi};

use super::{Errno, Result};

/// Opens a file that is there, without locks.
pub(crate) fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags_and_vfs(path, flags, c"unix-none").map_err(|_| Errno::last())
}

/// The `errno` of the last file that could not be opened, read or written for a database.
pub(crate) fn system_errno(database: &Connection) -> Errno {
    // SAFETY: a connection that is lent is open, and belongs to one thread at a time.
    Errno(unsafe { ffi::sqlite3_system_errno(database.handle()) })
}
