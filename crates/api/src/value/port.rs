//! Ports.

use std::fmt;

use crate::decode::record::{Fields, wrong_type};
use crate::decode::tree::Node;
use crate::decode::{Decode, Scalar};
use crate::diagnostic::{Code, Severity};
use crate::report::Report;

/// A port, 1 to 65535. The default, 0, is what a required port has in a report with errors; no object
/// that was accepted holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(u16);

impl Port {
    /// The port of that number, unless it is 0.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Fields<'_, '_> {
    /// A port that must be there.
    pub(crate) fn required_port(&mut self, name: &'static str) -> Port {
        self.required::<Option<Port>>(name).unwrap_or_default()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Decode for Port {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let Some(Scalar::Int(number)) = node.scalar() else {
            wrong_type(node, report, "a port number");
            return None;
        };
        let port = u16::try_from(number).ok().and_then(Self::new);
        if port.is_none() {
            let message = format!("{number} is not a port, which is 1 to 65535");
            report.record(Severity::Error, Code::Port, Some(node.place), message, None);
        }
        port
    }
}

/// A port by its number or its name (Kubernetes' IntOrString).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IntOrString {
    /// By number.
    Int(Port),
    /// By name.
    String(String),
}

impl Decode for IntOrString {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        match node.scalar() {
            Some(Scalar::Text(text)) => Some(Self::String(text.to_owned())),
            _ => Port::decode(node, report).map(Self::Int),
        }
    }
}
