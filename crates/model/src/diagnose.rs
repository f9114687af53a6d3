//! What there is to say about objects together: what they name and is not there, and conflicts.
//!
//! A diagnostic never takes an object out of force: what can be done without the missing part is done.

mod by_label;
mod conflict;
mod pod;
mod reference;
mod route;
mod selection;

use std::sync::Arc;

pub(crate) use by_label::ByLabel;
use weft_api::{Code, Diagnostic, Object, Severity};

use crate::destination_rule::DestinationRules;
use crate::gateway::Gateways;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::registry::Registry;
use crate::virtual_service::VirtualServiceView;

/// Most diagnostics of one snapshot; the rest are counted.
const MAX_DIAGNOSTICS: usize = 10_000;

/// What objects mean together.
#[derive(Debug)]
pub(crate) struct Together<'s> {
    pub(crate) objects: &'s Objects,
    pub(crate) mesh: &'s MeshConfig,
    pub(crate) registry: &'s Registry,
    pub(crate) virtual_services: &'s [Arc<VirtualServiceView>],
    pub(crate) destination_rules: &'s DestinationRules,
    pub(crate) gateways: &'s Gateways,
    pub(crate) pods: ByLabel<'s>,
}

impl Together<'_> {
    /// Says what there is to say.
    pub(crate) fn diagnose(&self, to: &mut Vec<Diagnostic>) {
        self.routes(to);
        self.rules(to);
        self.entries(to);
        self.sidecars(to);
        self.pods(to);
        self.target_ports(to);
        self.selectors(to);
        self.conflicts(to);
    }
}

/// Sorts diagnostics by place, and leaves out what stands there twice.
pub(crate) fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
    diagnostics.dedup();
    let rest = diagnostics.len().saturating_sub(MAX_DIAGNOSTICS);
    if rest > 0 {
        diagnostics.truncate(MAX_DIAGNOSTICS);
        let of_none = Diagnostic::of_file(Code::Limit, &"".into(), format!("{rest} more are not listed"));
        diagnostics.push(Diagnostic { severity: Severity::Warning, ..of_none });
    }
    diagnostics
}

fn key(d: &Diagnostic) -> impl Ord + '_ {
    (&d.file, d.line, d.column, &d.object, &d.path, d.code, &d.message)
}

/// A warning about a field of an object.
pub(crate) fn warning(
    object: &Arc<Object>,
    path: &str,
    code: Code,
    message: impl Into<String>,
) -> Diagnostic {
    let source = &object.source;
    let (line, column) = source.places.find(path).unwrap_or((source.line, 1));
    Diagnostic {
        code,
        severity: Severity::Warning,
        file: source.file.clone(),
        line,
        column,
        object: Some(object.reference.clone()),
        path: path.to_owned(),
        message: message.into(),
        hint: None,
    }
}

/// What is worth knowing about a field of an object.
pub(crate) fn info(object: &Arc<Object>, path: &str, code: Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Info, ..warning(object, path, code, message) }
}
