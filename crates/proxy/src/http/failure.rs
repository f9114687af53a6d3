//! How an attempt at an upstream fails, and what the client is told of it.

use bytes::Bytes;
use weft_balance::Reset;
use weft_balance::outlier::Outcome;
use weft_codec::ResetReason;
use weft_filter::LocalReply;
use weft_http::{ConnError, StreamError};
use weft_types::{Detail, Headers, ResponseFlag, ResponseFlags};

/// Why an attempt ended without a response, in Envoy's terms for resets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection came about; the transport's own words.
    Connect(String),
    /// The handshake or another layer above TCP failed; its own words.
    Transport(String),
    /// No connection came about in time.
    ConnectTimeout,
    /// A circuit breaker is open.
    Overflow,
    /// The circuit breaker for requests is open: a connection was there.
    RequestOverflow,
    /// The connection ended.
    Terminated,
    /// The peer reset the stream.
    RemoteReset,
    /// The peer refused the stream before any work.
    RemoteRefused,
    /// The peer broke the protocol.
    Protocol,
    /// We gave the stream up.
    LocalReset,
    /// The time for the try ran out.
    PerTryTimeout,
    /// The stream lived as long as the cluster allows.
    MaxStreamDuration,
}

impl Failure {
    /// From the error of an upstream stream.
    pub(crate) fn of_stream(error: &StreamError) -> Self {
        if let Some(ConnError::Codec(_) | ConnError::InputLimit(_)) = error.connection {
            return Self::Protocol;
        }
        match error.reason {
            ResetReason::Refused => Self::RemoteRefused,
            ResetReason::Remote(_) => Self::RemoteReset,
            ResetReason::Protocol | ResetReason::Malformed(_) | ResetReason::Unwelcome(_) => Self::Protocol,
            ResetReason::ConnectionClosed => Self::Terminated,
            ResetReason::Cancel | ResetReason::Internal => Self::LocalReset,
        }
    }

    /// In the terms of retry decisions.
    pub(crate) fn as_reset(&self) -> Reset {
        match self {
            Self::Connect(_) | Self::Transport(_) | Self::ConnectTimeout => Reset::ConnectFailure,
            Self::Overflow | Self::RequestOverflow => Reset::Overflow,
            Self::Terminated => Reset::ConnectionTermination,
            Self::RemoteReset => Reset::Remote,
            Self::RemoteRefused => Reset::Refused,
            Self::Protocol => Reset::ProtocolError,
            Self::LocalReset | Self::PerTryTimeout | Self::MaxStreamDuration => Reset::Local,
        }
    }

    /// In the terms of outlier detection; `None` where the host is not to blame.
    pub(crate) fn for_outlier(&self) -> Option<Outcome> {
        match self {
            Self::Overflow | Self::RequestOverflow | Self::LocalReset | Self::MaxStreamDuration => None,
            Self::PerTryTimeout => Some(Outcome::Timeout),
            _ => Some(Outcome::ConnectFailed),
        }
    }

    /// Whether it came before anything of the request was sent.
    pub(crate) fn before_request(&self) -> bool {
        matches!(
            self,
            Self::Connect(_)
                | Self::Transport(_)
                | Self::ConnectTimeout
                | Self::Overflow
                | Self::RequestOverflow
        )
    }

    /// Envoy's words for the reset reason.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Transport(_) => "remote connection failure",
            Self::ConnectTimeout => "connection timeout",
            Self::Overflow | Self::RequestOverflow => "overflow",
            Self::Terminated => "connection termination",
            Self::RemoteReset => "remote reset",
            Self::RemoteRefused => "remote refused stream reset",
            Self::Protocol => "protocol error",
            Self::LocalReset => "local reset",
            Self::PerTryTimeout => "upstream per try timeout",
            Self::MaxStreamDuration => "upstream max stream duration reached",
        }
    }

    /// The flag that stands for it.
    pub(crate) fn flag(&self) -> ResponseFlag {
        match self {
            Self::Connect(_) | Self::Transport(_) | Self::ConnectTimeout => {
                ResponseFlag::UpstreamConnectionFailure
            }
            Self::Overflow | Self::RequestOverflow => ResponseFlag::UpstreamOverflow,
            Self::Terminated => ResponseFlag::UpstreamConnectionTermination,
            Self::RemoteReset | Self::RemoteRefused => ResponseFlag::UpstreamRemoteReset,
            Self::Protocol => ResponseFlag::UpstreamProtocolError,
            Self::LocalReset => ResponseFlag::LocalReset,
            Self::PerTryTimeout => ResponseFlag::UpstreamRequestTimeout,
            Self::MaxStreamDuration => ResponseFlag::UpstreamMaxStreamDurationReached,
        }
    }

    /// The transport's own words, if a connection did not come about.
    pub(crate) fn transport(&self) -> Option<&str> {
        match self {
            Self::Connect(reason) | Self::Transport(reason) if !reason.is_empty() => Some(reason),
            _ => None,
        }
    }

    /// The reply when this was the last attempt and no response had begun.
    pub(crate) fn reply(&self, retried: bool) -> LocalReply {
        if *self == Self::PerTryTimeout {
            return timeout("upstream_per_try_timeout");
        }
        if *self == Self::MaxStreamDuration {
            return max_stream_duration(504);
        }
        let status = if *self == Self::Protocol { 502 } else { 503 };
        let words = self.words();
        let before = if retried { "retried and the latest reset reason" } else { "reset reason" };
        // Why the transport failed is for the log, not for the client.
        let body = format!("upstream connect error or disconnect/reset before headers. {before}: {words}");
        let mut headers = Headers::new();
        if matches!(self, Self::Overflow | Self::RequestOverflow) {
            headers.append("x-envoy-overloaded", "true");
        }
        LocalReply {
            status,
            body: Bytes::from(body),
            headers,
            grpc_status: None,
            detail: self.detail("upstream_reset_before_response_started"),
            flags: ResponseFlags::from(self.flag()),
        }
    }

    /// Detail word with the reason in braces, spaces as underscores.
    pub(crate) fn detail(&self, word: &str) -> Detail {
        let reason = match self.transport() {
            Some(transport) => format!("{}|{transport}", self.words()),
            None => self.words().to_owned(),
        };
        Detail { word: format!("{word}{{{}}}", reason.replace(' ', "_")).into(), object: None }
    }
}

/// The reply when a try's stream lived too long; `status` as for other times that ran out.
pub(crate) fn max_stream_duration(status: u16) -> LocalReply {
    LocalReply::new(status, "upstream max stream duration reached", "upstream_max_stream_duration_reached")
        .flag(ResponseFlag::UpstreamMaxStreamDurationReached)
}

/// The reply when time ran out before a response began.
pub(crate) fn timeout(word: &'static str) -> LocalReply {
    LocalReply::new(504, "upstream request timeout", word).flag(ResponseFlag::UpstreamRequestTimeout)
}
