//! A pipe between two sockets: bytes move inside the kernel (`splice(2)`).

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, SpliceFFlags, splice};
use tokio::net::TcpStream;

/// Most bytes of one call: what a pipe of default size holds.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Pipe {
    /// `None` when descriptors have run out.
    pub(crate) fn new() -> Option<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).ok()?;
        Some(Self { read, write, held: 0 })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what the socket has; 0 at its end.
    pub(crate) fn fill_from(&mut self, socket: &TcpStream) -> io::Result<usize> {
        let count = splice(socket, None, &self.write, None, CHUNK, flags())?;
        self.held += count;
        Ok(count)
    }

    /// Gives the socket what the pipe holds.
    pub(crate) fn drain_to(&mut self, socket: &TcpStream) -> io::Result<usize> {
        let count = splice(&self.read, None, socket, None, self.held, flags())?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }
}

fn flags() -> SpliceFFlags {
    SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK
}
