//! Objects that do what the files of Istio's Bookinfo sample do, in our words; and those files
//! themselves, where they lie beside the project.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// A file of the sample: its name, and the objects of ours that say the same.
#[derive(Debug, Clone)]
pub struct Sample {
    /// File name in `samples/bookinfo/networking`.
    pub file: &'static str,
    /// Our text.
    pub own: String,
}

impl Sample {
    /// Istio's text; `None` where its folder is not there and nobody says that it is.
    ///
    /// # Errors
    /// The folder is there, and the file cannot be read.
    pub fn given(&self) -> Result<Option<String>> {
        let folder = folder();
        if std::env::var_os("WEFT_BOOKINFO").is_none() && !folder.is_dir() {
            return Ok(None);
        }
        let path = folder.join(self.file);
        std::fs::read_to_string(&path).map(Some).with_context(|| path.display().to_string())
    }
}

/// Where Istio's files lie: `WEFT_BOOKINFO`, or `shared/data/bookinfo/networking` beside the checkout.
fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/bookinfo/networking");
    std::env::var_os("WEFT_BOOKINFO").map_or_else(beside, PathBuf::from)
}

const HEAD: &str = "apiVersion: networking.istio.io/v1";

/// A VirtualService of a service with these HTTP rules.
pub fn virtual_service(host: &str, rules: &[String]) -> String {
    format!(
        "{HEAD}\nkind: VirtualService\nmetadata: {{name: {host}}}\nspec: {{hosts: [{host}], http: [{}]}}\n",
        rules.join(", ")
    )
}

/// A rule that sends requests to subsets by weight.
pub fn rule(host: &str, subsets: &[(&str, u32)], more: &str) -> String {
    let single = subsets.len() == 1;
    let routes: Vec<String> = subsets
        .iter()
        .map(|(subset, weight)| {
            let weight = if single { String::new() } else { format!(", weight: {weight}") };
            format!("{{destination: {{host: {host}, subset: {subset}}}{weight}}}")
        })
        .collect();
    format!("{{{more}route: [{}]}}", routes.join(", "))
}

/// A DestinationRule with one subset for each version.
pub fn destination_rule(host: &str, subsets: &[&str], policy: &str) -> String {
    let subsets: Vec<String> =
        subsets.iter().map(|name| format!("{{name: {name}, labels: {{version: {name}}}}}")).collect();
    format!(
        "{HEAD}\nkind: DestinationRule\nmetadata: {{name: {host}}}\nspec: {{host: {host}, {policy}subsets: [{}]}}\n",
        subsets.join(", ")
    )
}

/// Matches requests of the user jason.
pub const JASON: &str = "match: [{headers: {end-user: {exact: jason}}}], ";

fn documents(parts: &[String]) -> String {
    parts.join("---\n")
}

fn all_rules(policy: &str) -> String {
    documents(&[
        destination_rule("productpage", &["v1"], policy),
        destination_rule("reviews", &["v1", "v2", "v3"], policy),
        destination_rule("ratings", &["v1", "v2", "v2-mysql", "v2-mysql-vm"], policy),
        destination_rule("details", &["v1", "v2"], policy),
    ])
}

fn to(host: &str, subset: &str) -> String {
    virtual_service(host, &[rule(host, &[(subset, 100)], "")])
}

fn database(subset: &str) -> String {
    documents(&[to("reviews", "v3"), to("ratings", subset)])
}

fn split(first: (&str, u32), second: (&str, u32)) -> String {
    virtual_service("reviews", &[rule("reviews", &[first, second], "")])
}

fn for_jason(host: &str, jason: &str, more: &str, others: &str) -> String {
    let special = rule(host, &[(jason, 100)], &format!("{JASON}{more}"));
    virtual_service(host, &[special, rule(host, &[(others, 100)], "")])
}

fn gateway() -> String {
    format!(
        "{HEAD}\nkind: Gateway\nmetadata: {{name: bookinfo-gateway}}\nspec: {{selector: {{istio: ingressgateway}}, \
         servers: [{{port: {{number: 8080, name: http, protocol: HTTP}}, hosts: ['*']}}]}}\n---\n\
         {HEAD}\nkind: VirtualService\nmetadata: {{name: bookinfo}}\nspec: {{hosts: ['*'], gateways: [bookinfo-gateway], \
         http: [{{match: [{{uri: {{exact: /productpage}}}}, {{uri: {{prefix: /static}}}}, {{uri: {{exact: /login}}}}, \
         {{uri: {{exact: /logout}}}}, {{uri: {{prefix: /api/v1/products}}}}], \
         route: [{{destination: {{host: productpage, port: {{number: 9080}}}}}}]}}]}}\n"
    )
}

