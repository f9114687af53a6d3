//! Envoy's response flags: why a response is not simply what the upstream said.

use std::fmt;

macro_rules! flags {
    ($($(#[doc = $doc:literal])* $name:ident = $bit:literal, $short:literal, $long:literal;)*) => {
        /// One response flag (`istio.md` TM-14, Envoy `%RESPONSE_FLAGS%`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ResponseFlag { $($(#[doc = $doc])* $name = $bit,)* }

        impl ResponseFlag {
            /// Every flag, in the order in which Envoy prints them.
            pub const ALL: &'static [ResponseFlag] = &[$(Self::$name,)*];

            /// The short form that access logs and metrics use.
            #[must_use]
            pub fn short(self) -> &'static str { match self { $(Self::$name => $short,)* } }

            /// The long form (`%RESPONSE_FLAGS_LONG%`).
            #[must_use]
            pub fn long(self) -> &'static str { match self { $(Self::$name => $long,)* } }
        }
    };
}

flags! {
    /// Local health check failed.
    FailedLocalHealthCheck = 0, "LH", "FailedLocalHealthCheck";
    /// No healthy upstream host.
    NoHealthyUpstream = 1, "UH", "NoHealthyUpstream";
    /// Upstream request timeout.
    UpstreamRequestTimeout = 2, "UT", "UpstreamRequestTimeout";
    /// Local reset.
    LocalReset = 3, "LR", "LocalReset";
    /// Upstream reset the stream.
    UpstreamRemoteReset = 4, "UR", "UpstreamRemoteReset";
    /// Connecting to the upstream failed.
    UpstreamConnectionFailure = 5, "UF", "UpstreamConnectionFailure";
    /// The upstream closed the connection.
    UpstreamConnectionTermination = 6, "UC", "UpstreamConnectionTermination";
    /// Circuit breaker open.
    UpstreamOverflow = 7, "UO", "UpstreamOverflow";
    /// No route.
    NoRouteFound = 8, "NR", "NoRouteFound";
    /// Delay injected.
    DelayInjected = 9, "DI", "DelayInjected";
    /// Abort injected.
    FaultInjected = 10, "FI", "FaultInjected";
    /// Locally rate limited.
    RateLimited = 11, "RL", "RateLimited";
    /// External authorization denied.
    UnauthorizedExternalService = 12, "UAEX", "UnauthorizedExternalService";
    /// Rate limit service failed.
    RateLimitServiceError = 13, "RLSE", "RateLimitServiceError";
    /// The downstream ended the connection.
    DownstreamConnectionTermination = 14, "DC", "DownstreamConnectionTermination";
    /// Retries exhausted.
    UpstreamRetryLimitExceeded = 15, "URX", "UpstreamRetryLimitExceeded";
    /// Stream idle timeout.
    StreamIdleTimeout = 16, "SI", "StreamIdleTimeout";
    /// Header refused by strict checking.
    InvalidEnvoyRequestHeaders = 17, "IH", "InvalidEnvoyRequestHeaders";
    /// Downstream protocol error.
    DownstreamProtocolError = 18, "DPE", "DownstreamProtocolError";
    /// Maximum stream duration reached.
    UpstreamMaxStreamDurationReached = 19, "UMSDR", "UpstreamMaxStreamDurationReached";
    /// Served from the response cache filter.
    ResponseFromCacheFilter = 20, "RFCF", "ResponseFromCacheFilter";
    /// Filter config not found.
    NoFilterConfigFound = 21, "NFCF", "NoFilterConfigFound";
    /// Duration timeout.
    DurationTimeout = 22, "DT", "DurationTimeout";
    /// Upstream protocol error.
    UpstreamProtocolError = 23, "UPE", "UpstreamProtocolError";
    /// No such cluster.
    NoClusterFound = 24, "NC", "NoClusterFound";
    /// Overload manager.
    OverloadManager = 25, "OM", "OverloadManager";
    /// DNS failure.
    DnsResolutionFailed = 26, "DF", "DnsResolutionFailed";
    /// Dropped by EDS drop overload.
    DropOverLoad = 27, "DO", "DropOverload";
    /// Downstream remote reset.
    DownstreamRemoteReset = 28, "DR", "DownstreamRemoteReset";
    /// Drop overload, unconditional.
    UnconditionalDropOverload = 29, "UDO", "UnconditionalDropOverload";
}

/// A set of response flags, in the order in which they were set: the access log shows them so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponseFlags {
    set: u32,
    /// Flags in order; those beyond the eighth are in the set alone and come last.
    order: [u8; 8],
    count: u8,
}

impl ResponseFlags {
    /// The empty set.
    pub const NONE: Self = Self { set: 0, order: [0; 8], count: 0 };

    /// Adds a flag; one that is there keeps its place.
    pub fn insert(&mut self, flag: ResponseFlag) {
        if self.contains(flag) {
            return;
        }
        self.set |= 1 << flag as u32;
        if let Some(slot) = self.order.get_mut(usize::from(self.count)) {
            *slot = flag as u8;
            self.count += 1;
        }
    }

    /// Whether the flag is in the set.
    #[must_use]
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.set & (1 << flag as u32) != 0
    }

    /// Whether no flag is set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.set == 0
    }

    /// The flags, in the order in which they were set.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        let ordered = self.order.into_iter().take(usize::from(self.count));
        let known = move |flag: ResponseFlag| self.order[..usize::from(self.count)].contains(&(flag as u8));
        let rest = ResponseFlag::ALL.iter().copied().filter(move |f| self.contains(*f) && !known(*f));
        ordered.filter_map(|bit| ResponseFlag::ALL.get(usize::from(bit)).copied()).chain(rest)
    }
}

impl From<ResponseFlag> for ResponseFlags {
    fn from(flag: ResponseFlag) -> Self {
        let mut flags = Self::NONE;
        flags.insert(flag);
        flags
    }
}

impl fmt::Display for ResponseFlags {
    /// Short names joined by commas; `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (index, flag) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(flag.short())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_keep_the_order_in_which_they_were_set() {
        let mut flags = ResponseFlags::NONE;
        assert_eq!(flags.to_string(), "-");
        for flag in [ResponseFlag::UpstreamRetryLimitExceeded, ResponseFlag::UpstreamConnectionFailure] {
            flags.insert(flag);
            flags.insert(flag);
        }
        assert_eq!(flags.to_string(), "URX,UF");
        for flag in ResponseFlag::ALL {
            flags.insert(*flag);
        }
        assert_eq!(flags.iter().count(), ResponseFlag::ALL.len());
    }

    #[test]
    fn positions_are_the_discriminants() {
        for (position, flag) in ResponseFlag::ALL.iter().enumerate() {
            assert_eq!(position, *flag as usize);
        }
    }
}
