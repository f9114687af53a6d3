//! Connections of probes: from the address that a pod's redirection leaves alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// Where probes come from. The pod's rules send what the proxy's user sends to the pod's address to the
/// inbound listener, which may want mutual TLS; what comes from here they let pass. Source: Istio's agent.
const FROM_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same for IPv6; only pods whose redirection covers IPv6 have it.
const FROM_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);

/// Connects.
pub(super) async fn dial(ip: IpAddr, port: u16) -> Result<TcpStream, String> {
    let to = SocketAddr::new(ip, port);
    connect(to).await.map_err(|error| format!("cannot connect to {to}: {error}"))
}

async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((FROM_V4, 0)))?;
            socket
        }
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            match socket.bind(SocketAddr::from((FROM_V6, 0))) {
                Err(error) if error.kind() != io::ErrorKind::AddrNotAvailable => return Err(error),
                _ => socket,
            }
        }
    };
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
