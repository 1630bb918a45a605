//! Prices from public lists: LiteLLM's table and OpenRouter's, as rows of our own.

use std::collections::BTreeMap;

use pointsman_names::identify;
use pointsman_types::Document;
use serde_json::Value;

use crate::{
    CatalogError,
    facts::{PriceRow, write_prices},
};

/// A price table that was read from a public list.
#[derive(Debug, Clone, PartialEq)]
pub struct Refreshed {
    /// The table as a file for `[catalog] prices`.
    pub file: String,
    /// Rows in it.
    pub rows: usize,
    /// Entries of the list without a usable price: those are unknown, not free.
    pub unpriced: usize,
}

/// Reads LiteLLM's `model_prices_and_context_window.json` or OpenRouter's `/api/v1/models`. `source` and `as_of` (a
/// day, ISO 8601) are written down with the prices; `providers` limits the rows, an empty list takes all.
pub fn refresh(
    json: &str,
    source: &str,
    as_of: &str,
    providers: &[String],
) -> Result<Refreshed, CatalogError> {
    let wrong = |why: String| CatalogError::Facts { file: source.to_owned(), why };
    let list: Value = serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
    let entries: Vec<Option<PriceRow>> = match (list.get("data").and_then(Value::as_array), list.as_object())
    {
        (Some(models), _) => models.iter().map(openrouter).collect(),
        (None, Some(table)) => table.iter().filter(|(name, _)| *name != "sample_spec").map(litellm).collect(),
        (None, None) => return Err(wrong("neither LiteLLM's table nor a list of models".to_owned())),
    };
    let unpriced = entries.iter().filter(|row| row.is_none()).count();
    let mut rows: BTreeMap<(String, String), (usize, PriceRow)> = BTreeMap::new();
    for mut row in entries.into_iter().flatten() {
        if !providers.is_empty() && !providers.contains(&row.provider) {
            continue;
        }
        // snapshots, regions and spellings of one model: the shortest name speaks for all
        let canonical = identify(&row.model).canonical;
        let length = row.model.len();
        row.model.clone_from(&canonical);
        let key = (row.provider.clone(), canonical);
        if rows.get(&key).is_none_or(|(shortest, _)| length < *shortest) {
            rows.insert(key, (length, row));
        }
    }
    if rows.is_empty() {
        return Err(wrong("no entry has a provider and a price".to_owned()));
    }
    let rows: Vec<PriceRow> = rows.into_values().map(|(_, row)| row).collect();
    let document = Document { source: source.to_owned(), as_of: as_of.to_owned() };
    Ok(Refreshed { file: write_prices(&document, &rows), rows: rows.len(), unpriced })
}

/// Dollars per token, as a number or a string, to dollars per million.
fn per_million(figure: Option<&Value>) -> Option<f64> {
    let figure = figure?;
    let dollars = figure.as_f64().or_else(|| figure.as_str()?.trim().parse().ok())?;
    (0.0..1.0).contains(&dollars).then_some(dollars * 1e6)
}

fn litellm((name, entry): (&String, &Value)) -> Option<PriceRow> {
    let mode = entry.get("mode").and_then(Value::as_str)?;
    if !matches!(mode, "chat" | "completion" | "responses") {
        return None;
    }
    let row = PriceRow {
        provider: entry.get("litellm_provider")?.as_str()?.to_owned(),
        model: name.clone(),
        input: per_million(entry.get("input_cost_per_token"))?,
        output: per_million(entry.get("output_cost_per_token"))?,
        cached_input: per_million(entry.get("cache_read_input_token_cost")),
        context: entry.get("max_input_tokens").and_then(Value::as_u64).filter(|n| *n > 0),
        max_output: entry.get("max_output_tokens").and_then(Value::as_u64).filter(|n| *n > 0),
        capabilities: Some(supported(entry)),
    };
    // 0 stands for "not known" where nothing else makes it free
    (row.input + row.output > 0.0 || name.contains(":free")).then_some(row)
}

/// What LiteLLM's table says a model can do; what it does not say there, it does not know either way, and lists of
/// models that can do nothing are rare.
fn supported(entry: &Value) -> Vec<String> {
    [
        ("vision", "supports_vision"),
        ("tools", "supports_function_calling"),
        ("json", "supports_response_schema"),
        ("reasoning", "supports_reasoning"),
    ]
    .into_iter()
    .filter(|(_, flag)| entry.get(*flag).and_then(Value::as_bool) == Some(true))
    .map(|(name, _)| name.to_owned())
    .collect()
}

fn openrouter(entry: &Value) -> Option<PriceRow> {
    let pricing = entry.get("pricing")?;
    Some(PriceRow {
        provider: "openrouter".to_owned(),
        model: entry.get("id")?.as_str()?.to_owned(),
        input: per_million(pricing.get("prompt"))?,
        output: per_million(pricing.get("completion"))?,
        cached_input: per_million(pricing.get("input_cache_read")),
        context: entry.get("context_length").and_then(Value::as_u64).filter(|n| *n > 0),
        max_output: entry.get("top_provider").and_then(|top| top.get("max_completion_tokens")?.as_u64()),
        capabilities: None,
    })
}
