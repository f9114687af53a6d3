//! The chains, in the order in which the kernel walks them. Source: SD-01, SD-02.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::matches::{Family, Match, Owner, Protocol, State};
use crate::settings::{DNS_PORT, Dns, Mode, Ports, Ranges, SELF_MARK, Settings};

/// Table of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Zones of conntrack.
    Raw,
    /// Marks, TPROXY, drops.
    Mangle,
    /// Redirection.
    Nat,
}

/// The tables.
pub const TABLES: [Table; 3] = [Table::Raw, Table::Mangle, Table::Nat];

/// Chain: the built-in ones, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// What comes in.
    Prerouting,
    /// What programs of this host send.
    Output,
    /// Inbound: redirected or not.
    Inbound,
    /// To the proxy's inbound port.
    InRedirect,
    /// Outbound: redirected or not.
    IstioOutput,
    /// DNS.
    OutputDns,
    /// To the proxy's outbound port.
    Redirect,
    /// Packets of connections that TPROXY has.
    Divert,
    /// New connections for TPROXY.
    Tproxy,
    /// After the inbound decision of TPROXY.
    Prert,
    /// Invalid packets.
    Drop,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Back to the chain before.
    Return,
    /// Through, as far as this table goes.
    Accept,
    /// Away.
    Drop,
    /// Into another chain.
    Jump(Chain),
    /// To this port of this host.
    Redirect(u16),
    /// To the socket at this port, with this mark.
    Tproxy(u16, u32),
    /// Marks the packet.
    SetMark(u32),
    /// The connection gets the packet's mark.
    SaveMark,
    /// The packet gets the connection's mark.
    RestoreMark,
    /// Zone of conntrack.
    Zone(u16),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Table.
    pub table: Table,
    /// Chain.
    pub chain: Chain,
    /// When: all of these.
    pub matches: Vec<Match>,
    /// What then.
    pub verdict: Verdict,
}

/// The rules of one family.
#[must_use]
pub fn rules(settings: &Settings, family: Family) -> Vec<Rule> {
    let mut all = Rules { settings, family, rules: Vec::new() };
    all.inbound();
    all.outbound();
    if settings.dns != Dns::Off {
        all.zones();
    }
    if settings.drop_invalid {
        all.add(Table::Mangle, Chain::Prerouting, [], Verdict::Jump(Chain::Drop));
        all.add(Table::Mangle, Chain::Drop, [Match::State(State::Invalid)], Verdict::Drop);
    }
    all.rules
}

struct Rules<'a> {
    settings: &'a Settings,
    family: Family,
    rules: Vec<Rule>,
}

const LOOPBACK: &str = "lo";
const TCP: Match = Match::Protocol(Protocol::Tcp);
const UDP: Match = Match::Protocol(Protocol::Udp);

