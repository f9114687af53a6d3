//! After any sequence of changes, what was made a little at a time is what is made of the whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use weft_api::Object;
use weft_compile::compile;
use weft_compile::fleet::Fleet;
use weft_model::{MeshConfig, Snapshot};
use weft_proto::resource::ResourceSet;

use crate::mesh::{PLACES, State, object, proxies};

/// One place gets another version, or none.
type Change = (Index, Index, Option<Index>);

fn change() -> impl Strategy<Value = Change> {
    // Pods and slices change most, as they do.
    let place = prop_oneof![
        2 => any::<Index>(),
        2 => Just(()).prop_flat_map(|()| any::<Index>()),
    ];
    (place, any::<Index>(), prop::option::weighted(0.8, any::<Index>()))
}

fn all(state: &State) -> Vec<Arc<Object>> {
    state.iter().map(|((place, number), version)| object(place, *number, *version)).collect()
}

/// Type, name and bytes of all resources.
fn bytes(set: &ResourceSet) -> BTreeMap<(String, String), Vec<u8>> {
    let of = set.by_type.iter().flat_map(|(url, named)| {
        named.values().map(move |one| ((url.to_string(), one.name.to_string()), one.body.value.clone()))
    });
    of.collect()
}

fn agree(
    fleet: &Fleet,
    told: &BTreeMap<u64, Arc<ResourceSet>>,
    whole: &Snapshot,
) -> Result<(), TestCaseError> {
    for (id, proxy) in proxies().iter().enumerate() {
        let id = id as u64;
        let set = fleet.set(id).unwrap();
        let (made, wanted) = (bytes(set), bytes(&compile(whole, proxy)));
        for (name, wanted) in &wanted {
            prop_assert!(made.get(name) == Some(wanted), "{}: {:?} is another", proxy.id, name);
        }
        let more: Vec<_> = made.keys().filter(|name| !wanted.contains_key(*name)).collect();
        prop_assert!(more.is_empty(), "{}: {:?} should be gone", proxy.id, more);
        // Who was told nothing of it has it already.
        prop_assert_eq!(&told[&id].by_type, &set.by_type);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_little_at_a_time_makes_the_same_as_the_whole(
        begin in prop::collection::vec(change(), 30..60),
        steps in prop::collection::vec(prop::collection::vec(change(), 1..4), 1..10),
        endpoints_only in any::<bool>(),
    ) {
        let mut state = State::new();
        let mesh = MeshConfig::default();
        let mut take = |changes: &[Change], few: bool| {
            let mut taken: BTreeMap<(&'static str, usize), _> = BTreeMap::new();
            for (place, number, version) in changes {
                let (place, numbers, versions) = match few {
                    true => PLACES[1 + place.index(2)],
                    false => PLACES[place.index(PLACES.len())],
                };
                let key = (place, number.index(numbers));
                let version = version.map(|version| version.index(versions));
                let before = match version {
                    Some(version) => state.insert(key, version),
                    None => state.remove(&key),
                };
                let of = |version: Option<usize>| version.map(|version| object(place, key.1, version));
                // Of several changes of one object, the first has what was before.
                taken.entry(key).or_insert_with(|| (of(before), None)).1 = of(version);
            }
            (taken.into_values().collect::<Vec<_>>(), all(&state))
        };
        let (_, objects) = take(&begin, false);
        let first = Arc::new(Snapshot::build(&objects, &mesh, 1));
        let mut fleet = Fleet::new(first);
        let mut told = BTreeMap::new();
        for (id, proxy) in proxies().into_iter().enumerate() {
            told.insert(id as u64, fleet.add(id as u64, &proxy).unwrap());
        }
        agree(&fleet, &told, &Snapshot::build(&objects, &mesh, 1))?;
        for (step, changes) in steps.iter().enumerate() {
            let (changes, objects) = take(changes, endpoints_only || step % 3 != 0);
            let generation = 2 + step as u64;
            let (next, made) = fleet.snapshot().after(&changes, || objects.clone(), generation);
            let whole = Snapshot::build(&objects, &mesh, generation);
            if !made.words_are_old {
                prop_assert_eq!(&next.diagnostics, &whole.diagnostics);
            }
            fleet.turn(Arc::new(next), |id, set| drop(told.insert(id, set.clone())));
            agree(&fleet, &told, &whole)?;
        }
    }
}
