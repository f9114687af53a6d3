//! The time in which a mesh runs: look at it, tell what happens, until somebody ends it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::figures::{Counts, Scrape, rows};
use crate::folder::RunFolder;
use crate::http::Client;
use crate::load::Load;
use crate::log_follower::LogFollower;
use crate::mesh::Mesh;
use crate::proxies::METRICS;
use crate::supervise::Event;
use crate::view::{Kind, Report, View};
use crate::workload::GATEWAY;

/// Rates are of the last so many seconds.
const WINDOW: Duration = Duration::from_secs(10);
/// A proxy that takes longer than this to tell its figures is left out.
const SCRAPE_LIMIT: Duration = Duration::from_secs(2);

/// How a session is to go.
#[derive(Debug)]
pub(crate) struct Course {
    /// End by itself after this time.
    pub(crate) end_after: Option<Duration>,
    /// Time between two reports.
    pub(crate) every: Duration,
    /// Requests a second at the product page; 0 for none.
    pub(crate) rate: u32,
    /// What is shown as the way in.
    pub(crate) ingress: String,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Ending {
    /// The whole of it.
    pub(crate) summary: Report,
    /// Why a request failed, if one did.
    pub(crate) last_failure: Option<String>,
}

/// Runs until the time is over, or the mesh cannot go on. Whoever ends it sooner drops it.
///
/// # Errors
/// If the control plane is given up, or nobody reads the reports any more.
pub(crate) async fn run(mesh: &mut Mesh, view: &mut View, course: &Course) -> Result<Ending> {
    let mut scraper = Scraper::default();
    let start = Instant::now();
    let first = scraper.scrape(&mesh.folder).await;
    let mut window = VecDeque::from([(start, first.clone())]);
    let load = (course.rate > 0).then(|| Load::start(mesh.ingress(), course.rate));
    let mut log = LogFollower::from_end(mesh.folder.log("weftd"));
    let mut ticks = interval(course.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let report = |kind, services| Report {
        kind,
        seconds: (start.elapsed().as_secs_f64() * 100.0).round() / 100.0,
        ingress: course.ingress.clone(),
        dir: mesh.record.dir.display().to_string(),
        load: load.as_ref().map(Load::outcome),
        services,
    };
    let over = async {
        match course.end_after {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => break,
            event = mesh.events.recv() => match event {
                Some(Event::Died(text)) => view.tell(&text),
                Some(Event::GaveUp(text)) => bail!("{text}"),
                None => bail!("nobody looks after the mesh any more"),
            },
            _ = ticks.tick() => {
                for name in mesh.folder.remove_dead() {
                    view.tell(&format!("{name} has left the mesh without a word"));
                }
                for line in log.new_lines() {
                    view.tell(&line);
                }
                mesh.supervisor.trim_logs();
                let now = Instant::now();
                let scrape = scraper.scrape(&mesh.folder).await;
                // The newest scrape that is as old as the window, or the oldest one.
                while window.len() > 1 && now - window[1].0 >= WINDOW {
                    window.pop_front();
                }
                let (then, before) = &window[0];
                let services = rows(&scrape, Some(before), now - *then);
                window.push_back((now, scrape));
                view.show(&report(Kind::Interval, services))?;
            }
        }
    }
    let last = scraper.scrape(&mesh.folder).await;
    let summary = report(Kind::Summary, rows(&last, Some(&first), start.elapsed()));
    Ok(Ending { summary, last_failure: load.as_ref().and_then(Load::last_failure) })
}

/// Asks every proxy for its figures, by connections that stay open.
#[derive(Debug, Default)]
struct Scraper {
    clients: BTreeMap<SocketAddr, Client>,
}

impl Scraper {
    async fn scrape(&mut self, folder: &RunFolder) -> Scrape {
        let mut asked = JoinSet::new();
        let mut scrape = Scrape::new();
        for pod in folder.pods().into_iter().filter(|pod| pod.name != GATEWAY) {
            let Some(address) = pod.address.map(|ip| SocketAddr::from((ip, METRICS))) else { continue };
            let mut client = self.clients.remove(&address).unwrap_or_else(|| Client::new(address));
            asked.spawn(async move {
                let answer = client.get("/stats/prometheus", &[], SCRAPE_LIMIT).await.ok();
                (address, client, (pod.app, pod.version), answer)
            });
        }
        self.clients.clear();
        while let Some(done) = asked.join_next().await {
            let Ok((address, client, version, answer)) = done else { continue };
            self.clients.insert(address, client);
            let page = answer.filter(|answer| answer.status.is_success());
            let counts = page.map(|page| Counts::read(&String::from_utf8_lossy(&page.body)));
            scrape.entry(version).or_default().add(&counts.unwrap_or_default());
        }
        scrape
    }
}
