//! AuthorizationPolicy: who may call what.

use crate::definition::{Column, Definition};
use crate::parts::workload;
use crate::scalar::{text, word};
use crate::schema::{Schema, list, object};

/// The definition (row CRD-10).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "AuthorizationPolicy",
        plural: "authorizationpolicies",
        short: &["ap"],
        group: "security.istio.io",
        versions: &["v1", "v1beta1"],
        storage: "v1",
        columns: vec![
            Column::text("Action", ".spec.action", "What becomes of requests that match."),
            Column::age(),
        ],
        spec_required: false,
        spec: spec(),
    }
}

/// Rules for workloads with certain labels, or for what the targets name; else for the namespace.
fn spec() -> Schema {
    object()
        .field("action", "What a rule that holds does.", word(["ALLOW", "DENY", "AUDIT", "CUSTOM"]))
        .field(
            "provider",
            "Who decides, for CUSTOM.",
            object().field("name", "Name of one of the mesh config's extension providers.", text()),
        )
        .field(
            "rules",
            "Rules, of which any must hold; ALLOW without rules lets nobody in.",
            list(rule()).max_items(512),
        )
        .field("selector", "Labels of the workloads.", workload::selector())
        .field("targetRef", "One target.", workload::target_reference())
        .field("targetRefs", "Targets: gateways, services.", list(workload::target_reference()).max_items(16))
        .at_most_one_of(["provider"])
        .rule(
            concat!(
                "(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + ",
                "(has(self.targetRefs) ? 1 : 0) <= 1"
            ),
            "only one of targetRefs or selector can be set",
        )
}

/// Holds if any source, any operation and every condition holds; what is absent holds.
fn rule() -> Schema {
    object()
        .field("from", "Who calls.", list(object().field("source", "The caller.", source())).max_items(512))
        .field("to", "What is called.", list(object().field("operation", "The operation.", operation())))
        .field(
            "when",
            "And under which conditions.",
            list(
                object()
                    .required("key", "Attribute, such as `request.headers[user-agent]`.", text())
                    .field("notValues", "Values, of which none may hold.", list(text()))
                    .field("values", "Values, of which any must hold.", list(text())),
            ),
        )
}

/// A caller: all fields must hold, any entry of a list. Texts are exact, `abc*`, `*abc` or `*`.
fn source() -> Schema {
    object()
        .field("ipBlocks", "Addresses of the connection.", list(text()))
        .field("namespaces", "Namespaces of the identity.", list(text()))
        .field("notIpBlocks", "Not these.", list(text()))
        .field("notNamespaces", "Not these.", list(text()))
        .field("notPrincipals", "Not these.", list(text()))
        .field("notRemoteIpBlocks", "Not these.", list(text()))
        .field("notRequestPrincipals", "Not these.", list(text()))
        .field("notServiceAccounts", "Not these.", list(text().max_length(320)).max_items(16))
        .field("notTrustDomains", "Not these.", list(text()))
        .field("principals", "Identities, without `spiffe://`.", list(text()))
        .field("remoteIpBlocks", "Addresses that X-Forwarded-For or the PROXY protocol tells.", list(text()))
        .field("requestPrincipals", "Identities of tokens, as `issuer/subject`.", list(text()))
        .field(
            "serviceAccounts",
            "Service accounts, as `namespace/name` or `name`.",
            list(text().max_length(320)).max_items(16),
        )
        .field("trustDomains", "Trust domains of the identity.", list(text()))
        .rule(
            concat!(
                "(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? ",
                "(!has(self.principals) &&\n!has(self.notPrincipals) && !has(self.namespaces) && ",
                "!has(self.notNamespaces)) : true"
            ),
            "Cannot set serviceAccounts with namespaces or principals",
        )
}

/// An operation: all fields must hold, any entry of a list.
fn operation() -> Schema {
    object()
        .field("hosts", "Hosts, in any case.", list(text()))
        .field("methods", "Methods.", list(text()))
        .field("notHosts", "Not these.", list(text()))
        .field("notMethods", "Not these.", list(text()))
        .field("notPaths", "Not these.", list(text()))
        .field("notPorts", "Not these.", list(text()))
        .field("paths", "Paths; `{*}` is one segment, `{**}` any number.", list(text()))
        .field("ports", "Ports of the workload.", list(text()))
}
