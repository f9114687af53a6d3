//! What TPROXY needs of the routing tables: marked packets are this host's, whatever their address.

use crate::matches::Family;
use crate::settings::{Mode, Settings};

/// Words for `ip`, one command each; none for [`Mode::Redirect`].
#[must_use]
pub fn commands(settings: &Settings, family: Family) -> Vec<Vec<String>> {
    if settings.mode == Mode::Redirect {
        return Vec::new();
    }
    let (mark, table) = (settings.mark, settings.route_table);
    let any = match family {
        Family::V4 => "0.0.0.0/0",
        Family::V6 => "::/0",
    };
    [
        format!("{} rule add fwmark {mark} lookup {table}", flag(family)),
        format!("{} route replace local {any} dev lo table {table}", flag(family)),
    ]
    .map(split)
    .into()
}

/// Words for `ip` that undo [`commands`]; each may find nothing to undo.
#[must_use]
pub fn cleanup(settings: &Settings, family: Family) -> Vec<Vec<String>> {
    let (mark, table) = (settings.mark, settings.route_table);
    [
        format!("{} rule del fwmark {mark} lookup {table}", flag(family)),
        format!("{} route flush table {table}", flag(family)),
    ]
    .map(split)
    .into()
}

fn flag(family: Family) -> &'static str {
    match family {
        Family::V4 => "-4",
        Family::V6 => "-6",
    }
}

#[allow(clippy::needless_pass_by_value, reason = "maps an array of texts")]
fn split(text: String) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
