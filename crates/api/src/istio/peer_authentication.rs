//! PeerAuthentication: whether callers must use mutual TLS (PA rows).

use std::collections::BTreeMap;

use crate::decode::{record, words};
use crate::value::LabelSelector;

record! {
    /// For workloads with certain labels; without a selector, for the namespace, or, in the root
    /// namespace, for the mesh.
    strict struct PeerAuthentication {
        /// Labels of the workloads.
        selector: Option<LabelSelector> = optional "selector",
        /// Mode of all ports; inherited if unset, PERMISSIVE in the end (PA-01).
        mtls: Option<MutualTls> = optional "mtls",
        /// Modes of the workload's ports, by number (PA-02).
        port_level_mtls: BTreeMap<String, MutualTls> = optional "portLevelMtls",
    }
}

record! {
    /// A mode.
    strict struct MutualTls {
        /// Mode.
        mode: MutualTlsMode = optional "mode",
    }
}

words! {
    /// Whether callers must use mutual TLS.
    enum MutualTlsMode {
        /// As the level above.
        Unset = "UNSET",
        /// They must not.
        Disable = "DISABLE",
        /// They may.
        Permissive = "PERMISSIVE",
        /// They must.
        Strict = "STRICT",
    }
}
