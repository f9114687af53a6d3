//! Envoy.

use super::{Outcome, Running};
use crate::bench::backend::Upstream;
use crate::bench::bootstrap::{self, Flavor};
use crate::bench::ground::Ground;
use crate::bench::program::{PROXY_CPU, Program};
use crate::bench::spec::{Between, Hops, Spec};
use anyhow::Result;

pub(super) fn start(ground: &Ground, spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
    // Envoy's sidecars of today shake hands for each connection: that is what HBONE is compared with.
    let hops = if spec.hops == Hops::Two(Between::Hbone) { Hops::Two(Between::Tcp) } else { spec.hops };
    let spec = Spec { hops, ..*spec };
    let mut running = Running { programs: Vec::new(), port: 0 };
    for hop in bootstrap::hops(ground, &spec, Flavor::Envoy, upstream.port(spec.carries))? {
        let words =
            [&ground.envoy, "-c", &hop.file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"];
        running.programs.push(Program::start(PROXY_CPU, &words, hop.port, &ground.dir)?);
        running.port = hop.port;
    }
    Ok(Outcome::Running(running))
}
