//! wrk: HTTP/1.1, closed loop.

use super::{Done, after, before, said};
use crate::bench::figures::{Figure, Sample};
use crate::bench::ground::Ground;
use anyhow::{Context, Result, bail};

pub(super) fn run(
    ground: &Ground,
    port: u16,
    seconds: u64,
    (connections, close, path, post): (u32, bool, &str, usize),
) -> Result<Done> {
    let (connections, duration) = (format!("-c{connections}"), format!("-d{seconds}s"));
    let url = format!("http://127.0.0.1:{port}{path}");
    let mut words = vec!["wrk", "-t1", &connections, &duration, "--latency", "--timeout", "20s"];
    if close {
        words.extend(["-H", "Connection: close"]);
    }
    let script;
    if post > 0 {
        let text = format!("wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", {post})\n");
        script = ground.write(&format!("post-{post}.lua"), &text)?;
        words.extend(["-s", &script]);
    }
    words.push(&url);
    read(&said(&words)?).with_context(|| url.clone())
}

fn read(text: &str) -> Result<Done> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("errors under load:\n{text}");
    }
    let operations = before(text, " requests in").context("wrk gave no count")?;
    let figures = [("Requests/sec:", Figure::Rate), ("50%", Figure::P50), ("99%", Figure::P99)];
    let found = figures.iter().filter_map(|(word, figure)| Some((*figure, after(text, word)?)));
    Ok(Done { operations, sample: found.collect::<Sample>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read() {
        let said = "  Latency Distribution\n     50%  667.00us\n     99%    1.20ms\n  352000 requests in 5.00s, 1MB read\nRequests/sec:  70600.12\n";
        let done = read(said);
        let expected = Sample::from([(Figure::P50, 0.667), (Figure::P99, 1.2), (Figure::Rate, 70_600.12)]);
        assert!(done.as_ref().is_ok_and(|d| d.operations == 352_000.0 && d.sample == expected), "{done:?}");
        assert!(read(&format!("{said}  Non-2xx or 3xx responses: 3\n")).is_err());
    }
}
