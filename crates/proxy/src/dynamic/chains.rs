//! What of a listener's next version is as it was.

use std::collections::HashMap;
use std::sync::Arc;

use weft_proto::envoy::config::listener::v3::{FilterChain, Listener as ListenerProto};
use weft_tables::listener::Listener;

/// Puts chains of the old version in the place of equal ones of the new: their connections go on. When
/// anything else of the listener differs, nothing is kept, as in Envoy. Metadata, which says where a
/// resource comes from, makes no difference.
pub(super) fn keep(new: &mut Listener, new_proto: ListenerProto, old: &Listener, old_proto: ListenerProto) {
    let (new_chains, new_default, new_rest) = parts(new_proto);
    let (old_chains, old_default, old_rest) = parts(old_proto);
    if new_rest != old_rest {
        return;
    }
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, chain) in old_chains.iter().enumerate() {
        by_name.entry(&chain.name).or_default().push(at);
    }
    for (at, chain) in new_chains.iter().enumerate() {
        let candidates = by_name.get(chain.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let same = candidates.iter().copied().find(|old_at| old_chains.get(*old_at) == Some(chain));
        let kept = same.and_then(|at| old.chains.chains.get(at)).map(|(_, chain)| Arc::clone(chain));
        if let (Some(kept), Some(place)) = (kept, new.chains.chains.get_mut(at)) {
            place.1 = kept;
        }
    }
    if new_default == old_default {
        new.chains.default.clone_from(&old.chains.default);
    }
}

fn parts(mut proto: ListenerProto) -> (Vec<FilterChain>, Option<FilterChain>, ListenerProto) {
    let chains = std::mem::take(&mut proto.filter_chains).into_iter().map(nameless_origin).collect();
    let default = proto.default_filter_chain.take().map(nameless_origin);
    proto.metadata = None;
    (chains, default, proto)
}

fn nameless_origin(mut chain: FilterChain) -> FilterChain {
    chain.metadata = None;
    chain
}
