//! A definition as Kubernetes' object.

use serde_json::{Value, json};

use crate::definition::{Column, Definition};
use crate::parts::status;
use crate::schema::object;

/// The CustomResourceDefinition. Labels and annotations are the chart's to add.
#[must_use]
pub fn document(definition: &Definition) -> Value {
    let Definition { kind, plural, short, group, versions, storage, columns, spec_required, spec } =
        definition;
    let family = group.replace('.', "-").replace("-istio-io", "");
    let mut names = json!({
        "kind": kind,
        "listKind": format!("{kind}List"),
        "plural": plural,
        "singular": kind.to_lowercase(),
        "categories": ["istio-io", format!("{family}-istio-io")],
    });
    if !short.is_empty() {
        names["shortNames"] = json!(short);
    }
    let with_spec = if *spec_required {
        object().required("spec", "What is wanted.", spec.clone())
    } else {
        object().field("spec", "What is wanted.", spec.clone())
    };
    let schema = with_spec.field("status", "What has become of it.", status::status()).to_json();
    let version = |name: &&str| {
        let mut version = json!({
            "name": name,
            "served": true,
            "storage": name == storage,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        });
        if !columns.is_empty() {
            version["additionalPrinterColumns"] = columns.iter().map(column).collect();
        }
        version
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": versions.iter().map(version).collect::<Vec<_>>(),
        },
    })
}

fn column(column: &Column) -> Value {
    let Column { name, type_name, path, about } = column;
    json!({"name": name, "type": type_name, "jsonPath": path, "description": about})
}
