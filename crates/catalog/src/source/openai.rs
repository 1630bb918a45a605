//! `GET /v1/models` as OpenAI has it, with what OpenRouter, vLLM, llama.cpp, LiteLLM and others add.

use pointsman_types::{BackendKind, Capabilities, ModelKind};
use serde_json::Value;

use super::{ListError, Listed, Listing, entries, http::Asker, id, price, read_all, text, tokens, whole};

pub(super) async fn list(asker: &Asker<'_>) -> Result<Listing, ListError> {
    let mut models = asker.read(&asker.under("/models"), |answer| read(&answer)).await?;
    if asker.backend.endpoint.kind == BackendKind::LlamaCpp {
        properties(asker, &mut models).await;
    }
    Ok(Listing { models, load: None })
}

pub(super) fn read(answer: &Value) -> Result<Vec<Listed>, ListError> {
    read_all(entries(answer, "data")?, model)
}

fn model(entry: &Value) -> Option<Listed> {
    let id = id(entry.get("id"))?;
    let meta = |name| entry.get("meta").and_then(|meta| meta.get(name));
    let top = |name| entry.get("top_provider").and_then(|top| top.get(name));
    let context =
        [entry.get("context_length"), entry.get("max_model_len"), meta("n_ctx"), meta("n_ctx_train")];
    let output =
        [top("max_completion_tokens"), entry.get("max_output_tokens"), entry.get("max_completion_tokens")];
    let pricing = entry.get("pricing");
    let priced = |name: &str| pricing.and_then(|p| p.get(name));
    Some(Listed {
        aliases: super::id(entry.get("canonical_slug")).filter(|slug| *slug != id).into_iter().collect(),
        behind: text(entry.get("hugging_face_id")).or_else(|| text(entry.get("parent"))),
        created: entry.get("created").and_then(Value::as_u64),
        context: context.into_iter().find_map(tokens),
        max_output: output.into_iter().find_map(tokens),
        // OpenRouter: dollars per token, as strings. Others write numbers, some of them per million tokens: a price
        // that may be wrong by that much is unknown
        price: priced("prompt")
            .filter(|figure| figure.is_string())
            .and_then(|input| price(Some(input), priced("completion"), priced("input_cache_read"))),
        kind: kind(entry),
        capabilities: capabilities(entry),
        parameters: whole(meta("n_params")).map(|n| format!("{:.1}b", n as f64 / 1e9)),
        id,
        ..Listed::default()
    })
}

/// A model that gives no text is no chat model; LiteLLM says its mode.
fn kind(entry: &Value) -> Option<ModelKind> {
    if let Some(mode) = entry.get("mode").and_then(Value::as_str) {
        return Some(if matches!(mode, "chat" | "responses") { ModelKind::Chat } else { ModelKind::Other });
    }
    let outputs = entry.get("architecture")?.get("output_modalities")?.as_array()?;
    let text = outputs.iter().any(|o| o.as_str() == Some("text"));
    Some(if text { ModelKind::Chat } else { ModelKind::Other })
}

/// OpenRouter lists what goes in and which parameters it takes: what is not there is missing. llama.cpp and others
/// list capabilities.
fn capabilities(entry: &Value) -> Capabilities {
    let list = |value: Option<&Value>| {
        let list = value?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
    };
    let inputs = list(entry.get("architecture").and_then(|a| a.get("input_modalities")));
    let parameters = list(entry.get("supported_parameters"));
    let stated = list(entry.get("capabilities"));
    let has = |list: &Option<Vec<String>>, names: &[&str]| {
        list.as_ref().map(|list| list.iter().any(|item| names.contains(&item.as_str())))
    };
    let multimodal = has(&stated, &["multimodal", "vision"]);
    Capabilities {
        vision: has(&inputs, &["image"]).or(multimodal),
        tools: has(&parameters, &["tools"]),
        json: has(&parameters, &["response_format", "structured_outputs"]),
        reasoning: has(&parameters, &["reasoning", "reasoning_effort"]),
    }
}

/// llama.cpp serves one model and says in `/props` which window is in force and whether it sees.
async fn properties(asker: &Asker<'_>, models: &mut [Listed]) {
    let Ok(properties) = asker.json(&asker.beside("/props")).await else { return };
    let window = tokens(properties.get("default_generation_settings").and_then(|s| s.get("n_ctx")));
    let sees = properties.get("modalities").and_then(|m| m.get("vision")).and_then(Value::as_bool);
    for model in models {
        model.context = window.or(model.context);
        model.capabilities.vision = sees.or(model.capabilities.vision);
        // grammars make any of its models write JSON
        model.capabilities.json = Some(true);
    }
}

#[cfg(test)]
mod tests {
    use pointsman_types::{Price, Tokens};

    use super::*;

    fn parse(json: &str) -> Result<Vec<Listed>, ListError> {
        read(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn lists_of_every_kind() {
        let list = parse(
            r#"{"object":"list","data":[{"id":"gpt-4o","created":1715367049,"owned_by":"system"},
                {"id":"qwen","max_model_len":32768,"created":1.5},{"id":"x/y","context_length":8192,
                 "pricing":{"prompt":"0.00000015","completion":"0.0000006","image":"0"}},{"id":" "},{"id":"a\nb"},
                {"id":"z","pricing":{"prompt":"-1","completion":"-1"}},{"id":"n","pricing":{"prompt":3,"completion":4}},
                {"id":"e","mode":"embedding"},{"id":"i","architecture":{"output_modalities":["image"]}}]}"#,
        )
        .unwrap();
        let names: Vec<_> = list.iter().map(|l| l.id.as_str()).collect();
        assert_eq!(names, ["gpt-4o", "qwen", "x/y", "z", "n", "e", "i"]);
        assert_eq!(list[1].context, Some(Tokens(32768)));
        assert_eq!(list[2].price, Price::per_million(0.15, 0.6));
        assert_eq!((list[3].price, list[4].price), (None, None), "a dynamic price, and one in nobody's unit");
        assert_eq!((list[5].kind, list[6].kind), (Some(ModelKind::Other), Some(ModelKind::Other)));
        assert!(matches!(parse(r#"{"models":[]}"#), Err(ListError::Bad(_))));
        assert!(matches!(parse(r#"{"data":[{"name":"m"}]}"#), Err(ListError::Bad(_))));
        assert_eq!(parse(r#"{"data":null}"#), Ok(Vec::new()));
    }
}