fn details_fault() -> String {
    let abort = "fault: {abort: {httpStatus: 555, percentage: {value: 100}}}, ";
    let rules = [rule("details", &[("v1", 100)], abort), rule("details", &[("v1", 100)], "")];
    documents(&[virtual_service("details", &rules), destination_rule("details", &["v1"], "")])
}

fn egress() -> String {
    format!(
        "{HEAD}\nkind: ServiceEntry\nmetadata: {{name: googleapis}}\nspec: {{hosts: [www.googleapis.com], \
         ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 443, name: https, protocol: HTTPS}}], \
         resolution: DNS}}\n---\n{HEAD}\nkind: DestinationRule\nmetadata: {{name: originate-tls-for-googleapis}}\n\
         spec: {{host: www.googleapis.com, trafficPolicy: {{portLevelSettings: [{{port: {{number: 443}}, \
         tls: {{mode: SIMPLE}}}}]}}}}\n"
    )
}

fn certmanager() -> String {
    format!(
        "{HEAD}\nkind: Gateway\nmetadata: {{name: cert-manager-gateway, namespace: istio-system}}\n\
         spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, \
         hosts: ['*']}}]}}\n---\n{HEAD}\nkind: VirtualService\nmetadata: {{name: cert-manager, namespace: istio-system}}\n\
         spec: {{hosts: ['*'], gateways: [cert-manager-gateway], http: [{{match: [{{uri: {{prefix: \
         /.well-known/acme-challenge/}}}}], route: [{{destination: {{host: cert-manager-resolver, \
         port: {{number: 8089}}}}}}]}}]}}\n"
    )
}

/// A sample by its file name.
///
/// # Panics
/// For a name that is not in Istio's folder: a mistake in a test.
pub fn sample(file: &'static str) -> Sample {
    let abort = "fault: {abort: {percentage: {value: 100}, httpStatus: 500}}, ";
    let delay = "fault: {delay: {percentage: {value: 100}, fixedDelay: 7s}}, ";
    let own = match file {
        "bookinfo-gateway.yaml" => gateway(),
        "certmanager-gateway.yaml" => certmanager(),
        "destination-rule-all.yaml" => all_rules(""),
        "destination-rule-all-mtls.yaml" => all_rules("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}, "),
        "destination-rule-reviews.yaml" => destination_rule(
            "reviews",
            &["v1", "v2", "v3"],
            "trafficPolicy: {loadBalancer: {simple: RANDOM}}, ",
        ),
        "egress-rule-google-apis.yaml" => egress(),
        "fault-injection-details-v1.yaml" => details_fault(),
        "virtual-service-all-v1.yaml" => documents(&[
            to("productpage", "v1"),
            to("reviews", "v1"),
            to("ratings", "v1"),
            to("details", "v1"),
        ]),
        "virtual-service-details-v2.yaml" => to("details", "v2"),
        "virtual-service-ratings-db.yaml" => database("v2"),
        "virtual-service-ratings-mysql-vm.yaml" => database("v2-mysql-vm"),
        "virtual-service-ratings-mysql.yaml" => database("v2-mysql"),
        "virtual-service-ratings-test-abort.yaml" => for_jason("ratings", "v1", abort, "v1"),
        "virtual-service-ratings-test-delay.yaml" => for_jason("ratings", "v1", delay, "v1"),
        "virtual-service-reviews-50-v3.yaml" => split(("v1", 50), ("v3", 50)),
        "virtual-service-reviews-80-20.yaml" => split(("v1", 80), ("v2", 20)),
        "virtual-service-reviews-90-10.yaml" => split(("v1", 90), ("v2", 10)),
        "virtual-service-reviews-jason-v2-v3.yaml" => for_jason("reviews", "v2", "", "v3"),
        "virtual-service-reviews-test-v2.yaml" => for_jason("reviews", "v2", "", "v1"),
        "virtual-service-reviews-v2-v3.yaml" => split(("v2", 50), ("v3", 50)),
        "virtual-service-reviews-v3.yaml" => to("reviews", "v3"),
        other => panic!("{other} is no file of the sample"),
    };
    Sample { file, own }
}
