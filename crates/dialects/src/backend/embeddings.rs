//! Embeddings by Gemini's `batchEmbedContents` (ai.google.dev, "Embeddings").

use serde_json::{Value, json};

use super::{Untranslatable, report::Dropped};
use crate::json::{Object, list, set};

const KNOWN: [&str; 6] = ["model", "models", "route", "input", "dimensions", "encoding_format"];

/// The body of a request: one entry for each text.
pub(crate) fn request(asked: &Value, model: &str, dropped: &mut Dropped) -> Result<Object, Untranslatable> {
    let unsupported = |param: String, why| Err(Untranslatable::unsupported(param, why));
    let one = |said: &str| {
        let mut own = Object::new();
        own.insert("model".to_owned(), format!("models/{model}").into());
        own.insert("content".to_owned(), json!({ "parts": [{ "text": said }] }));
        if let Some(size) = set(asked, "dimensions") {
            own.insert("outputDimensionality".to_owned(), size.clone());
        }
        Value::from(own)
    };
    let requests = match asked.get("input") {
        Some(Value::String(said)) => vec![one(said)],
        Some(Value::Array(list)) if !list.is_empty() => {
            let mut requests = Vec::with_capacity(list.len());
            for (n, entry) in list.iter().enumerate() {
                let Some(said) = entry.as_str() else {
                    return unsupported(format!("input[{n}]"), "this backend embeds texts, not tokens");
                };
                requests.push(one(said));
            }
            requests
        }
        _ => return unsupported("input".to_owned(), "input must be a text or an array of texts"),
    };
    dropped.unknown(asked, &KNOWN);
    let mut body = Object::new();
    body.insert("requests".to_owned(), requests.into());
    Ok(body)
}

/// The answer as OpenAI's list, of numbers whatever was asked for: as base64 they are put where all backends' are. Counts are there only where Google gives them: what is not known is not zero.
pub(crate) fn answer(answer: &Value, asked: &Value, model: &str) -> Result<Value, String> {
    let embeddings = list(answer, "embeddings");
    let wanted = asked.get("input").and_then(Value::as_array).map_or(1, Vec::len);
    if embeddings.len() != wanted {
        return Err(format!("the answer has {} embeddings for {wanted} texts", embeddings.len()));
    }
    let mut data = Vec::with_capacity(embeddings.len());
    for (n, embedding) in embeddings.iter().enumerate() {
        let values = list(embedding, "values");
        if values.is_empty() || !values.iter().all(Value::is_number) {
            return Err(format!("embedding {n} has no numbers"));
        }
        data.push(json!({ "object": "embedding", "index": n, "embedding": values }));
    }
    let mut out = json!({ "object": "list", "data": data, "model": model });
    let tokens = set(answer, "usageMetadata").and_then(|usage| usage.get("promptTokenCount"));
    if let (Some(tokens), Some(fields)) = (tokens.and_then(Value::as_u64), out.as_object_mut()) {
        fields.insert("usage".to_owned(), json!({ "prompt_tokens": tokens, "total_tokens": tokens }));
    }
    Ok(out)
}
