//! What a connection runs over.

use tokio::io::{AsyncRead, AsyncWrite};

/// Any byte stream in both directions: a TCP stream, a TLS stream over it, one end of a pipe in
/// memory. Implemented for everything that fits; nothing needs to be `Send`.
///
/// Half-close matters to tunnels: `poll_shutdown` must end the sending direction alone.
pub trait Io: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Io for T {}
