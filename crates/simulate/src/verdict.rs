//! What is answered.

use std::time::Duration;

use weft_tables::address::SocketAddress;
use weft_types::{Detail, Headers, Name, RequestHead, ResponseFlags};

/// What would happen to a call.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// Chain that took the connection; `None`: no chain did.
    pub chain: Option<Name>,
    /// Route that took the request.
    pub route: Option<Name>,
    /// Flags.
    pub flags: ResponseFlags,
    /// Cause; `via_upstream` is for the upstream to earn, so it is `None` for forwarded calls.
    pub detail: Option<Detail>,
    /// Delay that faults would add.
    pub delay: Duration,
}

/// The outcomes.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The proxy answers itself.
    Response {
        /// Status.
        status: u16,
        /// Fields that the configuration sets.
        headers: Headers,
        /// Body.
        body: bytes::Bytes,
    },
    /// It goes to a host.
    Forwarded {
        /// Cluster.
        cluster: Name,
        /// Host that balancing would choose with these dice.
        host: SocketAddress,
        /// The request as the host would see it; `None` for opaque bytes.
        head: Option<Box<RequestHead>>,
        /// Clusters that get a copy.
        mirrors: Vec<Name>,
    },
    /// The connection is closed without an answer.
    Closed(&'static str),
}

impl Verdict {
    /// The status of the proxy's own answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Response { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The cluster that it goes to.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Forwarded { cluster, .. } => Some(cluster),
            _ => None,
        }
    }
}
