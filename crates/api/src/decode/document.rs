//! One document → one object, or what is wrong with it.

use weft_types::Name;

use super::limits::MAX_DOCUMENTS;
use super::record::{Fields, Unknown, fields};
use super::split::Part;
use super::tree::{self, Broken, Content, Node, Place};
use super::{Decode, Decoded};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::kind::{Kind, Recognized};
use crate::object::{DEFAULT_NAMESPACE, Meta, Object, ObjectRef, Origin, Source, Spec};
use crate::path::{Path, Step};
use crate::places::Places;
use crate::report::Report;
use crate::value::name;
use crate::{check, istio, kube};

/// Reads one document and pushes what it gave: nothing, one object, or the items of a list.
pub(super) fn read(part: &Part<'_>, file: &Name, out: &mut Vec<Decoded>) {
    match tree::parse(part.text, part.line) {
        Ok(None) => {}
        Ok(Some(root)) => match items(&root) {
            Some(items) => {
                let room = MAX_DOCUMENTS.saturating_sub(out.len());
                out.extend(items.iter().take(room).map(|item| object(item, file)));
                if items.len() > room {
                    let message = format!("more than {MAX_DOCUMENTS} documents; the rest is not read");
                    out.push(alone(file, root.place, Code::Limit, message));
                }
            }
            None => out.push(object(&root, file)),
        },
        Err(Broken::Syntax(place, message)) => out.push(alone(file, place, Code::Syntax, message)),
        Err(Broken::Limit(place, message)) => out.push(alone(file, place, Code::Limit, message)),
    }
}

/// A document of which nothing is known but one error.
fn alone(file: &Name, place: Place, code: Code, message: String) -> Decoded {
    let of_file = Diagnostic::of_file(code, file, message);
    let diagnostic = Diagnostic { line: place.line, column: place.column, ..of_file };
    Decoded { line: place.line, reference: None, object: None, diagnostics: vec![diagnostic] }
}

/// The items of a `List`, as `kubectl get -o yaml` writes one.
fn items<'n, 'a>(root: &'n Node<'a>) -> Option<&'n [Node<'a>]> {
    if scalar_text(root, "kind") != Some("List") {
        return None;
    }
    match &field(root, "items")?.content {
        Content::List(items) => Some(items),
        _ => None,
    }
}

fn field<'n, 'a>(node: &'n Node<'a>, name: &str) -> Option<&'n Node<'a>> {
    let Content::Map(entries) = &node.content else { return None };
    entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value)
}

