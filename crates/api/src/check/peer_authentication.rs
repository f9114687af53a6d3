//! PeerAuthentication (PA rows).

use super::label;
use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::PeerAuthentication;
use crate::report::Report;
use crate::value::Port;

pub(super) fn check(r: &mut Report, spec: &PeerAuthentication) {
    let PeerAuthentication { selector, mtls: _, port_level_mtls } = spec;
    r.maybe("selector", selector.as_ref(), label::selector);
    let selects = selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
    r.within("portLevelMtls", |r| {
        if !port_level_mtls.is_empty() && !selects {
            r.error(Code::Selector, "ports are a workload's own, so it needs a selector");
        }
        for port in port_level_mtls.keys() {
            if port.parse().ok().and_then(Port::new).is_none() {
                r.key(port, |r| r.error(Code::Port, format!("{:?} is not a port's number", shorten(port))));
            }
        }
    });
}
