//! Address ranges.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of address ranges; the empty set contains nothing. An IPv4 range holds no IPv6 address,
/// IPv4-mapped ones included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrSet(Vec<IpNet>);

impl CidrSet {
    /// A set of those ranges.
    #[must_use]
    pub fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    /// The length of the longest range that contains the address; `None` if none does.
    #[must_use]
    pub fn longest_prefix(&self, address: IpAddr) -> Option<u8> {
        self.0.iter().filter(|r| r.contains(&address)).map(IpNet::prefix_len).max()
    }

    /// Whether a range contains the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.longest_prefix(address).is_some()
    }

    /// Whether the set has no range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[IpNet] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn set(ranges: &[&str]) -> CidrSet {
        CidrSet::new(ranges.iter().map(|r| r.parse().unwrap()).collect())
    }

    #[test]
    fn the_longest_range_counts() {
        let set = set(&["10.0.0.0/8", "10.1.0.0/16", "::/0"]);
        assert_eq!(set.longest_prefix("10.1.2.3".parse().unwrap()), Some(16));
        assert_eq!(set.longest_prefix("10.2.2.3".parse().unwrap()), Some(8));
        assert_eq!(set.longest_prefix("11.0.0.1".parse().unwrap()), None);
        assert_eq!(set.longest_prefix("2001:db8::1".parse().unwrap()), Some(0));
    }

    #[test]
    fn families_stay_apart_and_the_empty_set_holds_nothing() {
        assert!(!set(&["0.0.0.0/0"]).contains("::1".parse().unwrap()));
        assert!(!set(&["0.0.0.0/0"]).contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!set(&[]).contains("10.0.0.1".parse().unwrap()));
        assert!(set(&["10.0.0.1/32"]).contains("10.0.0.1".parse().unwrap()));
    }

    proptest! {
        /// A range holds an address exactly when their first bits agree.
        #[test]
        fn first_bits_decide(net: u32, address: u32, length in 0u8..=32) {
            let range = IpNet::new(Ipv4Addr::from(net).into(), length).unwrap().trunc();
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let held = CidrSet::new(vec![range]).contains(Ipv4Addr::from(address).into());
            prop_assert_eq!(held, net & mask == address & mask);
        }
    }
}
