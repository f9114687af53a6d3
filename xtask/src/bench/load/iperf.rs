//! iperf3: one TCP stream, either way.

use super::{Done, said};
use crate::bench::figures::{Figure, Sample};
use anyhow::{Context, Result, bail};
use std::time::Duration;

const TRIES: usize = 10;
const BETWEEN: Duration = Duration::from_millis(300);

pub(super) fn run(port: u16, seconds: u64, down: bool) -> Result<Done> {
    let (port, seconds) = (port.to_string(), seconds.to_string());
    let mut words = vec!["iperf3", "-J", "-c", "127.0.0.1", "-p", &port, "-t", &seconds];
    if down {
        words.push("-R");
    }
    let mut asked = 0;
    loop {
        asked += 1;
        match said(&words).and_then(|text| read(&text)) {
            // Its server takes one test at a time, and a connection that only asked whether a proxy
            // listens is one to it until it ends.
            Err(_) if asked < TRIES => std::thread::sleep(BETWEEN),
            done => return done,
        }
    }
}

fn read(text: &str) -> Result<Done> {
    let report: serde_json::Value = serde_json::from_str(text).context("what iperf3 said")?;
    if let Some(error) = report["error"].as_str() {
        bail!("iperf3: {error}");
    }
    let end = &report["end"]["sum_received"];
    let number = |name: &str| end[name].as_f64().with_context(|| format!("iperf3 told no {name}"));
    let megabytes = number("bytes")? / 1e6;
    Ok(Done { operations: megabytes, sample: Sample::from([(Figure::Rate, megabytes / number("seconds")?)]) })
}
