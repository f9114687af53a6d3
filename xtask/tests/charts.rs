//! The charts as Helm renders them: with the values that they come with, and with values files as users write them.
//! `WEFT_BLESS=1` writes the expected renders anew. Helm is built by `cargo xtask tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Release, chart and values of each render.
const RENDERS: [(&str, &str, &str, Option<&str>); 9] = [
    ("base", "istio-base", "base", None),
    ("base-stable", "istio-base", "base", Some("base-stable.yaml")),
    ("istiod", "istiod", "istiod", None),
    ("istiod-canary", "istiod-canary", "istiod", Some("istiod-canary.yaml")),
    ("istiod-remote", "istiod", "istiod", Some("istiod-remote.yaml")),
    ("gateway", "istio-ingressgateway", "gateway", None),
    ("gateway-east-west", "istio-eastwestgateway", "gateway", Some("gateway-east-west.yaml")),
    ("gateway-daemon", "edge", "gateway", Some("gateway-daemon.yaml")),
    ("cni-multus", "istio-cni", "cni", Some("cni-multus.yaml")),
];

/// Values that must be refused: chart, `--set`, and what the message names.
const REFUSED: [(&str, &str, &str); 9] = [
    ("base", "base.excludedCRDs={virtualservice}", "/base/excludedCRDs/0"),
    ("base", "base.enableCrdTemplates=true", "enableCrdTemplates"),
    ("istiod", "global.proxy.logLevl=debug", "logLevl"),
    ("istiod", "global.proxy.excludeIPRanges=localhost", "/global/proxy/excludeIPRanges"),
    ("istiod", "sidecarInjectorWebhook.rewriteAppHttpProbe=false", "rewriteAppHttpProbe"),
    ("istiod", "traceSampling=101", "/traceSampling"),
    ("gateway", "replicaCuont=1", "replicaCuont"),
    ("gateway", "kind=StatefulSet", "/kind"),
    ("cni", "ambient.enabled=true", "ambient mode is not there yet"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn helm(program: &str, arguments: &[&str]) -> Output {
    let program = root().join("target/cluster/bin").join(program);
    assert!(program.exists(), "{} is not there: run `cargo xtask tools`", program.display());
    Command::new(program).current_dir(root().join("charts")).args(arguments).output().expect("Helm runs")
}

fn render(program: &str, release: &str, chart: &str, values: Option<&str>) -> String {
    let values = values.map(|name| format!("tests/values/{name}"));
    let mut arguments = vec!["template", release, chart, "-n", "istio-system", "--kube-version", "1.35"];
    if let Some(values) = &values {
        arguments.extend(["-f", values]);
    }
    let output = helm(program, &arguments);
    assert!(output.status.success(), "{chart}: {}", String::from_utf8_lossy(&output.stderr));
    without_definitions(&String::from_utf8_lossy(&output.stdout))
}

/// The definitions are judged by `weft-crd`.
fn without_definitions(stream: &str) -> String {
    let documents = stream.split("---\n").filter(|one| !one.contains("\nkind: CustomResourceDefinition\n"));
    documents.filter(|one| !one.trim().is_empty()).map(|one| format!("---\n{}\n", one.trim_end())).collect()
}

#[test]
fn renders_are_as_expected() {
    for (name, release, chart, values) in RENDERS {
        let path = root().join(format!("charts/tests/golden/{name}.yaml"));
        let text = render("helm3", release, chart, values);
        if std::env::var_os("WEFT_BLESS").is_some() {
            std::fs::write(&path, &text).expect("written");
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(known == text, "{} differs; WEFT_BLESS=1 accepts it", path.display());
    }
}

#[test]
fn helm_4_renders_the_same_objects_as_helm_3() {
    // The order of documents is Helm's own affair.
    let sorted = |stream: String| {
        let mut documents: Vec<String> = stream.split("---\n").map(|one| one.trim().to_owned()).collect();
        documents.sort();
        documents
    };
    for (name, release, chart, values) in RENDERS {
        let [three, four] = ["helm3", "helm4"].map(|program| sorted(render(program, release, chart, values)));
        assert_eq!(three, four, "{name}");
    }
}

#[test]
fn the_chart_has_every_definition_but_those_left_out() {
    let count = |set: &str| {
        let output = helm("helm3", &["template", "x", "base", "--kube-version", "1.35", "--set", set]);
        String::from_utf8_lossy(&output.stdout).matches("\nkind: CustomResourceDefinition\n").count()
    };
    assert_eq!(count("defaultRevision=default"), 15);
    assert_eq!(count("base.excludedCRDs={sidecars.networking.istio.io,telemetries.telemetry.istio.io}"), 13);
    assert_eq!(count("base.enableCRDTemplates=false"), 0);
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (chart, set, named) in REFUSED {
        let output = helm("helm3", &["template", "x", chart, "--kube-version", "1.35", "--set", set]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(named), "{chart} {set}: {message}");
    }
}

#[test]
fn charts_have_the_version_of_the_programs_and_pass_helms_own_check() {
    for chart in ["base", "istiod", "gateway", "cni"] {
        let text =
            std::fs::read_to_string(root().join(format!("charts/{chart}/Chart.yaml"))).expect("a chart");
        assert!(text.contains(&format!("version: {}\n", env!("CARGO_PKG_VERSION"))), "{chart}");
        let output = helm("helm3", &["lint", "--strict", chart]);
        assert!(output.status.success(), "{chart}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
