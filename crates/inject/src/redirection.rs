//! The init container that redirects, or that tries whether the CNI has. Source: CP-13, SD-04, SD-05.

use serde_json::{Value as Json, json};

use crate::container::image;
use crate::pod::annotation;
use crate::settings::Injector;

/// Name of the container that redirects.
pub(crate) const INIT: &str = "istio-init";
/// Name of the one that tries.
pub(crate) const VALIDATION: &str = "istio-validation";

/// The container.
pub(crate) fn container(injector: &Injector, pod: &Json, mode: &str, config: &Json) -> Json {
    let cni = injector.flag("/istio_cni/enabled", false);
    let of = |name: &str, value: &str, default: &str| {
        let own = annotation(pod, name).map(str::to_owned);
        own.unwrap_or_else(|| injector.text_or(&format!("/global/proxy/{value}"), default))
    };
    let traffic = |name: &str, default: &str| of(&format!("traffic.sidecar.istio.io/{name}"), name, default);
    // Two names differ between annotation and value.
    let ranges = |which: &str, default: &str| {
        of(&format!("traffic.sidecar.istio.io/{which}OutboundIPRanges"), &format!("{which}IPRanges"), default)
    };
    let status = of("status.sidecar.istio.io/port", "statusPort", "15020");
    let mut excluded = vec!["15090".to_owned(), "15021".to_owned()];
    excluded.extend((status != "0").then_some(status));
    for port in traffic("excludeInboundPorts", "").split(',').map(str::trim) {
        if !port.is_empty() && !excluded.iter().any(|known| known == port) {
            excluded.push(port.to_owned());
        }
    }
    let mut args: Vec<String> =
        ["redirect", "-p", "15001", "-z", "15006", "-u", "1337", "-m", mode].map(str::to_owned).into();
    let mut flag = |name: &str, value: String| args.extend([name.to_owned(), value]);
    flag("-i", ranges("include", "*"));
    flag("-x", ranges("exclude", ""));
    flag("-b", traffic("includeInboundPorts", "*"));
    flag("-d", excluded.join(","));
    for (name, short) in
        [("includeOutboundPorts", "-q"), ("excludeOutboundPorts", "-o"), ("excludeInterfaces", "-c")]
    {
        let value = traffic(name, "");
        if !value.is_empty() {
            flag(short, value);
        }
    }
    let virtual_machines = annotation(pod, "istio.io/reroute-virtual-interfaces")
        .or_else(|| annotation(pod, "traffic.sidecar.istio.io/kubevirtInterfaces"));
    if let Some(names) = virtual_machines {
        flag("-k", names.to_owned());
    }
    if config.pointer("/proxyMetadata/ISTIO_META_DNS_CAPTURE").and_then(Json::as_str) == Some("true") {
        args.push("--redirect-dns".to_owned());
    }
    if injector.flag("/global/nativeNftables", false) {
        args.push("--nft".to_owned());
    }
    if cni {
        args.extend(["--run-validation".to_owned(), "--skip-rule-apply".to_owned()]);
    }
    let mut container = json!({
        "name": if cni { VALIDATION } else { INIT },
        "image": image(injector, &injector.text_or("/global/proxy_init/image", "weft-proxy")),
        "args": args,
        "resources": injector.part("/global/proxy_init/resources")
            .or_else(|| injector.part("/global/proxy/resources")).unwrap_or_else(|| json!({})),
        "securityContext": if cni { restricted() } else { privileged(injector) },
    });
    if let Some(policy) = Some(injector.text("/global/imagePullPolicy")).filter(|text| !text.is_empty()) {
        container["imagePullPolicy"] = policy.into();
    }
    container
}

fn restricted() -> Json {
    json!({"allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]}, "runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true})
}

/// Setting rules needs root and two capabilities, and nothing else.
fn privileged(injector: &Injector) -> Json {
    let all = injector.flag("/global/proxy/privileged", false);
    json!({"allowPrivilegeEscalation": all, "privileged": all, "readOnlyRootFilesystem": false,
        "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
        "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false})
}
