//! The program `weft` as tests run it.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "for tests only")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running `weft` with a run folder of its own; killed when dropped.
pub(crate) struct Weft {
    child: Child,
    runtime: tempfile::TempDir,
    reports: Arc<Mutex<Vec<Value>>>,
    words: Arc<Mutex<String>>,
}

/// What is left of it.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) reports: Vec<Value>,
    pub(crate) words: String,
}

impl Weft {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let runtime = tempfile::tempdir().unwrap();
        let mut child = command(runtime.path(), arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (reports, words) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
        let (out, into) = (child.stdout.take().unwrap(), Arc::clone(&reports));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let (out, into) = (child.stderr.take().unwrap(), Arc::clone(&words));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let mut words = into.lock().unwrap();
                words.push_str(&line);
                words.push('\n');
            }
        });
        Self { child, runtime, reports, words }
    }

    /// Another `weft` of the same user, to its end.
    pub(crate) fn second(&self, arguments: &[&str]) -> Output {
        command(self.runtime.path(), arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Another `weft` of the same user, in the background.
    pub(crate) fn beside(&self, arguments: &[&str]) -> Child {
        command(self.runtime.path(), arguments).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Where the run folders are.
    pub(crate) fn root(&self) -> PathBuf {
        self.runtime.path().join("weft")
    }

    pub(crate) fn words(&self) -> String {
        self.words.lock().unwrap().clone()
    }

    pub(crate) fn reports(&self) -> Vec<Value> {
        self.reports.lock().unwrap().clone()
    }

    /// Waits, building and starting included, until the mesh runs.
    pub(crate) fn first_report(&mut self) -> Value {
        let start = Instant::now();
        loop {
            if let Some(first) = self.reports.lock().unwrap().first() {
                return first.clone();
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("weft ended, {status}: {}", self.words());
            }
            assert!(start.elapsed() < Duration::from_secs(600), "no report: {}", self.words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Processes that it started.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.child.id())
    }

    /// The child whose command line holds all these words.
    pub(crate) fn child(&self, words: &[&str]) -> u32 {
        let is = |pid: &u32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.iter().all(|word| line.split('\0').any(|own| own == *word))
        };
        self.children().into_iter().find(is).unwrap_or_else(|| panic!("no child {words:?}"))
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(kill(self.child.id(), signal));
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> Ended {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(start.elapsed() < limit, "weft does not end: {}", self.words());
            std::thread::sleep(Duration::from_millis(20));
        };
        // Its last lines may still be on their way.
        std::thread::sleep(Duration::from_millis(200));
        Ended { code, reports: self.reports(), words: self.words() }
    }
}

impl Drop for Weft {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the mesh: in the folder that `WEFT_PROGRAMS` names, else beside the `weft` built for this test,
/// which has cargo build the others first.
pub(crate) fn program(name: &str) -> PathBuf {
    match std::env::var_os("WEFT_PROGRAMS") {
        Some(folder) => PathBuf::from(folder).join(name),
        None => Path::new(env!("CARGO_BIN_EXE_weft")).with_file_name(name),
    }
}

fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("weft"));
    command.args(arguments).env("XDG_RUNTIME_DIR", runtime);
    command
}

pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |pid: &u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

pub(crate) fn kill(pid: u32, signal: &str) -> bool {
    Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success()
}

/// A port whose neighbours of the demo are likely free too.
pub(crate) fn free_port() -> u16 {
    // Below the range of connections that go out, so that none takes it before the demo does.
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let from = 13_000 + u16::try_from(std::process::id() % 200).unwrap() * 20;
    loop {
        let port = from + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Status and body of one GET on 127.0.0.1.
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    get_as(port, path, None)
}

/// The same, by somebody signed in as productpage's login does it.
pub(crate) fn get_as(port: u16, path: &str, user: Option<&str>) -> (u16, String) {
    let cookie = user.map_or(String::new(), |user| format!("cookie: session={user}\r\n"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{cookie}connection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
