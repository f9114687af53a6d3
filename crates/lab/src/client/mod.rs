//! The client of a row: it says exactly what the row says, and tells everything that comes back.

mod frames;
mod http1;
mod http2;
mod tls;

use crate::certs::Certs;
use crate::outcome::{Answer, End, Handshake, body_text};
use crate::table::{Call, Http};
use crate::wire::{PATIENCE, Stand, Wire, converse};
use socket2::{Domain, Socket, Type};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout};

/// Makes connections for one row.
#[derive(Debug, Clone)]
pub struct Dialer {
    /// Port of each listener.
    pub ports: Arc<BTreeMap<String, u16>>,
    /// Address that the connections come from.
    pub source: IpAddr,
    /// Certificates for calls with TLS.
    pub certs: Arc<Certs>,
}

/// A dialer with the labelled connections of a row.
#[derive(Debug)]
pub struct Client {
    dialer: Dialer,
    kept: HashMap<String, Connection>,
}

/// An open connection, by what is spoken on it.
#[derive(Debug)]
enum Connection {
    Raw(Wire),
    Http1(http1::Session),
    Http2(http2::Session),
}

impl Dialer {
    async fn dial(&self, call: &Call) -> Result<(Connection, Option<Handshake>), Box<Answer>> {
        let fail = |end, cause: &dyn ToString| {
            Box::new(Answer { end, cause: Some(cause.to_string()), ..Answer::default() })
        };
        let Some(port) = self.ports.get(&call.on) else {
            return Err(fail(End::Garbled, &format!("no listener {}", call.on)));
        };
        let connecting = self.connect(SocketAddr::new(crate::address::host(), *port));
        let wire = match timeout(PATIENCE, connecting).await {
            Err(_) => return Err(fail(End::Timeout, &"connecting")),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(fail(End::Refused, &error.kind()));
            }
            // Accepted, and reset before the client looked: no other than a close right after.
            Ok(Err(_)) => return Err(Box::new(Answer { end: End::Closed, ..Answer::default() })),
            Ok(Ok(wire)) => wire,
        };
        let wire = match &call.tls {
            None => wire,
            Some(settings) => match timeout(PATIENCE, tls::wrap(wire, settings, &self.certs)).await {
                Err(_) => return Err(fail(End::Timeout, &"TLS handshake")),
                Ok(Err(error)) => return Err(fail(End::Tls, &error)),
                Ok(Ok(wire)) => wire,
            },
        };
        let handshake = wire.version().map(|version| Handshake {
            version: Some(version),
            alpn: wire.alpn(),
            sni: None,
            peer: wire.peer().and_then(|cert| crate::certs::name_of(&cert)),
        });
        if call.exchange.is_some() {
            return Ok((Connection::Raw(wire), handshake));
        }
        let connection = match call.http {
            Http::V2 => match http2::Session::start(wire).await {
                Ok(session) => Connection::Http2(session),
                Err(error) => return Err(fail(End::Closed, &error)),
            },
            _ => Connection::Http1(http1::Session::new(wire)),
        };
        Ok((connection, handshake))
    }

    async fn connect(&self, to: SocketAddr) -> std::io::Result<Wire> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::new(self.source, 0).into())?;
        let tcp = TcpSocket::from_std_stream(socket.into()).connect(to).await?;
        tcp.set_nodelay(true)?;
        Ok(Wire::Plain(tcp))
    }

    /// Carries out a plain call and gives the whole body, which answers cut short when it is long.
    pub async fn call_whole(&self, call: &Call) -> String {
        match self.dial(call).await {
            Ok((Connection::Http1(session), _)) => session.whole(call).await,
            _ => String::new(),
        }
    }

    /// Carries out a call on a connection of its own.
    pub async fn call(&self, call: &Call) -> Vec<Answer> {
        match self.dial(call).await {
            Err(answer) => vec![*answer],
            Ok((connection, handshake)) => finish(speak(connection, call).await.0, handshake),
        }
    }
}

