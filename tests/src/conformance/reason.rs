//! The reasons' codes, written down a second time: they are stable, and a change of one is a failure here.

macro_rules! reasons {
    ($($name:ident = $code:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(dead_code, reason = "codes of which no case can make an example on every machine")]
        pub(crate) enum Reason { $($name = $code,)* }

        impl Reason {
            /// The name of a code in an answer.
            pub(crate) fn name(code: &str) -> Option<&'static str> {
                $(if code.parse() == Ok($code) { return Some(stringify!($name)); })*
                None
            }
        }
    };
}

reasons! {
    None = 0;
    Unknown = 1;
    InvalidArgument = 2;
    ZeroLength = 3;
    Overflow = 4;
    BadDescriptor = 5;
    NotOpenForThat = 6;
    AppendOnly = 7;
    NotRegularFile = 8;
    Misaligned = 9;
    Overlap = 10;
    PastEnd = 11;
    PartialBlock = 12;
    NocowMismatch = 13;
    DifferentFilesystem = 14;
    FilesystemCannot = 15;
    MountCannot = 16;
    DestinationNotReadable = 17;
    SwapFile = 18;
    Immutable = 19;
    ReadOnly = 20;
    FileSizeLimit = 21;
    NoSpace = 22;
    Quota = 23;
    Permission = 24;
    Cancelled = 25;
    Io = 26;
    OutOfMemory = 27;
    Interrupted = 28;
    NoScratchDirectory = 29;
    SourceChanged = 30;
    LeaseBroken = 31;
    InUse = 32;
    Exists = 33;
    NotFound = 34;
    NotDurable = 36;
    VerifyFailed = 37;
    Busy = 38;
    InvalidName = 39;
    TooManyLinks = 40;
    CannotExchange = 41;
    UndoImpossible = 42;
    InsideDestination = 43;
    NotDirectory = 44;
    InsideSource = 45;
    Gone = 53;
}
