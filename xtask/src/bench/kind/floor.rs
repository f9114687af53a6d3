//! The physical limit: for HTTP/1.1 and TCP a relay that forwards bytes unread, for HTTP/2 a proxy of
//! nothing but the crate `h2`.

use super::{Outcome, Running, cannot};
use crate::bench::backend::Upstream;
use crate::bench::ground::Ground;
use crate::bench::program::address;
use crate::bench::spec::{Carries, Chain, Hops, Spec};
use anyhow::Result;

pub(super) fn start(ground: &Ground, spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
    if spec.hops != Hops::One || spec.tls || spec.chain != Chain::Plain || spec.clusters > 0 {
        return cannot("the floor is for one plain hop");
    }
    let port = ground.port()?;
    let (at, to) = (address(port).to_string(), address(upstream.port(spec.carries)).to_string());
    let task = match spec.carries {
        Carries::Http1 | Carries::Tcp => "relay",
        Carries::Http2 | Carries::Grpc => "relay-h2",
    };
    Running::one(ground, &[ground.own.as_str(), task, &at, &to], port)
}
