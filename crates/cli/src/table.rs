//! Tables for people.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use pointsman_types::{ModelSpec, Price};

/// A table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    table
}

/// Dollars per million tokens, in and out.
pub(crate) fn price(price: Option<Price>) -> String {
    match price {
        None => "unknown".to_owned(),
        Some(price) if price.is_free() => "free".to_owned(),
        Some(price) => format!("${} / ${}", price.input as f64 / 1e6, price.output as f64 / 1e6),
    }
}

/// Where a model or a backend runs.
pub(crate) const fn place(local: bool, simulated: bool) -> &'static str {
    match (local, simulated) {
        (true, true) => "local, simulated",
        (false, true) => "cloud, simulated",
        (true, false) => "local",
        (false, false) => "cloud",
    }
}

pub(crate) fn millis(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".to_owned(), |d| format!("{:.0} ms", d.as_secs_f64() * 1e3))
}

/// What is known of a model's abilities.
pub(crate) fn capabilities(spec: &ModelSpec) -> String {
    use pointsman_types::Capability;
    let known = Capability::ALL.iter().filter(|c| spec.capabilities.get(**c) == Some(true));
    let known: Vec<_> = known.map(|c| c.as_str()).collect();
    let nothing_said = Capability::ALL.iter().all(|c| spec.capabilities.get(*c).is_none());
    if nothing_said { "unknown".to_owned() } else { known.join(" ") }
}