fn scalar_text<'n>(node: &'n Node<'_>, name: &str) -> Option<&'n str> {
    match &field(node, name)?.content {
        Content::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

/// What every object has in common.
#[derive(Debug, Default)]
struct Head {
    name: String,
    namespace: String,
    generation: Option<u64>,
    meta: Meta,
}

/// Fields of Kubernetes' ObjectMeta that say nothing to a mesh.
const BOOKKEEPING: &[&str] = &[
    "clusterName",
    "deletionGracePeriodSeconds",
    "finalizers",
    "generateName",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn head(f: &mut Fields<'_, '_>) -> Head {
    f.skip(BOOKKEEPING);
    let deleted: Option<String> = f.optional("deletionTimestamp");
    Head {
        name: f.required("name"),
        namespace: f.optional("namespace"),
        generation: f.optional("generation"),
        meta: Meta {
            labels: f.optional("labels"),
            annotations: f.optional("annotations"),
            created: f.optional("creationTimestamp"),
            deleting: deleted.is_some(),
        },
    }
}

/// Reads one object.
fn object(root: &Node<'_>, file: &Name) -> Decoded {
    let mut report = Report::default();
    let mut decoded =
        Decoded { line: root.place.line, reference: None, object: None, diagnostics: Vec::new() };
    if let Some(kind) = kind(root, &mut report) {
        let (reference, object) = typed(kind, root, file, &mut report);
        decoded.reference = reference;
        decoded.object = object.filter(|_| report.errors == 0);
    }
    decoded.diagnostics = diagnostics(report, root, file, decoded.reference.as_ref());
    decoded
}

/// The kind of a document, if it is one that is read.
fn kind(root: &Node<'_>, report: &mut Report) -> Option<Kind> {
    if !matches!(root.content, Content::Map(_)) {
        let message =
            format!("expected an object with apiVersion, kind and metadata, found {}", root.describe());
        report.error(Code::NotAnObject, message);
        return None;
    }
    let (Some(api_version), Some(kind)) = (scalar_text(root, "apiVersion"), scalar_text(root, "kind")) else {
        let missing = if scalar_text(root, "kind").is_none() { "kind" } else { "apiVersion" };
        report.error(Code::NotAnObject, format!("an object needs {missing}"));
        return None;
    };
    match Kind::recognize(api_version, kind) {
        Recognized::Read(kind) => Some(kind),
        Recognized::NotRead => {
            report.warn(
                Code::KindNotRead,
                format!("{} is not read, so it has no effect", shown(api_version, kind)),
            );
            None
        }
        Recognized::Unknown { hint } => {
            let message = format!("there is no {}", shown(api_version, kind));
            report.record(Severity::Error, Code::UnknownKind, None, message, hint);
            None
        }
    }
}

fn shown(api_version: &str, kind: &str) -> String {
    super::scalar::shorten(&format!("{api_version} {kind}"))
}

/// Reads an object of a known kind: which it is, and what it says.
fn typed(kind: Kind, root: &Node<'_>, file: &Name, r: &mut Report) -> (Option<ObjectRef>, Option<Object>) {
    let unknown = if kind.is_istio() { Unknown::Refused } else { Unknown::Skipped };
    let head = r.within("metadata", |r| match field(root, "metadata") {
        Some(node) => fields(node, r, unknown, head),
        None => {
            r.error(Code::MissingField, "required, but missing");
            None
        }
    });
    let reference = head.as_ref().and_then(|head| reference(kind, head, r));
    let spec = spec(kind, root, unknown, r);
    // A check of what could not be read would speak of defaults that nobody wrote.
    let (Some(head), Some(reference), Some(spec), 0) = (head, reference.clone(), spec, r.errors) else {
        return (reference, None);
    };
    let object = Object {
        reference: reference.clone(),
        origin: Origin::default(),
        meta: head.meta,
        source: Source { file: file.clone(), line: root.place.line, places: places(kind, root) },
        generation: head.generation.unwrap_or(1).max(1),
        spec,
    };
    check::object(&object, r);
    (Some(reference), Some(object))
}

fn reference(kind: Kind, head: &Head, r: &mut Report) -> Option<ObjectRef> {
    let Head { name, namespace, .. } = head;
    let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
    let before = r.errors;
    // A name that is missing has been reported as a field.
    if !name.is_empty() && !name::is_subdomain(name) {
        r.within("metadata", |r| r.error_at("name", Code::ObjectName, name::not_a_name(name)));
    }
    if kind.is_namespaced() && !name::is_label(namespace) {
        r.within("metadata", |r| r.error_at("namespace", Code::ObjectName, name::not_a_name(namespace)));
    }
    (!name.is_empty() && r.errors == before).then(|| ObjectRef::new(kind, namespace, name))
}

/// Reads what is special to the kind: Istio's `spec`, or the whole of a Kubernetes object.
fn spec(kind: Kind, root: &Node<'_>, unknown: Unknown, r: &mut Report) -> Option<Spec> {
    fn of_istio<T: Decode + Default + Into<Spec>>(
        root: &Node<'_>,
        unknown: Unknown,
        r: &mut Report,
    ) -> Option<Spec> {
        fields(root, r, unknown, |f| {
            f.skip(&["apiVersion", "kind", "metadata", "status"]);
            f.required_record::<T>("spec").into()
        })
    }
    fn whole<T: Decode + Into<Spec>>(root: &Node<'_>, r: &mut Report) -> Option<Spec> {
        T::decode(root, r).map(Into::into)
    }
    match kind {
        Kind::VirtualService => of_istio::<istio::VirtualService>(root, unknown, r),
        Kind::DestinationRule => of_istio::<istio::DestinationRule>(root, unknown, r),
        Kind::Gateway => of_istio::<istio::Gateway>(root, unknown, r),
        Kind::ServiceEntry => of_istio::<istio::ServiceEntry>(root, unknown, r),
        Kind::WorkloadEntry => of_istio::<istio::WorkloadEntry>(root, unknown, r),
        Kind::Sidecar => of_istio::<istio::Sidecar>(root, unknown, r),
        Kind::PeerAuthentication => of_istio::<istio::PeerAuthentication>(root, unknown, r),
        Kind::AuthorizationPolicy => of_istio::<istio::AuthorizationPolicy>(root, unknown, r),
        Kind::Namespace => whole::<kube::Namespace>(root, r),
        Kind::Node => whole::<kube::Node>(root, r),
        Kind::Service => whole::<kube::Service>(root, r),
        Kind::Pod => whole::<kube::Pod>(root, r),
        Kind::Deployment => whole::<kube::Deployment>(root, r),
        Kind::ServiceAccount => whole::<kube::ServiceAccount>(root, r),
        Kind::EndpointSlice => whole::<kube::EndpointSlice>(root, r),
    }
}

/// Where the fields of the spec stand, for the kinds whose fields name other objects.
fn places(kind: Kind, root: &Node<'_>) -> Places {
    match root.entry("spec") {
        Some(entry) if kind.is_istio() || kind == Kind::Service => {
            let mut found = Vec::new();
            entry.value.places(&mut Path(vec![Step::Field("spec")]), entry.place, &mut found);
            Places::new(found.into_iter().map(|(path, place)| (path, place.line, place.column)))
        }
        _ => Places::default(),
    }
}

/// Findings → diagnostics, in the order of the text.
fn diagnostics(report: Report, root: &Node<'_>, file: &Name, object: Option<&ObjectRef>) -> Vec<Diagnostic> {
    let Report { findings, dropped, .. } = report;
    let mut diagnostics: Vec<Diagnostic> = findings
        .into_iter()
        .map(|finding| {
            let place = finding.place.unwrap_or_else(|| root.locate(&finding.path));
            Diagnostic {
                code: finding.code,
                severity: finding.severity,
                file: file.clone(),
                line: place.line,
                column: place.column,
                object: object.cloned(),
                path: finding.path.to_string(),
                message: finding.message,
                hint: finding.hint,
            }
        })
        .collect();
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    if dropped > 0 {
        let severity = diagnostics.iter().map(|diagnostic| diagnostic.severity).max();
        let of_file = Diagnostic::of_file(Code::Limit, file, format!("{dropped} more are not listed"));
        let (line, column) = (root.place.line, root.place.column);
        let severity = severity.unwrap_or(Severity::Error);
        diagnostics.push(Diagnostic { severity, line, column, object: object.cloned(), ..of_file });
    }
    diagnostics
}
