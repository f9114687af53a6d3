//! A pipe between two sockets: bytes move inside the kernel (`splice(2)`).

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, SpliceFFlags, splice};
use tokio::net::TcpStream;

/// Most bytes of one call: what a pipe of default size holds, were every slot a page. Slots may hold more
/// (a socket's pages are often joined), so a call can bring as much from a busy peer.
const CHUNK: usize = 512 * 1024;

/// Empty pipes that a thread keeps: two descriptors each.
const SPARES_MAX: usize = 8;

thread_local! {
    static SPARES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Pipe {
    /// One of the thread's spare pipes, or a new one; `None` when descriptors have run out.
    pub(crate) fn take() -> Option<Self> {
        SPARES.with_borrow_mut(Vec::pop).or_else(Self::new)
    }

    fn new() -> Option<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).ok()?;
        Some(Self { read, write, held: 0 })
    }

    /// Keeps the pipe for the next transfer, if it is empty.
    pub(crate) fn give(self) {
        if self.is_empty() {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARES_MAX {
                    spares.push(self);
                }
            });
        }
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
