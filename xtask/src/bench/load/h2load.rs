//! h2load: HTTP/2 with prior knowledge, closed loop.

use super::{Done, before, said, time};
use crate::bench::figures::{Figure, Sample};
use crate::bench::ground::Ground;
use anyhow::{Context, Result, bail};

pub(super) fn run(
    ground: &Ground,
    port: u16,
    seconds: u64,
    (clients, streams, path, post): (u32, u32, &str, usize),
) -> Result<Done> {
    let (clients, streams) = (format!("-c{clients}"), format!("-m{streams}"));
    let duration = format!("--duration={seconds}");
    let url = format!("http://127.0.0.1:{port}{path}");
    let log = ground.path(&format!("h2load-{port}.tsv"));
    let log_option = format!("--log-file={log}");
    let mut words = vec!["h2load", "-t1", &clients, &streams, &duration, &log_option];
    let message;
    if post > 0 {
        // A gRPC message is a flag, four bytes of length, and that many bytes.
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(post)?.to_be_bytes());
        bytes.extend(vec![b'x'; post]);
        message = ground.path(&format!("message-{post}"));
        std::fs::write(&message, bytes)?;
        words.extend(["-d", &message, "-H", "content-type: application/grpc", "-H", "te: trailers"]);
    }
    words.push(&url);
    let text = said(&words)?;
    let mut done = read(&text).with_context(|| url.clone())?;
    done.sample.extend(latencies(&std::fs::read_to_string(&log).unwrap_or_default()));
    let _ = std::fs::remove_file(&log);
    Ok(done)
}

fn read(text: &str) -> Result<Done> {
    let count = |word: &str| before(text, word).with_context(|| format!("h2load gave no count{word}"));
    let operations = count(" succeeded,")?;
    if count(" failed,")? + count(" 5xx")? + count(" 4xx,")? > 0.0 || operations == 0.0 {
        bail!("errors under load:\n{text}");
    }
    let rate = before(text, " req/s").context("h2load gave no rate")?;
    // Its mean of times to answer stands in where the log is empty.
    let mean = text.find("time for request:").and_then(|at| time(text[at..].split_whitespace().nth(5)?));
    let mut sample = Sample::from([(Figure::Rate, rate)]);
    sample.extend(mean.map(|mean| (Figure::P50, mean)));
    Ok(Done { operations, sample })
}

/// Percentiles of the third column, µs.
fn latencies(log: &str) -> Sample {
    let mut micros: Vec<u32> =
        log.lines().filter_map(|line| line.split('\t').nth(2)?.trim().parse().ok()).collect();
    if micros.is_empty() {
        return Sample::new();
    }
    micros.sort_unstable();
    let at = |share: usize| f64::from(micros[(micros.len() - 1) * share / 100]) / 1e3;
    Sample::from([(Figure::P50, at(50)), (Figure::P99, at(99))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read() {
        let said = "finished in 1.00s, 44031.00 req/s, 45.36MB/s\nrequests: 44031 total, 44159 started, 44031 done, 44031 succeeded, 0 failed, 0 errored, 0 timeout\nstatus codes: 44031 2xx, 0 3xx, 0 4xx, 0 5xx\n                     min         max         mean         sd        +/- sd\ntime for request:      236us      7.36ms      2.89ms       457us    86.98%\n";
        let done = read(said);
        let expected = Sample::from([(Figure::Rate, 44_031.0), (Figure::P50, 2.89)]);
        assert!(done.as_ref().is_ok_and(|d| d.operations == 44_031.0 && d.sample == expected), "{done:?}");
        let log = "1\t200\t100\n2\t200\t300\n3\t200\t200\n";
        assert_eq!(latencies(log), Sample::from([(Figure::P50, 0.2), (Figure::P99, 0.2)]));
    }
}
