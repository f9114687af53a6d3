//! What "agree" means. Two outcomes agree when they are equal after this file has taken out of them
//! what two correct proxies may do differently, and nothing else is taken out anywhere else:
//!
//! - the order of headers with different names (the order of several values under one name stays);
//! - values that change from run to run: dates, request IDs, durations; the time that a later attempt
//!   has left (`x-envoy-expected-rq-timeout-ms`), unless it is a round figure as configured;
//! - ports, which each run chooses: a known port becomes its name, another one `<port>`;
//! - the object that our own details name, `{Kind/namespace/name}`;
//! - whether a connection that breaks off during a handshake ends with FIN or RST: the kernel decides
//!   that by what it has not yet delivered;
//! - how long things took: rows give bounds for that, which hold for each proxy by itself;
//! - the order of lines in the access log, and of requests at different backends;
//! - byte counts of a connection whose TLS the proxy does not end: signatures vary in length.

use crate::address;
use crate::outcome::{Answer, Outcome, Seen};
use regex::{Captures, Regex};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a run chose by itself.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Ports of listeners.
    pub listeners: BTreeMap<String, u16>,
    /// Ports of backends.
    pub backends: BTreeMap<String, u16>,
    /// The port at which nobody listens.
    pub closed: u16,
    /// Folder of the run.
    pub dir: String,
}

/// How a transport failure reads when the peer resets the connection within the handshake.
const HANDSHAKE_RESET: &str =
    "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end";

/// Headers whose value is a matter of the moment.
const VOLATILE: [(&str, &str); 3] =
    [("date", "<date>"), ("x-envoy-upstream-service-time", "<ms>"), ("age", "<age>")];

/// The time that the backend has, which shrinks from attempt to attempt.
const TIME_LEFT: &str = "x-envoy-expected-rq-timeout-ms";

/// The port that the client connected to.
const PORT: &str = "x-forwarded-port";

static UUID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$").ok());
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(127\.\d+\.\d+\.\d+):(\d+)").ok());
/// Volatile headers inside the transcript of an exchange.
static LINES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("(?mi)^(date|x-request-id|x-envoy-upstream-service-time): [^\r\n]*").ok());
static OBJECT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[ _]?\{[A-Z][A-Za-z]*/[^{}/]*/[^{}]*\}").ok());

/// The outcome without what may differ.
#[must_use]
pub fn normalize(outcome: &Outcome, facts: &Facts) -> Outcome {
    let mut outcome = outcome.clone();
    outcome.answers.iter_mut().for_each(|answer| facts.answer(answer));
    outcome.seen.iter_mut().for_each(|seen| facts.seen(seen));
    outcome.seen.sort_by(|one, other| one.backend.cmp(&other.backend));
    // A later attempt has the time of the first, less what the back-off used, which is chance.
    for seen in outcome.seen.iter_mut().skip(1) {
        for (_, value) in seen.headers.iter_mut().filter(|(name, _)| name == TIME_LEFT) {
            "<time left>".clone_into(value);
        }
    }
    for line in &mut outcome.log {
        line.remove("client");
        line.values_mut().for_each(|value| facts.text(value));
        if line.get("code").is_some_and(|code| code == "0") && line.get("sni").is_some_and(|sni| sni != "-") {
            line.extend([("rx".to_owned(), "<tls>".to_owned()), ("tx".to_owned(), "<tls>".to_owned())]);
        }
    }
    outcome.log.sort();
    outcome
}

impl Facts {
    fn answer(&self, answer: &mut Answer) {
        self.headers(&mut answer.headers);
        self.headers(&mut answer.trailers);
        self.text(&mut answer.body);
        if let Some(cause) = &mut answer.cause
            && ["reset by peer", "handshake eof", "Broken pipe"].iter().any(|words| cause.contains(words))
        {
            "broke off".clone_into(cause);
        }
        if let Some(text) = &mut answer.received {
            if let Some(pattern) = LINES.as_ref() {
                *text = pattern.replace_all(text, "$1: <volatile>").into_owned();
            }
            self.text(text);
        }
        answer.took_ms = 0;
    }

    fn seen(&self, seen: &mut Seen) {
        self.headers(&mut seen.headers);
        self.headers(&mut seen.trailers);
        self.text(&mut seen.authority);
        self.text(&mut seen.body);
    }

