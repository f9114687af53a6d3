//! Clients: steady requests that count failures, and connections that stay open.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A backend that keeps connections, answers with its name, takes its time for `/slow`, and echoes after an upgrade.
pub(crate) fn backend(name: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            std::thread::spawn(move || serve(stream, name));
        }
    });
    port
}

fn serve(mut stream: TcpStream, name: &str) {
    let _ = stream.set_nodelay(true);
    while let Some(head) = read_head(&mut stream) {
        if head.to_ascii_lowercase().contains("upgrade: websocket") {
            let switch =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            if stream.write_all(switch.as_bytes()).is_err() {
                return;
            }
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            return;
        }
        if head.starts_with("GET /slow") {
            std::thread::sleep(Duration::from_millis(1500));
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A head, or `None` at the end of the stream.
fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0; 1];
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(text).ok()
}

/// A connection that is kept.
pub(crate) struct Client {
    port: u16,
    stream: Option<TcpStream>,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Status and body of a request; an error is what a user would see as one.
    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<(u16, String)> {
        let kept = self.stream.is_some();
        match self.try_get(path) {
            // A kept connection that was closed before our bytes: any client asks again.
            Err(error) if kept && error.kind() == std::io::ErrorKind::UnexpectedEof => self.try_get(path),
            other => other,
        }
    }

    fn try_get(&mut self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                stream
            }
        };
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())?;
        let head = read_head(&mut stream).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let lower = head.to_ascii_lowercase();
        let length =
            lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        if !lower.contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// Status and body of a page that is asked for once.
pub(crate) fn page(address: (&str, u16), path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes())?;
    let head = read_head(&mut stream).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    let mut rest = String::from_utf8_lossy(&rest).into_owned();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        let mut body = String::new();
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            body.push_str(&after[..size]);
            rest = after[size..].trim_start_matches("\r\n").to_owned();
        }
        rest = body;
    }
    Ok((head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0), rest))
}

/// Requests one after the other from several clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<String>>>,
    sent: Arc<AtomicU64>,
}

impl Load {
    pub(crate) fn start(port: u16, clients: usize) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..clients)
            .map(|_| {
                let (stop, sent) = (stop.clone(), sent.clone());
                std::thread::spawn(move || {
                    let mut client = Client::new(port);
                    let mut failures = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        match client.get("/") {
                            Ok((200, _)) => {}
                            Ok((status, body)) => failures.push(format!("{status} {body}")),
                            Err(error) => failures.push(error.to_string()),
                        }
                        sent.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    failures
                })
            })
            .collect();
        Self { stop, threads, sent }
    }

    /// Waits for so many more requests.
    pub(crate) fn more(&self, count: u64) {
        let target = self.sent.load(Ordering::Relaxed) + count;
        while self.sent.load(Ordering::Relaxed) < target {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends; every request must have been answered with 200.
    pub(crate) fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let failures: Vec<String> = self.threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert!(failures.is_empty(), "{} failed: {:?}", failures.len(), failures.first());
        self.sent.load(Ordering::Relaxed)
    }
}

/// A connection that was upgraded.
pub(crate) struct Socket(TcpStream);

impl Socket {
    pub(crate) fn open(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let ask = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let head = read_head(&mut stream).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self(stream)
    }

    /// Bytes go up and come back.
    pub(crate) fn echo(&mut self) {
        self.0.write_all(b"ping").unwrap();
        let mut back = [0; 4];
        self.0.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
    }
}

impl Socket {
    /// Whether the other end has closed it; looks for a moment.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut byte = [0; 1];
        match self.0.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// How many of so many requests got which body.
pub(crate) fn shares(port: u16, count: usize) -> BTreeMap<String, usize> {
    let mut client = Client::new(port);
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let (status, body) = client.get("/").unwrap();
        assert_eq!(status, 200, "{body}");
        *shares.entry(body).or_default() += 1;
    }
    shares
}
