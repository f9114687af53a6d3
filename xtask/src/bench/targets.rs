//! What the engine must reach, and whether it did: ratios within rounds, or figures by themselves.

use super::figures::{Figure, Rounds, Sample};
use super::kind::Kind;
use super::rounds::Ran;

/// Within this share of a target is a tie.
const TIE: f64 = 0.05;

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
enum Against {
    /// A share of a peer's in the same case.
    Peer(Kind),
    /// A share of what a peer adds to the direct way.
    Added(Kind),
    /// By itself.
    Itself,
}

/// One line of the table.
#[derive(Debug)]
struct Target {
    case: &'static str,
    figure: Figure,
    against: Against,
    at_most: f64,
}

const fn share(case: &'static str, peer: Kind, at_most: f64) -> Target {
    Target { case, figure: Figure::Cpu, against: Against::Peer(peer), at_most }
}

const fn itself(case: &'static str, figure: Figure, at_most: f64) -> Target {
    Target { case, figure, against: Against::Itself, at_most }
}

const TARGETS: [Target; 25] = [
    share("http1", Kind::Nginx, 1.0),
    share("http1", Kind::Envoy, 0.40),
    share("http1-istio", Kind::Envoy, 0.45),
    share("http2", Kind::Haproxy, 1.1),
    share("http2", Kind::Envoy, 0.70),
    share("http1-new", Kind::Haproxy, 1.0),
    share("tcp", Kind::Haproxy, 1.0),
    share("tcp-new", Kind::Haproxy, 1.0),
    share("tcp-bulk-up", Kind::Envoy, 1.0),
    share("tcp-bulk-down", Kind::Envoy, 1.0),
    share("two-http2-istio", Kind::Envoy, 0.50),
    share("two-tcp", Kind::Envoy, 0.80),
    share("two-tcp-new-hbone", Kind::Envoy, 0.25),
    share("two-tcp-new-hbone", Kind::Envoy, 0.15),
    share("two-tcp-new", Kind::Envoy, 0.60),
    share("two-http-new", Kind::Envoy, 0.80),
    share("tls-full", Kind::Envoy, 1.0),
    Target {
        case: "two-http2-istio",
        figure: Figure::PacedP50,
        against: Against::Added(Kind::Envoy),
        at_most: 0.60,
    },
    Target {
        case: "two-http2",
        figure: Figure::PacedP50,
        against: Against::Added(Kind::Envoy),
        at_most: 0.60,
    },
    Target {
        case: "two-http1",
        figure: Figure::PacedP50,
        against: Against::Added(Kind::Envoy),
        at_most: 0.60,
    },
    itself("start", Figure::Memory, 10.0),
    itself("active-1000", Figure::Memory, 30.0),
    itself("start-1000", Figure::Memory, 20.0),
    itself("start-1000", Figure::Start, 60.0),
    itself("start", Figure::Start, 10.0),
];

/// A share or a figure, and its least and most.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Measured {
    At { middle: f64, min: f64, max: f64 },
    Nothing,
}

/// Prints the table.
pub(super) fn print(all: &[Ran]) {
    println!(
        "\n{:20} {:28} {:>8} {:>9}  {:15} verdict",
        "case", "figure", "at most", "measured", "least–most"
    );
    for target in &TARGETS {
        let measured = target.measure(all);
        let against = match target.against {
            Against::Peer(peer) => format!("{} of {}", target.figure.heading(), peer.name()),
            Against::Added(peer) => format!("{} added, of {}'s", target.figure.heading(), peer.name()),
            Against::Itself => target.figure.heading().to_owned(),
        };
        let (middle, range) = match measured {
            Measured::At { middle, min, max } => (format!("{middle:.2}"), format!("{min:.2}–{max:.2}")),
            Measured::Nothing => ("–".to_owned(), String::new()),
        };
        println!(
            "{:20} {against:28} {:8.2} {middle:>9}  {range:15} {}",
            target.case,
            target.at_most,
            verdict(measured, target.at_most)
        );
    }
}

