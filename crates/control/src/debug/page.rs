//! One page that shows it all.

use std::fmt::Write as _;

use super::Pages;
use super::syncz::{is_in_sync, short};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;\
color-scheme:light dark}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem;\
border-bottom:1px solid #8884;vertical-align:top}code{font-size:90%}.bad{color:#c33}.good{color:#283}";

/// The page.
pub(super) fn render(pages: &Pages) -> String {
    let world = pages.worlds.borrow().clone();
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>weftd</title><style>{STYLE}</style>\
         <h1>weftd</h1><p>Snapshot {} of {} objects: {} services, {} workloads. \
         <a href=/debug/snapshotz>snapshotz</a> · <a href=/debug/syncz>syncz</a> · \
         <a href=/debug/diagnosticz>diagnosticz</a> · <a href=/metrics>metrics</a></p>",
        world.snapshot.generation,
        world.objects.values().sum::<usize>(),
        world.snapshot.services().count(),
        world.snapshot.workloads().count(),
    );
    html.push_str(
        "<h2>Proxies</h2><table><tr><th>Proxy<th>Caller<th>Protocol<th>State<th>Resources<th>Last refusal",
    );
    for stream in pages.streams.all() {
        let state = if is_in_sync(&stream) { "<span class=good>in sync</span>" } else { "behind" };
        let types: Vec<String> = stream
            .session
            .types
            .iter()
            .map(|(type_url, status)| format!("{} {}", escape(short(type_url)), status.told))
            .collect();
        let refusal = stream.session.nacks.back().map_or_else(String::new, |nack| {
            format!("<span class=bad>{}: {}</span>", escape(short(&nack.type_url)), escape(&nack.message))
        });
        let id: String = form_urlencoded::byte_serialize(stream.node.id.as_bytes()).collect();
        let _ = write!(
            html,
            "<tr><td><a href=\"/debug/config_dump?proxyID={id}\"><code>{}</code></a><td><code>{}</code><td>{}\
             <td>{state} at {}<td>{}<td>{refusal}",
            escape(&stream.node.id),
            escape(&stream.caller),
            stream.protocol,
            stream.session.generation,
            types.join("<br>"),
        );
    }
    html.push_str("</table><h2>Diagnostics</h2>");
    let diagnostics = pages.diagnostics();
    if diagnostics.is_empty() {
        html.push_str("<p class=good>None.</p>");
    } else {
        html.push_str("<ul>");
        for diagnostic in &diagnostics {
            let class = if diagnostic.is_error() { "bad" } else { "" };
            let _ = write!(html, "<li class=\"{class}\"><code>{}</code>", escape(&diagnostic.to_string()));
        }
        html.push_str("</ul>");
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
