//! What one stream may cost.

use std::time::Duration;

use super::order::Role;

/// Bounds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Types that a stream may ask for; default 64.
    pub types: usize,
    /// Names that may be subscribed to, for each type; default 200,000.
    pub names: usize,
    /// Longest name or type URL, bytes; default 4,096.
    pub name_bytes: usize,
    /// Longest request, bytes of protobuf; default 16 MiB. A client that comes back names all that it
    /// holds, so this grows with the mesh.
    pub request_bytes: usize,
    /// Longest node, bytes of protobuf; default 1 MiB. Envoy's names all its extensions.
    pub node_bytes: usize,
    /// Bytes of resources after which a response is closed and the rest goes into the next one; default
    /// 128 KiB: each stream keeps a buffer as large as the last it wrote, and there are many. Clients by
    /// custom take 4 MiB. Whole sets (state of the world) cannot be parted.
    pub response_bytes: usize,
    /// Refusals that are remembered, for each stream; default 16.
    pub nacks: usize,
    /// Longest part of a refusal's message that is remembered, bytes; default 8 KiB.
    pub nack_bytes: usize,
    /// How long listeners and routes wait for a client to ask for what goes before them (endpoints of new
    /// clusters) or removed clusters for what goes after; default 500 ms. Envoy asks at once; a client that
    /// loads endpoints only when it needs them never does.
    pub patience: Duration,
    /// How long a response may go unanswered until others do not wait for it any more; default 20 s. Envoy
    /// answers for clusters only when all are warm, by its own default after 15 s, and never if one of them
    /// waits for a secret without limit: that must not hold up all the others.
    pub stall: Duration,
    /// The same for clusters, once the client has answered for all their endpoints: what it still waits for
    /// (a name to resolve, a secret) nobody here can hasten; default 1 s.
    pub stall_alone: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            types: 64,
            names: 200_000,
            name_bytes: 4_096,
            request_bytes: 16 << 20,
            node_bytes: 1 << 20,
            response_bytes: 128 << 10,
            nacks: 16,
            nack_bytes: 8 << 10,
            patience: Duration::from_millis(500),
            stall: Duration::from_secs(20),
            stall_alone: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// How long others wait for an answer to a response of that type.
    pub(super) fn of_silence(&self, role: Role, clusters_stand_alone: bool) -> Duration {
        if role == Role::Cluster && clusters_stand_alone {
            self.stall_alone.min(self.stall)
        } else {
            self.stall
        }
    }
}