fn verdict(measured: Measured, at_most: f64) -> &'static str {
    match measured {
        Measured::Nothing => "not measured",
        Measured::At { middle, .. } if middle <= at_most => "met",
        Measured::At { middle, .. } if middle <= at_most * (1.0 + TIE) => "met (tie)",
        Measured::At { .. } => "MISSED",
    }
}

impl Target {
    fn measure(&self, all: &[Ran]) -> Measured {
        let Some(ran) = all.iter().find(|ran| ran.case.name == self.case) else { return Measured::Nothing };
        let Some(own) = ran.of(Kind::Weft) else { return Measured::Nothing };
        let spread = match self.against {
            Against::Peer(peer) => ran.of(peer).and_then(|peer| own.against(peer, self.figure)),
            Against::Added(peer) => match (ran.of(Kind::Direct), ran.of(peer)) {
                (Some(direct), Some(peer)) => own_added(own, direct, self.figure)
                    .paired(&own_added(peer, direct, self.figure), |own, peer| {
                        Some(own.get(&self.figure)? / peer.get(&self.figure)?)
                    }),
                _ => None,
            },
            Against::Itself => super::figures::spread(
                own.0.iter().filter_map(|sample| sample.get(&self.figure).copied()).collect(),
            ),
        };
        spread.map_or(Measured::Nothing, |s| Measured::At { middle: s.median, min: s.min, max: s.max })
    }
}

/// What each round adds to the direct way.
fn own_added(own: &Rounds, direct: &Rounds, figure: Figure) -> Rounds {
    let pairs = own.0.iter().zip(&direct.0);
    let added = pairs.map(|(own, direct)| {
        let added = own.get(&figure).zip(direct.get(&figure)).map(|(own, direct)| (figure, own - direct));
        added.into_iter().collect::<Sample>()
    });
    Rounds(added.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::family;
    use crate::bench::rounds::Row;

    #[test]
    fn targets_name_cases_that_are_and_kinds_that_take_part() {
        let all = family::all();
        for target in &TARGETS {
            let case = all.iter().find(|case| case.name == target.case);
            let kinds = case.map(|case| case.kinds).unwrap_or_default();
            assert!(kinds.contains(&Kind::Weft), "{target:?}");
            match target.against {
                Against::Peer(peer) => assert!(kinds.contains(&peer), "{target:?}"),
                Against::Added(peer) => {
                    assert!(kinds.contains(&peer) && kinds.contains(&Kind::Direct), "{target:?}");
                }
                Against::Itself => {}
            }
        }
    }

    #[test]
    fn verdicts() {
        let at = |middle| Measured::At { middle, min: middle, max: middle };
        assert_eq!(verdict(at(1.0), 1.0), "met");
        assert_eq!(verdict(at(1.04), 1.0), "met (tie)");
        assert_eq!(verdict(at(1.06), 1.0), "MISSED");
        assert_eq!(verdict(Measured::Nothing, 1.0), "not measured");
    }

    #[test]
    fn what_is_added_is_compared_and_not_the_whole() {
        let rounds = |value: f64| Row::Measured(Rounds(vec![Sample::from([(Figure::PacedP50, value)])]));
        let Some(case) = family::all().into_iter().find(|case| case.name == "two-http2") else { return };
        let rows = vec![(Kind::Direct, rounds(1.0)), (Kind::Envoy, rounds(3.0)), (Kind::Weft, rounds(2.0))];
        let ran = [Ran { case, rows }];
        let target = TARGETS.iter().find(|t| t.case == "two-http2" && matches!(t.against, Against::Added(_)));
        let measured = target.map(|target| target.measure(&ran));
        assert_eq!(measured, Some(Measured::At { middle: 0.5, min: 0.5, max: 0.5 }));
    }
}
