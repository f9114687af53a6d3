//! Role-based access control (AP-01 … AP-11).

use std::sync::Arc;

use weft_tables::cluster::MetadataValue;
use weft_tables::filter::{Rbac, RbacAction};
use weft_types::{Detail, Name, Random, RequestHead};

use crate::seam::{Context, CountScope, Flow, HttpFilter, LocalReply};

pub(super) mod evaluate;

use evaluate::{RbacVerdict, evaluate};

/// Under which the filter leaves its notes.
const NOTES: &str = "envoy.filters.http.rbac";

/// `envoy.filters.http.rbac`.
#[derive(Debug)]
pub(crate) struct RbacFilter {
    config: Arc<Rbac>,
}

impl RbacFilter {
    pub(crate) fn new(config: Arc<Rbac>) -> Self {
        Self { config }
    }

    /// Rules that only count and note.
    fn shadow(&self, head: &RequestHead, cx: &mut Context) {
        let Some(rules) = &self.config.shadow else { return };
        let verdict = evaluate(rules, Some(head), cx);
        let prefix = &*self.config.shadow_stat_prefix;
        let word = if verdict.allowed { "shadow_allowed" } else { "shadow_denied" };
        if prefix.is_empty() {
            cx.count(if verdict.allowed { "rbac.shadow_allowed" } else { "rbac.shadow_denied" });
        } else {
            let dot = if prefix.ends_with('.') { "" } else { "." };
            let name = Name::from(format!("rbac.{prefix}{dot}{word}"));
            cx.named_counts.push((CountScope::Manager, name, 1));
        }
        note(cx, &format!("{prefix}shadow_"), &verdict);
    }
}

/// Leaves the verdict for the log.
fn note(cx: &mut Context, prefix: &str, verdict: &RbacVerdict) {
    if let Some(policy) = &verdict.policy {
        let value = MetadataValue::String((**policy).into());
        cx.note(NOTES, [prefix, "effective_policy_id"].concat(), value);
    }
    let result = MetadataValue::String(if verdict.allowed { "allowed" } else { "denied" }.into());
    cx.note(NOTES, [prefix, "engine_result"].concat(), result);
}

impl HttpFilter for RbacFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, cx: &mut Context, _: &mut dyn Random) -> Flow {
        self.shadow(head, cx);
        let Some(rules) = &self.config.rules else { return Flow::Continue };
        let verdict = evaluate(rules, Some(head), cx);
        note(cx, "enforced_", &verdict);
        if rules.action == RbacAction::Log {
            cx.note("envoy.common", "access_log_hint", MetadataValue::Bool(verdict.policy.is_some()));
        }
        if verdict.allowed {
            cx.count("rbac.allowed");
            return Flow::Continue;
        }
        cx.count("rbac.denied");
        let policy =
            verdict.policy.as_deref().unwrap_or("none").replace(|c: char| c.is_ascii_whitespace(), "_");
        let mut reply = LocalReply::new(403, "RBAC: access denied", "");
        reply.detail =
            Detail { word: format!("rbac_access_denied_matched_policy[{policy}]").into(), object: None };
        Flow::Reply(Box::new(reply))
    }
}

#[cfg(test)]
mod tests;
