//! What a port takes in, as criteria of filter chains (SD-09, SD-12).

use weft_model::{MtlsMode, Protocol};

/// What is spoken, as far as chains differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP.
    Http,
    /// Opaque bytes.
    Opaque,
    /// Found out by looking.
    Unknown,
}

impl Spoken {
    pub(super) fn of(protocol: Protocol) -> Self {
        if protocol.is_http() {
            Self::Http
        } else if protocol == Protocol::Auto {
            Self::Unknown
        } else {
            Self::Opaque
        }
    }
}

/// One chain of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// `tls` or `raw_buffer`; empty matches both.
    pub(super) transport: &'static str,
    /// Names that the client offers by ALPN, or that were found in plaintext.
    pub(super) protocols: &'static [&'static str],
    /// The chain ends mutual TLS of the mesh.
    pub(super) mtls: bool,
    /// The chain speaks HTTP.
    pub(super) http: bool,
}

const TLS: &str = "tls";
const RAW: &str = "raw_buffer";
/// What clients of the mesh offer for HTTP.
const MESH_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What they offer for what is not known to be HTTP.
const MESH_OPAQUE: &[&str] = &["istio-peer-exchange", "istio"];
/// What they offer for anything.
const MESH: &[&str] = &["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What is found in plaintext HTTP.
const PLAIN_HTTP: &[&str] = &["http/1.1", "h2c"];

const fn shape(transport: &'static str, protocols: &'static [&'static str], mtls: bool, http: bool) -> Shape {
    Shape { transport, protocols, mtls, http }
}

/// The chains of a port. What matches none of them is closed.
///
/// A strict port has the chains for clients of the mesh in the very form that a permissive one has them in:
/// when the mode changes, these stay as they are, and connections through them live on.
pub(super) fn shapes(spoken: Spoken, mode: MtlsMode) -> &'static [Shape] {
    match (spoken, mode) {
        (Spoken::Http, MtlsMode::Strict) => {
            const { &[shape(TLS, MESH, true, true), shape(TLS, &[], true, true)] }
        }
        (Spoken::Http, MtlsMode::Permissive) => {
            const { &[shape(TLS, MESH, true, true), shape(RAW, &[], false, true)] }
        }
        (Spoken::Http, MtlsMode::Disable) => const { &[shape("", &[], false, true)] },
        (Spoken::Opaque, MtlsMode::Strict) => {
            const { &[shape(TLS, MESH, true, false), shape(TLS, &[], true, false)] }
        }
        // TLS that is not the mesh's is the application's to end.
        (Spoken::Opaque, MtlsMode::Permissive) => {
            const { &[shape(TLS, MESH, true, false), shape(TLS, &[], false, false), shape(RAW, &[], false, false)] }
        }
        (Spoken::Opaque, MtlsMode::Disable) => const { &[shape("", &[], false, false)] },
        (Spoken::Unknown, MtlsMode::Strict) => {
            const {
                &[
                    shape(TLS, MESH_HTTP, true, true),
                    shape(TLS, MESH_OPAQUE, true, false),
                    shape(TLS, &[], true, false),
                ]
            }
        }
        (Spoken::Unknown, MtlsMode::Permissive) => {
            const {
                &[
                    shape(TLS, MESH_HTTP, true, true),
                    shape(RAW, PLAIN_HTTP, false, true),
                    shape(TLS, MESH_OPAQUE, true, false),
                    shape(RAW, &[], false, false),
                    shape(TLS, &[], false, false),
                ]
            }
        }
        (Spoken::Unknown, MtlsMode::Disable) => {
            const { &[shape(RAW, PLAIN_HTTP, false, true), shape("", &[], false, false)] }
        }
    }
}

/// Whether a chain is chosen by what is found in plaintext.
pub(super) fn looks_for_http(shape: &Shape) -> bool {
    shape.protocols == PLAIN_HTTP
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [MtlsMode; 3] = [MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict];
    const SPOKEN: [Spoken; 3] = [Spoken::Http, Spoken::Opaque, Spoken::Unknown];

    #[test]
    fn strict_ports_end_mutual_tls_in_every_chain_and_disabled_ones_in_none() {
        for spoken in SPOKEN {
            assert!(shapes(spoken, MtlsMode::Strict).iter().all(|shape| shape.mtls));
            assert!(shapes(spoken, MtlsMode::Disable).iter().all(|shape| !shape.mtls));
            let both = shapes(spoken, MtlsMode::Permissive);
            assert!(both.iter().any(|shape| shape.mtls) && both.iter().any(|shape| !shape.mtls));
        }
    }

    #[test]
    fn what_carries_the_mesh_stays_when_a_permissive_port_becomes_strict() {
        for spoken in SPOKEN {
            let strict = shapes(spoken, MtlsMode::Strict);
            let carries = |shape: &&Shape| shape.mtls && !shape.protocols.is_empty();
            assert!(shapes(spoken, MtlsMode::Permissive).iter().filter(carries).all(|s| strict.contains(s)));
        }
    }

    #[test]
    fn declared_protocols_are_never_looked_for() {
        for mode in MODES {
            assert!(shapes(Spoken::Http, mode).iter().all(|shape| shape.http && !looks_for_http(shape)));
            assert!(shapes(Spoken::Opaque, mode).iter().all(|shape| !shape.http && !looks_for_http(shape)));
        }
    }
}
