//! What is answered.

use std::time::Duration;

use weft_tables::address::SocketAddress;
use weft_types::{Detail, Headers, Name, RequestHead, ResponseFlags, ResponseHead};

/// What would happen to a call.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// Chain that took the connection; `None`: no chain did.
    pub chain: Option<Name>,
    /// Virtual host that took the request.
    pub virtual_host: Option<Name>,
    /// Route that took the request.
    pub route: Option<Name>,
    /// Flags.
    pub flags: ResponseFlags,
    /// Cause, as the access log shows it.
    pub detail: Option<Detail>,
    /// Delay that faults would add.
    pub delay: Duration,
    /// Why the exchange would go on after what the outcome tells; `None`: it ends there.
    pub unfinished: Option<&'static str>,
}

/// The outcomes.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The proxy answers itself.
    Response {
        /// Status.
        status: u16,
        /// Fields, without those that time makes (`date`).
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
        /// The upstream's answer as the client would see it; `None` for opaque bytes.
        answer: Option<Box<ResponseHead>>,
    },
    /// The connection is closed without an answer.
    Closed(&'static str),
}

impl Verdict {
    /// The verdict before anything is known.
    pub(crate) fn closed(why: &'static str) -> Self {
        Self {
            outcome: Outcome::Closed(why),
            chain: None,
            virtual_host: None,
            route: None,
            flags: ResponseFlags::NONE,
            detail: None,
            delay: Duration::ZERO,
            unfinished: None,
        }
    }

    /// The status that the client sees.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Response { status, .. } => Some(*status),
            Outcome::Forwarded { answer, .. } => answer.as_ref().map(|head| head.status),
            Outcome::Closed(_) => None,
        }
    }

    /// The fields that the client sees.
    #[must_use]
    pub fn headers(&self) -> Option<&Headers> {
        match &self.outcome {
            Outcome::Response { headers, .. } => Some(headers),
            Outcome::Forwarded { answer, .. } => answer.as_ref().map(|head| &head.headers),
            Outcome::Closed(_) => None,
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

    /// The host that it goes to.
    #[must_use]
    pub fn host(&self) -> Option<&SocketAddress> {
        match &self.outcome {
            Outcome::Forwarded { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The request as the host would see it.
    #[must_use]
    pub fn seen(&self) -> Option<&RequestHead> {
        match &self.outcome {
            Outcome::Forwarded { head, .. } => head.as_deref(),
            _ => None,
        }
    }

    /// Envoy's detail word.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        self.detail.as_ref().map(|detail| &*detail.word)
    }
}
