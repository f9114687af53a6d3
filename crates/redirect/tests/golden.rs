//! The text of both forms, as files; `UPDATE_GOLDEN=1` writes them anew.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::path::PathBuf;
use weft_redirect::settings::ranges;
use weft_redirect::{Dns, Family, Mode, Ports, Ranges, Settings, iptables, nft};

fn cases() -> Vec<(&'static str, Settings)> {
    let base = Settings::default;
    vec![
        ("default", base()),
        ("tproxy", Settings { mode: Mode::Tproxy, ipv6: false, ..base() }),
        (
            "lists",
            Settings {
                inbound: Ports::These(vec![80, 443]),
                ranges: Ranges::These(ranges("10.0.0.0/8,fd00::/8").unwrap()),
                ranges_exclude: ranges("10.1.0.0/16").unwrap(),
                outbound: vec![9000],
                outbound_exclude: vec![3306],
                exclude_interfaces: vec!["eth1".to_owned(), "net+".to_owned()],
                virtual_interfaces: vec!["k6t-eth0".to_owned()],
                drop_invalid: true,
                ..base()
            },
        ),
        ("nothing-in", Settings { inbound: Ports::These(Vec::new()), ipv6: false, ..base() }),
        ("loopback-range", Settings { ranges: Ranges::These(ranges("127.1.2.3").unwrap()), ..base() }),
        ("dns-servers", Settings { dns: Dns::Servers(vec!["10.96.0.10".parse().unwrap()]), ..base() }),
        ("dns-all", Settings { dns: Dns::All, ipv6: false, ..base() }),
    ]
}

#[test]
fn the_text_is_as_written_down() {
    for (name, settings) in cases() {
        let mut rules = format!("# iptables\n{}", iptables::text(&settings, Family::V4, ""));
        if settings.ipv6 {
            rules += &format!("# ip6tables\n{}", iptables::text(&settings, Family::V6, ""));
        }
        same(&format!("{name}.iptables"), &rules);
        same(&format!("{name}.nft"), &nft::text(&settings));
    }
}

fn same(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).expect(name);
    assert!(wanted == text, "{name} differs:\n{text}");
}

#[test]
fn built_in_chains_get_only_jumps() {
    for (name, settings) in cases() {
        for line in iptables::text(&settings, Family::V4, "").lines() {
            if line.starts_with("-A PREROUTING") || line.starts_with("-A OUTPUT") {
                assert!(line.contains("-j ISTIO_"), "{name}: {line}");
            }
        }
    }
}

#[test]
fn what_is_there_is_replaced_and_removed() {
    let saved = "*nat\n:PREROUTING ACCEPT [0:0]\n:ISTIO_INBOUND - [0:0]\n:OTHER - [0:0]\n\
                 -A PREROUTING -p tcp -j ISTIO_INBOUND\n-A PREROUTING -p tcp -j OTHER\n\
                 -A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT\nCOMMIT\n";
    assert!(iptables::is_applied(saved));
    assert_eq!(
        iptables::cleanup(saved),
        "*nat\n-D PREROUTING -p tcp -j ISTIO_INBOUND\n-F ISTIO_INBOUND\n-X ISTIO_INBOUND\nCOMMIT\n"
    );
    let again = iptables::text(&Settings::default(), Family::V4, saved);
    assert_eq!(again.matches("-D PREROUTING -p tcp -j ISTIO_INBOUND").count(), 1, "{again}");
    assert!(iptables::cleanup("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n").is_empty());
}

#[test]
fn words_that_would_end_a_rule_are_refused() {
    use weft_redirect::settings::{interfaces, list, ports};
    for bad in ["eth0;", "a b", "x\"y", "-o", "+", "a-name-too-long-1"] {
        assert!(interfaces(bad).is_err(), "{bad}");
    }
    for bad in ["0", "65536", "80-90", "x"] {
        assert!(ports(bad).is_err(), "{bad}");
    }
    for bad in ["10.0.0.0/33", "x", "10.0.0"] {
        assert!(ranges(bad).is_err(), "{bad}");
    }
    assert_eq!(ports("80, 443,").unwrap(), [80, 443]);
    assert_eq!(ranges("10.1.2.3/8").unwrap()[0].to_string(), "10.0.0.0/8");
    assert!(list::<u32>(&"1,".repeat(2000), "number").is_err());
    assert!("NONE".parse::<Mode>().is_err());
}
