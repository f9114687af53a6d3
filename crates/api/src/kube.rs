//! Kubernetes' kinds, as far as a mesh reads them. Their other fields are Kubernetes' business and are
//! skipped.

pub mod endpoint_slice;
pub mod pod;
pub mod service;

use std::collections::BTreeMap;

use crate::decode::record;
pub use endpoint_slice::EndpointSlice;
pub use pod::{Pod, PodSpec};
pub use service::Service;

record! {
    /// A namespace; its labels say how it takes part in the mesh.
    partial struct Namespace {}
}

record! {
    /// A node; its labels say where its pods are (CP-27).
    partial struct Node {}
}

record! {
    /// A service account; identities name it.
    partial struct ServiceAccount {}
}

record! {
    /// Pods of one form.
    partial struct Deployment {
        /// What is wanted.
        spec: DeploymentSpec = optional "spec",
    }
}

record! {
    /// How many pods, and of which form.
    partial struct DeploymentSpec {
        /// Number of pods; 1 by default.
        replicas: Option<u32> = count "replicas",
        /// Which pods are its own.
        selector: Selector = optional "selector",
        /// Their form.
        template: PodTemplate = optional "template",
    }
}

record! {
    /// Selects by labels; all must hold.
    partial struct Selector {
        /// Labels and their values.
        match_labels: BTreeMap<String, String> = optional "matchLabels",
    }
}

record! {
    /// The form of pods.
    partial struct PodTemplate {
        /// Labels and annotations.
        metadata: TemplateMeta = optional "metadata",
        /// The rest.
        spec: PodSpec = optional "spec",
    }
}

record! {
    /// Labels and annotations of pods of one form.
    partial struct TemplateMeta {
        /// Labels.
        labels: BTreeMap<String, String> = optional "labels",
        /// Annotations.
        annotations: BTreeMap<String, String> = optional "annotations",
    }
}
