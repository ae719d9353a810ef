//! The border: descriptors, results, structs that grow, arrays, and panics and cancellations, which stop here.

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::mem::{MaybeUninit, align_of, size_of};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use xtent::{At, Reason, Report};

/// A failure. The report has its errno and reason, and is what a caller's report is filled with.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Report);

impl Failure {
    pub(crate) fn new(errno: c_int, reason: Reason) -> Self {
        let mut report = Report::default();
        (report.errno, report.reason) = (errno, reason);
        Failure(report)
    }

    /// An argument that makes no sense by itself.
    pub(crate) fn invalid() -> Self {
        Failure::new(libc::EINVAL, Reason::InvalidArgument)
    }

    /// A struct of a later version that asks for what this one does not know.
    fn too_new() -> Self {
        Failure::new(libc::E2BIG, Reason::InvalidArgument)
    }
}

impl From<xtent::Error> for Failure {
    fn from(error: xtent::Error) -> Self {
        Failure(error.report)
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Runs what stands behind a C function. A panic would be a bug of this library; leaving an
/// `extern "C"` function it would end the host. A thread that is to be cancelled ends afterwards.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let _whole = Uncancelled::new();
    // What a panic left half done is not looked at again: everything `body` had is gone with it.
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err(Failure::new(libc::ENOTRECOVERABLE, Reason::Unknown)))
}

/// While it lives, pthread_cancel(3) does not end the calling thread. In the middle of a call it would leave a clone
/// half-way that is being undone, and unwind functions that do not expect it.
struct Uncancelled(c_int);

impl Uncancelled {
    fn new() -> Self {
        let mut before = 0;
        // SAFETY: writes one number.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Uncancelled(before)
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the state that there was on this same thread; the old one is not asked for.
        unsafe { pthread_setcancelstate(self.0, std::ptr::null_mut()) };
    }
}

// The same in glibc and musl.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// `0`, or `-errno`.
pub(crate) fn status<T>(result: Result<T>) -> c_int {
    result.map_or_else(|Failure(report)| -report.errno, |_| 0)
}

/// A number of bytes or of things, or `-errno`.
pub(crate) fn count(result: Result<impl Countable>) -> i64 {
    // No file is longer than an offset can say, so that the number fits.
    result.map_or_else(|Failure(report)| i64::from(-report.errno), |answer| answer.count() as i64)
}

/// An answer that C gets as a number.
pub(crate) trait Countable {
    fn count(self) -> u64;
}

impl Countable for u64 {
    fn count(self) -> u64 {
        self
    }
}

impl Countable for Report {
    fn count(self) -> u64 {
        self.bytes()
    }
}

/// A number that the kernel never gives to a descriptor: they end below `INT_MAX` rounded down to a
/// multiple of the bits of a word (fs/file.c, `sysctl_nr_open_max`).
const NEVER_OPEN: c_int = c_int::MAX;

