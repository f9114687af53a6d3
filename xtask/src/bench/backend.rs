//! What answers behind the proxies, on the cpu of the load.

use super::ground::Ground;
use super::kind::nginx;
use super::program::{LOAD_CPU, Program};
use super::spec::Carries;
use anyhow::Result;

/// Kinds of backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// nginx with files of 1 KiB (`/body`) and 1 MiB (`/large`), over HTTP/1.1 and HTTP/2.
    Files,
    /// Reads request bodies whole before it answers; HTTP/1.1.
    Upload,
    /// Sends each gRPC message back.
    Grpc,
    /// iperf3.
    Iperf,
    /// Nothing: the proxy answers itself.
    None,
}

/// A running backend.
#[derive(Debug)]
pub(super) struct Upstream {
    _program: Option<Program>,
    /// Where it speaks HTTP/1.1, or takes plain bytes.
    pub(super) http1: u16,
    /// Where it speaks HTTP/2 without TLS.
    pub(super) http2: u16,
}

impl Upstream {
    /// The port for what a case carries.
    pub(super) fn port(&self, carries: Carries) -> u16 {
        match carries {
            Carries::Http1 | Carries::Tcp => self.http1,
            Carries::Http2 | Carries::Grpc => self.http2,
        }
    }
}

impl Backend {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn start(self, ground: &Ground) -> Result<Upstream> {
        let port = ground.port()?;
        let own = |kind: &str| {
            let at = port.to_string();
            Program::start(LOAD_CPU, &[ground.own.as_str(), "bench", "serve", kind, &at], port, &ground.dir)
        };
        let mut http2 = port;
        let program = match self {
            Self::Files => {
                http2 = ground.port()?;
                ground.write("body", &"0123456789abcdef".repeat(64))?;
                ground.write("large", &"0123456789abcdef".repeat(64 * 1024))?;
                let config = ground.write("files.conf", &nginx::files(&ground.dir, port, http2))?;
                Some(Program::start(LOAD_CPU, &["nginx", "-c", &config], port, &ground.dir)?)
            }
            Self::Upload => Some(own("upload")?),
            Self::Grpc => Some(own("grpc")?),
            Self::Iperf => {
                let at = port.to_string();
                Some(Program::start(LOAD_CPU, &["iperf3", "-s", "-p", &at], port, &ground.dir)?)
            }
            Self::None => None,
        };
        Ok(Upstream { _program: program, http1: port, http2 })
    }
}
