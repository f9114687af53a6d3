//! Changes under load: edits of the configuration, endpoints replaced in order, endpoints killed, the
//! control plane gone for a while. What is claimed is that nobody notices.

use super::load::{Load, Sockets, Tally};
use super::plan::{Plan, Proxy};
use super::running::{Mesh, virtual_address};
use super::samples::{destination_rule, virtual_service};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How much of each.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Edits of files.
    pub edits: u32,
    /// Endpoints replaced in order.
    pub replacements: u32,
    /// Endpoints killed with -9.
    pub kills: u32,
    /// Seconds without a control plane.
    pub outage: u64,
    /// Requests per second.
    pub rate: u32,
    /// WebSockets held open during the edits.
    pub sockets: usize,
}

/// What happened in one part.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which.
    pub name: &'static str,
    /// The requests meanwhile.
    pub tally: Tally,
    /// WebSockets that broke; `None`: none was open.
    pub broken: Option<usize>,
}

const CLIENT: &str = "productpage-v1";
const HOST: &str = "reviews:9080";
/// Between two edits: longer than the debounce, so that each is pushed.
const PAUSE: Duration = Duration::from_millis(200);

/// Runs all parts on one mesh.
///
/// # Errors
/// When the mesh itself does not run; failed requests are no error, but counted.
pub async fn run(proxy: Proxy, amount: Amount) -> Result<Vec<Part>> {
    let plan = Plan {
        workloads: vec![("productpage", "v1"), ("reviews", "v1"), ("reviews", "v2"), ("reviews", "v3")],
        gateway: false,
        echo: true,
        ..Plan::bookinfo(proxy)
    };
    let mut mesh = Mesh::start(plan).await?;
    mesh.apply("rules.yaml", &rules(""))?;
    mesh.apply("reviews.yaml", &split(50, ""))?;
    mesh.until_synced().await?;
    let mut parts = Vec::new();
    if amount.edits > 0 {
        parts.push(edits(&mesh, amount).await?);
    }
    if amount.replacements > 0 {
        parts.push(replacements(&mut mesh, amount).await?);
    }
    if amount.outage > 0 {
        parts.push(outage(&mut mesh, amount).await?);
    }
    if amount.kills > 0 {
        parts.push(kills(&mut mesh, amount).await?);
    }
    Ok(parts)
}

fn rules(policy: &str) -> String {
    destination_rule("reviews", &["v1", "v2", "v3"], policy)
}

/// Weights of v1 and v2, and more fields of the rule.
fn split(first: u32, more: &str) -> String {
    let route = |subset: &str, weight: u32| {
        format!("{{destination: {{host: reviews, subset: {subset}}}, weight: {weight}}}")
    };
    let rule = format!("{{{more}route: [{}, {}]}}", route("v1", first), route("v2", 100 - first));
    virtual_service("reviews", &[rule])
}

fn authentication(mode: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
    )
}

async fn load(mesh: &Mesh, amount: Amount) -> Result<Load> {
    let load = Load::start(&mesh.workload(CLIENT)?.host, virtual_address("reviews")?, HOST, amount.rate)?;
    sleep(Duration::from_secs(1)).await;
    Ok(load)
}

/// Weights, timeouts, retries, subsets, and mutual TLS by steps that keep every pair of proxies legal.
async fn edits(mesh: &Mesh, amount: Amount) -> Result<Part> {
    let load = load(mesh, amount).await?;
    let client = &mesh.workload(CLIENT)?.host;
    let mut sockets = Sockets::open(client, virtual_address("reviews")?, HOST, amount.sockets).await?;
    for edit in 0..amount.edits {
        let turn = edit / 8;
        match edit % 8 {
            0 => mesh.apply("reviews.yaml", &split(10 + turn % 80, ""))?,
            1 => mesh.apply("reviews.yaml", &split(50, &format!("timeout: {}s, ", 2 + turn % 5)))?,
            2 => {
                mesh.apply(
                    "reviews.yaml",
                    &split(50, &format!("retries: {{attempts: {}}}, ", 1 + turn % 3)),
                )?;
            }
            3 => mesh.apply("rules.yaml", &destination_rule("reviews", &["v1", "v2", "v3", "v4"], ""))?,
            // Plain text only while whoever takes it may: nobody is strict now.
            4 => mesh.apply("rules.yaml", &rules("trafficPolicy: {tls: {mode: DISABLE}}, "))?,
            5 => mesh.apply("rules.yaml", &rules("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}, "))?,
            6 => {
                mesh.until_synced().await?;
                mesh.apply("strict.yaml", &authentication("STRICT"))?;
            }
            _ => {
                mesh.apply("strict.yaml", &authentication("PERMISSIVE"))?;
                sleep(PAUSE).await;
                mesh.until_synced().await?;
            }
        }
        sleep(PAUSE).await;
    }
    mesh.until_synced().await?;
    let broken = sockets.broken().await;
    Ok(Part { name: "edits", tally: load.end().await, broken: Some(broken) })
}

async fn replacements(mesh: &mut Mesh, amount: Amount) -> Result<Part> {
    let load = load(mesh, amount).await?;
    let mut present = "reviews-v1".to_owned();
    for number in 0..amount.replacements {
        let next = format!("reviews-r{number}-v1");
        mesh.add_workload(&next, "reviews", "v1").await?;
        mesh.retire_workload(&present).await?;
        // What was on its way is answered.
        sleep(PAUSE).await;
        mesh.end_workload(&present).await;
        present = next;
    }
    Ok(Part { name: "replacements", tally: load.end().await, broken: None })
}

async fn outage(mesh: &mut Mesh, amount: Amount) -> Result<Part> {
    let load = load(mesh, amount).await?;
    mesh.kill_control();
    sleep(Duration::from_secs(amount.outage)).await;
    mesh.start_control().await?;
    sleep(Duration::from_secs(3)).await;
    mesh.until_synced().await?;
    // A change arrives again.
    mesh.apply("reviews.yaml", &split(30, ""))?;
    sleep(PAUSE * 3).await;
    mesh.until_synced().await?;
    Ok(Part { name: "outage", tally: load.end().await, broken: None })
}

/// Requests are idempotent, and the route says so: it retries what was reset.
async fn kills(mesh: &mut Mesh, amount: Amount) -> Result<Part> {
    let again = "retries: {attempts: 3, retryOn: 'connect-failure,refused-stream,reset,503'}, ";
    mesh.apply("reviews.yaml", &split(50, again))?;
    let ready: Vec<String> = (0..=amount.kills).map(|number| format!("reviews-k{number}-v2")).collect();
    let mut victim = "reviews-v2".to_owned();
    mesh.until_synced().await?;
    let load = load(mesh, amount).await?;
    for next in ready.iter().take(usize::try_from(amount.kills).unwrap_or(0)) {
        mesh.add_workload(next, "reviews", "v2").await?;
        mesh.kill_workload(&victim);
        // The cluster notices some time later.
        sleep(Duration::from_secs(1)).await;
        mesh.retire_workload(&victim).await?;
        victim.clone_from(next);
    }
    sleep(Duration::from_secs(1)).await;
    Ok(Part { name: "kills", tally: load.end().await, broken: None })
}
