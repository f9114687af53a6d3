//! Network filters: the same form for connections.

use weft_tables::filter::Rbac;

use crate::builtin::evaluate_rbac;
use crate::seam::Context;

/// What the rules that only count would say; `None` without such rules.
#[must_use]
pub fn rbac_shadow(rbac: &Rbac, cx: &Context) -> Option<crate::builtin::RbacVerdict> {
    rbac.shadow.as_ref().map(|rules| evaluate_rbac(rules, None, cx))
}

/// Whether a connection passes a network RBAC filter; the policy that decided.
#[must_use]
pub fn rbac_allows(rbac: &Rbac, cx: &Context) -> crate::builtin::RbacVerdict {
    match &rbac.rules {
        None => crate::builtin::RbacVerdict { allowed: true, policy: None },
        Some(rules) => evaluate_rbac(rules, None, cx),
    }
}
