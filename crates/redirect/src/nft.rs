//! Text for `nft -f -`: tables of our own, replaced as a whole in one transaction. Source: SD-03.

use std::fmt::Write as _;

use crate::matches::{Family, Match, Owner, State};
use crate::rules::{Chain, Rule, TABLES, Table, Verdict, rules};
use crate::settings::Settings;

/// The rules of all families that are wanted; what was there of an earlier time goes.
#[must_use]
pub fn text(settings: &Settings) -> String {
    let mut text = cleanup();
    let families: &[Family] = if settings.ipv6 { &[Family::V4, Family::V6] } else { &[Family::V4] };
    for family in families {
        let rules = rules(settings, *family);
        for table in TABLES {
            let own: Vec<&Rule> = rules.iter().filter(|rule| rule.table == table).collect();
            if !own.is_empty() {
                write_table(&mut text, *family, table, &own);
            }
        }
    }
    text
}

/// Removes all tables of ours; that none is there is no fault.
#[must_use]
pub fn cleanup() -> String {
    let mut text = String::new();
    for family in [Family::V4, Family::V6] {
        for table in TABLES {
            let table = format!("table {} {}", word(family), name(table));
            // One cannot remove what is not there.
            let _ = writeln!(text, "add {table}\ndelete {table}");
        }
    }
    text
}

fn write_table(text: &mut String, family: Family, table: Table, rules: &[&Rule]) {
    let _ = writeln!(text, "table {} {} {{", word(family), name(table));
    let mut chains: Vec<Chain> = Vec::new();
    for rule in rules {
        chains.push(rule.chain);
        if let Verdict::Jump(to) = rule.verdict {
            chains.push(to);
        }
    }
    // Ours first: a chain must be known before it is jumped to.
    chains.sort_unstable_by_key(|chain| (hook(table, *chain).is_some(), *chain));
    chains.dedup();
    // One with a hook must have it from its beginning.
    for chain in chains.iter().filter(|chain| hook(table, **chain).is_none()) {
        let _ = writeln!(text, "  chain {} {{}}", chain_name(*chain));
    }
    for chain in chains {
        let _ = writeln!(text, "  chain {} {{", chain_name(chain));
        if let Some(hook) = hook(table, chain) {
            let _ = writeln!(text, "    {hook}; policy accept;");
        }
        for rule in rules.iter().filter(|rule| rule.chain == chain) {
            let _ = writeln!(text, "    {}", line(rule, family));
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn name(table: Table) -> &'static str {
    match table {
        Table::Raw => "istio-proxy-raw",
        Table::Mangle => "istio-proxy-mangle",
        Table::Nat => "istio-proxy-nat",
    }
}

/// Where the kernel calls a chain; priorities are those of iptables' tables.
fn hook(table: Table, chain: Chain) -> Option<&'static str> {
    match (table, chain) {
        (Table::Raw, Chain::Prerouting) => Some("type filter hook prerouting priority -300"),
        (Table::Raw, Chain::Output) => Some("type filter hook output priority -300"),
        (Table::Mangle, Chain::Prerouting) => Some("type filter hook prerouting priority -150"),
        // A route of its own, since a mark may change the way.
        (Table::Mangle, Chain::Output) => Some("type route hook output priority -150"),
        (Table::Nat, Chain::Prerouting) => Some("type nat hook prerouting priority -100"),
        (Table::Nat, Chain::Output) => Some("type nat hook output priority -100"),
        _ => None,
    }
}

fn chain_name(chain: Chain) -> &'static str {
    match chain {
        Chain::Prerouting => "prerouting",
        Chain::Output => "output",
        Chain::Inbound => "istio-inbound",
        Chain::InRedirect => "istio-in-redirect",
        Chain::IstioOutput => "istio-output",
        Chain::OutputDns => "istio-output-dns",
        Chain::Redirect => "istio-redirect",
        Chain::Divert => "istio-divert",
        Chain::Tproxy => "istio-tproxy",
        Chain::Prert => "istio-prerouting",
        Chain::Drop => "istio-drop",
    }
}

fn line(rule: &Rule, family: Family) -> String {
    let mut protocol = "tcp";
    let mut words: Vec<String> = Vec::new();
    for one in &rule.matches {
        if let Match::Protocol(named) = one {
            protocol = named.name();
        }
        words.push(condition(one, family, protocol));
    }
    words.push(verdict(rule.verdict));
    words.join(" ")
}

fn condition(of: &Match, family: Family, protocol: &str) -> String {
    let ip = word(family);
    // iptables' any-ending is a star here.
    let interface = |name: &str| match name.strip_suffix('+') {
        Some(stem) => format!("\"{stem}*\""),
        None => format!("\"{name}\""),
    };
    let owner = |owner: &Owner, not: &str| match owner {
        Owner::User(id) => format!("meta skuid {not}{id}"),
        Owner::Group(id) => format!("meta skgid {not}{id}"),
    };
    match of {
        Match::In(name) => format!("iifname {}", interface(name)),
        Match::Out(name) => format!("oifname {}", interface(name)),
        Match::From(net) => format!("{ip} saddr {net}"),
        Match::To(net) => format!("{ip} daddr {net}"),
        Match::NotTo(net) => format!("{ip} daddr != {net}"),
        Match::Protocol(protocol) => format!("meta l4proto {}", protocol.name()),
        Match::FromPort(port) => format!("{protocol} sport {port}"),
        Match::ToPort(port) => format!("{protocol} dport {port}"),
        Match::NotToPorts(ports) => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("{protocol} dport != {{ {} }}", ports.join(", "))
        }
        Match::By(who) => owner(who, ""),
        Match::NotBy(who) => owner(who, "!= "),
        Match::Mark(mark) => format!("meta mark {mark}"),
        Match::NotMark(mark) => format!("meta mark != {mark}"),
        Match::ConnectionMark(mark) => format!("ct mark {mark}"),
        Match::State(State::Known) => "ct state related,established".to_owned(),
        Match::State(State::Invalid) => "ct state invalid".to_owned(),
    }
}

fn verdict(of: Verdict) -> String {
    match of {
        Verdict::Return => "return".to_owned(),
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Jump(chain) => format!("jump {}", chain_name(chain)),
        Verdict::Redirect(port) => format!("redirect to :{port}"),
        // Here tproxy does not end the walk as it does in iptables.
        Verdict::Tproxy(port, mark) => format!("tproxy to :{port} meta mark set {mark} accept"),
        Verdict::SetMark(mark) => format!("meta mark set {mark}"),
        Verdict::SaveMark => "ct mark set meta mark".to_owned(),
        Verdict::RestoreMark => "meta mark set ct mark".to_owned(),
        // The first zone counts, as in iptables.
        Verdict::Zone(zone) => format!("ct zone set {zone} return"),
    }
}
