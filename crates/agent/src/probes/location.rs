//! Where a redirect leads, as far as a probe follows it.

use http::Uri;
use http::uri::Scheme;

/// One place that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) secure: bool,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
}

/// What a `Location` means for who asked `from` of `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Led {
    /// On to another place of the same host; whether it names the host.
    Here(Place, Named),
    /// To another host, or by another protocol: the probe ends well, as the kubelet's does.
    Away,
}

/// Whether a `Location` names a host: then the Host of the first request says no more.
pub(super) type Named = bool;

/// Reads it; `host` is the address that is asked, as text without brackets.
pub(super) fn follow(from: &Place, host: &str, location: &str) -> Result<Led, String> {
    let here = |path: String| Led::Here(Place { path, ..from.clone() }, false);
    let location = location.split('#').next().unwrap_or_default();
    let path = from.path.split('?').next().unwrap_or_default();
    if location.is_empty() {
        return Ok(here(from.path.clone()));
    }
    if location.starts_with('?') {
        return Ok(here(format!("{path}{location}")));
    }
    if location.starts_with('/') && !location.starts_with("//") {
        return Ok(here(location.to_owned()));
    }
    let absolute = match location.strip_prefix("//") {
        Some(rest) if from.secure => format!("https://{rest}"),
        Some(rest) => format!("http://{rest}"),
        None if location.split(['/', '?']).next().is_some_and(|first| first.contains(':')) => {
            location.to_owned()
        }
        None => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            return Ok(here(format!("{folder}/{location}")));
        }
    };
    let refused = |reason: String| format!("redirected to {location:?}: {reason}");
    let uri: Uri = absolute.parse().map_err(|error: http::uri::InvalidUri| refused(error.to_string()))?;
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Ok(Led::Away),
    };
    let named = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if !named.eq_ignore_ascii_case(host) {
        return Ok(Led::Away);
    }
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Led::Here(Place { secure, port, path }, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_within_the_host() {
        let from = Place { secure: false, port: 8080, path: "/a/b?c=d".to_owned() };
        let at = |secure, port, path: &str, named| {
            Ok(Led::Here(Place { secure, port, path: path.to_owned() }, named))
        };
        let led = |location| follow(&from, "10.0.0.1", location);
        assert_eq!(led("/x?y#z"), at(false, 8080, "/x?y", false));
        assert_eq!(led("x"), at(false, 8080, "/a/x", false));
        assert_eq!(led("?y"), at(false, 8080, "/a/b?y", false));
        assert_eq!(led(""), at(false, 8080, "/a/b?c=d", false));
        assert_eq!(led("//10.0.0.1:81/x"), at(false, 81, "/x", true));
        assert_eq!(led("https://10.0.0.1"), at(true, 443, "/", true));
        assert_eq!(led("https://10.0.0.1:8443/x:y"), at(true, 8443, "/x:y", true));
        assert_eq!(led("https://login.example.com/"), Ok(Led::Away));
        assert_eq!(led("//login.example.com"), Ok(Led::Away));
        assert!(led("http://[").unwrap_err().contains("http://["));
        assert_eq!(follow(&from, "fd00::1", "http://[fd00::1]:9/"), at(false, 9, "/", true));
    }
}
