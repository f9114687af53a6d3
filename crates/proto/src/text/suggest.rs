//! "Did you mean …?"

/// Longest name that is compared, in bytes: comparing costs the product of both lengths.
const MAX_NAME: usize = 64;

/// The known name nearest to a mistyped one, if one is near: camel case and letter case do not count,
/// and at most a third of the letters may differ.
pub(super) fn suggest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let wanted = plain(name);
    let (distance, nearest) = known
        .map(|candidate| (strsim::osa_distance(&wanted, &plain(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= wanted.chars().count()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = || ["connect_timeout", "lb_policy", "name"].into_iter();
        assert_eq!(suggest("conect_timeout", known()), Some("connect_timeout"));
        assert_eq!(suggest("ConnectTimeout", known()), Some("connect_timeout"));
        assert_eq!(suggest("lb-policy", known()), Some("lb_policy"));
        assert_eq!(suggest("zebra", known()), None);
        assert_eq!(suggest(&"n".repeat(100_000), known()), None);
    }
}
