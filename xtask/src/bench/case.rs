//! A case: what is asked of the proxies, which take part, and the load.

use super::backend::Backend;
use super::figures::Figure;
use super::kind::Kind;
use super::load::Load;
use super::spec::Spec;

/// One case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// What `--case` takes.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) what: &'static str,
    /// What CPU and rate are counted by.
    pub(super) unit: &'static str,
    pub(super) spec: Spec,
    pub(super) backend: Backend,
    pub(super) load: Load,
    /// Also at 1,000 requests/s, open loop.
    pub(super) paced: bool,
    /// Who takes part, in the order of a round.
    pub(super) kinds: &'static [Kind],
    /// What `--quick` leaves of them; nothing leaves the case out.
    pub(super) quick: &'static [Kind],
    /// The figure of which ratios are told.
    pub(super) compare: Figure,
}

impl Case {
    /// A case of which CPU is compared, by the request, without pacing, and left out of a quick look.
    pub(super) const fn new(
        name: &'static str,
        what: &'static str,
        spec: Spec,
        backend: Backend,
        load: Load,
        kinds: &'static [Kind],
    ) -> Self {
        Self {
            name,
            what,
            unit: "request",
            spec,
            backend,
            load,
            paced: false,
            kinds,
            quick: &[],
            compare: Figure::Cpu,
        }
    }

    pub(super) const fn paced(self) -> Self {
        Self { paced: true, ..self }
    }

    pub(super) const fn quick(self, quick: &'static [Kind]) -> Self {
        Self { quick, ..self }
    }

    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    pub(super) const fn compare(self, compare: Figure) -> Self {
        Self { compare, ..self }
    }
}
