//! Waiting for a mesh to be where it shall be.

use super::call;
use super::running::Mesh;
use anyhow::{Context as _, Result, bail};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a proxy may take to be ready.
const READY: Duration = Duration::from_secs(30);

impl Mesh {
    /// The generation of the control plane's snapshot.
    pub(super) async fn generation(&self) -> Result<u64> {
        let page = self.debug("/metrics").await?;
        let line = page.body.lines().find_map(|line| line.strip_prefix("weft_snapshot_generation "));
        Ok(line.context("no weft_snapshot_generation")?.trim().parse()?)
    }

    /// Waits until the control plane has seen a change, and every proxy has acknowledged it.
    pub(super) async fn until_newer(&self, known: u64) -> Result<()> {
        let begun = Instant::now();
        while self.generation().await? <= known {
            if begun.elapsed() > Duration::from_secs(5) {
                bail!("weftd does not see the change");
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.until_synced().await
    }

    /// Waits until every connected proxy has acknowledged all that was sent to it.
    ///
    /// # Errors
    /// When one has not after ten seconds.
    pub async fn until_synced(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let page = self.debug("/debug/syncz").await?;
            let streams: Vec<serde_json::Value> = serde_json::from_str(&page.body)?;
            let newest = streams.iter().filter_map(|stream| stream["generation"].as_u64()).max();
            let done = |stream: &serde_json::Value| {
                stream["inSync"] == true && stream["generation"].as_u64() == newest
            };
            let proxies = self.workloads.values().filter(|workload| workload.sidecar.is_some()).count();
            if streams.len() >= proxies && streams.iter().all(done) {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(10) {
                let late: Vec<String> = streams
                    .iter()
                    .filter(|stream| !done(stream))
                    .map(|s| format!("{} at {} of {newest:?}", s["proxy"], s["generation"]))
                    .collect();
                bail!("not synced: {}", late.join(", "));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every proxy is ready.
    ///
    /// # Errors
    /// With the end of what the proxy wrote that is not.
    pub async fn until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        let hub = self.network.hub();
        for workload in self.workloads.values_mut().chain(&mut self.gateway) {
            let to = SocketAddr::new(workload.host.address, 15021);
            let headers = [("host", "ready"), ("connection", "close")];
            loop {
                if call::get(hub, to, "/healthz/ready", &headers).await.is_ok_and(|a| a.status == 200) {
                    break;
                }
                let Some(sidecar) = &mut workload.sidecar else { break };
                if !sidecar.alive() || begun.elapsed() > READY {
                    bail!("{}: not ready: {}", workload.folder.display(), sidecar.complaints());
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}
