//! `weft-proxy`.

use super::{Outcome, Running, cannot};
use crate::bench::backend::Upstream;
use crate::bench::bootstrap::{self, Flavor};
use crate::bench::ground::Ground;
use crate::bench::program::{PROXY_CPU, Program};
use crate::bench::spec::{Between, Hops, Spec};
use anyhow::Result;

pub(super) fn start(ground: &Ground, spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
    let mut running = Running { programs: Vec::new(), port: 0 };
    for hop in bootstrap::hops(ground, spec, Flavor::Weft, upstream.port(spec.carries))? {
        let words = [ground.weft.as_str(), "--config", &hop.file, "--concurrency", "1"];
        match Program::start(PROXY_CPU, &words, hop.port, &ground.dir) {
            Ok(program) => running.programs.push(program),
            Err(error) if spec.hops == Hops::Two(Between::Hbone) => {
                return cannot(&format!("weft-proxy takes no HBONE configuration: {error:#}"));
            }
            Err(error) => return Err(error),
        }
        running.port = hop.port;
    }
    Ok(Outcome::Running(running))
}
