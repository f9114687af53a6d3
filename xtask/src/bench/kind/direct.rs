//! No proxy: what the load generator and the backend cost by themselves.

use super::{Outcome, Running};
use crate::bench::backend::Upstream;
use crate::bench::spec::Spec;
use anyhow::Result;

pub(super) fn start(spec: &Spec, upstream: &Upstream) -> Result<Outcome> {
    Ok(Outcome::Running(Running { programs: Vec::new(), port: upstream.port(spec.carries) }))
}
