//! Sets that follow one another share what is the same in both.

use weft_proto::resource::{Named, ResourceSet};

/// Makes `new` out of `old` where they are the same, so that a thousand proxies under a thousand changes keep one
/// copy of what did not change, and what did is found without a look at the rest.
pub(super) fn converge(new: &mut ResourceSet, old: &ResourceSet) {
    for (type_url, named) in &mut new.by_type {
        if let Some(before) = old.by_type.get(type_url) {
            *named = follow(named, before);
        }
    }
}

fn follow(new: &Named, before: &Named) -> Named {
    let mut made = before.clone();
    for name in before.keys().filter(|name| !new.contains_key(*name)) {
        made.remove(name);
    }
    for (name, resource) in new {
        if before.get(name).is_none_or(|before| **before != **resource) {
            made.insert(name.clone(), resource.clone());
        }
    }
    made
}

/// What a proxy has of a kin's and of its own. Types that are as they were `before` in both stay the very same.
pub(super) fn together(
    shared: &ResourceSet,
    own: &ResourceSet,
    before: Option<(&ResourceSet, &ResourceSet, &ResourceSet)>,
    generation: u64,
) -> ResourceSet {
    let mut made = ResourceSet { generation, by_type: shared.by_type.clone() };
    for (type_url, named) in &own.by_type {
        let theirs = shared.by_type.get(type_url).cloned().unwrap_or_default();
        let kept = before.and_then(|(set, shared, own)| {
            let of_kin = shared.by_type.get(type_url).cloned().unwrap_or_default();
            let same = of_kin.ptr_eq(&theirs) && own.by_type.get(type_url)?.ptr_eq(named);
            if same { set.by_type.get(type_url).cloned() } else { None }
        });
        let all = kept.unwrap_or_else(|| {
            let mut all = theirs;
            for (name, resource) in named {
                all.insert(name.clone(), resource.clone());
            }
            all
        });
        made.by_type.insert(type_url.clone(), all);
    }
    made
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use weft_proto::google::protobuf::Any;
    use weft_proto::resource::Resource;

    fn set(resources: &[(&str, &str)]) -> ResourceSet {
        let mut set = ResourceSet::default();
        for (name, text) in resources {
            let body = Any { type_url: "t".to_owned(), value: text.as_bytes().to_vec() };
            set.insert(Resource { name: (*name).into(), version: (*text).into(), body });
        }
        set
    }

    #[test]
    fn the_same_is_shared_and_the_rest_is_left_alone() {
        let old = set(&[("a", "1"), ("b", "1"), ("gone", "1")]);
        let mut new = set(&[("a", "1"), ("b", "2"), ("c", "1")]);
        let plain = new.clone();
        converge(&mut new, &old);
        assert_eq!(new, plain);
        let is_shared = |name: &str| {
            let (old, new) = (old.of("t").unwrap().get(name), new.of("t").unwrap().get(name));
            old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(old, new))
        };
        assert!(is_shared("a") && !is_shared("b") && !is_shared("c"));
    }

    #[test]
    fn what_is_of_a_kin_and_of_the_proxy_stands_together() {
        let (shared, own) = (set(&[("a", "1")]), set(&[("b", "1")]));
        let first = together(&shared, &own, None, 1);
        assert_eq!(first.by_type, set(&[("a", "1"), ("b", "1")]).by_type);
        let again = together(&shared, &own, Some((&first, &shared, &own)), 2);
        assert!(again.of("t").unwrap().ptr_eq(first.of("t").unwrap()));
        let other = together(&set(&[("a", "2")]), &own, Some((&first, &shared, &own)), 3);
        assert_eq!(other.by_type, set(&[("a", "2"), ("b", "1")]).by_type);
    }
}
