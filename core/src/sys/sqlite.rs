//! `sqlite3_open_v2()`, `sqlite3_db_filename()` and `sqlite3_system_errno()`: of what failed in the system, SQLite itself tells
//! only the kind.

use std::ffi::{CStr, CString};

use rusqlite::{Connection, ffi};

use super::{Errno, Result};

/// Opens a file that is there, without locks. ENAMETOOLONG where it is too far from the root for SQLite, which has room for
/// 512 bytes of a path.
pub(crate) fn open(path: &CStr) -> Result<Connection> {
    let flags = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_NOMUTEX | ffi::SQLITE_OPEN_EXRESCODE;
    let mut handle = std::ptr::null_mut();
    // SAFETY: the names end with zeros, and live until the call returns. What fails without asking the system leaves errno as
    // it was, so that it has to be nothing.
    let code = unsafe {
        ffi::sqlite3_initialize();
        *libc::__errno_location() = 0;
        ffi::sqlite3_open_v2(path.as_ptr(), &raw mut handle, flags, c"unix-none".as_ptr())
    };
    if handle.is_null() {
        return Err(Errno(libc::ENOMEM));
    }
    // SAFETY: nobody else has the handle, which is to be closed even where it is of no use.
    let database = unsafe { Connection::from_handle_owned(handle) }.map_err(|_| Errno(libc::ENOMEM))?;
    match (code & 0xff, system_errno(&database).0) {
        (ffi::SQLITE_OK, _) => Ok(database),
        (ffi::SQLITE_NOMEM, _) => Err(Errno(libc::ENOMEM)),
        (ffi::SQLITE_CANTOPEN, 0) => Err(Errno(libc::ENAMETOOLONG)),
        (_, 0) => Err(Errno(libc::EIO)),
        (_, errno) => Err(Errno(errno)),
    }
}

/// Under which path a database has its file; a journal is beside it.
pub(crate) fn path(database: &Connection) -> CString {
    // SAFETY: an open connection has a main database, whose name ends with a zero and stays until it is closed.
    unsafe { CStr::from_ptr(ffi::sqlite3_db_filename(database.handle(), c"main".as_ptr())) }.to_owned()
}

/// The `errno` of the last file that could not be opened, read or written for a database.
pub(crate) fn system_errno(database: &Connection) -> Errno {
    // SAFETY: a connection that is lent is open, and belongs to one thread at a time.
    Errno(unsafe { ffi::sqlite3_system_errno(database.handle()) })
}
