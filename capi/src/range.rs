//! Lengths.

/// As a length: to the end of the source, as the kernel sees it at that moment.
pub const XTENT_TO_END: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    #[test]
    fn to_end_is_that_of_core() {
        assert_eq!(super::XTENT_TO_END, xtent::TO_END);
    }
}
