//! Conversations as contents and their parts.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    backend::{
        Untranslatable,
        hub::in_order,
        ids,
        media::{Medium, medium},
    },
    json::{arguments, list, plain_text, set, text},
};

/// What Google's page on thought signatures has for calls whose signature is not to be had: those of other models, or
/// from clients that do not keep it.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Neighbours of one role.
struct Turn {
    role: &'static str,
    /// The first of its messages.
    from: usize,
    parts: Vec<Value>,
}

/// The parts of the system, and the turns.
pub(super) fn conversation(chat: &Value, model: &str) -> Result<(Vec<Value>, Vec<Value>), Untranslatable> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    // an answer of a tool goes by the name of its function
    let mut names: HashMap<&str, &str> = HashMap::new();
    let messages = list(chat, "messages");
    for (at, message) in in_order(messages).into_iter().filter_map(|at| Some((at, messages.get(at)?))) {
        let (role, parts) = match text(message, "role").unwrap_or("user") {
            "system" | "developer" => {
                system.extend(parts(message, at)?);
                continue;
            }
            "assistant" => {
                for call in list(message, "tool_calls") {
                    let name = call.get("function").and_then(|f| text(f, "name")).unwrap_or_default();
                    names.insert(text(call, "id").unwrap_or_default(), name);
                }
                ("model", model_parts(message, at)?)
            }
            "tool" => ("user", tool_result(message, at, &names)?),
            _ => ("user", parts(message, at)?),
        };
        match turns.last_mut().filter(|last| last.role == role) {
            Some(last) => last.parts.extend(parts),
            None => turns.push(Turn { role, from: at, parts }),
        }
    }
    if wants_signatures(model) {
        let asked = messages.iter().rposition(|message| text(message, "role").unwrap_or("user") == "user");
        let now = |turn: &&mut Turn| turn.role == "model" && asked.is_none_or(|asked| turn.from > asked);
        turns.iter_mut().filter(now).for_each(sign);
    }
    let turns = turns.into_iter().filter(|turn| !turn.parts.is_empty());
    Ok((system, turns.map(|turn| json!({ "role": turn.role, "parts": turn.parts })).collect()))
}

/// Gemini 3 refuses a history whose calls since the last question are unsigned. Versions before it do not ask, and are
/// not known to take the stand-in, so they do not get it; names without a version follow the newest model.
fn wants_signatures(model: &str) -> bool {
    let Some((_, version)) = model.split_once("gemini-") else { return false };
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.is_empty() || digits.parse().is_ok_and(|version: u32| version >= 3)
}

/// The first call of a step is the one that must be signed; those beside it are not.
fn sign(turn: &mut Turn) {
    let first = turn.parts.iter_mut().find(|part| part.get("functionCall").is_some());
    if let Some(part) = first.and_then(Value::as_object_mut) {
        part.entry("thoughtSignature").or_insert_with(|| NO_SIGNATURE.into());
    }
}

/// The result of a tool, and behind it the media that it gave: a response itself holds none.
fn tool_result(
    message: &Value,
    at: usize,
    names: &HashMap<&str, &str>,
) -> Result<Vec<Value>, Untranslatable> {
    let id = text(message, "tool_call_id").unwrap_or_default();
    let known = names.get(id).copied();
    let name = known.or_else(|| text(message, "name")).ok_or_else(|| {
        let why = "no tool call of this id comes before it, and this backend needs the function's name";
        Untranslatable::unsupported(format!("messages[{at}].tool_call_id"), why)
    })?;
    let said = plain_text(message.get("content").unwrap_or(&Value::Null));
    // the API wants an object
    let object = serde_json::from_str(&said).ok().filter(Value::is_object);
    let response = match (message.get("is_error") == Some(&json!(true)), object) {
        (true, Some(object)) => json!({ "error": object }),
        (true, None) => json!({ "error": said }),
        (false, Some(object)) => object,
        (false, None) => json!({ "result": said }),
    };
    let mut own = json!({ "functionResponse": { "name": name, "response": response } });
    if known.is_some() {
        identify(&mut own, "functionResponse", id);
    }
    let mut out = vec![own];
    out.extend(parts(message, at)?.into_iter().filter(|part| part.get("text").is_none()));
    Ok(out)
}

