//! Where the fields of an object stand, for diagnostics that are found only when objects meet.

use std::sync::Arc;

/// Where the fields of one object stand in its file: a few bytes a field, found by a hash of its path.
/// Two paths of one hash would show the place of one of them, and nothing else would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Places(Arc<[(u64, u32, u32)]>);

impl Places {
    /// From paths, as diagnostics write them, with line and column.
    pub(crate) fn new(places: impl Iterator<Item = (String, u32, u32)>) -> Self {
        let mut places: Vec<_> =
            places.map(|(path, line, column)| (hash(path.as_bytes()), line, column)).collect();
        places.sort_unstable();
        Self(places.into())
    }

    /// Line and column, from 1, of a field such as `spec.http[0].route`, or of the nearest one around it
    /// that is written; `None` if nothing of it is known.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<(u32, u32)> {
        let mut path = path;
        loop {
            let wanted = hash(path.as_bytes());
            if let Ok(index) = self.0.binary_search_by_key(&wanted, |(hash, ..)| *hash) {
                return self.0.get(index).map(|(_, line, column)| (*line, *column));
            }
            // One step up: what stands before the last dot or bracket.
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

/// FNV-1a: short, and the same in every release.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_of_istios_kinds_and_services_know_where_they_stand() {
        let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  \
                    hosts: [a]\n  http:\n  - route:\n    - destination:\n        host: b\n        sub_set: x\n";
        let text = text.replace("sub_set", "subset");
        let decoded = crate::decode(&text, "a.yaml");
        let places = &decoded[0].object.as_ref().unwrap().source.places;
        assert_eq!(places.find("spec.http[0].route[0].destination.host"), Some((9, 9)));
        assert_eq!(places.find("spec.http[0].route[0].destination.port.number"), Some((8, 7)));
        assert_eq!(places.find("spec.hosts[0]"), Some((5, 11)));
        assert_eq!(places.find("status"), None);
    }
}
