//! Where a redirected connection was going.

use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::address::unmap;

/// The destination before redirection of a connection whose own end is `local`. With `transparent` (TPROXY) that is the local address itself;
/// else the kernel's connection tracking is asked (`SO_ORIGINAL_DST`). `None` when the connection
/// was not redirected or nothing tracks it.
///
/// # Errors
/// The socket is not connected any more.
pub fn original_destination(
    stream: &TcpStream,
    local: SocketAddr,
    transparent: bool,
) -> io::Result<Option<SocketAddr>> {
    if transparent {
        return Ok(Some(unmap(local)));
    }
    let socket = SockRef::from(stream);
    // An IPv4 connection on a dual-stack socket is tracked as IPv4.
    let answer = if unmap(local).is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    match answer {
        Ok(address) => Ok(address.as_socket().map(unmap)),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            // ENOENT: not tracked; ENOPROTOOPT: no connection tracking in this kernel.
            Some(Errno::ENOENT | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => Ok(None),
            _ => Err(error),
        },
    }
}
