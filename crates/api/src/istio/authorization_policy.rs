//! AuthorizationPolicy: who may call what (AP rows).

use crate::decode::{record, words};
use crate::value::LabelSelector;

record! {
    /// Rules for workloads with certain labels, or for what the targets name; else for the namespace.
    strict struct AuthorizationPolicy {
        /// Labels of the workloads.
        selector: Option<LabelSelector> = optional "selector",
        /// One target.
        target_ref: Option<PolicyTarget> = optional "targetRef",
        /// Targets: gateways, services (AP-02).
        target_refs: Vec<PolicyTarget> = optional "targetRefs",
        /// Rules, of which any must hold; ALLOW without rules lets nobody in (AP-01).
        rules: Vec<Rule> = optional "rules",
        /// What a rule that holds does.
        action: Action = optional "action",
        /// Who decides, for CUSTOM.
        provider: Option<ExtensionProvider> = optional "provider",
    }
}

impl AuthorizationPolicy {
    /// All targets, in whichever field they stand.
    pub fn targets(&self) -> impl Iterator<Item = &PolicyTarget> {
        self.target_ref.iter().chain(&self.target_refs)
    }
}

words! {
    /// What a rule that holds does; CUSTOM is asked first, then DENY, then ALLOW.
    enum Action {
        /// Lets in; where there is any such policy, all others stay out.
        Allow = "ALLOW",
        /// Keeps out.
        Deny = "DENY",
        /// Marks for audit.
        Audit = "AUDIT",
        /// Asks a provider.
        Custom = "CUSTOM",
    }
}

record! {
    /// An extension provider of the mesh's configuration.
    strict struct ExtensionProvider {
        /// Name.
        name: Option<String> = optional "name",
    }
}

record! {
    /// An object that a policy is for, in the policy's namespace.
    strict struct PolicyTarget {
        /// API group; empty for core.
        group: Option<String> = optional "group",
        /// Kind.
        kind: String = required "kind",
        /// Name.
        name: String = required "name",
        /// Must not be set.
        namespace: Option<String> = optional "namespace",
    }
}

record! {
    /// Holds if any source, any operation and every condition holds; what is absent holds.
    strict struct Rule {
        /// Who calls.
        from: Vec<RuleFrom> = optional "from",
        /// What is called.
        to: Vec<RuleTo> = optional "to",
        /// And under which conditions.
        when: Vec<Condition> = optional "when",
    }
}

record! {
    /// Who calls.
    strict struct RuleFrom {
        /// The caller.
        source: Option<SourceMatch> = optional "source",
    }
}

record! {
    /// What is called.
    strict struct RuleTo {
        /// The operation.
        operation: Option<Operation> = optional "operation",
    }
}

record! {
    /// A caller: all fields must hold, any entry of a list (AP-03). Texts are exact, `abc*`, `*abc` or
    /// `*` (AP-05).
    strict struct SourceMatch {
        /// Identities, without `spiffe://`.
        principals: Vec<String> = optional "principals",
        /// Not these.
        not_principals: Vec<String> = optional "notPrincipals",
        /// Identities of tokens, as `issuer/subject`.
        request_principals: Vec<String> = optional "requestPrincipals",
        /// Not these.
        not_request_principals: Vec<String> = optional "notRequestPrincipals",
        /// Namespaces of the identity.
        namespaces: Vec<String> = optional "namespaces",
        /// Not these.
        not_namespaces: Vec<String> = optional "notNamespaces",
        /// Service accounts, as `namespace/name` or `name`.
        service_accounts: Vec<String> = optional "serviceAccounts",
        /// Not these.
        not_service_accounts: Vec<String> = optional "notServiceAccounts",
        /// Addresses of the connection.
        ip_blocks: Vec<String> = optional "ipBlocks",
        /// Not these.
        not_ip_blocks: Vec<String> = optional "notIpBlocks",
        /// Addresses that X-Forwarded-For or the PROXY protocol tells.
        remote_ip_blocks: Vec<String> = optional "remoteIpBlocks",
        /// Not these.
        not_remote_ip_blocks: Vec<String> = optional "notRemoteIpBlocks",
        /// Trust domains of the identity.
        trust_domains: Vec<String> = optional "trustDomains",
        /// Not these.
        not_trust_domains: Vec<String> = optional "notTrustDomains",
    }
}

record! {
    /// An operation: all fields must hold, any entry of a list (AP-04).
    strict struct Operation {
        /// Hosts, in any case.
        hosts: Vec<String> = optional "hosts",
        /// Not these.
        not_hosts: Vec<String> = optional "notHosts",
        /// Ports of the workload.
        ports: Vec<String> = optional "ports",
        /// Not these.
        not_ports: Vec<String> = optional "notPorts",
        /// Methods.
        methods: Vec<String> = optional "methods",
        /// Not these.
        not_methods: Vec<String> = optional "notMethods",
        /// Paths; `{*}` is one segment, `{**}` any number.
        paths: Vec<String> = optional "paths",
        /// Not these.
        not_paths: Vec<String> = optional "notPaths",
    }
}

record! {
    /// A test of one attribute (AP-06).
    strict struct Condition {
        /// Attribute, such as `request.headers[user-agent]`.
        key: String = required "key",
        /// Values, of which any must hold.
        values: Vec<String> = optional "values",
        /// Values, of which none may hold.
        not_values: Vec<String> = optional "notValues",
    }
}
