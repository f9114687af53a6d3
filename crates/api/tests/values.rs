//! What documents mean: one object of each kind, read and compared field by field where forms differ.

use std::time::Duration;

use weft_api::value::{IntOrString, Port, StringMatch};
use weft_api::{Kind, Object, ObjectRef, Spec, decode};

const EVERYTHING: &str = include_str!("fixtures/good/everything.yaml");

fn objects() -> Vec<Object> {
    let decoded = decode(EVERYTHING, "everything.yaml");
    let said: Vec<String> = decoded.iter().flat_map(|d| &d.diagnostics).map(ToString::to_string).collect();
    assert_eq!(said, Vec::<String>::new());
    decoded.into_iter().filter_map(|d| d.object).collect()
}

fn object(kind: Kind, namespace: &str, name: &str) -> Object {
    let wanted = ObjectRef::new(kind, namespace, name);
    objects().into_iter().find(|object| object.reference == wanted).expect("the object is read")
}

#[test]
fn every_kind_is_read_without_a_word() {
    let objects = objects();
    for kind in Kind::all() {
        assert!(objects.iter().any(|object| object.reference.kind == kind), "{kind}");
    }
    assert!(objects.iter().all(|object| object.spec.kind() == object.reference.kind));
}

#[test]
fn objects_know_where_they_stand_and_which_they_are() {
    let gateway = object(Kind::Gateway, "istio-system", "edge");
    let line = 1 + EVERYTHING.lines().position(|line| line == "kind: Gateway").expect("it is there");
    assert_eq!((&*gateway.source.file, gateway.source.line as usize), ("everything.yaml", line - 1));
    assert_eq!(gateway.reference.to_string(), "Gateway istio-system/edge");
    let namespace = object(Kind::Namespace, "ignored", "shop");
    assert_eq!(namespace.reference.to_string(), "Namespace shop");
    assert_eq!(namespace.meta.labels["istio-injection"], "enabled");
    assert_eq!(
        object(Kind::ServiceEntry, "default", "outside").origin.trust_domain.as_ref(),
        "cluster.local"
    );
    assert!(object(Kind::Pod, "shop", "web-1").meta.deleting);
}

#[test]
fn a_virtual_service_means_what_it_says() {
    let Spec::VirtualService(spec) = object(Kind::VirtualService, "shop", "bookshop").spec else { panic!() };
    assert!(spec.is_for_mesh());
    assert_eq!(spec.export_to, ["."]);
    let canary = &spec.http[0];
    assert_eq!(canary.matches[0].headers["end-user"], StringMatch::Exact("jason".to_owned()));
    assert_eq!(canary.matches[0].headers["x-any"], StringMatch::Present);
    assert_eq!(canary.route[0].destination.port_number(), Port::new(9080));
    assert_eq!(canary.timeout, Some(Duration::from_millis(500)));
    let fault = canary.fault.as_ref().expect("it has faults");
    let delay = fault.delay.as_ref().expect("it delays");
    assert_eq!((delay.fixed_delay, delay.share().per_million()), (Some(Duration::from_secs(90)), 1_000));
    let redirect = spec.http[1].redirect.as_ref().expect("it redirects");
    assert_eq!((redirect.prefix_rewrite.as_deref(), redirect.redirect_code), (Some("/new"), Some(308)));
    let response = spec.http[2].direct_response.as_ref().expect("it responds");
    let body = response.body.as_ref().and_then(|body| body.bytes.as_ref()).expect("it has a body");
    assert_eq!(body.0, b"ok\n");
}

#[test]
fn deprecated_shares_count_where_they_are_alone() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec:\n  hosts: \
                [a]\n  http:\n  - route: [{destination: {host: a}}]\n    mirror: {host: b}\n    \
                mirror_percent: 7\n    fault: {delay: {fixedDelay: 1s, percent: 9}}\n";
    let object = decode(text, "").remove(0).object.expect("warnings do not refuse");
    let Spec::VirtualService(spec) = object.spec else { panic!() };
    assert_eq!(spec.http[0].mirror_share().value(), 7.0);
    let delay = spec.http[0].fault.as_ref().and_then(|fault| fault.delay.as_ref());
    assert_eq!(delay.expect("it delays").share().value(), 9.0);
}

#[test]
fn kubernetes_kinds_mean_what_they_say() {
    let Spec::Service(service) = object(Kind::Service, "shop", "web").spec else { panic!() };
    assert!(service.spec.is_headless());
    assert_eq!(service.spec.virtual_addresses().count(), 0);
    assert_eq!(service.spec.ports[0].target_port, Some(IntOrString::String("web".to_owned())));
    assert_eq!(service.spec.ports[1].target_port, Port::new(8081).map(IntOrString::Int));
    let Spec::Pod(pod) = object(Kind::Pod, "shop", "web-1").spec else { panic!() };
    assert_eq!(pod.status.addresses().collect::<Vec<_>>(), ["10.0.0.1", "fd00::1"]);
    assert!(pod.status.is_ready());
}

#[test]
fn json_is_read_as_yaml_is() {
    let text = "{\n\t\"apiVersion\": \"networking.istio.io/v1\",\n\t\"kind\": \"Gateway\",\n\t\"metadata\": \
                {\"name\": \"x\"},\n\t\"spec\": {\"servers\": [{\"hosts\": [\"*\"], \"port\": {\"number\": 80, \
                \"name\": \"http\", \"protocol\": \"HTTP\"}}]}\n}";
    let decoded = decode(text, "x.json");
    assert!(decoded[0].object.is_some(), "{:?}", decoded[0].diagnostics);
}
