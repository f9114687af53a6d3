//! iperf3: one TCP stream, either way.

use super::{Done, said};
use crate::bench::figures::{Figure, Sample};
use anyhow::{Context, Result};

pub(super) fn run(port: u16, seconds: u64, down: bool) -> Result<Done> {
    let (port, seconds) = (port.to_string(), seconds.to_string());
    let mut words = vec!["iperf3", "-J", "-c", "127.0.0.1", "-p", &port, "-t", &seconds];
    if down {
        words.push("-R");
    }
    read(&said(&words)?)
}

fn read(text: &str) -> Result<Done> {
    let report: serde_json::Value = serde_json::from_str(text).context("what iperf3 said")?;
    let end = &report["end"]["sum_received"];
    let number = |name: &str| end[name].as_f64().with_context(|| format!("iperf3 told no {name}"));
    let megabytes = number("bytes")? / 1e6;
    Ok(Done { operations: megabytes, sample: Sample::from([(Figure::Rate, megabytes / number("seconds")?)]) })
}
