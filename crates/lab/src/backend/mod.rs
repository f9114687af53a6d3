//! Scripted servers behind the proxies. They run in the oracle's own process, so that a row can say
//! what they answer and read what they saw without any protocol in between.

mod http1;
mod http2;
mod record;
mod socket;

pub(crate) use http2::{list, map, speak, write};
pub use record::Record;

use crate::certs::Certs;
use crate::outcome::Seen;
use crate::table::{BackendSpec, Kind, Reply};
use crate::wire::{Stand, Wire, converse};
use anyhow::Result;
use record::{Note, lock};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// All backends of one world, for one subject.
#[derive(Debug)]
pub struct Backends {
    servers: BTreeMap<String, Arc<Server>>,
    ports: BTreeMap<String, u16>,
    record: Record,
    /// Sockets that only hold a port, or fill an accept queue.
    _held: Vec<socket2::Socket>,
}

/// One backend.
pub(crate) struct Server {
    name: String,
    spec: BackendSpec,
    script: Mutex<VecDeque<Reply>>,
    checks: Mutex<VecDeque<Reply>>,
    record: Record,
    tls: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Server {
    /// The answer to the next request, and where to note what comes of it: the row's script, whose
    /// last entry repeats, else the default. Active health checks are answered by a script of their
    /// own, and nobody reads their notes: how many there are is a matter of time.
    fn admit(&self, seen: Seen) -> (Note, Reply) {
        let agent = seen.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        let check = agent.is_some_and(|(_, agent)| agent.eq_ignore_ascii_case("envoy/hc"));
        let seen = Seen { backend: self.name.clone(), ..seen };
        let note = if check { Note::unread(seen) } else { self.record.begin(seen) };
        let mut script = lock(if check { &self.checks } else { &self.script });
        let reply = match script.len() {
            0 if check => Reply::default(),
            0 => self.spec.reply.clone(),
            1 => script[0].clone(),
            _ => script.pop_front().unwrap_or_default(),
        };
        (note, reply)
    }
}

impl Backends {
    /// Starts them on ports of the kernel's choice; they live as long as the runtime.
    ///
    /// # Errors
    /// When a socket cannot be made or a certificate is missing.
    pub async fn start(specs: &BTreeMap<String, BackendSpec>, certs: &Certs) -> Result<Self> {
        let record = Record::default();
        let (mut servers, mut ports, mut held) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (name, spec) in specs {
            let port = match spec.kind {
                Kind::Refuse => socket::hold(&mut held)?,
                Kind::Blackhole => socket::blackhole(&mut held)?,
                Kind::Http | Kind::Tcp => {
                    let server = Arc::new(Server {
                        name: name.clone(),
                        spec: spec.clone(),
                        script: Mutex::default(),
                        checks: Mutex::new(spec.checks.clone().into()),
                        record: record.clone(),
                        tls: spec.tls.as_ref().map(|tls| socket::acceptor(tls, certs)).transpose()?,
                    });
                    let listener = TcpListener::bind((crate::address::host(), 0)).await?;
                    let port = listener.local_addr()?.port();
                    tokio::spawn(accept(listener, server.clone()));
                    servers.insert(name.clone(), server);
                    port
                }
            };
            ports.insert(name.clone(), port);
        }
        Ok(Backends { servers, ports, record, _held: held })
    }

    /// Port of each backend.
    pub fn ports(&self) -> &BTreeMap<String, u16> {
        &self.ports
    }

    /// Sets what each backend answers from now on, and forgets what was seen.
    pub fn script(&self, given: &BTreeMap<String, Vec<Reply>>) {
        for (name, server) in &self.servers {
            *lock(&server.script) = given.get(name).cloned().unwrap_or_default().into();
            // Health is a state of the world: it stays until a row says otherwise.
            if let Some(checks) = given.get(&format!("{name} checks")) {
                *lock(&server.checks) = checks.clone().into();
            }
        }
        self.record.clear();
    }

    /// What was seen since the last [`Backends::script`], after unfinished requests had a moment to end.
    pub async fn seen(&self) -> Vec<Seen> {
        self.record.take().await
    }

    /// Number of requests seen by each backend since the last [`Backends::script`].
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.record.counts()
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        let server = server.clone();
        tokio::spawn(async move {
            let wire = match &server.tls {
                None => Wire::Plain(tcp),
                Some(acceptor) => match acceptor.accept(tcp).await {
                    Ok(tls) => Wire::Server(Box::new(tls)),
                    // The proxy's side of a failed handshake is what rows look at.
                    Err(_) => return,
                },
            };
            match server.spec.kind {
                Kind::Tcp => serve_tcp(wire, &server).await,
                _ => serve_http(wire, server).await,
            }
        });
    }
}

async fn serve_tcp(mut wire: Wire, server: &Server) {
    let seen = Seen { protocol: "tcp".into(), tls: socket::handshake(&wire), ..Seen::default() };
    let (note, _) = server.admit(seen);
    let (received, stand) = converse(&mut wire, &server.spec.moves, b"").await;
    note.update(|seen| {
        seen.body = crate::outcome::body_text(&received);
        seen.broken = stand == Stand::Broken;
    });
    note.done();
    match stand {
        Stand::Cut => wire.reset(),
        Stand::Open => {
            // All moves are done: end our direction, and let the other side end its own.
            converse(&mut wire, &[crate::table::Move::HalfClose, crate::table::Move::Drain], b"").await;
        }
        _ => {}
    }
}

async fn serve_http(mut wire: Wire, server: Arc<Server>) {
    let mut start = Vec::new();
    // Four bytes tell the HTTP/2 preface from every HTTP/1 method.
    while start.len() < 4 {
        match tokio::io::AsyncReadExt::read_buf(&mut wire, &mut start).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    if start.starts_with(b"PRI ") {
        http2::serve(wire, start, server).await;
    } else {
        http1::serve(wire, start, server).await;
    }
}
