//! Text for `iptables-restore --noflush` and `ip6tables-restore --noflush`.

use std::fmt::Write as _;

use crate::matches::{Family, Match, Owner, State};
use crate::rules::{Chain, Rule, TABLES, Table, Verdict, rules};
use crate::settings::Settings;

/// What all our chains' names begin with.
const PREFIX: &str = "ISTIO_";

/// The rules of one family. `saved` is what `iptables-save` shows now, or nothing: jumps of an earlier time are
/// removed in the same stroke, so that applying twice is as once and no packet slips through in between.
#[must_use]
pub fn text(settings: &Settings, family: Family, saved: &str) -> String {
    let rules = rules(settings, family);
    let mut text = String::new();
    for table in TABLES {
        let own: Vec<&Rule> = rules.iter().filter(|rule| rule.table == table).collect();
        let stale = stale(saved, table);
        if own.is_empty() && stale.is_empty() {
            continue;
        }
        let _ = writeln!(text, "*{}", name(table));
        let mut chains: Vec<Chain> = own.iter().flat_map(|rule| chains(rule)).collect();
        chains.sort_unstable();
        chains.dedup();
        for chain in chains.into_iter().filter(|chain| !is_built_in(*chain)) {
            let _ = writeln!(text, ":{} - [0:0]", chain_name(chain));
        }
        for jump in stale.jumps {
            let _ = writeln!(text, "-D {jump}");
        }
        for rule in own {
            let _ = writeln!(text, "{}", line(rule));
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// Removes whatever `iptables-save` shows of ours; nothing where there is nothing.
#[must_use]
pub fn cleanup(saved: &str) -> String {
    let mut text = String::new();
    for table in TABLES {
        let stale = stale(saved, table);
        if stale.is_empty() {
            continue;
        }
        let _ = writeln!(text, "*{}", name(table));
        for jump in &stale.jumps {
            let _ = writeln!(text, "-D {jump}");
        }
        // All are emptied before one is removed: a chain that is jumped to cannot be.
        for chain in &stale.chains {
            let _ = writeln!(text, "-F {chain}");
        }
        for chain in &stale.chains {
            let _ = writeln!(text, "-X {chain}");
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// Whether `iptables-save` shows rules of ours.
#[must_use]
pub fn is_applied(saved: &str) -> bool {
    TABLES.iter().any(|table| !stale(saved, *table).is_empty())
}

/// What of ours one table holds.
struct Stale<'a> {
    jumps: Vec<&'a str>,
    chains: Vec<&'a str>,
}

impl Stale<'_> {
    fn is_empty(&self) -> bool {
        self.jumps.is_empty() && self.chains.is_empty()
    }
}

fn stale(saved: &str, table: Table) -> Stale<'_> {
    let mut found = Stale { jumps: Vec::new(), chains: Vec::new() };
    let mut inside = false;
    for line in saved.lines().map(str::trim) {
        if let Some(other) = line.strip_prefix('*') {
            inside = other == name(table);
        }
        if !inside {
            continue;
        }
        if let Some(chain) = line.strip_prefix(':') {
            let chain = chain.split_whitespace().next().unwrap_or_default();
            if chain.starts_with(PREFIX) {
                found.chains.push(chain);
            }
        }
        if let Some(rule) = line.strip_prefix("-A ") {
            let to_ours = rule.split_once(" -j ").is_some_and(|(_, to)| to.starts_with(PREFIX));
            if to_ours && !rule.starts_with(PREFIX) {
                found.jumps.push(rule);
            }
        }
    }
    found
}

fn name(table: Table) -> &'static str {
    match table {
        Table::Raw => "raw",
        Table::Mangle => "mangle",
        Table::Nat => "nat",
    }
}

/// Chains that must be there for a rule.
fn chains(rule: &Rule) -> impl Iterator<Item = Chain> + use<> {
    let to = if let Verdict::Jump(to) = rule.verdict { Some(to) } else { None };
    [rule.chain].into_iter().chain(to)
}

fn is_built_in(chain: Chain) -> bool {
    matches!(chain, Chain::Prerouting | Chain::Output)
}

fn chain_name(chain: Chain) -> &'static str {
    match chain {
        Chain::Prerouting => "PREROUTING",
        Chain::Output => "OUTPUT",
        Chain::Inbound => "ISTIO_INBOUND",
        Chain::InRedirect => "ISTIO_IN_REDIRECT",
        Chain::IstioOutput => "ISTIO_OUTPUT",
        Chain::OutputDns => "ISTIO_OUTPUT_DNS",
        Chain::Redirect => "ISTIO_REDIRECT",
        Chain::Divert => "ISTIO_DIVERT",
        Chain::Tproxy => "ISTIO_TPROXY",
        Chain::Prert => "ISTIO_PRERT",
        Chain::Drop => "ISTIO_DROP",
    }
}

fn line(rule: &Rule) -> String {
    let mut text = format!("-A {}", chain_name(rule.chain));
    for one in &rule.matches {
        text.push(' ');
        text.push_str(&condition(one));
    }
    text.push_str(" -j ");
    text.push_str(&target(rule.verdict));
    text
}

fn condition(of: &Match) -> String {
    let owner = |owner: &Owner| match owner {
        Owner::User(id) => format!("--uid-owner {id}"),
        Owner::Group(id) => format!("--gid-owner {id}"),
    };
    match of {
        Match::In(name) => format!("-i {name}"),
        Match::Out(name) => format!("-o {name}"),
        Match::From(net) => format!("-s {net}"),
        Match::To(net) => format!("-d {net}"),
        Match::NotTo(net) => format!("! -d {net}"),
        Match::Protocol(protocol) => format!("-p {}", protocol.name()),
        Match::FromPort(port) => format!("--sport {port}"),
        Match::ToPort(port) => format!("--dport {port}"),
        Match::NotToPorts(ports) => match ports.as_slice() {
            [port] => format!("! --dport {port}"),
            ports => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                format!("-m multiport ! --dports {}", ports.join(","))
            }
        },
        Match::By(who) => format!("-m owner {}", owner(who)),
        Match::NotBy(who) => format!("-m owner ! {}", owner(who)),
        Match::Mark(mark) => format!("-m mark --mark {mark}"),
        Match::NotMark(mark) => format!("-m mark ! --mark {mark}"),
        Match::ConnectionMark(mark) => format!("-m connmark --mark {mark}"),
        Match::State(State::Known) => "-m conntrack --ctstate RELATED,ESTABLISHED".to_owned(),
        Match::State(State::Invalid) => "-m conntrack --ctstate INVALID".to_owned(),
    }
}

fn target(verdict: Verdict) -> String {
    match verdict {
        Verdict::Return => "RETURN".to_owned(),
        Verdict::Accept => "ACCEPT".to_owned(),
        Verdict::Drop => "DROP".to_owned(),
        Verdict::Jump(chain) => chain_name(chain).to_owned(),
        Verdict::Redirect(port) => format!("REDIRECT --to-ports {port}"),
        Verdict::Tproxy(port, mark) => format!("TPROXY --tproxy-mark {mark}/0xffffffff --on-port {port}"),
        Verdict::SetMark(mark) => format!("MARK --set-mark {mark}"),
        Verdict::SaveMark => "CONNMARK --save-mark".to_owned(),
        Verdict::RestoreMark => "CONNMARK --restore-mark".to_owned(),
        Verdict::Zone(zone) => format!("CT --zone {zone}"),
    }
}
