//! What policies can ask about a connection or request.

use std::fmt;

use weft_proto::envoy::config::rbac::v3::{Permission, Principal};

use super::logic::Logic;
use super::value::Atom;

/// An attribute of a connection or request (AP-03, AP-04, AP-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute<'a> {
    /// `source.principal`: the identity in the client's certificate.
    Principal,
    /// `source.namespace`: its namespace.
    Namespace,
    /// `source.serviceAccount`: its namespace and service account.
    ServiceAccount,
    /// `source.trustDomain`: its trust domain.
    TrustDomain,
    /// `source.ip`: address of the connection.
    SourceIp,
    /// `remote.ip`: address that X-Forwarded-For or the PROXY protocol tells.
    RemoteIp,
    /// `request.auth.principal`: issuer and subject of a token.
    RequestPrincipal,
    /// `request.auth.audiences`: whom a token is for.
    Audiences,
    /// `request.auth.presenter`: who presents a token.
    Presenter,
    /// `request.auth.claims[a][b]`: a claim; the brackets are kept.
    Claim(&'a str),
    /// `request.headers[name]`.
    Header(&'a str),
    /// Host of the request.
    Host,
    /// Method of the request.
    Method,
    /// Path of the request, without its query.
    Path,
    /// `destination.port`: port of the workload.
    Port,
    /// `destination.ip`: address of the workload.
    DestinationIp,
    /// `connection.sni`: server name of TLS.
    Sni,
    /// `experimental.FILTER[key]`: metadata that a filter leaves.
    Metadata(&'a str),
}

impl<'a> Attribute<'a> {
    /// The attribute that a condition's key names.
    pub(super) fn of_key(key: &'a str) -> Option<Self> {
        let bracketed = |prefix: &str| key.strip_prefix(prefix).filter(|rest| rest.starts_with('['));
        Some(match key {
            "source.principal" => Self::Principal,
            "source.namespace" => Self::Namespace,
            "source.serviceAccount" => Self::ServiceAccount,
            "source.trustDomain" => Self::TrustDomain,
            "source.ip" => Self::SourceIp,
            "remote.ip" => Self::RemoteIp,
            "request.auth.principal" => Self::RequestPrincipal,
            "request.auth.audiences" => Self::Audiences,
            "request.auth.presenter" => Self::Presenter,
            "destination.port" => Self::Port,
            "destination.ip" => Self::DestinationIp,
            "connection.sni" => Self::Sni,
            _ => {
                if let Some(rest) = bracketed("request.auth.claims") {
                    Self::Claim(rest)
                } else if let Some(rest) = bracketed("request.headers") {
                    Self::Header(rest.trim_start_matches('[').trim_end_matches(']'))
                } else {
                    Self::Metadata(key.strip_prefix("experimental.")?)
                }
            }
        })
    }

    /// Whether only HTTP has it.
    pub(super) fn is_of_requests(self) -> bool {
        match self {
            Self::RequestPrincipal
            | Self::Audiences
            | Self::Presenter
            | Self::Claim(_)
            | Self::Header(_)
            | Self::Host
            | Self::Method
            | Self::Path => true,
            Self::Principal
            | Self::Namespace
            | Self::ServiceAccount
            | Self::TrustDomain
            | Self::SourceIp
            | Self::RemoteIp
            | Self::Port
            | Self::DestinationIp
            | Self::Sni
            | Self::Metadata(_) => false,
        }
    }

    /// Whether it says what is called, not who calls.
    pub(super) fn is_of_operation(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::Method
                | Self::Path
                | Self::Port
                | Self::DestinationIp
                | Self::Sni
                | Self::Metadata(_)
        )
    }
}

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal => f.write_str("principals"),
            Self::Namespace => f.write_str("namespaces"),
            Self::ServiceAccount => f.write_str("service accounts"),
            Self::TrustDomain => f.write_str("trust domains"),
            Self::SourceIp | Self::RemoteIp | Self::DestinationIp => f.write_str("addresses"),
            Self::RequestPrincipal | Self::Audiences | Self::Presenter => f.write_str("tokens"),
            Self::Claim(path) => write!(f, "claims{path}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Host => f.write_str("hosts"),
            Self::Method => f.write_str("methods"),
            Self::Path => f.write_str("paths"),
            Self::Port => f.write_str("ports"),
            Self::Sni => f.write_str("server names"),
            Self::Metadata(key) => write!(f, "metadata {key}"),
        }
    }
}

/// One side of a policy, and the attributes that are on it.
pub(super) trait Side: Logic + Clone {
    /// Whether the attribute is on this side.
    fn has(attribute: Attribute<'_>) -> bool;
    /// The test, if it is of this side.
    fn of(atom: Atom) -> Option<Self>;
}

impl Side for Permission {
    fn has(attribute: Attribute<'_>) -> bool {
        attribute.is_of_operation()
    }

    fn of(atom: Atom) -> Option<Self> {
        match atom {
            Atom::Operation(permission) => Some(permission),
            Atom::Source(_) => None,
        }
    }
}

impl Side for Principal {
    fn has(attribute: Attribute<'_>) -> bool {
        !attribute.is_of_operation()
    }

    fn of(atom: Atom) -> Option<Self> {
        match atom {
            Atom::Source(principal) => Some(principal),
            Atom::Operation(_) => None,
        }
    }
}
