//! Addresses of the embedded mode, where a whole mesh shares one host's loopback network.

use std::net::{IpAddr, Ipv4Addr};

/// Pod addresses are in 127.64.0.0/12.
#[must_use]
pub fn is_pod(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 127 && v4.octets()[1] & 0xf0 == 64)
}

/// The address at which the application of one pod finds one service: in 127.128.0.0/9, a function of
/// both, so that the listeners of two sidecars on one host never contend.
#[must_use]
pub fn virtual_address(pod: Ipv4Addr, host: &str) -> Ipv4Addr {
    let bytes = pod.octets().into_iter().chain(host.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let folded = (hash ^ (hash >> 23) ^ (hash >> 46)) & 0x007f_ffff;
    // The all-zero and all-one hosts of the network are left out.
    let host_bits = u32::try_from(folded).unwrap_or(0).clamp(1, 0x007f_fffe);
    Ipv4Addr::from(u32::from_be_bytes([127, 128, 0, 0]) | host_bits)
}

/// Ports below this one need a privilege.
const FIRST_UNPRIVILEGED: u16 = 1024;
/// What is added to those.
const SHIFT: u16 = 8000;

/// The port on which a proxy listens for a service's port: ports that need a privilege are moved up by
/// 8000, so that 80 becomes 8080.
#[must_use]
pub fn listening_port(port: u16) -> u16 {
    if port < FIRST_UNPRIVILEGED { port.saturating_add(SHIFT) } else { port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_virtual_addresses_lie_apart() {
        assert!(is_pod([127, 64, 0, 1].into()) && is_pod([127, 79, 255, 255].into()));
        assert!(!is_pod([127, 80, 0, 1].into()) && !is_pod([127, 0, 0, 1].into()));
        let reviews = virtual_address([127, 64, 0, 2].into(), "reviews.default.svc.cluster.local");
        assert!(reviews.octets()[0] == 127 && reviews.octets()[1] >= 128 && !is_pod(reviews.into()));
        assert_eq!(reviews, virtual_address([127, 64, 0, 2].into(), "reviews.default.svc.cluster.local"));
        assert_ne!(reviews, virtual_address([127, 64, 0, 3].into(), "reviews.default.svc.cluster.local"));
        assert_ne!(reviews, virtual_address([127, 64, 0, 2].into(), "ratings.default.svc.cluster.local"));
    }
}
