//! Which DestinationRule is in force (DR-01).

use std::collections::HashMap;
use std::sync::Arc;

use weft_api::istio::DestinationRule;
use weft_api::value::label::selects;
use weft_api::{Code, Diagnostic, Object, Spec};
use weft_types::Name;

use crate::diagnose::warning;
use crate::mesh::MeshConfig;
use crate::objects::Objects;
use crate::service::Service;
use crate::visibility::Visibility;
use crate::{Labels, host};

/// The rules of one namespace for one host, merged.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationRuleView {
    /// Name of the oldest object.
    pub name: Name,
    /// Namespace of the objects.
    pub namespace: Name,
    /// Host in full, perhaps with a wildcard.
    pub host: Name,
    /// The objects, oldest first.
    pub sources: Vec<Arc<Object>>,
    /// What they say together: subsets of all, the first one of a name; the first policy.
    pub spec: Arc<DestinationRule>,
    /// Who sees it.
    pub export_to: Visibility,
}

impl DestinationRuleView {
    /// The labels of calling workloads that it is for; none if it is for all.
    fn workload_selector(&self) -> Option<&Labels> {
        self.spec.workload_selector.as_ref().map(|selector| &selector.match_labels)
    }

    /// The object that defines a subset, for messages.
    #[must_use]
    pub fn source_of_subset(&self, subset: &str) -> Option<&Arc<Object>> {
        let defines = |spec: &DestinationRule| spec.subsets.iter().any(|known| known.name == subset);
        self.sources.iter().find(|object| rule(object).is_some_and(defines))
    }
}

fn rule(object: &Object) -> Option<&DestinationRule> {
    match &object.spec {
        Spec::DestinationRule(spec) => Some(spec),
        _ => None,
    }
}

/// DestinationRules by namespace and host.
#[derive(Debug, Default)]
pub(crate) struct DestinationRules {
    namespaces: HashMap<Name, HashMap<Name, Vec<Arc<DestinationRuleView>>>>,
    /// What there is to say about them.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl DestinationRules {
    pub(crate) fn new(objects: &Objects, mesh: &MeshConfig) -> Self {
        let mut diagnostics = Vec::new();
        let mut namespaces: HashMap<Name, HashMap<Name, Vec<DestinationRuleView>>> = HashMap::new();
        for (object, spec) in objects.destination_rules() {
            let namespace = &object.reference.namespace;
            let host = host::resolve(&spec.host, namespace, &mesh.domain);
            let hosts = namespaces.entry(namespace.clone()).or_default();
            add(hosts.entry(host.clone()).or_default(), object, spec, host, mesh, &mut diagnostics);
        }
        let share = |(host, views): (Name, Vec<DestinationRuleView>)| {
            (host, views.into_iter().map(Arc::new).collect::<Vec<_>>())
        };
        let namespaces = namespaces.into_iter();
        Self {
            namespaces: namespaces.map(|(name, of)| (name, of.into_iter().map(share).collect())).collect(),
            diagnostics,
        }
    }

    /// The rules of a namespace for the most specific host that matches, among those that pass.
    fn find(
        &self,
        namespace: &str,
        host: &str,
        pass: impl Fn(&DestinationRuleView) -> bool,
    ) -> Option<Vec<&Arc<DestinationRuleView>>> {
        let hosts = self.namespaces.get(namespace)?;
        host::candidates(host).find_map(|candidate| {
            let views = hosts.get(candidate.as_str())?.iter();
            let views: Vec<_> = views.filter(|view| pass(view)).collect();
            (!views.is_empty()).then_some(views)
        })
    }

    /// The rule for calls from a workload: of the client's namespace, else of the service's, else of the
    /// root namespace. Within the client's own namespace a rule that selects the workload goes first.
    pub(crate) fn resolve(
        &self,
        client: &str,
        labels: &Labels,
        service: &Service,
        root: &str,
    ) -> Option<Arc<DestinationRuleView>> {
        let host = &*service.host;
        // Rules of the root namespace are defaults, which must not hide a service's own: of those, a
        // client in the root namespace takes first only what is for that namespace alone.
        let own = self.find(client, host, |view| {
            view.export_to.admits(client) && (client != root || view.export_to != Visibility::Public)
        });
        let exported = |namespace| self.find(namespace, host, |view| view.export_to.admits(client));
        let views = own.or_else(|| exported(&service.namespace)).or_else(|| exported(root))?;
        let selecting = views.iter().find(|view| {
            let selector = view.workload_selector();
            &*view.namespace == client && selector.is_some_and(|selector| selects(selector, labels))
        });
        let for_all = || views.iter().find(|view| view.workload_selector().is_none());
        selecting.or_else(for_all).map(|view| Arc::clone(view))
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<DestinationRuleView>> {
        self.namespaces.values().flat_map(HashMap::values).flatten()
    }
}

/// Merges a rule into the first one of its host that selects the same workloads and is seen by all that
/// see this one; else it stands by itself.
fn add(
    views: &mut Vec<DestinationRuleView>,
    object: &Arc<Object>,
    spec: &DestinationRule,
    host: Name,
    mesh: &MeshConfig,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let namespace = &object.reference.namespace;
    let export_to = Visibility::new(&spec.export_to, namespace, &mesh.destination_rule_export_to);
    let same = |view: &&mut DestinationRuleView| {
        view.spec.workload_selector == spec.workload_selector && view.export_to.includes(&export_to)
    };
    if let Some(view) = views.iter_mut().find(same) {
        let first = |has: fn(&DestinationRule, &str) -> bool, what: &str| {
            let mut sources = view.sources.iter();
            let source = sources.find(|object| rule(object).is_some_and(|spec| has(spec, what)));
            source.map_or_else(String::new, |object| object.reference.to_string())
        };
        let merged = Arc::make_mut(&mut view.spec);
        for (index, subset) in spec.subsets.iter().enumerate() {
            if merged.subsets.iter().all(|known| known.name != subset.name) {
                merged.subsets.push(subset.clone());
            } else {
                let before =
                    first(|spec, name| spec.subsets.iter().any(|known| known.name == name), &subset.name);
                let message = format!("subset {} of {host}: {before} goes before", subset.name);
                diagnostics.push(warning(object, &format!("spec.subsets[{index}]"), Code::Conflict, message));
            }
        }
        if merged.traffic_policy.is_none() {
            merged.traffic_policy.clone_from(&spec.traffic_policy);
        } else if spec.traffic_policy.is_some() {
            let before = first(|spec, _| spec.traffic_policy.is_some(), "");
            let message = format!("the policy of {host}: {before} goes before");
            diagnostics.push(warning(object, "spec.trafficPolicy", Code::Conflict, message));
        }
        view.sources.push(object.clone());
        return;
    }
    let mut spec = spec.clone();
    spec.host = host.to_string();
    views.push(DestinationRuleView {
        name: object.reference.name.clone(),
        namespace: namespace.clone(),
        host,
        sources: vec![object.clone()],
        spec: Arc::new(spec),
        export_to,
    });
}
