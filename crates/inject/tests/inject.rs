//! Which pods get sidecars, and what comes out; `UPDATE_GOLDEN=1` writes the golden files anew.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use serde_json::{Value, json};
use weft_inject::{Injector, Outcome, Reason, resource, review};

const CONFIG: &str = "policy: enabled\nalwaysInjectSelector: [{matchLabels: {must: have}}]\n\
    neverInjectSelector: [{matchExpressions: [{key: job, operator: Exists}]}]\n\
    injectedAnnotations: {example.com/a: b}\ndefaultTemplates: [sidecar]\n\
    templates:\n  extra: |\n    spec:\n      containers:\n      - name: istio-proxy\n        env:\n        - {name: A, value: b}\n";

fn injector() -> Injector {
    let values = json!({"revision": "", "global": {"hub": "localhost/weft", "tag": "1.2.3", "istioNamespace": "istio-system",
        "proxy": {"image": "weft-proxy", "statusPort": 15020, "logLevel": "warning", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}},
        "proxy_init": {"image": "weft-proxy"}}, "sidecarInjectorWebhook": {"rewriteAppHTTPProbe": true},
        "meshConfig": {"enablePrometheusMerge": true}});
    Injector::new(CONFIG, &values.to_string()).unwrap()
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 8080, "name": "http"}]}]}})
}

fn injected(injector: &Injector, pod: &Value) -> Value {
    match injector.inject(pod, "default", None).unwrap() {
        Outcome::Injected(after) => *after,
        Outcome::Left(reason) => panic!("left: {reason:?}"),
    }
}

fn proxy(pod: &Value) -> &Value {
    let all = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    all.flatten().find(|one| one["name"] == "istio-proxy").expect("a proxy")
}

fn variable<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    proxy(pod)["env"].as_array()?.iter().find(|one| one["name"] == name)?["value"].as_str()
}

#[test]
fn the_order_of_what_counts() {
    let left = |change: &dyn Fn(&mut Value), namespace: &str| {
        let mut pod = pod();
        change(&mut pod);
        match injector().inject(&pod, namespace, None).unwrap() {
            Outcome::Left(reason) => Some(reason),
            Outcome::Injected(_) => None,
        }
    };
    assert_eq!(left(&|_| {}, "default"), None);
    assert_eq!(left(&|_| {}, "kube-system"), Some(Reason::SystemNamespace));
    let host = |pod: &mut Value| pod["spec"]["hostNetwork"] = true.into();
    assert_eq!(left(&host, "default"), Some(Reason::HostNetwork));
    let label = |value: &'static str| {
        move |pod: &mut Value| pod["metadata"]["labels"]["sidecar.istio.io/inject"] = value.into()
    };
    let note = |value: &'static str| {
        move |pod: &mut Value| pod["metadata"]["annotations"] = json!({"sidecar.istio.io/inject": value})
    };
    assert_eq!(left(&label("false"), "default"), Some(Reason::Label));
    assert_eq!(left(&note("false"), "default"), Some(Reason::Annotation));
    let both = |pod: &mut Value| {
        label("true")(pod);
        note("false")(pod);
    };
    assert_eq!(left(&both, "default"), None);
    let never = |pod: &mut Value| pod["metadata"]["labels"]["job"] = "x".into();
    assert_eq!(left(&never, "default"), Some(Reason::Never));
    let never_but = |pod: &mut Value| {
        never(pod);
        note("true")(pod);
    };
    assert_eq!(left(&never_but, "default"), None);
    let never_first = |pod: &mut Value| {
        never(pod);
        pod["metadata"]["labels"]["must"] = "have".into();
    };
    assert_eq!(left(&never_first, "default"), Some(Reason::Never));
    let off =
        Injector::new("policy: disabled\nalwaysInjectSelector: [{matchLabels: {must: have}}]", "{}").unwrap();
    assert_eq!(off.inject(&pod(), "default", None).unwrap(), Outcome::Left(Reason::Policy));
    let mut always = pod();
    always["metadata"]["labels"]["must"] = "have".into();
    assert!(matches!(off.inject(&always, "default", None).unwrap(), Outcome::Injected(_)));
}

#[test]
fn files_become_as_written_down() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for name in ["workloads", "settings", "gateway"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
        let out = resource::inject_text(&injector(), &text, "default").unwrap();
        let path = folder.join(format!("{name}.injected.yaml"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &out).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap() == out, "{name} differs:\n{out}");
        assert_eq!(
            resource::inject_text(&injector(), &out, "default").unwrap(),
            out,
            "{name}: twice is once"
        );
    }
}