/// Call and response have the same id, or both have none: the API matches them by their order then, and knows none that
/// this gateway made up.
fn identify(part: &mut Value, kind: &str, id: &str) {
    let fields = part.get_mut(kind).and_then(Value::as_object_mut);
    if let Some(fields) = fields.filter(|_| !ids::is_invented(id)) {
        fields.insert("id".to_owned(), id.into());
    }
}

fn model_parts(message: &Value, at: usize) -> Result<Vec<Value>, Untranslatable> {
    let mut parts = parts(message, at)?;
    if let Some(signature) = signature(message) {
        // it belongs to the last part of what was said, which may be empty
        match parts.last_mut().and_then(Value::as_object_mut) {
            Some(part) => drop(part.insert("thoughtSignature".to_owned(), signature.into())),
            None => parts.push(json!({ "text": "", "thoughtSignature": signature })),
        }
    }
    for (n, call) in list(message, "tool_calls").iter().enumerate() {
        let function = call.get("function").unwrap_or(&Value::Null);
        let args = arguments(text(function, "arguments").unwrap_or_default()).ok_or_else(|| {
            let param = format!("messages[{at}].tool_calls[{n}].function.arguments");
            Untranslatable::unsupported(param, "the arguments of a tool call must be a JSON object")
        })?;
        let name = text(function, "name").unwrap_or_default();
        let mut part = json!({ "functionCall": { "name": name, "args": args } });
        identify(&mut part, "functionCall", text(call, "id").unwrap_or_default());
        if let (Some(signature), Some(fields)) = (signature(call), part.as_object_mut()) {
            fields.insert("thoughtSignature".to_owned(), signature.into());
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Gemini's signature of what was thought, where Google's own OpenAI endpoint has it too.
fn signature(of: &Value) -> Option<&str> {
    let google = of.get("extra_content")?.get("google")?;
    text(google, "thought_signature").filter(|signature| !signature.is_empty())
}

fn parts(message: &Value, at: usize) -> Result<Vec<Value>, Untranslatable> {
    match message.get("content") {
        Some(Value::String(said)) if !said.is_empty() => Ok(vec![json!({ "text": said })]),
        Some(Value::Array(parts)) => parts
            .iter()
            .enumerate()
            .map(|(n, part)| one(part, &format!("messages[{at}].content[{n}]")))
            // the API refuses parts that say nothing
            .filter(|part| part.as_ref().map_or(true, |part| part.get("text") != Some(&json!(""))))
            .collect(),
        _ => Ok(Vec::new()),
    }
}

fn one(part: &Value, param: &str) -> Result<Value, Untranslatable> {
    let kind = text(part, "type").unwrap_or("text");
    Ok(match kind {
        "text" | "input_text" | "output_text" => json!({ "text": text(part, "text").unwrap_or_default() }),
        "refusal" => json!({ "text": text(part, "refusal").unwrap_or_default() }),
        "image_url" => {
            let image = part.get("image_url").unwrap_or(&Value::Null);
            media(image.as_str().or_else(|| text(image, "url")).unwrap_or_default(), param)?
        }
        "file" => {
            let data = set(part, "file").and_then(|file| text(file, "file_data")).ok_or_else(|| {
                Untranslatable::unsupported(param, "files by id are not known to this backend")
            })?;
            media(data, param)?
        }
        "input_audio" => {
            let audio = part.get("input_audio").unwrap_or(&Value::Null);
            let kind = format!("audio/{}", text(audio, "format").unwrap_or("wav"));
            json!({ "inlineData": { "mimeType": kind, "data": text(audio, "data").unwrap_or_default() } })
        }
        other => {
            let message = format!("content of the type `{other}` is not supported by this backend");
            return Err(Untranslatable::unsupported(param, message));
        }
    })
}

fn media(url: &str, param: &str) -> Result<Value, Untranslatable> {
    Ok(match medium(url, param)? {
        Medium::Here { kind, data } => json!({ "inlineData": { "mimeType": kind, "data": data } }),
        Medium::There(url) => json!({ "fileData": { "fileUri": url } }),
    })
}