impl Client {
    /// A client without connections.
    pub fn new(dialer: Dialer) -> Self {
        Client { dialer, kept: HashMap::new() }
    }

    /// Carries out a call, on the labelled connection if it has a label.
    pub async fn call(&mut self, call: &Call) -> Vec<Answer> {
        let Some(label) = &call.conn else { return self.dialer.call(call).await };
        let (connection, handshake) = match self.kept.remove(label) {
            Some(connection) => (connection, None),
            None => match self.dialer.dial(call).await {
                Err(answer) => return vec![*answer],
                Ok(dialed) => dialed,
            },
        };
        let (answers, connection) = speak(connection, call).await;
        if let Some(connection) = connection {
            self.kept.insert(label.clone(), connection);
        }
        finish(answers, handshake)
    }

    /// Starts calls one after the other without waiting for answers.
    pub async fn together(&mut self, calls: &[Call], stagger: Duration) -> Vec<Answer> {
        let mut running = Vec::new();
        for call in calls {
            let shared =
                call.conn.as_ref().and_then(|label| self.kept.get(label)).and_then(Connection::share);
            let (dialer, call) = (self.dialer.clone(), call.clone());
            running.push(tokio::spawn(async move {
                match shared {
                    Some(connection) => speak(connection, &call).await.0,
                    None => dialer.call(&call).await,
                }
            }));
            tokio::time::sleep(stagger).await;
        }
        let mut answers = Vec::new();
        for task in running {
            answers.extend(task.await.unwrap_or_default());
        }
        answers
    }
}

impl Connection {
    /// A second handle on the same connection, where the protocol has one.
    fn share(&self) -> Option<Connection> {
        match self {
            Connection::Http2(session) => Some(Connection::Http2(session.clone())),
            _ => None,
        }
    }
}

fn finish(mut answers: Vec<Answer>, handshake: Option<Handshake>) -> Vec<Answer> {
    if let Some(first) = answers.first_mut() {
        first.tls = handshake;
    }
    answers
}

/// Says what the call says; gives the connection back if it can be used again.
async fn speak(connection: Connection, call: &Call) -> (Vec<Answer>, Option<Connection>) {
    let begun = Instant::now();
    let spoken = async {
        match connection {
            Connection::Raw(wire) => {
                let (answer, wire) = exchange(wire, call).await;
                (vec![answer], wire.map(Connection::Raw))
            }
            Connection::Http1(session) => {
                let (answers, session) = session.call(call).await;
                (answers, session.map(Connection::Http1))
            }
            Connection::Http2(session) => {
                let answer = session.call(call).await;
                (vec![answer], Some(Connection::Http2(session)))
            }
        }
    };
    let (mut answers, connection) = match call.abandon {
        None => spoken.await,
        Some(after) => timeout(Duration::from_millis(after), spoken)
            .await
            .unwrap_or_else(|_| (vec![Answer { end: End::Abandoned, ..Answer::default() }], None)),
    };
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    for answer in &mut answers {
        // Answers that looked whether the connection closes have set their own, shorter time.
        if answer.took_ms == 0 {
            answer.took_ms = took;
        }
    }
    (answers, connection)
}

async fn exchange(mut wire: Wire, call: &Call) -> (Answer, Option<Wire>) {
    let moves = call.exchange.as_deref().unwrap_or_default();
    let (received, stand) = converse(&mut wire, moves, b"").await;
    let answer = Answer {
        end: end_of(stand),
        received: Some(frames::describe(&received).unwrap_or_else(|| body_text(&received))),
        ..Answer::default()
    };
    match stand {
        Stand::Open => return (answer, Some(wire)),
        Stand::Cut => wire.reset(),
        _ => {}
    }
    (answer, None)
}

fn end_of(stand: Stand) -> End {
    match stand {
        Stand::Open => End::Complete,
        Stand::Ended | Stand::Broken => End::Closed,
        Stand::Silent => End::Timeout,
        Stand::Left | Stand::Cut => End::Abandoned,
    }
}
