//! `models = [...]` of a backend: models that are served whether the backend lists them or not, and figures
//! that outrank its own word.

use std::collections::HashSet;

use pointsman_types::{
    Capabilities, Capability, Endpoint, ModelForm, ModelId, ModelKind, ModelSpec, ParseLabelError, Price,
    Quality, Task, Tokens,
};

use crate::reader::{Section, Value};

/// The most tokens that a context or an answer is believed to have.
const MAX_TOKENS: u64 = 1_000_000_000;
/// US dollars per million tokens.
const MAX_PRICE: f64 = 100_000.0;

/// Reads the models of one backend.
pub(crate) fn read_all(value: &Value<'_>, endpoint: &Endpoint) -> Vec<ModelSpec> {
    let mut names = HashSet::new();
    value.list().unwrap_or_default().iter().filter_map(|item| read(item, &mut names, endpoint)).collect()
}

fn read(value: &Value<'_>, names: &mut HashSet<String>, endpoint: &Endpoint) -> Option<ModelSpec> {
    let mut section = value.section()?;
    let id = section.require("id").and_then(|v| concrete(&v, names));
    let upstream_id = section.get("upstream_id").and_then(|v| v.text());
    let aliases = section.get("aliases").and_then(|v| v.list()).unwrap_or_default();
    let aliases = aliases.iter().filter_map(|v| concrete(v, names)).map(ModelId::new).collect();
    let price = section.get("price").and_then(|v| price(v.section()?));
    let context = tokens(&mut section, "context");
    let max_output = tokens(&mut section, "max_output");
    let capabilities = section.get("capabilities").and_then(|v| capabilities(&v)).unwrap_or_default();
    let quality = section.get("quality").and_then(|v| quality(&v)).unwrap_or(Quality::UNKNOWN);
    section.finish();
    let id = id?;
    Some(ModelSpec {
        upstream_id: upstream_id.unwrap_or(&id).into(),
        id: ModelId::new(id),
        backend: endpoint.id.clone(),
        aliases,
        kind: ModelKind::Chat,
        local: endpoint.local,
        simulated: endpoint.simulated,
        context,
        max_output,
        price,
        capabilities,
        quality,
        created: None,
        about: pointsman_types::About::default(),
    })
}

/// An id or alias: not a virtual form such as `auto`, and used once per backend.
fn concrete(value: &Value<'_>, names: &mut HashSet<String>) -> Option<String> {
    let text = value.text()?;
    match ModelForm::parse(text) {
        Ok(ModelForm::Alias(_)) => {}
        Ok(virtual_form) => {
            value.fail(format!("`{virtual_form}` is a virtual model and cannot be the name of a real one"));
            return None;
        }
        Err(why) => {
            value.fail(why.to_string());
            return None;
        }
    }
    if !names.insert(text.to_owned()) {
        value.fail(format!("`{text}` names another model of this backend already"));
        return None;
    }
    Some(text.to_owned())
}

fn tokens(section: &mut Section<'_>, key: &'static str) -> Option<Tokens> {
    section.get(key).and_then(|v| v.count(1..=MAX_TOKENS)).map(Tokens)
}

/// US dollars per million tokens. Half a price is no price: cost would be compared on it.
fn price(mut section: Section<'_>) -> Option<Price> {
    let [input, output] =
        ["input", "output"].map(|key| section.require(key).and_then(|v| v.number(0.0..=MAX_PRICE)));
    let cached = section.get("cached_input").and_then(|v| v.number(0.0..=MAX_PRICE));
    section.finish();
    let mut price = Price::per_million(input?, output?)?;
    price.cached_input = cached.and_then(|usd| Price::per_million(usd, 0.0)).map(|p| p.input);
    Some(price)
}

fn capabilities(value: &Value<'_>) -> Option<Capabilities> {
    let list: Vec<Capability> = value.list()?.iter().filter_map(Value::label).collect();
    Some(Capabilities::exactly(&list))
}

fn quality(value: &Value<'_>) -> Option<Quality> {
    let figures = by_task(value, |v| v.number(0.0..=1.0).map(|q| q as f32))?;
    Some(Quality::stated(&figures))
}

/// A table from task names to values.
pub(crate) fn by_task<'a, T>(
    value: &Value<'a>,
    read: impl Fn(&Value<'a>) -> Option<T>,
) -> Option<Vec<(Task, T)>> {
    let read_one = |(name, value): (&str, Value<'a>)| match name.parse() {
        Ok(task) => Some((task, read(&value)?)),
        Err(why) => {
            value.fail(ParseLabelError::to_string(&why));
            None
        }
    };
    Some(value.section()?.entries().into_iter().filter_map(read_one).collect())
}