    fn headers(&self, headers: &mut [(String, String)]) {
        for (name, value) in headers.iter_mut() {
            let lower = name.to_ascii_lowercase();
            if let Some((_, stand_in)) = VOLATILE.iter().find(|(volatile, _)| *volatile == lower) {
                (*stand_in).clone_into(value);
            } else if UUID.as_ref().is_some_and(|uuid| uuid.is_match(value)) {
                "<uuid>".clone_into(value);
            } else if lower == TIME_LEFT {
                *value = time_left(value);
            } else if lower == PORT {
                self.port(value);
            } else {
                self.text(value);
            }
        }
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    fn port(&self, port: &mut String) {
        if let Some((name, _)) = self.listeners.iter().find(|(_, known)| known.to_string() == *port) {
            *port = format!("<listener {name}>");
        }
    }

    fn text(&self, text: &mut String) {
        // Whether a peer that is no TLS server ends its side or resets it is chance: it depends on
        // how much of the ClientHello it had read.
        if text.contains(HANDSHAKE_RESET) {
            *text = text.replace(&format!("|{HANDSHAKE_RESET}"), "").replace(HANDSHAKE_RESET, "-");
        }
        if let Some(pattern) = ADDRESS.as_ref().filter(|_| text.contains("127.")) {
            let replaced =
                pattern.replace_all(text, |found: &Captures<'_>| self.address(&found[1], &found[2]));
            *text = replaced.into_owned();
        }
        if text.contains(&address::prefix()) {
            *text = text.replace(&address::prefix(), "127.0.0.");
        }
        if let Some(pattern) = OBJECT.as_ref().filter(|_| text.contains('{')) {
            *text = pattern.replace_all(text, "").into_owned();
        }
        if !self.dir.is_empty() && text.contains(&self.dir) {
            *text = text.replace(&self.dir, "<dir>");
        }
    }

    fn address(&self, ip: &str, port: &str) -> String {
        let known = |ports: &BTreeMap<String, u16>| {
            ports.iter().find(|(_, known)| known.to_string() == port).map(|(name, _)| name.clone())
        };
        if let Some(name) = known(&self.listeners) {
            return format!("<listener {name}>");
        }
        if let Some(name) = known(&self.backends) {
            return format!("<backend {name}>");
        }
        if port == self.closed.to_string() { "<closed>".into() } else { format!("{ip}:<port>") }
    }
}

/// A round figure as it is, for it was configured; any other is what was left of one.
fn time_left(value: &str) -> String {
    let round = value.parse::<u64>().is_ok_and(|ms| ms % 50 == 0);
    if round { value.to_owned() } else { "<time left>".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Outcome {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Outcome { answers: vec![Answer { status: 200, headers, ..Answer::default() }], ..Outcome::default() }
    }

    fn same(one: &Outcome, other: &Outcome) -> bool {
        let facts = Facts { listeners: [("main".to_owned(), 8080)].into(), ..Facts::default() };
        normalize(one, &facts) == normalize(other, &facts)
    }

    #[test]
    fn header_order_between_names_does_not_matter_and_case_does() {
        assert!(same(&answer(&[("a", "1"), ("b", "2")]), &answer(&[("b", "2"), ("a", "1")])));
        assert!(!same(&answer(&[("A", "1")]), &answer(&[("a", "1")])));
    }

    #[test]
    fn order_within_a_name_matters() {
        assert!(!same(&answer(&[("a", "1"), ("a", "2")]), &answer(&[("a", "2"), ("a", "1")])));
    }

    #[test]
    fn values_matter_unless_volatile() {
        assert!(!same(&answer(&[("a", "1")]), &answer(&[("a", "2")])));
        assert!(same(&answer(&[("date", "1")]), &answer(&[("date", "2")])));
        let id = |text| answer(&[("x-request-id", text)]);
        assert!(!same(&id("given"), &id("01234567-89ab-cdef-0123-456789abcdef")));
    }

    #[test]
    fn a_known_port_keeps_its_meaning() {
        let at = |text| answer(&[("location", text)]);
        assert!(same(&at("http://127.0.0.1:41000/"), &at("http://127.0.0.1:41001/")));
        assert!(!same(&at("http://127.0.0.1:41000/"), &at("http://127.0.0.1:8080/")));
    }

    #[test]
    fn objects_that_we_name_are_left_out_and_nothing_else() {
        let body = |text: &str| Outcome {
            answers: vec![Answer { body: text.to_owned(), ..Answer::default() }],
            ..Outcome::default()
        };
        assert!(same(
            &body("no healthy upstream {DestinationRule/default/reviews}"),
            &body("no healthy upstream")
        ));
        assert!(!same(&body("{\"a\":1}"), &body("")));
    }
}