#[test]
fn native_and_classic_sidecars_stand_where_they_must() {
    let names = |pod: &Value, list: &str| -> Vec<String> {
        let all = pod["spec"][list].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut before = pod();
    before["spec"]["initContainers"] = json!([{"name": "migrate", "image": "m"}]);
    let native = injected(&injector(), &before);
    assert_eq!(names(&native, "initContainers"), ["istio-init", "istio-proxy", "migrate"]);
    assert_eq!(names(&native, "containers"), ["web"]);
    assert_eq!(proxy(&native)["restartPolicy"], "Always");
    before["metadata"]["annotations"] = json!({"sidecar.istio.io/nativeSidecar": "false"});
    let classic = injected(&injector(), &before);
    assert_eq!(names(&classic, "initContainers"), ["migrate", "istio-init"]);
    assert_eq!(names(&classic, "containers"), ["web", "istio-proxy"]);
    before["metadata"]["annotations"]["proxy.istio.io/config"] =
        "holdApplicationUntilProxyStarts: true".into();
    let held = injected(&injector(), &before);
    assert_eq!(names(&held, "containers"), ["istio-proxy", "web"]);
    assert!(proxy(&held)["lifecycle"]["postStart"].is_object());
}

#[test]
fn probes_and_metrics_go_by_the_proxy() {
    let mut before = pod();
    before["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9090"});
    before["spec"]["containers"][0]["livenessProbe"] =
        json!({"httpGet": {"path": "/live", "port": "http"}, "timeoutSeconds": 3});
    before["spec"]["containers"][0]["readinessProbe"] = json!({"grpc": {"port": 9000}});
    let after = injected(&injector(), &before);
    let web = &after["spec"]["containers"][0];
    assert_eq!(web["livenessProbe"]["httpGet"], json!({"path": "/app-health/web/livez", "port": 15020}));
    assert!(web["readinessProbe"].get("grpc").is_none());
    let known: Value = serde_json::from_str(variable(&after, "ISTIO_KUBE_APP_PROBERS").unwrap()).unwrap();
    assert_eq!(
        known["/app-health/web/livez"],
        json!({"httpGet": {"path": "/live", "port": 8080}, "timeoutSeconds": 3})
    );
    assert_eq!(known["/app-health/web/readyz"], json!({"grpc": {"port": 9000}}));
    assert_eq!(after["metadata"]["annotations"]["prometheus.io/port"], "15020");
    assert_eq!(
        variable(&after, "ISTIO_PROMETHEUS_ANNOTATIONS").unwrap(),
        r#"{"port":"9090","scrape":"true"}"#
    );
}

#[test]
fn only_redirection_has_rights_and_the_cni_takes_them_away() {
    let mut injector = injector();
    let after = injected(&injector, &pod());
    assert_eq!(after["spec"]["initContainers"][0]["securityContext"]["runAsUser"], 0);
    let context = &proxy(&after)["securityContext"];
    assert_eq!((&context["runAsUser"], &context["allowPrivilegeEscalation"]), (&json!(1337), &json!(false)));
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
    let values = json!({"istio_cni": {"enabled": true}});
    injector = Injector::new(CONFIG, &values.to_string()).unwrap();
    let after = injected(&injector, &pod());
    let init = &after["spec"]["initContainers"][0];
    assert_eq!(
        (&init["name"], &init["securityContext"]["runAsUser"]),
        (&json!("istio-validation"), &json!(1337))
    );
    assert!(!after.to_string().contains("NET_ADMIN"));
}

#[test]
fn wrong_annotations_refuse_the_pod_and_name_themselves() {
    for (name, value) in [
        ("proxy.istio.io/config", "[1]"),
        ("sidecar.istio.io/userVolume", "{"),
        ("readiness.status.sidecar.istio.io/periodSeconds", "soon"),
        ("inject.istio.io/templates", "grpc-agent"),
    ] {
        let mut before = pod();
        before["metadata"]["annotations"] = json!({ name: value });
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "u", "namespace": "default", "object": before}});
        let answer = review::answer(&injector(), &review);
        assert_eq!(answer["response"]["allowed"], false, "{name}");
        let said = answer["response"]["status"]["message"].as_str().unwrap();
        assert!(said.contains(name) || said.contains(value), "{said}");
    }
}

#[test]
fn a_review_is_answered_with_a_patch() {
    use base64::Engine as _;
    let ask = |pod: &Value| {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "request": {"uid": "u", "namespace": "default", "object": pod}});
        review::answer(&injector(), &review)
    };
    let answer = ask(&pod());
    assert_eq!((&answer["response"]["uid"], &answer["response"]["allowed"]), (&json!("u"), &json!(true)));
    let patch = answer["response"]["patch"].as_str().unwrap();
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
    let mut patched = pod();
    json_patch::patch(&mut patched, &serde_json::from_slice::<json_patch::Patch>(&patch).unwrap()).unwrap();
    assert_eq!(patched, injected(&injector(), &pod()));
    assert!(ask(&patched)["response"].get("patch").is_none());
    assert_eq!(ask(&Value::Null)["response"]["allowed"], false);
}

proptest! {
    #[test]
    fn any_pod_stays_a_pod_and_twice_is_once(
        native in any::<bool>(),
        names in prop::collection::vec("[a-z]{1,8}", 1..4),
        init in prop::collection::vec("[a-z]{1,8}", 0..3),
        own in any::<bool>(),
        notes in prop::collection::btree_map(
            prop::sample::select(vec!["sidecar.istio.io/proxyCPU", "sidecar.istio.io/interceptionMode", "prometheus.io/port",
                "traffic.sidecar.istio.io/excludeInboundPorts", "sidecar.istio.io/nativeSidecar", "inject.istio.io/templates"]),
            prop::sample::select(vec!["1", "TPROXY", "8080", "true", "gateway", "sidecar,extra"]), 0..5),
    ) {
        let mut injector = injector();
        injector.native_sidecars = native;
        let one = |name: &String| json!({"name": name, "image": "i", "livenessProbe": {"tcpSocket": {"port": 80}}});
        let mut containers: Vec<Value> = names.iter().map(one).collect();
        if own {
            containers.push(json!({"name": "istio-proxy", "image": "auto", "env": [{"name": "POD_NAME", "value": "x"}]}));
        }
        let before = json!({"metadata": {"generateName": "a-", "annotations": notes},
            "spec": {"containers": containers, "initContainers": init.iter().map(one).collect::<Vec<_>>()}});
        if let Ok(Outcome::Injected(after)) = injector.inject(&before, "default", None) {
            prop_assert!(serde_json::from_value::<Pod>((*after).clone()).is_ok());
            prop_assert_eq!(injector.inject(&after, "default", None), Ok(Outcome::Left(Reason::AlreadyInjected)));
        }
    }
}
