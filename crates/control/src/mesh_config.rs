//! Istio's MeshConfig from a file, as far as it has an effect here.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use weft_model::{MeshConfig, OutboundMode};

/// A field that is not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the field.
    pub path: String,
    /// Why.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mesh config: {}: {}", self.path, self.message)
    }
}

/// Reads a MeshConfig, YAML or JSON. Fields without effect, and values that cannot be, are found; all others
/// are taken. Source: MC rows.
///
/// # Errors
/// The text is no map in YAML.
pub fn parse(text: &str) -> Result<(MeshConfig, Vec<Finding>), String> {
    parse_over(MeshConfig::default(), text)
}

/// The same over other defaults than Istio's.
///
/// # Errors
/// The text is no map in YAML.
pub fn parse_over(base: MeshConfig, text: &str) -> Result<(MeshConfig, Vec<Finding>), String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        _ => return Err("must be a map of fields".to_owned()),
    };
    let mut reading = Reading { mesh: base, findings: Vec::new() };
    for (name, value) in &fields {
        reading.field(name, value);
    }
    Ok((reading.mesh, reading.findings))
}

struct Reading {
    mesh: MeshConfig,
    findings: Vec<Finding>,
}

impl Reading {
    fn find(&mut self, path: &str, message: impl Into<String>) {
        self.findings.push(Finding { path: path.to_owned(), message: message.into() });
    }

    fn field(&mut self, name: &str, value: &Value) {
        match name {
            "trustDomain" => self.text(name, value, |mesh, text| mesh.trust_domain = text.into()),
            "rootNamespace" => self.text(name, value, |mesh, text| mesh.root_namespace = text.into()),
            "accessLogFile" => self.text(name, value, |mesh, text| {
                mesh.access_log = (!text.is_empty()).then(|| text.into());
            }),
            "trustDomainAliases" => self.texts(name, value, |mesh, texts| {
                mesh.trust_domain_aliases = texts.into_iter().map(Into::into).collect();
            }),
            "defaultVirtualServiceExportTo" => {
                self.texts(name, value, |mesh, texts| mesh.virtual_service_export_to = texts);
            }
            "defaultServiceExportTo" => self.texts(name, value, |mesh, texts| mesh.service_export_to = texts),
            "defaultDestinationRuleExportTo" => {
                self.texts(name, value, |mesh, texts| mesh.destination_rule_export_to = texts);
            }
            "connectTimeout" => self.duration(name, value, |mesh, time| mesh.connect_timeout = time),
            "protocolDetectionTimeout" => {
                self.duration(name, value, |mesh, time| mesh.detection_timeout = time);
            }
            "dnsRefreshRate" => self.duration(name, value, |mesh, time| mesh.dns_refresh = time),
            "enableAutoMtls" => match value.as_bool() {
                Some(auto) => self.mesh.auto_mtls = auto,
                None => self.find(name, "must be true or false"),
            },
            "proxyHttpPort" => match value.as_u64().and_then(|port| u16::try_from(port).ok()) {
                Some(port) => self.mesh.http_proxy_port = port,
                None => self.find(name, "must be a port"),
            },
            "outboundTrafficPolicy" => match value.get("mode").and_then(Value::as_str) {
                Some("ALLOW_ANY") => self.mesh.outbound = OutboundMode::AllowAny,
                Some("REGISTRY_ONLY") => self.mesh.outbound = OutboundMode::RegistryOnly,
                _ => self.find("outboundTrafficPolicy.mode", "must be ALLOW_ANY or REGISTRY_ONLY"),
            },
            _ => self.find(name, "has no effect here"),
        }
    }

    fn text(&mut self, name: &str, value: &Value, take: impl FnOnce(&mut MeshConfig, &str)) {
        match value.as_str() {
            Some(text) => take(&mut self.mesh, text),
            None => self.find(name, "must be text"),
        }
    }

    fn texts(&mut self, name: &str, value: &Value, take: impl FnOnce(&mut MeshConfig, Vec<String>)) {
        let texts = value.as_array().map(|all| all.iter().map(|one| one.as_str().map(str::to_owned)));
        match texts.and_then(Iterator::collect::<Option<Vec<_>>>) {
            Some(texts) => take(&mut self.mesh, texts),
            None => self.find(name, "must be a list of texts"),
        }
    }

    fn duration(&mut self, name: &str, value: &Value, take: impl FnOnce(&mut MeshConfig, Duration)) {
        match value.as_str().and_then(duration) {
            Some(time) => take(&mut self.mesh, time),
            None => self.find(name, "must be a duration such as 10s"),
        }
    }
}

/// One number and its unit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_an_effect_is_taken_and_the_rest_is_found() {
        let text = "trustDomain: mesh.test\nenableAutoMtls: false\nconnectTimeout: 500ms\n\
                    outboundTrafficPolicy: {mode: REGISTRY_ONLY}\naccessLogFile: /dev/stdout\n\
                    enableTracing: true\ndnsRefreshRate: soon\n";
        let (mesh, findings) = parse(text).unwrap();
        assert_eq!((&*mesh.trust_domain, mesh.auto_mtls), ("mesh.test", false));
        assert_eq!(
            (mesh.connect_timeout, mesh.outbound),
            (Duration::from_millis(500), OutboundMode::RegistryOnly)
        );
        assert_eq!(mesh.access_log.as_deref(), Some("/dev/stdout"));
        let mut found: Vec<_> = findings.iter().map(ToString::to_string).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "mesh config: dnsRefreshRate: must be a duration such as 10s",
                "mesh config: enableTracing: has no effect here",
            ]
        );
        assert!(parse("- a").is_err() && parse("a: [").is_err());
        assert_eq!(parse("").unwrap().0, MeshConfig::default());
    }
}
