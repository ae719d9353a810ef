//! How long a call waits for what refuses for a while: btrfs does while a send of the target's subvolume runs.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(1);

/// With doubled pauses about a second in all.
const TIMES: u32 = 10;

/// What one call of the library may spend on waiting, for all of its targets together.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    waited: u32,
}

impl Patience {
    /// The next pause, or `None` when it has been enough.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        let pause = (self.waited < TIMES).then(|| FIRST * 2u32.pow(self.waited));
        self.waited += u32::from(pause.is_some());
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = std::iter::from_fn(|| patience.next()).collect();
        assert_eq!(pauses[..3], [1, 2, 4].map(Duration::from_millis));
        assert_eq!(pauses.iter().sum::<Duration>(), Duration::from_millis(1023));
        assert_eq!(patience.next(), None);
    }
}
