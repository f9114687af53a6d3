//! On which ports a process and its descendants listen, as Linux tells in `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A listening socket and the process that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listening {
    /// Process.
    pub(crate) pid: u32,
    /// Address and port.
    pub(crate) address: SocketAddr,
}

impl Listening {
    /// Whether it takes connections from everywhere.
    #[must_use]
    pub(crate) fn is_wildcard(&self) -> bool {
        self.address.ip().to_canonical().is_unspecified()
    }
}

/// All listening TCP sockets of a process and its descendants, as far as they may be looked at.
#[must_use]
pub(crate) fn sockets_of(root: u32) -> Vec<Listening> {
    let mut by_inode = BTreeMap::new();
    for family in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = fs::read_to_string(family).unwrap_or_default();
        by_inode.extend(table.lines().skip(1).filter_map(listener));
    }
    let mut found = BTreeSet::new();
    for pid in family(root) {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let inode = fs::read_link(entry.path()).ok().and_then(|target| {
                target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            if let Some(address) = inode.and_then(|inode| by_inode.get(&inode)) {
                found.insert(Listening { pid, address: *address });
            }
        }
    }
    found.into_iter().collect()
}

/// A process and all its descendants.
#[must_use]
pub(crate) fn family(root: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
            && let Some(parent) =
                fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|s| parent(&s))
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut family = BTreeSet::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        if family.insert(pid) {
            next.extend(children.get(&pid).into_iter().flatten());
        }
    }
    family
}

/// The parent's number in `/proc/PID/stat`; the second field, in parentheses, may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Inode and address of a line of `/proc/net/tcp` or `tcp6` that is a listening socket's.
fn listener(line: &str) -> Option<(u64, SocketAddr)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (ip, port) = fields[1].split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // The kernel prints words of 32 bits as the machine holds them.
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for part in 0..4 {
                bytes[part * 4..][..4].copy_from_slice(&word(part * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((fields.get(9)?.parse().ok()?, SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 42 1";
        assert_eq!(listener(line), Some((42, "127.0.0.1:8080".parse().unwrap())));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        let line = "0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7 1";
        assert_eq!(listener(line), Some((7, "[::]:80".parse().unwrap())));
        assert_eq!(listener("0: 01:02"), None);
        assert_eq!(parent("7 (a) b) S 3 7 7 0"), Some(3));
    }

    #[test]
    fn our_own_sockets_are_found_and_wildcards_told() {
        let (own, all, six) = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("0.0.0.0:0").unwrap(),
            TcpListener::bind("[::]:0"),
        );
        let found = sockets_of(std::process::id());
        let of = |listener: &TcpListener| {
            let address = listener.local_addr().unwrap();
            *found.iter().find(|found| found.address == address).unwrap()
        };
        assert!(!of(&own).is_wildcard());
        assert!(of(&all).is_wildcard());
        // A machine may be without IPv6.
        if let Ok(six) = six {
            assert!(of(&six).is_wildcard());
        }
    }
}
