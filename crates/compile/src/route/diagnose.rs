//! What VirtualServices ask for and routes cannot do.

use std::collections::BTreeSet;

use weft_api::{Code, Diagnostic, Severity};

use super::matches::asks_for_claims;
use crate::security::diagnostic;
use crate::view::View;

/// Matches of a proxy's rules that no request can fulfil.
#[must_use]
pub fn diagnose(view: &View<'_>) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let mut said = Vec::new();
    for rule in view.virtual_services() {
        for (http, origin) in rule.spec.http.iter().zip(&rule.http_origins) {
            for (at, block) in http.matches.iter().enumerate().filter(|(_, block)| asks_for_claims(block)) {
                let object = &origin.object;
                let path = format!("spec.http[{}].match[{at}].headers", origin.index);
                if !block.headers.is_empty() && seen.insert((object.reference.clone(), path.clone())) {
                    let message =
                        "tokens are not read yet: no request has the claim, and the match never holds";
                    said.push(diagnostic(Severity::Warning, object, &path, Code::Match, message.to_owned()));
                }
            }
        }
    }
    said
}
