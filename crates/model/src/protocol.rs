//! Protocols of ports, and how they are told (CP-07).

use weft_api::kube::pod::Transport;

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1, plaintext as the application sees it.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// HTTP within TLS that the application ends.
    Https,
    /// TLS that the application ends.
    Tls,
    /// Opaque bytes.
    Tcp,
    /// MongoDB; carried as opaque bytes.
    Mongo,
    /// MySQL; carried as opaque bytes.
    MySql,
    /// Redis; carried as opaque bytes.
    Redis,
    /// Datagrams, which the mesh leaves alone.
    Udp,
    /// Not told: found out by looking at the first bytes.
    Auto,
}

/// Ports whose servers speak first or are known to be opaque, so that nothing is to be detected there:
/// SMTP, DNS, MySQL, MongoDB.
const OPAQUE_PORTS: [u16; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// The protocol of that name, in any case; `None` if there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "http" | "http_proxy" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" => Self::Tcp,
            "mongo" => Self::Mongo,
            "mysql" => Self::MySql,
            "redis" => Self::Redis,
            "udp" => Self::Udp,
            _ => return None,
        })
    }

    /// The protocol of a service's port: `appProtocol`, else the name's part before the first hyphen,
    /// else a few ports that are known to be opaque, else to be detected (CP-07).
    #[must_use]
    pub fn of_port(number: u16, name: &str, transport: Transport, app_protocol: Option<&str>) -> Self {
        if transport != Transport::Tcp {
            return Self::Udp;
        }
        let told = match app_protocol.filter(|told| !told.is_empty()) {
            Some("kubernetes.io/h2c") => return Self::Http2,
            Some("kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Https,
            Some(told) => told,
            None => name,
        };
        Self::of_name(told).unwrap_or(if OPAQUE_PORTS.contains(&number) { Self::Tcp } else { Self::Auto })
    }

    /// The protocol that a port's name begins with.
    fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if lower == "grpc-web" || lower.starts_with("grpc-web-") {
            return Some(Self::GrpcWeb);
        }
        Self::parse(lower.split('-').next().unwrap_or_default())
    }

    /// Whether requests of it can be routed.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether it is HTTP/2 without asking.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether the application ends TLS itself, so that only the server name can be seen.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether it is carried as opaque bytes.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Mongo | Self::MySql | Self::Redis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_tell_their_protocol() {
        let of = |number, name, app| Protocol::of_port(number, name, Transport::Tcp, app);
        assert_eq!(of(9080, "http", None), Protocol::Http);
        assert_eq!(of(9080, "http-reviews", None), Protocol::Http);
        assert_eq!(of(9080, "GRPC-x", None), Protocol::Grpc);
        assert_eq!(of(9080, "grpc-web-x", None), Protocol::GrpcWeb);
        assert_eq!(of(9080, "http2x", None), Protocol::Auto);
        assert_eq!(of(9080, "web", None), Protocol::Auto);
        assert_eq!(of(9080, "", None), Protocol::Auto);
        assert_eq!(of(3306, "", None), Protocol::Tcp);
        assert_eq!(of(3306, "http", None), Protocol::Http);
        assert_eq!(of(80, "http", Some("kubernetes.io/h2c")), Protocol::Http2);
        assert_eq!(of(80, "tcp", Some("https")), Protocol::Https);
        assert_eq!(of(80, "http", Some("example.com/mine")), Protocol::Auto);
        assert_eq!(Protocol::of_port(53, "http", Transport::Udp, None), Protocol::Udp);
    }
}
