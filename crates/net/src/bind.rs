//! Making listening sockets.

use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::address::{Address, UNIX_PATH_MAX};
use crate::key::{ListenOptions, Sharing, SocketKey};
use crate::source::ListenError;

/// Opens the sockets of a key: one, or as many as [`Sharing::ReusePort`] says.
pub(crate) fn open(key: &SocketKey, options: &ListenOptions) -> Result<Vec<Socket>, ListenError> {
    match &key.address {
        Address::Ip(address) => match &key.namespace {
            Some(namespace) => {
                let (inside, address, options) = (key.clone(), *address, options.clone());
                namespace
                    .run(move || open_ip(&inside, address, &options))
                    .map_err(|source| ListenError::Namespace { key: key.to_string(), source })?
            }
            None => open_ip(key, *address, options),
        },
        Address::Unix(path) => open_unix(key, path, options).map(|socket| vec![socket]),
    }
}

fn open_ip(
    key: &SocketKey,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<Vec<Socket>, ListenError> {
    let reuse_port = matches!(options.sharing, Sharing::ReusePort(_));
    let count = match options.sharing {
        Sharing::ReusePort(count) => count.max(1),
        Sharing::Exclusive => 1,
    };
    let fail = |step, source| ListenError::Socket { key: key.to_string(), step, source };
    let mut sockets = Vec::with_capacity(count);
    // Port 0: the first socket gets a port, the others join it.
    let mut address = address;
    for _ in 0..count {
        let socket = bind_ip(key, address, options, reuse_port).map_err(|(step, e)| fail(step, e))?;
        if address.port() == 0 {
            address = socket
                .local_addr()
                .and_then(|a| a.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into()))
                .map_err(|e| fail("getsockname", e))?;
        }
        sockets.push(socket);
    }
    // Listening only when all are bound: either the whole set serves or none.
    for socket in &sockets {
        listen(socket, options.backlog).map_err(|e| fail("listen", e))?;
    }
    Ok(sockets)
}

type Step = (&'static str, io::Error);

fn bind_ip(
    key: &SocketKey,
    address: SocketAddr,
    options: &ListenOptions,
    reuse_port: bool,
) -> Result<Socket, Step> {
    let step = |name| move |e| (name, e);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(step("socket"))?;
    // Without it, connections in TIME_WAIT would block a restart. On Linux it does not let two
    // processes listen at once.
    socket.set_reuse_address(true).map_err(step("SO_REUSEADDR"))?;
    if reuse_port {
        socket.set_reuse_port(true).map_err(step("SO_REUSEPORT"))?;
    }
    if address.is_ipv6() {
        let both = options.ipv4_compat && address.ip().is_unspecified();
        socket.set_only_v6(!both).map_err(step("IPV6_V6ONLY"))?;
    }
    if key.transparent {
        match address {
            SocketAddr::V4(_) => socket.set_ip_transparent_v4(true),
            SocketAddr::V6(_) => socket.set_ip_transparent_v6(true),
        }
        .map_err(step("IP_TRANSPARENT"))?;
    }
    if options.freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true),
            SocketAddr::V6(_) => socket.set_freebind_v6(true),
        }
        .map_err(step("IP_FREEBIND"))?;
    }
    if let Some(mark) = key.mark {
        socket.set_mark(mark).map_err(step("SO_MARK"))?;
    }
    // Linux hands these two on to accepted sockets, which saves a call per connection.
    if options.nodelay {
        socket.set_tcp_nodelay(true).map_err(step("TCP_NODELAY"))?;
    }
    if let Some(keepalive) = &options.keepalive {
        keepalive.apply(&socket).map_err(step("SO_KEEPALIVE"))?;
    }
    socket.bind(&address.into()).map_err(step("bind"))?;
    Ok(socket)
}

/// Sets the queue length; on a socket that listens already it changes it.
pub(crate) fn listen(socket: &Socket, backlog: u32) -> io::Result<()> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

fn open_unix(key: &SocketKey, path: &Path, options: &ListenOptions) -> Result<Socket, ListenError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > UNIX_PATH_MAX {
        return Err(ListenError::PathTooLong { path: path.to_owned(), bytes });
    }
    let fail = |step, source| ListenError::Socket { key: key.to_string(), step, source };
    let file = key.address.file_path();
    if let Some(file) = file {
        remove_stale(file, Type::STREAM).map_err(|e| fail("stale socket file", e))?;
    }
    let socket =
        Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).map_err(|e| fail("socket", e))?;
    socket.bind(&unix_address(path).map_err(|e| fail("bind", e))?).map_err(|e| fail("bind", e))?;
    if let (Some(file), Some(mode)) = (file, options.unix_mode) {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode))
            .map_err(|e| fail("chmod", e))?;
    }
    listen(&socket, options.backlog).map_err(|e| fail("listen", e))?;
    Ok(socket)
}

/// The form that socket2 takes; it wants an abstract name to begin with a zero byte.
pub(crate) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => SockAddr::unix(std::ffi::OsStr::from_bytes(&[b"\0", name].concat())),
        None => SockAddr::unix(path),
    }
}

/// Removes a socket file that nobody listens on. A live one stays, and so does any other kind of
/// file: binding then fails with "address in use".
pub(crate) fn remove_stale(path: &Path, kind: Type) -> io::Result<()> {
    let is_socket = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !is_socket {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, kind.nonblocking(), None)?;
    match probe.connect(&unix_address(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}
