//! Who is at both ends: this node, and what its peers told of themselves.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use weft_tables::cluster::MetadataValue;
use weft_tables::tables::Bootstrap;

use crate::workload::Workload;

/// Names a workload: the id of its node.
pub const ID: &str = "x-envoy-peer-metadata-id";
/// Describes it: see [`Workload::header`].
pub const METADATA: &str = "x-envoy-peer-metadata";

/// Peers that one worker remembers; a full memory is emptied.
const MAX_REMEMBERED: usize = 1_000;

/// This node.
#[derive(Debug, Default)]
pub struct Node {
    /// `node.id`.
    pub id: Box<str>,
    /// Who it is.
    pub workload: Workload,
    metadata: BTreeMap<Box<str>, MetadataValue>,
    header: Box<str>,
}

impl Node {
    /// From what the bootstrap says.
    #[must_use]
    pub fn new(bootstrap: &Bootstrap) -> Self {
        let workload = Workload::of_node(&bootstrap.node_metadata, &[]);
        Self {
            id: bootstrap.node_id.as_str().into(),
            header: workload.header().into(),
            metadata: bootstrap.node_metadata.clone(),
            workload,
        }
    }

    /// The value of [`METADATA`] with these labels beyond the usual ones.
    pub(crate) fn header(&self, labels: &[Box<str>], memory: &Memory) -> Rc<str> {
        let mut told = memory.told.borrow_mut();
        if let Some(known) = told.get(labels) {
            return known.clone();
        }
        if told.len() >= MAX_REMEMBERED {
            told.clear();
        }
        let header = match labels {
            [] => self.header.as_ref().into(),
            labels => Rc::from(Workload::of_node(&self.metadata, labels).header()),
        };
        told.insert(labels.to_vec(), Rc::clone(&header));
        header
    }
}

/// Workloads by what described them; `None`: it was no description.
type Known = HashMap<Box<[u8]>, Option<Arc<Workload>>>;

/// What one worker remembers of peers, so that a header that came before is not read again.
#[derive(Default)]
pub struct Memory {
    known: RefCell<Known>,
    told: RefCell<HashMap<Vec<Box<str>>, Rc<str>>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("known", &self.known.borrow().len()).finish_non_exhaustive()
    }
}

impl Memory {
    /// The workload that a header describes. The whole value is the key: an id alone could be claimed by
    /// another.
    pub(crate) fn peer(&self, value: &[u8], labels: &[Box<str>]) -> Option<Arc<Workload>> {
        if value.len() > crate::workload::MAX_HEADER {
            return None;
        }
        if !labels.is_empty() {
            return Workload::of_header(value, labels).map(Arc::new);
        }
        if let Some(known) = self.known.borrow().get(value) {
            return known.clone();
        }
        let peer = Workload::of_header(value, labels).map(Arc::new);
        let mut known = self.known.borrow_mut();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(value.into(), peer.clone());
        peer
    }
}

/// The other ends of one request.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// The client, as it told.
    pub downstream: Option<Arc<Workload>>,
    /// The server, as it told.
    pub upstream: Option<Arc<Workload>>,
    /// The worker's memory.
    pub memory: Rc<Memory>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_keyed_by_all_that_was_told() {
        let memory = Memory::default();
        let header = |name: String| Workload { workload: name.into(), ..Workload::default() }.header();
        for index in 0..3 * MAX_REMEMBERED {
            let name = format!("w{index}");
            let peer = memory.peer(header(name.clone()).as_bytes(), &[]).unwrap();
            assert_eq!(*peer.workload, *name);
        }
        assert!(memory.known.borrow().len() <= MAX_REMEMBERED);
        assert!(memory.peer(b"*", &[]).is_none());
    }
}
