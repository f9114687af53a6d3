//! The entry points.

use std::sync::Arc;
use std::time::Instant;

use weft_filter::seam::Shared;
use weft_tables::Tables;
use weft_types::Random;

use crate::clusters::Clusters;
use crate::connection::Connection;
use crate::{Call, Verdict};

/// A process that serves one call after another: what calls leave behind (positions of balancers,
/// tokens of rate limits) counts for the next ones.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) tables: Arc<Tables>,
    pub(crate) clusters: Clusters,
    pub(crate) shared: Arc<Shared>,
}

impl Simulator {
    /// A process that runs by these tables and has served nothing yet.
    #[must_use]
    pub fn new(tables: Arc<Tables>) -> Self {
        let node_cluster = tables.bootstrap.node_cluster.as_str().into();
        Self {
            tables,
            clusters: Clusters::default(),
            shared: Arc::new(Shared { node_cluster, ..Shared::default() }),
        }
    }

    /// Judges a call. `now` and `dice` decide what time and chance would.
    #[must_use]
    pub fn judge(&mut self, call: &Call, now: Instant, dice: &mut impl Random) -> Verdict {
        Connection::new(self, call, now).judge(dice)
    }
}

/// Judges a single call by the tables.
#[must_use]
pub fn simulate(tables: &Arc<Tables>, call: &Call, now: Instant, dice: &mut impl Random) -> Verdict {
    Simulator::new(tables.clone()).judge(call, now, dice)
}
