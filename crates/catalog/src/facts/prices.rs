//! Tables of prices: the shipped one, and those that `pointsman catalog refresh` writes.

use std::fmt::Write;

use pointsman_types::{Document, Price};
use serde::Deserialize;

use super::key_of;

/// A price table: where it is from, and its rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceTable {
    source: String,
    as_of: String,
    #[serde(default)]
    prices: Vec<PriceRow>,
}

/// What one provider asks for one model, in US dollars per million tokens, and what the same list says of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceRow {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) input: f64,
    pub(crate) output: f64,
    #[serde(default)]
    pub(crate) cached_input: Option<f64>,
    /// Tokens that it reads.
    #[serde(default)]
    pub(crate) context: Option<u64>,
    /// Tokens that it writes at most.
    #[serde(default)]
    pub(crate) max_output: Option<u64>,
    /// All that it can do, where the list says.
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
}

/// What a table holds once it is read.
pub(super) struct Table {
    pub(super) document: Document,
    pub(super) rows: Vec<PriceRow>,
}

pub(super) fn read(text: &str) -> Result<Table, String> {
    let table: PriceTable = toml::from_str(text).map_err(|e| e.to_string())?;
    Ok(Table { document: Document { source: table.source, as_of: table.as_of }, rows: table.prices })
}

impl PriceRow {
    pub(super) fn key(&self) -> (String, String) {
        (self.provider.clone(), key_of(&self.model))
    }

    pub(super) fn price(&self) -> Option<Price> {
        let mut price = Price::per_million(self.input, self.output)?;
        price.cached_input = self.cached_input.and_then(|usd| Price::per_million(usd, 0.0)).map(|p| p.input);
        Some(price)
    }
}

/// The table as a file, one row a line.
pub(crate) fn write(document: &Document, rows: &[PriceRow]) -> String {
    let mut text = format!(
        "# US dollars per million tokens. Written by `pointsman catalog refresh`.\nsource = {}\nas_of = {}\nprices = [\n",
        quoted(&document.source),
        quoted(&document.as_of)
    );
    for row in rows {
        let cached =
            row.cached_input.map(|usd| format!(", cached_input = {}", number(usd))).unwrap_or_default();
        let count = |name: &str, n: Option<u64>| n.map(|n| format!(", {name} = {n}")).unwrap_or_default();
        let can = row.capabilities.as_ref().map(|list| {
            let names: Vec<String> = list.iter().map(|c| quoted(c)).collect();
            format!(", capabilities = [{}]", names.join(", "))
        });
        let (context, output) = (count("context", row.context), count("max_output", row.max_output));
        let can = can.unwrap_or_default();
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "  {{ provider = {}, model = {}, input = {}, output = {}{cached}{context}{output}{can} }},",
            quoted(&row.provider),
            quoted(&row.model),
            number(row.input),
            number(row.output)
        );
    }
    text + "]\n"
}

fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Rounded to a millionth of a dollar, with a point, as TOML's floats have.
fn number(usd: f64) -> String {
    let text = format!("{usd:.6}");
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}
