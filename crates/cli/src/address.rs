//! Which addresses and ports a mesh on this machine takes.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};

/// Pod addresses are 127.64.0.0/12; a mesh has one /24 of it, and the machine 4096 meshes.
const BLOCKS: u32 = 4096;
/// Where applications' ports are looked for: below what Linux gives to connections that go out
/// (`net.ipv4.ip_local_port_range`, from 32768), or one of those could take a port between two starts.
const APPLICATION_PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Port whose place on the gateway's pod address tells whether a block is in use.
const READINESS: u16 = 15021;
/// A mesh whose ingress is here has the first block.
const FIRST_PORT: u16 = 8080;

/// The pod addresses of one mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Block(u32);

impl Block {
    /// The gateway's place.
    pub(crate) const GATEWAY: u8 = 2;
    /// First place of workloads.
    pub(crate) const FIRST: u8 = 10;

    /// A block that no other mesh uses; meshes with different ingress ports begin to look at different ones.
    ///
    /// # Errors
    /// If all that were looked at are in use.
    pub(crate) fn free(ingress_port: u16) -> Result<Self> {
        let first = u32::from(ingress_port.wrapping_sub(FIRST_PORT)) % BLOCKS;
        let mut candidates = (first..first + 64).map(|block| Self(block % BLOCKS));
        candidates
            .find(|block| TcpListener::bind((block.pod(Self::GATEWAY), READINESS)).is_ok())
            .context("no free range of pod addresses in 127.64.0.0/12: too many meshes run on this machine")
    }

    /// The pod at this place.
    #[must_use]
    pub(crate) fn pod(self, place: u8) -> Ipv4Addr {
        Ipv4Addr::from((0x7f40_0000 | self.0 << 8) | u32::from(place))
    }

    /// The first workload's address that is not taken.
    ///
    /// # Errors
    /// If the mesh is full.
    pub(crate) fn next(self, taken: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr> {
        let mut places = (Self::FIRST..u8::MAX).map(|place| self.pod(place));
        places
            .find(|address| !taken.contains(address))
            .context("this mesh is full: it has no pod address left")
    }
}

/// Takes ports on 127.0.0.1 that nobody listens on; each is given out once.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    given: BTreeSet<u16>,
}

impl Ports {
    /// The wanted port if it is free, else another one.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn prefer(&mut self, wanted: u16) -> Result<u16> {
        if !self.given.contains(&wanted) && is_free(wanted) {
            self.given.insert(wanted);
            return Ok(wanted);
        }
        self.any()
    }

    /// A port for the control plane: the well-known one for the mesh at the usual ingress. A mesh beside it
    /// looks elsewhere from the beginning, or two that start together would both find that one free.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn control(&mut self, wanted: u16, ingress: u16) -> Result<u16> {
        if ingress == FIRST_PORT { self.prefer(wanted) } else { self.any() }
    }

    /// A free port for an application; where to begin looking depends on this process, so that two programs
    /// that look at the same time seldom meet.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn any(&mut self) -> Result<u16> {
        let count = APPLICATION_PORTS.end - APPLICATION_PORTS.start;
        let first = u16::try_from(std::process::id() % 997 * 12).unwrap_or(0) % count;
        let mut all = (0..count).map(|step| APPLICATION_PORTS.start + (first + step) % count);
        let port = all.find(|port| !self.given.contains(port) && is_free(*port));
        let port = port.context("no free port on 127.0.0.1 between 20000 and 32000")?;
        self.given.insert(port);
        Ok(port)
    }
}

/// Checks that the ingress can have its port; names who may hold it.
///
/// # Errors
/// If it is taken or may not be used.
pub(crate) fn check_ingress(port: u16) -> Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "port {port} on 127.0.0.1 is in use, perhaps by another mesh of yours; choose another one for the \
             ingress with --port, such as --port {}",
            if port < 60_000 { port + 1 } else { 8081 }
        ),
        Err(error) => Err(error).with_context(|| {
            format!("the ingress cannot listen on {address}; choose another port with --port")
        }),
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_lies_in_the_range_of_pods_and_apart_from_the_next() {
        let mut seen = BTreeSet::new();
        for block in [0, 1, 255, 256, BLOCKS - 1] {
            for place in [Block::GATEWAY, Block::FIRST, u8::MAX] {
                let pod = Block(block).pod(place);
                assert!(weft_types::embedded::is_pod(pod.into()), "{pod}");
                assert!(seen.insert(pod), "{pod} twice");
            }
        }
        assert_eq!(Block(0).pod(2), Ipv4Addr::new(127, 64, 0, 2));
        assert_eq!(Block(BLOCKS - 1).pod(2), Ipv4Addr::new(127, 79, 255, 2));
    }

    #[test]
    fn a_full_mesh_says_so() {
        let block = Block(3);
        let mut taken = BTreeSet::new();
        while let Ok(address) = block.next(&taken) {
            taken.insert(address);
        }
        assert_eq!(taken.len(), usize::from(u8::MAX - Block::FIRST));
        assert!(block.next(&taken).unwrap_err().to_string().contains("full"));
    }

    #[test]
    fn a_taken_block_and_a_taken_port_are_passed_over() {
        let first = Block::free(40_001).unwrap();
        let held = TcpListener::bind((first.pod(Block::GATEWAY), READINESS)).unwrap();
        assert_ne!(Block::free(40_001).unwrap(), first);
        drop(held);

        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let mut ports = Ports::default();
        assert_ne!(ports.prefer(port).unwrap(), port);
        assert_ne!(ports.any().unwrap(), ports.any().unwrap());
        let error = check_ingress(port).unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
    }
}
