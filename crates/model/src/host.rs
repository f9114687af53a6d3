//! Host names: short names, wildcards, and which of several is the most specific.

use std::net::IpAddr;

use weft_types::Name;

/// The full name of a host, as an object of `namespace` means it: a name without a dot is a service of
/// the namespace; `*` and addresses stay as they are (VS-01). Lower case, without a dot at its end.
#[must_use]
pub fn resolve(host: &str, namespace: &str, domain: &str) -> Name {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if host.is_empty() || host == "*" || host.contains('.') || host.parse::<IpAddr>().is_ok() {
        return host.into();
    }
    format!("{host}.{namespace}.svc.{domain}").into()
}

/// Whether each name that `part` covers is covered by `whole`. Both are lower case.
#[must_use]
pub fn covers(whole: &str, part: &str) -> bool {
    match whole.strip_prefix('*') {
        Some(suffix) => part.len() >= suffix.len() && part.ends_with(suffix),
        None => whole == part,
    }
}

/// Whether some name is covered by both. Both are lower case.
#[must_use]
pub fn meets(one: &str, other: &str) -> bool {
    covers(one, other) || covers(other, one)
}

/// The wildcards that may cover a name, most specific first: `*.b.c`, `*.c`, `*` for `a.b.c`, and the
/// name itself before them. Wildcards of the form `*-a.b` are not among them.
pub fn candidates(host: &str) -> impl Iterator<Item = String> {
    let name = host.strip_prefix('*').unwrap_or(host);
    let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
    let wildcards: Vec<String> =
        dots.iter().map(|at| format!("*{}", &name[*at..])).filter(|wildcard| *wildcard != host).collect();
    std::iter::once(host.to_owned()).chain(wildcards).chain((host != "*").then(|| "*".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_expand_in_their_own_namespace() {
        let of = |host| resolve(host, "books", "cluster.local").to_string();
        assert_eq!(of("reviews"), "reviews.books.svc.cluster.local");
        assert_eq!(of("Reviews.other"), "reviews.other");
        assert_eq!(of("*"), "*");
        assert_eq!(of("*.example.com"), "*.example.com");
        assert_eq!(of("10.0.0.1"), "10.0.0.1");
        assert_eq!(of("::1"), "::1");
        assert_eq!(of("example.com."), "example.com");
    }

    #[test]
    fn wildcards_cover_and_meet() {
        assert!(covers("*.b.c", "a.b.c") && covers("*", "a") && !covers("*.b.c", "b.c"));
        assert!(covers("*.c", "*.b.c") && !covers("*.b.c", "*.c") && meets("*.b.c", "*.c"));
        assert!(!meets("*.b.c", "a.d.c"));
    }

    #[test]
    fn candidates_go_from_special_to_general() {
        let all: Vec<String> = candidates("a.b.c").collect();
        assert_eq!(all, ["a.b.c", "*.b.c", "*.c", "*"]);
        let all: Vec<String> = candidates("*.b.c").collect();
        assert_eq!(all, ["*.b.c", "*.c", "*"]);
        assert_eq!(candidates("*").collect::<Vec<_>>(), ["*"]);
    }
}
