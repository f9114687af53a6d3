//! Placeholders: `{{host}}`, `{{listener:main}}`, `{{backend:a}}`, `{{closed}}`, `{{cert:server}}`,
//! `{{key:server}}`, `{{dir}}`, `{{log}}`, and `{{source:N}}`, the address from which row N calls.

use crate::address;
use crate::certs::Certs;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What a run knows and a world does not: ports and paths.
#[derive(Debug)]
pub struct Places<'a> {
    /// Port of each listener (and `admin`), handed out when first named.
    pub listeners: BTreeMap<String, u16>,
    /// Port of each backend.
    pub backends: BTreeMap<String, u16>,
    /// A port at which nobody listens.
    pub closed: u16,
    /// Certificates of the run.
    pub certs: &'a Certs,
    /// Folder of this subject: access log, sockets.
    pub dir: &'a Path,
}

impl Places<'_> {
    fn resolve(&mut self, name: &str) -> Result<Value> {
        let (kind, argument) = name.split_once(':').unwrap_or((name, ""));
        Ok(match kind {
            "host" => Value::from(address::host().to_string()),
            "source" => Value::from(address::row(argument.parse().context("row number")?).to_string()),
            "closed" => Value::from(self.closed),
            "dir" => Value::from(self.dir.display().to_string()),
            "log" => Value::from(self.dir.join("access.log").display().to_string()),
            "listener" => Value::from(self.listener(argument)?),
            "backend" => {
                Value::from(*self.backends.get(argument).with_context(|| format!("no backend {argument}"))?)
            }
            "cert" => Value::from(self.certs.cert(argument).display().to_string()),
            "key" => Value::from(self.certs.key(argument).display().to_string()),
            _ => bail!("unknown placeholder {{{{{name}}}}}"),
        })
    }

    /// Port of the listener `name`; a new one when it is first named.
    ///
    /// # Errors
    /// When no port is free.
    pub fn listener(&mut self, name: &str) -> Result<u16> {
        if let Some(port) = self.listeners.get(name) {
            return Ok(*port);
        }
        let port = address::free_port()?;
        self.listeners.insert(name.to_owned(), port);
        Ok(port)
    }
}

/// Fills all placeholders of a tree. A text that is nothing but one placeholder becomes its value,
/// so that ports stay numbers.
///
/// # Errors
/// When a placeholder is unknown or names what is not there.
pub fn fill(tree: &mut Value, places: &mut Places<'_>) -> Result<()> {
    match tree {
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, places)),
        Value::Object(map) => map.values_mut().try_for_each(|item| fill(item, places)),
        Value::String(text) if text.contains("{{") => {
            *tree = fill_text(text, places)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn fill_text(text: &str, places: &mut Places<'_>) -> Result<Value> {
    if let Some(name) = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"))
        && !name.contains("{{")
    {
        return places.resolve(name);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, tail) = after.split_once("}}").with_context(|| format!("{{{{ without }}}} in {text}"))?;
        out.push_str(before);
        match places.resolve(name)? {
            Value::String(value) => out.push_str(&value),
            value => out.push_str(&value.to_string()),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(Value::from(out))
}
