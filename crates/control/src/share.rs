//! Sets that follow one another share what is the same in both.

use weft_proto::resource::ResourceSet;

/// Makes `new` out of `old` where they are the same, so that a thousand proxies under a thousand changes keep
/// one copy of what did not change, and what did is found without a look at the rest.
pub(crate) fn share(new: &mut ResourceSet, old: &ResourceSet) {
    for (type_url, resources) in &mut new.by_type {
        let Some(before) = old.by_type.get(type_url) else { continue };
        let mut made = before.clone();
        for name in before.keys().filter(|name| !resources.contains_key(*name)) {
            made.remove(name);
        }
        for (name, resource) in resources.iter() {
            if before.get(name) != Some(resource) {
                made.insert(name.clone(), resource.clone());
            }
        }
        *resources = made;
    }
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
        share(&mut new, &old);
        assert_eq!(new, plain);
        let is_shared = |name: &str| {
            let (old, new) = (old.of("t").unwrap().get(name), new.of("t").unwrap().get(name));
            old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(old, new))
        };
        assert!(is_shared("a") && !is_shared("b") && !is_shared("c"));
    }
}
