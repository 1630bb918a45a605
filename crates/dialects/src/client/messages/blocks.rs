//! Blocks of content as the hub's parts.

use serde_json::{Value, json};

use super::super::{
    ClientError,
    hub::{carry, unknown_at},
};
use crate::json::{Object, set, text};

/// Blocks, each with its place in the list at `path`, as the hub's parts.
pub(super) fn parts<'a>(
    blocks: impl IntoIterator<Item = (usize, &'a Value)>,
    path: &str,
    dropped: &mut Vec<String>,
) -> Result<Vec<Value>, ClientError> {
    let mut out = Vec::new();
    for (n, block) in blocks {
        let param = format!("{path}[{n}]");
        let mut known = vec!["type", "cache_control", "citations"];
        let mut part = match text(block, "type") {
            Some("text") => {
                known.push("text");
                json!({ "type": "text", "text": text(block, "text").unwrap_or_default() })
            }
            Some("image") => {
                known.push("source");
                let url = source(block, None)
                    .ok_or_else(|| ClientError::unsupported(&*param, "an image by base64 or by URL"))?;
                json!({ "type": "image_url", "image_url": { "url": url } })
            }
            Some("document") => {
                known.push("source");
                let (part, titled) = document(block, &param)?;
                known.extend(titled.then_some("title"));
                part
            }
            kind => {
                let message = format!("a block of the type `{}` is not supported", kind.unwrap_or("(none)"));
                return Err(ClientError::unsupported(param, message));
            }
        };
        if let Some(fields) = part.as_object_mut() {
            carry(block, fields, &["cache_control"]);
        }
        if set(block, "citations").is_some_and(matters) {
            dropped.push(format!("{param}.citations"));
        }
        unknown_at(&param, block, &known, dropped);
        out.push(part);
    }
    Ok(out)
}

/// Whether citations say anything: none were made, or none are wanted, says nothing.
fn matters(citations: &Value) -> bool {
    match citations {
        Value::Array(list) => !list.is_empty(),
        other => other.get("enabled") != Some(&json!(false)),
    }
}

/// A document as a part, and whether its title went with it.
fn document(block: &Value, param: &str) -> Result<(Value, bool), ClientError> {
    let own = block.get("source").unwrap_or(&Value::Null);
    let mut file = Object::new();
    let title = text(block, "title");
    match text(own, "type") {
        Some("text") => {
            let said = text(own, "data").unwrap_or_default();
            return Ok((json!({ "type": "text", "text": said }), false));
        }
        // OpenAI's models want a name with the data of a file
        Some("base64") => {
            file.insert("filename".to_owned(), title.unwrap_or("document.pdf").into());
        }
        // a URL stands where the data would: who fetches documents takes it, who does not refuses `file_data`
        Some("url") => {
            if let Some(title) = title {
                file.insert("filename".to_owned(), title.into());
            }
        }
        _ => {
            let message = "documents are taken as text, as base64 or by URL";
            return Err(ClientError::unsupported(format!("{param}.source"), message));
        }
    }
    let data = source(block, Some("application/pdf")).ok_or_else(|| {
        ClientError::shape(format!("{param}.source"), format!("{param}.source has no data and no URL"))
    })?;
    file.insert("file_data".to_owned(), data.into());
    Ok((json!({ "type": "file", "file": file }), true))
}

/// The URL of what a block holds; `kind` is what data of no stated type is.
fn source(block: &Value, kind: Option<&str>) -> Option<String> {
    let own = block.get("source")?;
    match text(own, "type")? {
        "base64" => {
            let kind = text(own, "media_type").or(kind)?;
            Some(format!("data:{kind};base64,{}", text(own, "data")?))
        }
        "url" => text(own, "url").map(str::to_owned),
        _ => None,
    }
}

/// One plain text is a string in the hub: every backend reads that.
pub(super) fn joined(parts: Vec<Value>) -> Value {
    match parts.as_slice() {
        [] => "".into(),
        [only]
            if only.as_object().is_some_and(|part| part.len() == 2) && text(only, "type") == Some("text") =>
        {
            text(only, "text").unwrap_or_default().into()
        }
        _ => parts.into(),
    }
}
