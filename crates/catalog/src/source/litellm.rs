//! A LiteLLM proxy: `/model/info` has one row a deployment, with prices and limits; `/v1/models` only names.

use std::collections::BTreeMap;

use pointsman_types::{Capabilities, ModelKind};
use serde_json::Value;

use super::{ListError, Listed, Listing, entries, http::Asker, id, openai, price, read_all, text, tokens};

pub(super) async fn list(asker: &Asker<'_>) -> Result<Listing, ListError> {
    let models = match asker.read(&asker.beside("/model/info"), |answer| read(&answer)).await {
        Ok(models) => models,
        // a key that may call models but not read about them, or another server in its place
        Err(ListError::Missing | ListError::Bad(_)) => return openai::list(asker).await,
        Err(error) => return Err(error),
    };
    Ok(Listing { models, load: None })
}

fn read(answer: &Value) -> Result<Vec<Listed>, ListError> {
    let deployments = read_all(entries(answer, "data")?, deployment)?;
    let mut groups: BTreeMap<String, Listed> = BTreeMap::new();
    for deployment in deployments {
        match groups.entry(deployment.id.clone()) {
            std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(deployment)),
            std::collections::btree_map::Entry::Occupied(mut place) => join(place.get_mut(), &deployment),
        }
    }
    Ok(groups.into_values().collect())
}

/// The proxy picks a deployment of a group by itself: the group can what all of them can.
fn join(group: &mut Listed, other: &Listed) {
    let least = |a: Option<_>, b: Option<_>| Some(a?).min(Some(b?));
    group.context = least(group.context, other.context);
    group.max_output = least(group.max_output, other.max_output);
    group.price = if group.price == other.price { group.price } else { None };
    let both = |a: Option<bool>, b: Option<bool>| Some(a? && b?);
    let (a, b) = (group.capabilities, other.capabilities);
    group.capabilities = Capabilities {
        vision: both(a.vision, b.vision),
        tools: both(a.tools, b.tools),
        json: both(a.json, b.json),
        reasoning: both(a.reasoning, b.reasoning),
    };
    if group.provider != other.provider {
        group.provider = None;
    }
    if group.behind != other.behind {
        group.behind = None;
    }
}

fn deployment(entry: &Value) -> Option<Listed> {
    let info = |name| entry.get("model_info").and_then(|i| i.get(name));
    let mode = info("mode").and_then(Value::as_str);
    let supports = |name| info(name).and_then(Value::as_bool);
    Some(Listed {
        id: id(entry.get("model_name"))?,
        behind: text(entry.get("litellm_params").and_then(|p| p.get("model"))).or_else(|| text(info("key"))),
        provider: text(info("litellm_provider")),
        kind: mode.map(
            |mode| if matches!(mode, "chat" | "responses") { ModelKind::Chat } else { ModelKind::Other },
        ),
        context: tokens(info("max_input_tokens")).or_else(|| tokens(info("max_tokens"))),
        max_output: tokens(info("max_output_tokens")),
        price: priced(entry),
        capabilities: Capabilities {
            vision: supports("supports_vision"),
            tools: supports("supports_function_calling"),
            json: supports("supports_response_schema"),
            reasoning: supports("supports_reasoning"),
        },
        ..Listed::default()
    })
}

/// A model that it does not know is listed with prices of 0, which means nobody said.
fn priced(entry: &Value) -> Option<pointsman_types::Price> {
    let info = |name| entry.get("model_info").and_then(|i| i.get(name));
    let cached = info("cache_read_input_token_cost");
    let price = price(info("input_cost_per_token"), info("output_cost_per_token"), cached)?;
    let known = !price.is_free() || info("key").is_some_and(|key| !key.is_null());
    known.then_some(price)
}