/// The caller's descriptor. A negative one becomes one that is never open either: the verb, which knows
/// what to say of those, answers `EBADF`, and for one target of many it says so of that target only.
pub(crate) fn descriptor<'a>(fd: c_int) -> BorrowedFd<'a> {
    let fd = if fd < 0 { NEVER_OPEN } else { fd };
    // SAFETY: the one number that a `BorrowedFd` must not hold is -1. One that is not open, or is
    // closed by another thread meanwhile, is the kernel's to refuse: core only hands it to system calls.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// A directory descriptor, AT_FDCWD among them; 0 is none.
pub(crate) fn directory<'a>(fd: c_int) -> Option<BorrowedFd<'a>> {
    match fd {
        0 => None,
        // SAFETY: not -1; see `descriptor`.
        libc::AT_FDCWD => Some(unsafe { BorrowedFd::borrow_raw(fd) }),
        fd => Some(descriptor(fd)),
    }
}

/// The caller's path, relative to a directory, or to the working directory for `AT_FDCWD`.
// SAFETY: `path` is NULL, or a string that lives as long as the place.
pub(crate) unsafe fn place<'a>(dir: c_int, path: *const c_char) -> Result<At<'a>> {
    if path.is_null() {
        return Err(Failure::invalid());
    }
    // SAFETY: not NULL, and as the caller of this function says.
    let path = unsafe { CStr::from_ptr(path) };
    let dir = (dir != libc::AT_FDCWD).then(|| descriptor(dir));
    Ok(At { dir, path: OsStr::from_bytes(path.to_bytes()).as_ref() })
}

/// A struct that the caller hands over: it begins with `uint32_t size`, and grows at its end from one
/// version to the next.
///
/// Whoever implements it says: `repr(C)`, the first member is the size as `u32`, every bit pattern is a
/// value, and all zeros are the defaults.
// SAFETY: a promise about the type, as above.
pub(crate) unsafe trait Growing: Copy {}

const SIZE_MEMBER: usize = size_of::<u32>();

/// No struct comes near it, and a `size` that was never set easily passes it; openat2(2) has the same
/// bound.
const LARGEST: usize = 4096;

/// The size that the caller gives its struct, in bytes. NULL has none.
// SAFETY: the caller's struct, if not NULL, can be read as far as its member `size`.
unsafe fn size_of_callers<T: Growing>(ptr: *const T) -> Result<usize> {
    if ptr.is_null() {
        return Ok(0);
    }
    // SAFETY: not NULL, and begins with a `u32`; where it is aligned is not relied on.
    match unsafe { ptr.cast::<u32>().read_unaligned() } as usize {
        size if size < SIZE_MEMBER => Err(Failure::invalid()),
        size if size > LARGEST => Err(Failure::too_new()),
        size => Ok(size),
    }
}

/// The caller's options by openat2(2)'s rules: what a shorter struct lacks is zero; what a longer one
/// has more must be zero. NULL is all zeros.
// SAFETY: `ptr` is NULL, or as many bytes can be read there as its member `size` says.
pub(crate) unsafe fn options<T: Growing>(ptr: *const T) -> Result<T> {
    let mut known = MaybeUninit::<T>::zeroed();
    // SAFETY: as the caller of this function says.
    let size = unsafe { size_of_callers(ptr)? };
    // A member that the size cuts in two is not there: half a pointer is none.
    let whole = if size < size_of::<T>() { size - size % align_of::<T>() } else { size_of::<T>() };
    if whole > 0 {
        // SAFETY: `whole` is no more than the bytes of either.
        unsafe { ptr.cast::<u8>().copy_to_nonoverlapping(known.as_mut_ptr().cast(), whole) };
    }
    for at in size_of::<T>()..size {
        // SAFETY: `at` is inside the caller's struct.
        if unsafe { ptr.cast::<u8>().add(at).read() } != 0 {
            return Err(Failure::too_new());
        }
    }
    // SAFETY: all its bytes are set, and every pattern of them is a value (`Growing`).
    Ok(unsafe { known.assume_init() })
}

/// The one of these with that number.
pub(crate) fn choice<T: Copy, const N: usize>(number: u32, of: [T; N]) -> Result<T> {
    of.get(number as usize).copied().ok_or_else(Failure::invalid)
}

/// No options have flags yet; one that is set comes from a later version.
pub(crate) fn no_flags(flags: u32) -> Result<()> {
    if flags == 0 { Ok(()) } else { Err(Failure::invalid()) }
}

/// The caller's struct to write an answer into; NULL takes none.
pub(crate) struct Output<T> {
    ptr: *mut T,
    size: usize,
}

impl<T: Growing> Output<T> {
    /// Looked at before a verb begins: a size that makes no sense must not be found when all is done.
    // SAFETY: `ptr` is NULL, or as many bytes can be written there, until the `Output` is gone, as its
    // member `size` says.
    pub(crate) unsafe fn new(ptr: *mut T) -> Result<Self> {
        // SAFETY: as the caller of this function says.
        let size = unsafe { size_of_callers(ptr)? };
        Ok(Output { ptr, size })
    }

    /// Whether the caller's struct has all of its first `bytes` bytes.
    pub(crate) fn has(&self, bytes: usize) -> bool {
        self.size >= bytes
    }

    /// Fills as much as both know; what only the caller knows becomes zero. Its `size` stays.
    pub(crate) fn fill(&self, value: &T) {
        let both = self.size.min(size_of::<T>());
        if both > SIZE_MEMBER {
            // SAFETY: no more bytes than either has, and all of the caller's may be written (`new`).
            unsafe {
                let from = std::ptr::from_ref(value).cast::<u8>().add(SIZE_MEMBER);
                from.copy_to(self.ptr.cast::<u8>().add(SIZE_MEMBER), both - SIZE_MEMBER);
            }
        }
        if self.size > both {
            // SAFETY: the rest of the caller's struct, which may be written (`new`).
            unsafe { self.ptr.cast::<u8>().add(both).write_bytes(0, self.size - both) };
        }
    }
}

/// An array of the caller's. Its elements never grow, and may lie anywhere.
pub(crate) struct Array<T> {
    ptr: *mut T,
    len: usize,
}

impl<T: Copy> Array<T> {
    // SAFETY: `len` elements can be read and written at `ptr`, until the `Array` is gone.
    pub(crate) unsafe fn new(ptr: *mut T, len: usize) -> Result<Self> {
        // No object is larger, in C or Rust (malloc(3), PTRDIFF_MAX).
        let possible = len.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
        if possible && (len == 0 || !ptr.is_null()) {
            Ok(Array { ptr, len })
        } else {
            Err(Failure::invalid())
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Each element in turn.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        // SAFETY: inside the array (`new`).
        (0..self.len).map(|i| unsafe { self.ptr.add(i).read_unaligned() })
    }

    /// Overwrites the first elements, as many as there are values and room; says how many that were.
    pub(crate) fn fill(&self, values: impl Iterator<Item = T>) -> u64 {
        let filled = (0..self.len).zip(values).map(|(i, value)| {
            // SAFETY: inside the array (`new`).
            unsafe { self.ptr.add(i).write_unaligned(value) }
        });
        filled.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct as of a version that knows two members.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Known {
        size: u32,
        flags: u32,
        pointer: u64,
    }

    // SAFETY: repr(C), integers only, the size first.
    unsafe impl Growing for Known {}

    /// A caller's struct of `size` bytes at an odd address, followed by bytes that are not its own.
    fn callers(size: u32, bytes: &[u8]) -> Vec<u8> {
        [&[0xEE], size.to_ne_bytes().as_slice(), bytes].concat()
    }

    fn read(size: u32, bytes: &[u8]) -> std::result::Result<Known, c_int> {
        let memory = callers(size, bytes);
        // SAFETY: each test gives a size that the bytes have, or one that is refused.
        unsafe { options(memory.as_ptr().add(1).cast()) }.map_err(|Failure(report)| {
            assert_eq!(report.reason, Reason::InvalidArgument);
            report.errno
        })
    }

    #[test]
    fn options_of_any_size() {
        let whole = [7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        let pointer = u64::from_ne_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
        let flags = u32::from_ne_bytes([7, 0, 0, 0]);
        // The member `size` of the copy is the caller's, where it was read.
        assert_eq!(read(16, &whole), Ok(Known { size: 16, flags, pointer }));
        assert_eq!(read(24, &whole), Ok(Known { size: 24, flags, pointer }));
        assert_eq!(read(8, &whole), Ok(Known { size: 8, flags, pointer: 0 }));
        // Half a pointer is none.
        for size in 9..16 {
            assert_eq!(read(size, &whole), Ok(Known { size, flags, pointer: 0 }));
        }
        assert_eq!(read(4, &whole), Ok(Known { size: 0, flags: 0, pointer: 0 }));

        assert_eq!(read(0, &whole), Err(libc::EINVAL));
        assert_eq!(read(3, &whole), Err(libc::EINVAL));
        assert_eq!(read(4097, &whole), Err(libc::E2BIG));
        assert_eq!(read(u32::MAX, &whole), Err(libc::E2BIG));
        let mut later = whole;
        later[19] = 1;
        assert_eq!(read(24, &later), Err(libc::E2BIG));
        assert_eq!(read(23, &later), Ok(Known { size: 23, flags, pointer }));

        // SAFETY: NULL is allowed.
        let none = unsafe { options::<Known>(std::ptr::null()) };
        assert!(none.is_ok_and(|none| none == Known { size: 0, flags: 0, pointer: 0 }));
    }

    fn written(size: u32) -> std::result::Result<Vec<u8>, c_int> {
        let mut memory = callers(size, &[0xEE; 30]);
        // SAFETY: each test gives a size that the memory has, or one that is refused.
        let out = unsafe { Output::<Known>::new(memory.as_mut_ptr().add(1).cast()) };
        out.map_err(|Failure(report)| report.errno)?.fill(&Known {
            size: 16,
            flags: 0x0101_0101,
            pointer: 0x0202_0202_0202_0202,
        });
        assert_eq!(memory[..5], callers(size, &[]), "the size is the caller's");
        Ok(memory.split_off(5))
    }

    #[test]
    fn outputs_of_any_size() {
        for size in 4..=32u32 {
            let members = [vec![1u8; 4], vec![2; 8], vec![0; 18]].concat();
            let inside = size as usize - 4;
            let expected = [&members[..inside], &[0xEE; 30][inside..]].concat();
            assert_eq!(written(size), Ok(expected), "{size}");
        }
        assert_eq!(written(0), Err(libc::EINVAL));
        assert_eq!(written(3), Err(libc::EINVAL));
        assert_eq!(written(4097), Err(libc::E2BIG));
        // SAFETY: NULL is allowed.
        let none = unsafe { Output::<Known>::new(std::ptr::null_mut()) };
        none.expect("NULL takes nothing").fill(&Known { size: 16, flags: 1, pointer: 1 });
    }

    #[test]
    fn arrays_lie_anywhere_and_are_never_left() {
        let mut memory = [0xEEu8; 1 + 3 * 8 + 1];
        // SAFETY: three elements are there.
        let array = unsafe { Array::<u64>::new(memory.as_mut_ptr().add(1).cast(), 3) }.expect("an array");
        assert_eq!(array.fill([1, 2].into_iter()), 2);
        assert_eq!(array.iter().collect::<Vec<_>>(), [1, 2, 0xEEEE_EEEE_EEEE_EEEE]);
        let mut more = 10..;
        assert_eq!(array.fill(more.by_ref()), 3);
        assert_eq!(more.next(), Some(13), "no value is taken for which there is no room");
        assert_eq!((memory[0], memory[25]), (0xEE, 0xEE));

        // SAFETY: refused without a look at the pointer.
        let refused = |ptr: *mut u64, len| unsafe { Array::new(ptr, len) }.is_err();
        assert!(refused(std::ptr::null_mut(), 1));
        assert!(refused(memory.as_mut_ptr().cast(), usize::MAX));
        assert!(refused(memory.as_mut_ptr().cast(), isize::MAX as usize / 8 + 1));
        assert!(!refused(std::ptr::null_mut(), 0));
    }

    #[test]
    fn a_panic_stops_at_the_border() {
        let result = guarded::<u64>(|| panic!("this message is part of the test"));
        assert_eq!(count(result), i64::from(-libc::ENOTRECOVERABLE));
    }

    #[test]
    fn negative_descriptors_are_refused_by_the_verbs() {
        for fd in [-1, -5, libc::AT_FDCWD, c_int::MIN] {
            let error = xtent::copy_range(descriptor(fd), 0, descriptor(fd), 0, 1, Default::default())
                .expect_err("no descriptor");
            assert_eq!((error.errno, error.reason), (libc::EBADF, Reason::BadDescriptor));
        }
    }
}
