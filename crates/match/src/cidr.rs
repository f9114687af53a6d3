//! Address ranges.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of address ranges; the empty set contains nothing.
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
