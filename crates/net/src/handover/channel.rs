//! Datagrams with descriptors over a Unix socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, getsockopt, recvmsg, sendmsg, sockopt::PeerCredentials,
};
use socket2::{Domain, Socket, Type};

use super::message::Message;
use super::{HandoverError, MESSAGE_MAX};
use crate::bind;

/// Where a successor calls.
#[derive(Debug)]
pub(super) struct Listening {
    socket: Socket,
    path: PathBuf,
    /// Device and inode of the socket's file; `None` for an abstract name.
    file: Option<(u64, u64)>,
}

impl Listening {
    /// Binds a path that nobody listens on.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if is_file(path) {
            bind::remove_stale(path, Type::SEQPACKET)?;
        }
        Self::bind_at(path, path)
    }

    /// Takes the place of whoever listens there, at one stroke.
    pub(super) fn replace(path: &Path) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        bind::remove_stale(&beside, Type::SEQPACKET)?;
        let listening = Self::bind_at(&beside, path)?;
        std::fs::rename(&beside, path)?;
        Ok(listening)
    }

    fn bind_at(path: &Path, known_as: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.bind(&bind::unix_address(path)?)?;
        socket.listen(1)?;
        let file = if is_file(path) { Some(identity(path)?) } else { None };
        Ok(Self { socket, path: known_as.to_owned(), file })
    }

    /// Waits without limit for a caller; the caller then has `patience` for each message.
    pub(super) fn accept(&self, patience: Duration) -> io::Result<Channel> {
        let (socket, _) = self.socket.accept()?;
        Channel::with_patience(socket, patience)
    }
}

fn is_file(path: &Path) -> bool {
    !path.as_os_str().as_encoded_bytes().starts_with(b"@")
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
}

impl Drop for Listening {
    fn drop(&mut self) {
        // A successor's file under the same name is not ours to remove.
        if self.file.is_some() && identity(&self.path).ok() == self.file {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// One connection between the two processes.
#[derive(Debug)]
pub(super) struct Channel {
    socket: Socket,
}

impl Channel {
    pub(super) fn connect(path: &Path, patience: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.connect(&bind::unix_address(path)?)?;
        Self::with_patience(socket, patience)
    }

    fn with_patience(socket: Socket, patience: Duration) -> io::Result<Self> {
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        Ok(Self { socket })
    }

    pub(super) fn peer_user(&self) -> io::Result<u32> {
        Ok(getsockopt(&self.socket, PeerCredentials)?.uid())
    }

    pub(super) fn send(&self, message: &Message, with: Option<&OwnedFd>) -> Result<(), HandoverError> {
        let bytes = message.encode();
        let descriptors: Vec<_> = with.iter().map(|fd| fd.as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let control = if descriptors.is_empty() { &rights[..0] } else { &rights[..] };
        sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(|e| HandoverError::at("sendmsg")(e.into()))?;
        Ok(())
    }

    pub(super) fn receive(&self) -> Result<(Message, Option<OwnedFd>), HandoverError> {
        let mut bytes = [0; MESSAGE_MAX + 1];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let fail = |e: nix::Error| HandoverError::at("recvmsg")(e.into());
        let received =
            recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut space), flags).map_err(fail)?;
        let length = received.bytes;
        let mut descriptor = None;
        for control in received.cmsgs().map_err(fail)? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                for raw in descriptors {
                    // SAFETY: the kernel has just made this descriptor for us, and nobody else in the
                    // process knows its number. Surplus ones are closed by being replaced.
                    descriptor = Some(unsafe { OwnedFd::from_raw_fd(raw) });
                }
            }
        }
        if length == 0 {
            return Err(HandoverError::at("recvmsg")(io::ErrorKind::UnexpectedEof.into()));
        }
        let text = bytes.get(..length).unwrap_or_default();
        let message = Message::decode(text).ok_or_else(|| {
            let shown = text.get(..text.len().min(64)).unwrap_or_default();
            HandoverError::Protocol(String::from_utf8_lossy(shown).into_owned())
        })?;
        Ok((message, descriptor))
    }
}
