//! And, or, not: the same for what is called (permissions) and for who calls (principals).

use weft_proto::envoy::config::rbac::v3::permission::{self, Rule};
use weft_proto::envoy::config::rbac::v3::principal::{self, Identifier};
use weft_proto::envoy::config::rbac::v3::{Permission, Principal};

/// A condition of a policy.
pub(super) trait Logic: Sized {
    /// Always holds.
    fn any() -> Self;
    /// Holds if each does.
    fn all(parts: Vec<Self>) -> Self;
    /// Holds if one does.
    fn one_of(parts: Vec<Self>) -> Self;
    /// Holds if the other does not.
    fn not(self) -> Self;

    /// Never holds.
    fn never() -> Self {
        Self::any().not()
    }

    /// Holds if each does; always, if there are none. A single part stands alone.
    fn conjunction(mut parts: Vec<Self>) -> Self {
        match parts.len() {
            0 => Self::any(),
            1 => parts.swap_remove(0),
            _ => Self::all(parts),
        }
    }

    /// Holds if one does. A single part stands alone.
    fn disjunction(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 { parts.swap_remove(0) } else { Self::one_of(parts) }
    }
}

impl Logic for Permission {
    fn any() -> Self {
        permission(Rule::Any(true))
    }

    fn all(rules: Vec<Self>) -> Self {
        permission(Rule::AndRules(permission::Set { rules }))
    }

    fn one_of(rules: Vec<Self>) -> Self {
        permission(Rule::OrRules(permission::Set { rules }))
    }

    fn not(self) -> Self {
        permission(Rule::NotRule(Box::new(self)))
    }
}

impl Logic for Principal {
    fn any() -> Self {
        principal(Identifier::Any(true))
    }

    fn all(ids: Vec<Self>) -> Self {
        principal(Identifier::AndIds(principal::Set { ids }))
    }

    fn one_of(ids: Vec<Self>) -> Self {
        principal(Identifier::OrIds(principal::Set { ids }))
    }

    fn not(self) -> Self {
        principal(Identifier::NotId(Box::new(self)))
    }
}

/// A permission of one rule.
pub(super) fn permission(rule: Rule) -> Permission {
    Permission { rule: Some(rule) }
}

/// A principal of one identifier.
pub(super) fn principal(identifier: Identifier) -> Principal {
    Principal { identifier: Some(identifier) }
}
