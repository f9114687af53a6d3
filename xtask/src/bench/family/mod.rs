//! All cases, by family.

mod footprint;
mod hop;
mod http2;
mod tcp;
mod tls;
mod two_hops;

use super::case::Case;
use anyhow::{Result, bail};

/// Every case, in the order in which they run.
pub(super) fn all() -> Vec<Case> {
    [hop::CASES, http2::CASES, tcp::CASES, two_hops::CASES, tls::CASES, footprint::CASES].concat()
}

/// The cases of these names, or all.
///
/// # Errors
/// A name that is none, with the one that was probably meant.
pub(super) fn named(names: &[String]) -> Result<Vec<Case>> {
    let all = all();
    for name in names {
        if all.iter().any(|case| case.name == name) {
            continue;
        }
        let near = all
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a.name, name).total_cmp(&strsim::jaro_winkler(b.name, name)));
        let meant = near.map(|case| format!("; did you mean `{}`?", case.name)).unwrap_or_default();
        bail!("no case `{name}`{meant} `cargo xtask bench proxy --list` tells all");
    }
    Ok(all.into_iter().filter(|case| names.is_empty() || names.iter().any(|n| n == case.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_suggests_the_right_one() {
        let said = named(&["htp1".to_owned()]).map(|cases| cases.len()).map_err(|error| error.to_string());
        assert!(said.as_ref().is_err_and(|text| text.contains("did you mean `http1`?")), "{said:?}");
        assert_eq!(named(&["http1".to_owned()]).map(|cases| cases.len()).ok(), Some(1));
    }

    #[test]
    fn names_are_unique_and_quick_looks_are_parts_of_whole_ones() {
        let all = all();
        for (index, case) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other.name != case.name), "{}", case.name);
            assert!(case.quick.iter().all(|kind| case.kinds.contains(kind)), "{}", case.name);
        }
    }
}
