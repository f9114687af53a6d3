//! What is said of one object: whether it is in effect.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use weft_api::{Code, Diagnostic, Kind, Severity};
use weft_kube_source::conditions::Stated;
use weft_kube_source::inventory::{Listed, ObjectKey};

use super::concern::Concern;

/// Reason of an object that is on its way to proxies.
pub(super) const PENDING: &str = "Pending";
/// Most findings that the message tells; all are in `validationMessages`.
const TOLD: usize = 3;
/// Longest message, bytes.
const MAX_MESSAGE: usize = 1024;
/// Most findings of one object.
const MAX_FINDINGS: usize = 20;

/// Diagnostics by object.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<ObjectKey, Vec<Diagnostic>>);

impl Said {
    pub(super) fn new(all: impl Iterator<Item = Diagnostic>) -> Self {
        let mut by_object: BTreeMap<ObjectKey, Vec<Diagnostic>> = BTreeMap::new();
        for diagnostic in all {
            let Some(reference) = &diagnostic.object else { continue };
            let key = ObjectKey {
                kind: reference.kind.to_string(),
                namespace: reference.namespace.to_string(),
                name: reference.name.to_string(),
            };
            let said = by_object.entry(key).or_default();
            if said.len() < MAX_FINDINGS && !said.contains(&diagnostic) {
                said.push(diagnostic);
            }
        }
        Self(by_object)
    }

    pub(super) fn of(&self, key: &ObjectKey) -> &[Diagnostic] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// What the condition is to be.
pub(super) fn verdict(listed: &Listed, said: &[Diagnostic], concern: Option<&Concern>) -> Stated {
    let mut findings: Vec<&Diagnostic> = said.iter().collect();
    // Those of a kind without effect name no object.
    findings.extend(listed.diagnostics.iter().filter(|one| !said.contains(one)));
    // The gravest first; in the order of the object's text otherwise.
    findings.sort_by_key(|one| std::cmp::Reverse(one.severity));
    findings.truncate(MAX_FINDINGS);
    let Concern { proxies, acked, refused, refusals } = &concern.cloned().unwrap_or_default();
    let is_a = |code: Code| findings.iter().any(|one| one.code == code);
    let counted = format!("{acked}/{proxies} proxies up to date");
    let unread = is_a(Code::KindNotRead) || is_a(Code::UnknownKind);
    let uncounted = listed.object.as_ref().is_some_and(|object| object.reference.kind == Kind::WorkloadEntry);
    let (status, reason, begin) = if unread {
        ("False", "NotSupported", String::new())
    } else if findings.iter().any(|one| one.is_error()) {
        let rest =
            if listed.object.is_some() { format!("an earlier version: {counted}") } else { String::new() };
        ("False", "Invalid", rest)
    } else if *refused > 0 {
        let words = refusals.first().map(|words| format!(": {words}")).unwrap_or_default();
        ("False", "Refused", format!("{counted}, {refused} refused it{words}"))
    } else if is_a(Code::Secret) {
        ("False", "SecretNotReady", counted)
    } else if uncounted {
        ("True", "Accepted", "read; its services have it among their endpoints".to_owned())
    } else if *proxies == 0 && is_a(Code::Conflict) {
        ("False", "Shadowed", counted)
    } else if *proxies == 0
        && (is_a(Code::NothingSelected) || findings.iter().any(|one| one.severity == Severity::Warning))
    {
        ("False", "NotInEffect", counted)
    } else if *proxies == 0 {
        ("Unknown", "NoProxies", "no connected proxy is concerned".to_owned())
    } else if acked < proxies {
        ("False", PENDING, counted)
    } else {
        ("True", "InEffect", counted)
    };
    Stated {
        status,
        reason,
        message: message(begin, &findings),
        generation: listed.generation,
        findings: findings.iter().map(|one| finding(one)).collect(),
    }
}

fn message(mut text: String, findings: &[&Diagnostic]) -> String {
    for one in findings.iter().take(TOLD) {
        let place = if one.path.is_empty() { String::new() } else { format!("{}: ", one.path) };
        let hint = one.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let comma = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{comma}{}: {place}{}{hint}", one.code, one.message);
    }
    if findings.len() > TOLD {
        let _ = write!(text, "; and {} more", findings.len() - TOLD);
    }
    if text.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

fn finding(one: &Diagnostic) -> (String, String, &'static str) {
    let level = match one.severity {
        Severity::Info => "INFO",
        Severity::Warning => "WARNING",
        Severity::Error => "ERROR",
    };
    (one.code.to_string(), format!("{:?}", one.code), level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_types::Name;

    fn diagnostic(code: Code, severity: Severity) -> Diagnostic {
        let path = "spec.hosts[0]".to_owned();
        Diagnostic { severity, path, ..Diagnostic::of_file(code, &Name::from(""), "a: b goes before") }
    }

    fn concern(proxies: usize, acked: usize, refused: usize) -> Concern {
        Concern { proxies, acked, refused, refusals: vec!["no such field".to_owned()] }
    }

    #[test]
    fn the_gravest_decides() {
        let listed = Listed { generation: 7, object: None, diagnostics: Vec::new() };
        let none: &[Diagnostic] = &[];
        let error =
            [diagnostic(Code::Conflict, Severity::Warning), diagnostic(Code::Weight, Severity::Error)];
        let shadow = [diagnostic(Code::Conflict, Severity::Warning)];
        let lost = [diagnostic(Code::NothingSelected, Severity::Warning)];
        for (said, concern, status, reason, message) in [
            (none, concern(3, 3, 0), "True", "InEffect", "3/3 proxies up to date"),
            (none, concern(3, 2, 0), "False", PENDING, "2/3 proxies up to date"),
            (
                none,
                concern(3, 2, 1),
                "False",
                "Refused",
                "2/3 proxies up to date, 1 refused it: no such field",
            ),
            (none, Concern::default(), "Unknown", "NoProxies", "no connected proxy is concerned"),
            (
                &shadow,
                Concern::default(),
                "False",
                "Shadowed",
                "0/0 proxies up to date; WEFT0305: spec.hosts[0]: a: b goes before",
            ),
            (
                &shadow,
                concern(1, 1, 0),
                "True",
                "InEffect",
                "1/1 proxies up to date; WEFT0305: spec.hosts[0]: a: b goes before",
            ),
            (
                &lost,
                Concern::default(),
                "False",
                "NotInEffect",
                "0/0 proxies up to date; WEFT0309: spec.hosts[0]: a: b goes before",
            ),
            (
                &error,
                concern(1, 1, 0),
                "False",
                "Invalid",
                "WEFT0202: spec.hosts[0]: a: b goes before; WEFT0305: spec.hosts[0]: a: b goes before",
            ),
        ] {
            let stated = verdict(&listed, said, Some(&concern));
            assert_eq!((stated.status, stated.reason, &*stated.message), (status, reason, message));
            assert_eq!((stated.generation, stated.findings.len()), (7, said.len()));
        }
        let stated = verdict(&listed, &error, None);
        assert_eq!(stated.findings[0], ("WEFT0202".to_owned(), "Weight".to_owned(), "ERROR"));
    }

    #[test]
    fn messages_are_bounded() {
        let long = Diagnostic { message: "ü".repeat(5000), ..diagnostic(Code::Weight, Severity::Error) };
        let text = message(String::new(), &[&long]);
        assert!(text.len() <= MAX_MESSAGE + '…'.len_utf8() && text.ends_with('…'));
    }
}
