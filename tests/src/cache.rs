//! What of a file is in the page cache.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const PAGE: u64 = 4096;

/// For each page of the file whether it is in the page cache, mincore(2). The mapping is never read through.
pub fn resident(file: &File) -> io::Result<Vec<bool>> {
    let len = file.metadata()?.len() as usize;
    if len == 0 {
        return Ok(Vec::new());
    }
    let mut pages = vec![0u8; len.div_ceil(PAGE as usize)];
    // SAFETY: a new mapping at an address of the kernel's choice, unmapped again below; mincore writes a byte for each
    // page of it, for which there is room.
    let result = unsafe {
        let map =
            libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0);
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let result = libc::mincore(map, len, pages.as_mut_ptr());
        libc::munmap(map, len);
        result
    };
    if result == 0 {
        Ok(pages.iter().map(|page| page & 1 != 0).collect())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How many bytes of the file are in the page cache, in whole pages.
pub fn resident_bytes(file: &File) -> io::Result<u64> {
    Ok(resident(file)?.iter().filter(|page| **page).count() as u64 * PAGE)
}

/// Takes what of the file is on disk already out of the page cache.
pub fn cool(file: &File) {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(result, 0, "posix_fadvise");
}
