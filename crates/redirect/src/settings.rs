//! What is to be redirected.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Most entries of one list; iptables has one rule for each.
const MOST: usize = 1024;

/// What is to be redirected, and where to. The default is Istio's for a pod: all TCP, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the proxy takes what the workload sends (SD-01; 15001).
    pub outbound_port: u16,
    /// Where the proxy takes what is sent to the workload (15006).
    pub inbound_port: u16,
    /// Where tunnels come in, never redirected (15008).
    pub tunnel_port: u16,
    /// Users whose own traffic is left alone (1337).
    pub users: Vec<u32>,
    /// Groups whose own traffic is left alone (1337).
    pub groups: Vec<u32>,
    /// How inbound traffic is redirected.
    pub mode: Mode,
    /// Inbound ports that are redirected (AN-38).
    pub inbound: Ports,
    /// Inbound ports that are not, with [`Ports::All`] (AN-39).
    pub inbound_exclude: Vec<u16>,
    /// Outbound ranges that are redirected (AN-36).
    pub ranges: Ranges,
    /// Outbound ranges that are not (AN-37).
    pub ranges_exclude: Vec<IpNet>,
    /// Outbound ports that are redirected whatever the address (AN-41).
    pub outbound: Vec<u16>,
    /// Outbound ports that are not (AN-42).
    pub outbound_exclude: Vec<u16>,
    /// Interfaces of virtual machines, whose inbound traffic is outbound traffic of the pod (AN-43).
    pub virtual_interfaces: Vec<String>,
    /// Interfaces that are left alone (AN-40).
    pub exclude_interfaces: Vec<String>,
    /// Which DNS queries go to the proxy (15053).
    pub dns: Dns,
    /// Drops packets that conntrack finds invalid.
    pub drop_invalid: bool,
    /// Also sets rules for IPv6.
    pub ipv6: bool,
    /// Mark of TPROXY (1337).
    pub mark: u32,
    /// Routing table of marked packets (133).
    pub route_table: u32,
}

/// Where the proxy answers DNS.
pub const DNS_PORT: u16 = 15053;
/// Mark of connections that the proxy makes to itself under TPROXY.
pub const SELF_MARK: u32 = 1338;

impl Default for Settings {
    fn default() -> Self {
        Self {
            outbound_port: 15001,
            inbound_port: 15006,
            tunnel_port: 15008,
            users: vec![1337],
            groups: vec![1337],
            mode: Mode::Redirect,
            inbound: Ports::All,
            inbound_exclude: vec![15090, 15021, 15020],
            ranges: Ranges::All,
            ranges_exclude: Vec::new(),
            outbound: Vec::new(),
            outbound_exclude: Vec::new(),
            virtual_interfaces: Vec::new(),
            exclude_interfaces: Vec::new(),
            dns: Dns::Off,
            drop_invalid: false,
            ipv6: true,
            mark: 1337,
            route_table: 133,
        }
    }
}

/// How inbound traffic is redirected (AN-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By NAT: the proxy sees the destination, and the workload the proxy as source.
    Redirect,
    /// Without NAT: the proxy sees both addresses as they were.
    Tproxy,
}

/// Ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// `*`.
    All,
    /// These; none is none.
    These(Vec<u16>),
}

/// Ranges of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// `*`.
    All,
    /// These; none is none.
    These(Vec<IpNet>),
}

/// Which DNS queries go to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dns {
    /// None.
    Off,
    /// Those to these servers, which `/etc/resolv.conf` names.
    Servers(Vec<IpAddr>),
    /// All.
    All,
}

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// One entry cannot be read.
    #[error("{entry:?} is no {wanted}")]
    Entry {
        /// The entry.
        entry: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Too many entries.
    #[error("{0} entries, but a list may have 1024")]
    TooLong(usize),
}

/// A list with commas; empty entries are passed over.
///
/// # Errors
/// An entry cannot be read, or there are too many.
pub fn list<T: FromStr>(text: &str, wanted: &'static str) -> Result<Vec<T>, SettingsError> {
    let entries: Vec<&str> = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    if entries.len() > MOST {
        return Err(SettingsError::TooLong(entries.len()));
    }
    let read =
        |entry: &str| entry.parse().map_err(|_| SettingsError::Entry { entry: entry.to_owned(), wanted });
    entries.into_iter().map(read).collect()
}

/// Ports with commas. A 0 is refused.
///
/// # Errors
/// As [`list`].
pub fn ports(text: &str) -> Result<Vec<u16>, SettingsError> {
    let ports = list::<std::num::NonZeroU16>(text, "port (1 to 65535)")?;
    Ok(ports.into_iter().map(std::num::NonZeroU16::get).collect())
}

/// Ranges with commas, such as `10.0.0.0/8`; an address alone is a range of one.
///
/// # Errors
/// As [`list`].
pub fn ranges(text: &str) -> Result<Vec<IpNet>, SettingsError> {
    let entries = list::<String>(text, "range")?;
    let read = |entry: String| {
        let net = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        net.map(|net| net.trunc())
            .map_err(|_| SettingsError::Entry { entry, wanted: "range such as 10.0.0.0/8" })
    };
    entries.into_iter().map(read).collect()
}

/// Names of interfaces with commas; a `+` at the end stands for any.
///
/// # Errors
/// One is longer than 15 bytes or has characters that could end a rule.
pub fn interfaces(text: &str) -> Result<Vec<String>, SettingsError> {
    let names = list::<String>(text, "interface")?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
    for name in &names {
        let stem = name.strip_suffix('+').unwrap_or(name);
        if stem.is_empty() || name.len() > 15 || stem.starts_with('-') || !stem.chars().all(good) {
            return Err(SettingsError::Entry { entry: name.clone(), wanted: "name of an interface" });
        }
    }
    Ok(names)
}

impl FromStr for Ports {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        if text.trim() == "*" { Ok(Self::All) } else { ports(text).map(Self::These) }
    }
}

impl FromStr for Ranges {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        if text.trim() == "*" { Ok(Self::All) } else { ranges(text).map(Self::These) }
    }
}

impl FromStr for Mode {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        match text {
            "REDIRECT" => Ok(Self::Redirect),
            "TPROXY" => Ok(Self::Tproxy),
            _ => Err(SettingsError::Entry { entry: text.to_owned(), wanted: "mode: REDIRECT or TPROXY" }),
        }
    }
}
