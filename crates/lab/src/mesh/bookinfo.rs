//! What each file of Istio's Bookinfo sample does, seen from outside.
//!
//! ```text
//! Case { files, claims } ─► files into the folder ─► claims hold, each asked from a workload's host
//! ```

use super::call::{self, Caller};
use super::plan::Proxy;
use super::running::{Mesh, virtual_address, with_host};
use super::samples::{Sample, sample};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Requests by which a share is measured.
const MANY: u32 = 2000;
/// How long an edit may take to be in force.
const EDIT: Duration = Duration::from_secs(3);

/// A claim about the mesh.
#[derive(Debug, Clone)]
pub enum Claim {
    /// Every request of a user (empty: nobody) to reviews is answered by that version.
    Reviews(&'static str, &'static str),
    /// Shares of reviews' versions, in percent, within four standard deviations.
    Shares(&'static [(&'static str, u32)]),
    /// A workload's application asks a service as a user, and gets that status and a body with that text.
    Answer(Ask, u16, &'static str),
    /// The same, and it takes about that many seconds.
    Takes(Ask, u16, u64),
    /// Through the gateway, a path gets that status.
    Ingress(&'static str, u16),
    /// A workload's proxy is sent a resource of that name.
    Sent(&'static str, &'static str),
    /// The control plane's diagnostics hold that text.
    Diagnostic(&'static str),
    /// The access log of a workload's proxy holds the first text; that of ours the second too, which names
    /// the object behind the answer.
    Logged(&'static str, &'static str, &'static str),
}

/// Who asks whom for what, as which user.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Workload.
    pub from: &'static str,
    /// Service.
    pub service: &'static str,
    /// Path.
    pub path: &'static str,
    /// User, or empty.
    pub user: &'static str,
}

/// Files in force together, and what then holds.
#[derive(Debug, Clone)]
pub struct Case {
    /// In the order in which they are applied.
    pub files: Vec<&'static str>,
    /// Claims.
    pub claims: Vec<Claim>,
}

const RULES: &str = "destination-rule-all.yaml";
const DETAILS: Ask = Ask { from: "productpage-v1", service: "details", path: "/details/0", user: "" };
const RATINGS: Ask = Ask { from: "reviews-v2", service: "ratings", path: "/ratings/0", user: "" };
const REVIEWS: Ask = Ask { from: "productpage-v1", service: "reviews", path: "/reviews/0", user: "" };
const JASON: &str = "jason";

/// All cases: every file of the sample is in one of them.
pub fn cases() -> Vec<Case> {
    use Claim::{Answer, Diagnostic, Ingress, Logged, Reviews, Sent, Shares, Takes};
    let jason = |ask: Ask| Ask { user: JASON, ..ask };
    let case =
        |files: &[&'static str], claims: &[Claim]| Case { files: files.to_vec(), claims: claims.to_vec() };
    let stars = Ask { from: "productpage-v1", ..REVIEWS };
    vec![
        case(&["bookinfo-gateway.yaml"], &[Ingress("/productpage", 200), Ingress("/other", 404)]),
        case(&["certmanager-gateway.yaml"], &[Diagnostic("cert-manager-resolver")]),
        case(
            &["egress-rule-google-apis.yaml"],
            &[Sent("productpage-v1", "outbound|443||www.googleapis.com"), Answer(DETAILS, 200, "")],
        ),
        case(
            &[RULES, "virtual-service-all-v1.yaml"],
            &[Reviews("", "v1"), Reviews(JASON, "v1"), Answer(DETAILS, 200, ""), Answer(RATINGS, 200, "")],
        ),
        case(
            &["destination-rule-all-mtls.yaml", "virtual-service-all-v1.yaml"],
            &[Reviews("", "v1"), Answer(DETAILS, 200, ""), Answer(RATINGS, 200, "")],
        ),
        case(&[RULES, "virtual-service-reviews-test-v2.yaml"], &[Reviews("", "v1"), Reviews(JASON, "v2")]),
        case(
            &[RULES, "virtual-service-reviews-jason-v2-v3.yaml"],
            &[Reviews("", "v3"), Reviews(JASON, "v2")],
        ),
        case(
            &["destination-rule-reviews.yaml", "virtual-service-reviews-v3.yaml"],
            &[Reviews("", "v3"), Answer(stars, 200, "red")],
        ),
        case(&[RULES, "virtual-service-reviews-50-v3.yaml"], &[Shares(&[("v1", 50), ("v3", 50)])]),
        case(&[RULES, "virtual-service-reviews-80-20.yaml"], &[Shares(&[("v1", 80), ("v2", 20)])]),
        case(&[RULES, "virtual-service-reviews-90-10.yaml"], &[Shares(&[("v1", 90), ("v2", 10)])]),
        case(&[RULES, "virtual-service-reviews-v2-v3.yaml"], &[Shares(&[("v2", 50), ("v3", 50)])]),
        case(
            &[RULES, "virtual-service-ratings-test-delay.yaml"],
            &[Takes(jason(RATINGS), 200, 7), Takes(RATINGS, 200, 0)],
        ),
        case(
            &[RULES, "virtual-service-ratings-test-abort.yaml"],
            &[Answer(jason(RATINGS), 500, "fault filter abort"), Answer(RATINGS, 200, "")],
        ),
        case(&["fault-injection-details-v1.yaml"], &[Answer(DETAILS, 555, "fault filter abort")]),
        // A subset without endpoints is no healthy upstream …
        case(
            &[RULES, "virtual-service-details-v2.yaml"],
            &[
                Answer(DETAILS, 503, "no healthy upstream"),
                Logged(
                    "productpage-v1",
                    "503 UH no_healthy_upstream",
                    "DestinationRule/default/details:spec.subsets[1]",
                ),
            ],
        ),
        case(&[RULES, "virtual-service-ratings-db.yaml"], &[Answer(RATINGS, 503, "no healthy upstream")]),
        case(&[RULES, "virtual-service-ratings-mysql.yaml"], &[Answer(RATINGS, 503, "no healthy upstream")]),
        case(
            &[RULES, "virtual-service-ratings-mysql-vm.yaml"],
            &[Answer(RATINGS, 503, "no healthy upstream")],
        ),
        // … and one that no DestinationRule defines is a cluster that does not exist: an empty body.
        case(
            &["virtual-service-reviews-v3.yaml"],
            &[
                Answer(REVIEWS, 503, ""),
                Logged(
                    "productpage-v1",
                    "503 NC cluster_not_found",
                    "VirtualService/default/reviews:spec.http[0]",
                ),
                Diagnostic("v3"),
            ],
        ),
    ]
}

/// Applies a case's files (Istio's own where `given` says so), asks, and takes the files away.
///
/// # Errors
/// Names the claim that does not hold.
pub async fn judge(mesh: &Mesh, case: &Case, given: bool) -> Result<()> {
    let mut written = Vec::new();
    for file in &case.files {
        let Sample { file, own } = sample(file);
        let text =
            if given { sample(file).given()?.with_context(|| format!("{file} is not there"))? } else { own };
        mesh.apply(file, &text)?;
        written.push(file);
    }
    // A question put too early may wait seconds for a fault that is no longer configured.
    sleep(Duration::from_millis(500)).await;
    let mut verdict = Ok(());
    for claim in &case.claims {
        // An edit needs a moment: a claim is asked again until it holds, or the moment is over.
        let begun = Instant::now();
        loop {
            verdict = holds(mesh, claim).await.with_context(|| format!("{claim:?} with {:?}", case.files));
            if verdict.is_ok() || begun.elapsed() > EDIT {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        if verdict.is_err() {
            break;
        }
    }
    for file in written {
        mesh.remove(file)?;
    }
    verdict
}

async fn holds(mesh: &Mesh, claim: &Claim) -> Result<()> {
    match claim {
        Claim::Reviews(user, version) => {
            let seen = versions(mesh, user, 30).await?;
            if seen.len() != 1 || !seen.contains_key(*version) {
                bail!("answered by {seen:?}");
            }
        }
        Claim::Shares(shares) => {
            // A first look, so that an edit that is not in force yet costs little.
            let first = versions(mesh, "", 40).await?;
            if first.keys().any(|version| !shares.iter().any(|(name, _)| name == version)) {
                bail!("answered by {first:?}");
            }
            let seen = versions(mesh, "", MANY).await?;
            for (version, percent) in *shares {
                let share = f64::from(*percent) / 100.0;
                let expected = f64::from(MANY) * share;
                let deviation = (f64::from(MANY) * share * (1.0 - share)).sqrt();
                let got = f64::from(seen.get(*version).copied().unwrap_or(0));
                if (got - expected).abs() > 4.0 * deviation {
                    bail!("{version} answered {got} of {MANY}, not {expected} ± {:.0}", 4.0 * deviation);
                }
            }
        }
        Claim::Answer(ask, status, body) => {
            let answer = put(mesh, ask).await?;
            if answer.status != *status || !answer.body.contains(body) {
                bail!("{} {:?}", answer.status, answer.body);
            }
        }
        Claim::Takes(ask, status, seconds) => {
            let answer = put(mesh, ask).await?;
            let took = answer.took.as_secs_f64();
            let about = f64::from(u32::try_from(*seconds).unwrap_or(0));
            if answer.status != *status || took < about - 0.01 || took > about + 1.0 {
                bail!("{} after {took:.2} s", answer.status);
            }
        }
        Claim::Ingress(path, status) => {
            let headers = [("host", "bookinfo.test"), ("connection", "close")];
            let answer = call::get(mesh.outside(), mesh.ingress()?, path, &headers).await?;
            if answer.status != *status {
                bail!("{} {:?}", answer.status, answer.body);
            }
        }
        Claim::Logged(workload, both, ours) => {
            let log = mesh.logs(workload)?;
            let said =
                |line: &&str| line.contains(both) && (mesh.proxy() == Proxy::Envoy || line.contains(ours));
            if log.lines().rev().find(said).is_none() {
                bail!("the log does not say {both} and {ours}: {log}");
            }
        }
        Claim::Sent(workload, name) => {
            let address = mesh.workload(workload)?.host.address;
            let id = format!("sidecar~{address}~{workload}.default~default.svc.cluster.local");
            let page = mesh.debug(&format!("/debug/config_dump?proxyID={id}")).await?;
            if !page.body.contains(name) {
                bail!("{id} is not sent {name}");
            }
        }
        Claim::Diagnostic(text) => {
            let page = mesh.debug("/debug/diagnosticz").await?;
            if !page.body.contains(text) {
                bail!("the diagnostics do not name {text}: {}", page.body);
            }
        }
    }
    Ok(())
}

async fn put(mesh: &Mesh, ask: &Ask) -> Result<call::Answer> {
    let mut headers = vec![("connection", "close")];
    if !ask.user.is_empty() {
        headers.push(("end-user", ask.user));
    }
    mesh.get(ask.from, ask.service, ask.path, &headers).await
}

/// Which versions of reviews answer how many of so many requests of a user.
///
/// # Errors
/// When an answer is not 200, or names no pod.
pub async fn versions(mesh: &Mesh, user: &str, requests: u32) -> Result<BTreeMap<String, u32>> {
    let host = &mesh.workload("productpage-v1")?.host;
    let mut caller = Caller::connect(host, virtual_address("reviews")?)?;
    let mut headers = with_host("reviews", &[]);
    if !user.is_empty() {
        headers.push(("end-user", user));
    }
    let mut seen = BTreeMap::new();
    for _ in 0..requests {
        let answer = caller.get("/reviews/0", &headers).await?;
        if answer.status != 200 {
            bail!("{} {:?}", answer.status, answer.body);
        }
        let body: serde_json::Value = serde_json::from_str(&answer.body)?;
        let pod = body["podname"].as_str().context("no podname")?;
        let version = pod.split('-').nth(1).context("a pod without a version")?;
        *seen.entry(version.to_owned()).or_insert(0) += 1;
    }
    Ok(seen)
}
