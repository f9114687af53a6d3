//! What a rule looks at.

use ipnet::IpNet;

/// Family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Protocol of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Who made the socket that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This user.
    User(u32),
    /// This group.
    Group(u32),
}

/// State of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Related or established.
    Known,
    /// Invalid.
    Invalid,
}

/// One condition of a rule; a rule's conditions hold all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Comes in by this interface.
    In(String),
    /// Goes out by this interface.
    Out(String),
    /// From this range.
    From(IpNet),
    /// To this range.
    To(IpNet),
    /// Not to this range.
    NotTo(IpNet),
    /// This protocol.
    Protocol(Protocol),
    /// From this port of the protocol named before.
    FromPort(u16),
    /// To this port.
    ToPort(u16),
    /// To none of these ports.
    NotToPorts(Vec<u16>),
    /// Sent by this owner.
    By(Owner),
    /// Sent by another.
    NotBy(Owner),
    /// The packet has this mark.
    Mark(u32),
    /// It has not.
    NotMark(u32),
    /// The connection has this mark.
    ConnectionMark(u32),
    /// State of the connection.
    State(State),
}
