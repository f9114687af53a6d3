//! Upgrades and CONNECT: exchanges that become byte streams (VS-27).
//!
//! Inside the pipeline an upgrade has its HTTP/1.1 form: GET with `connection: upgrade` and
//! `upgrade: TOKEN`, answered by 101. HTTP/2's form (RFC 8441: CONNECT with `:protocol`, answered by
//! 200) is translated at both edges.

use weft_route::decide::RouteChoice;
use weft_route::forwarded::is_upgrade;
use weft_tables::hcm::HttpManager;
use weft_types::{Method, RequestHead, ResponseHead, Version};

/// What the client asks to become of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// An upgrade to the protocol of that token, lower case.
    To(Box<str>),
    /// A tunnel to the authority.
    Connect,
}

impl Upgrade {
    fn token(&self) -> &str {
        match self {
            Self::To(token) => token,
            Self::Connect => "connect",
        }
    }

    /// Whether a response of that status agrees.
    pub(crate) fn accepted_by(&self, status: u16) -> bool {
        match self {
            Self::To(_) => status == 101,
            Self::Connect => (200..300).contains(&status),
        }
    }
}

/// What a head asks for.
pub(crate) fn asked(head: &RequestHead) -> Option<Upgrade> {
    if head.method == Method::Connect {
        return Some(match &head.protocol {
            Some(token) => Upgrade::To(token.to_ascii_lowercase().into()),
            None => Upgrade::Connect,
        });
    }
    if !is_upgrade(&head.headers) {
        return None;
    }
    let token = head.headers.get_str("upgrade")?.trim();
    // Clients offer HTTP/2 so as a matter of routine; it is not taken (RFC 9113 section 3.1).
    (!token.is_empty() && !token.eq_ignore_ascii_case("h2c"))
        .then(|| Upgrade::To(token.to_ascii_lowercase().into()))
}

/// Whether the connection manager or the route allows it; the route has the last word.
pub(crate) fn allowed(asked: &Upgrade, manager: &HttpManager, choice: Option<&RouteChoice>) -> bool {
    let token = asked.token();
    let by_route = choice
        .and_then(RouteChoice::forward)
        .and_then(|f| f.upgrades.iter().find(|u| u.token.eq_ignore_ascii_case(token)))
        .map(|u| u.enabled);
    let by_manager = manager.upgrades.iter().find(|u| u.token.eq_ignore_ascii_case(token)).map(|u| u.enabled);
    by_route.or(by_manager).unwrap_or(false)
}

/// Whether CONNECT ends here and its payload goes to the cluster as plain TCP.
pub(crate) fn terminates_connect(asked: &Upgrade, choice: &RouteChoice) -> bool {
    *asked == Upgrade::Connect
        && choice.forward().is_some_and(|f| {
            f.upgrades
                .iter()
                .any(|u| u.token.eq_ignore_ascii_case("connect") && u.enabled && u.terminate_connect)
        })
}

/// Gives an upgrade its HTTP/1.1 form.
pub(crate) fn normalize(asked: &Upgrade, head: &mut RequestHead) {
    if let (Upgrade::To(token), Some(_)) = (asked, &head.protocol) {
        head.method = Method::Get;
        head.protocol = None;
        head.headers.set("connection", "upgrade");
        head.headers.set("upgrade", token.as_bytes());
    }
}

/// Gives an upgrade the form that the upstream's protocol wants.
pub(crate) fn for_upstream(asked: &Upgrade, head: &mut RequestHead, version: Version) {
    if let (Upgrade::To(token), Version::Http2 | Version::Http3) = (asked, version) {
        head.method = Method::Connect;
        head.protocol = Some(token.clone());
        head.headers.remove("connection");
        head.headers.remove("upgrade");
    }
}

/// Gives the upstream's agreement its HTTP/1.1 form.
pub(crate) fn normalize_response(asked: &Upgrade, head: &mut ResponseHead) {
    if let (Upgrade::To(token), 200, Version::Http2 | Version::Http3) = (asked, head.status, head.version) {
        head.status = 101;
        head.headers.set("connection", "upgrade");
        head.headers.set("upgrade", token.as_bytes());
    }
}

/// Gives the agreement the form that the client's protocol wants.
pub(crate) fn for_downstream(head: &mut ResponseHead, version: Version) {
    if head.status == 101 && version >= Version::Http2 {
        head.status = 200;
        head.headers.remove("connection");
        head.headers.remove("upgrade");
    }
}
