//! How many tokens a request has, without asking a model.

use pointsman_protocol::IMAGE_TOKENS;
use pointsman_types::Tokens;
use serde_json::Value;

use super::{
    super::{ClientError, object},
    request,
};
use crate::json::{list, set, text};

/// An estimate of the input tokens of a request.
pub fn count_tokens(body: &[u8]) -> Result<u64, ClientError> {
    let mut body = object(body)?;
    if let Some(fields) = body.as_object_mut() {
        fields.entry("max_tokens").or_insert_with(|| 1.into());
    }
    let incoming = request(&body)?;
    let chat: Value = serde_json::from_slice(&incoming.chat).unwrap_or_default();
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
    let texts = |message: &Value| match message.get("content") {
        Some(Value::Array(parts)) => sum(&mut parts.iter().map(|part| match text(part, "text") {
            Some(said) => Tokens::estimate(said).0,
            None => IMAGE_TOKENS,
        })),
        Some(Value::String(said)) => Tokens::estimate(said).0,
        _ => 0,
    };
    let whole =
        |value: &Value, field: &str| set(value, field).map_or(0, |v| Tokens::estimate(&v.to_string()).0);
    let said = list(&chat, "messages").iter().flat_map(|m| [texts(m), whole(m, "tool_calls"), 4]);
    Ok(sum(&mut said.chain([whole(&chat, "tools")])))
}