impl Rules<'_> {
    fn add(
        &mut self,
        table: Table,
        chain: Chain,
        matches: impl IntoIterator<Item = Match>,
        verdict: Verdict,
    ) {
        self.rules.push(Rule { table, chain, matches: matches.into_iter().collect(), verdict });
    }

    /// The address that programs mean by themselves.
    fn localhost(&self) -> IpNet {
        match self.family {
            Family::V4 => Ipv4Net::from(std::net::Ipv4Addr::LOCALHOST).into(),
            Family::V6 => Ipv6Net::from(std::net::Ipv6Addr::LOCALHOST).into(),
        }
    }

    /// Where the proxy calls the workload from, so that it is not taken for somebody else.
    fn passthrough(&self) -> IpNet {
        match self.family {
            Family::V4 => Ipv4Net::from(std::net::Ipv4Addr::new(127, 0, 0, 6)).into(),
            Family::V6 => Ipv6Net::from(std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)).into(),
        }
    }

    fn is_ours(&self, net: IpNet) -> bool {
        matches!((self.family, net), (Family::V4, IpNet::V4(_)) | (Family::V6, IpNet::V6(_)))
    }

    fn of_family(&self, nets: &[IpNet]) -> Vec<IpNet> {
        nets.iter().copied().filter(|net| self.is_ours(*net)).collect()
    }

    fn owners(&self) -> Vec<Owner> {
        let users = self.settings.users.iter().copied().map(Owner::User);
        users.chain(self.settings.groups.iter().copied().map(Owner::Group)).collect()
    }

    fn servers(&self) -> Vec<IpNet> {
        let Dns::Servers(servers) = &self.settings.dns else { return Vec::new() };
        let nets: Vec<IpNet> = servers.iter().copied().map(IpNet::from).collect();
        self.of_family(&nets)
    }

    fn inbound(&mut self) {
        let settings = self.settings;
        let wanted = settings.inbound != Ports::These(Vec::new());
        self.add(Table::Nat, Chain::InRedirect, [TCP], Verdict::Redirect(settings.inbound_port));
        if !wanted {
            return;
        }
        let (table, target) = match settings.mode {
            Mode::Redirect => (Table::Nat, Chain::InRedirect),
            Mode::Tproxy => (Table::Mangle, Chain::Tproxy),
        };
        self.add(table, Chain::Prerouting, [TCP], Verdict::Jump(Chain::Inbound));
        for name in &settings.exclude_interfaces {
            self.add(table, Chain::Inbound, [Match::In(name.clone())], Verdict::Return);
        }
        if settings.mode == Mode::Tproxy {
            self.tproxy();
        }
        let tunnel = [TCP, Match::ToPort(settings.tunnel_port)];
        self.add(table, Chain::Inbound, tunnel, Verdict::Return);
        for name in &settings.virtual_interfaces {
            self.virtual_machine(name);
        }
        match &settings.inbound {
            Ports::All => {
                for port in &settings.inbound_exclude {
                    self.add(table, Chain::Inbound, [TCP, Match::ToPort(*port)], Verdict::Return);
                }
                if settings.mode == Mode::Tproxy {
                    let known = [TCP, Match::State(State::Known)];
                    self.add(table, Chain::Inbound, known, Verdict::Jump(Chain::Divert));
                }
                self.add(table, Chain::Inbound, [TCP], Verdict::Jump(target));
            }
            Ports::These(ports) => {
                for port in ports {
                    let to = [TCP, Match::ToPort(*port)];
                    if settings.mode == Mode::Tproxy {
                        let known = to.clone().into_iter().chain([Match::State(State::Known)]);
                        self.add(table, Chain::Inbound, known, Verdict::Jump(Chain::Divert));
                    }
                    self.add(table, Chain::Inbound, to, Verdict::Jump(target));
                }
            }
        }
    }

    /// What a virtual machine in the pod sends comes in, and is outbound traffic all the same.
    fn virtual_machine(&mut self, name: &str) {
        let from = || Match::In(name.to_owned());
        if self.settings.mode == Mode::Tproxy {
            self.add(Table::Mangle, Chain::Inbound, [from()], Verdict::Return);
            self.add(Table::Nat, Chain::Prerouting, [TCP], Verdict::Jump(Chain::Inbound));
        }
        match &self.settings.ranges {
            Ranges::All => {
                self.add(Table::Nat, Chain::Inbound, [from(), TCP], Verdict::Jump(Chain::Redirect));
            }
            Ranges::These(nets) => {
                for net in self.of_family(nets) {
                    let to = [from(), Match::To(net), TCP];
                    self.add(Table::Nat, Chain::Inbound, to, Verdict::Jump(Chain::Redirect));
                }
            }
        }
        self.add(Table::Nat, Chain::Inbound, [from()], Verdict::Return);
    }

    fn tproxy(&mut self) {
        let settings = self.settings;
        let (mark, away) = (settings.mark, Match::NotTo(self.localhost()));
        let mangle = Table::Mangle;
        self.add(mangle, Chain::Divert, [], Verdict::SetMark(mark));
        self.add(mangle, Chain::Divert, [], Verdict::Accept);
        let new = Verdict::Tproxy(settings.inbound_port, mark);
        self.add(mangle, Chain::Tproxy, [away.clone(), TCP], new);
        // What is the proxy's already, what it sends from its own address, and what programs say to each other.
        self.add(mangle, Chain::Inbound, [TCP, Match::Mark(mark)], Verdict::Return);
        let back = [Match::In(LOOPBACK.to_owned()), Match::From(self.passthrough()), TCP];
        self.add(mangle, Chain::Inbound, back, Verdict::Return);
        let among = [Match::In(LOOPBACK.to_owned()), TCP, Match::NotMark(SELF_MARK)];
        self.add(mangle, Chain::Inbound, among, Verdict::Return);
        // The workload's answers to a marked connection go back to the proxy.
        self.add(mangle, Chain::Prerouting, [TCP], Verdict::Jump(Chain::Prert));
        self.add(mangle, Chain::Prert, [TCP, Match::Mark(mark)], Verdict::SaveMark);
        self.add(mangle, Chain::Output, [TCP], Verdict::Jump(Chain::IstioOutput));
        for name in &settings.exclude_interfaces {
            self.add(mangle, Chain::IstioOutput, [Match::Out(name.clone())], Verdict::Return);
        }
        let lo = || Match::Out(LOOPBACK.to_owned());
        self.add(mangle, Chain::IstioOutput, [lo(), TCP, Match::Mark(mark)], Verdict::Return);
        for owner in self.owners() {
            let own = [lo(), away.clone(), TCP, Match::By(owner)];
            self.add(mangle, Chain::IstioOutput, own, Verdict::SetMark(SELF_MARK));
        }
        self.add(mangle, Chain::IstioOutput, [TCP, Match::ConnectionMark(mark)], Verdict::RestoreMark);
    }

    fn outbound(&mut self) {
        let settings = self.settings;
        let (nat, own) = (Table::Nat, Chain::IstioOutput);
        self.add(nat, Chain::Redirect, [TCP], Verdict::Redirect(settings.outbound_port));
        let which = if settings.dns == Dns::Off { vec![TCP] } else { Vec::new() };
        self.add(nat, Chain::Output, which, Verdict::Jump(own));
        for name in &settings.exclude_interfaces {
            self.add(nat, own, [Match::Out(name.clone())], Verdict::Return);
        }
        for port in &settings.outbound_exclude {
            self.add(nat, own, [TCP, Match::ToPort(*port)], Verdict::Return);
        }
        let lo = || Match::Out(LOOPBACK.to_owned());
        self.add(nat, own, [lo(), Match::From(self.passthrough())], Verdict::Return);
        self.own_traffic();
        self.dns();
        self.add(nat, own, [Match::To(self.localhost())], Verdict::Return);
        for net in self.of_family(&settings.ranges_exclude) {
            self.add(nat, own, [Match::To(net)], Verdict::Return);
        }
        for port in &settings.outbound {
            self.add(nat, own, [TCP, Match::ToPort(*port)], Verdict::Jump(Chain::Redirect));
        }
        match &settings.ranges {
            Ranges::All => self.add(nat, own, [], Verdict::Jump(Chain::Redirect)),
            Ranges::These(nets) => {
                for net in self.of_family(nets) {
                    self.add(nat, own, [Match::To(net)], Verdict::Jump(Chain::Redirect));
                }
            }
        }
    }

    /// The proxy's own: to its own pod it calls as anybody would, elsewhere it goes straight. Programs talk
    /// over the loopback interface among themselves, unless a range of it is to be redirected.
    fn own_traffic(&mut self) {
        let (nat, own) = (Table::Nat, Chain::IstioOutput);
        let captured = self.settings.dns != Dns::Off;
        let lo = || Match::Out(LOOPBACK.to_owned());
        let loops = match &self.settings.ranges {
            Ranges::All => false,
            Ranges::These(nets) => nets.iter().any(|net| self.is_ours(*net) && net.addr().is_loopback()),
        };
        for owner in self.owners() {
            // A query of the proxy's to a server on this host would come back to it.
            let but = match owner {
                Owner::User(_) if captured => vec![53, self.settings.tunnel_port],
                _ => vec![self.settings.tunnel_port],
            };
            let home = [lo(), Match::NotTo(self.localhost()), TCP, Match::NotToPorts(but), Match::By(owner)];
            self.add(nat, own, home, Verdict::Jump(Chain::InRedirect));
            if !loops {
                let mut among = vec![lo()];
                if captured {
                    among.extend([TCP, Match::NotToPorts(vec![53])]);
                }
                among.push(Match::NotBy(owner));
                self.add(nat, own, among, Verdict::Return);
            }
            self.add(nat, own, [Match::By(owner)], Verdict::Return);
        }
    }

    fn dns(&mut self) {
        let (nat, dns) = (Table::Nat, Chain::OutputDns);
        if self.settings.dns == Dns::Off {
            return;
        }
        self.add(nat, Chain::IstioOutput, [], Verdict::Jump(dns));
        let targets = self.queries();
        for target in &targets {
            let query = [TCP, Match::ToPort(53)].into_iter().chain(target.clone());
            self.add(nat, dns, query, Verdict::Redirect(DNS_PORT));
        }
        for owner in self.owners() {
            self.add(nat, dns, [UDP, Match::ToPort(53), Match::By(owner)], Verdict::Return);
        }
        for target in targets {
            let query = [UDP, Match::ToPort(53)].into_iter().chain(target);
            self.add(nat, dns, query, Verdict::Redirect(DNS_PORT));
        }
    }

    /// The destinations of DNS that are redirected.
    fn queries(&self) -> Vec<Option<Match>> {
        if self.settings.dns == Dns::All {
            return vec![None];
        }
        self.servers().into_iter().map(|net| Some(Match::To(net))).collect()
    }

    /// The proxy's queries and the workload's may have the same addresses and ports; zones hold them apart.
    fn zones(&mut self) {
        let (raw, dns) = (Table::Raw, Chain::OutputDns);
        self.add(raw, Chain::Output, [], Verdict::Jump(dns));
        for owner in self.owners() {
            self.add(raw, dns, [UDP, Match::ToPort(53), Match::By(owner)], Verdict::Zone(1));
            self.add(raw, dns, [UDP, Match::FromPort(DNS_PORT), Match::By(owner)], Verdict::Zone(2));
        }
        if self.settings.dns == Dns::All {
            self.add(raw, Chain::Prerouting, [], Verdict::Jump(Chain::Inbound));
            self.add(raw, dns, [UDP, Match::ToPort(53)], Verdict::Zone(2));
            self.add(raw, Chain::Inbound, [UDP, Match::FromPort(53)], Verdict::Zone(1));
            return;
        }
        let servers = self.servers();
        if !servers.is_empty() {
            self.add(raw, Chain::Prerouting, [], Verdict::Jump(Chain::Inbound));
        }
        for server in servers {
            self.add(raw, dns, [UDP, Match::ToPort(53), Match::To(server)], Verdict::Zone(2));
            self.add(raw, Chain::Inbound, [UDP, Match::FromPort(53), Match::From(server)], Verdict::Zone(1));
        }
    }
}
