//! The `x-pointsman-*` headers.

use std::{collections::HashSet, fmt::Write};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pointsman_engine::ReplyMeta;
use pointsman_types::RequestId;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-pointsman-request-id");
/// Names a conversation; requests of one conversation meet the same dispatcher.
pub(crate) const SESSION_ID: &str = "x-session-id";

/// The most candidates that the header lists.
const MAX_CANDIDATES: usize = 16;
/// The longest list in a header, in bytes: proxies refuse answers whose heads are long.
const MAX_LIST: usize = 1024;
/// The longest entry of one, in characters.
const MAX_ENTRY: usize = 200;

pub(crate) fn request_id(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(REQUEST_ID, text(id.as_str()));
}

/// How an answer came about.
pub(crate) fn explain(headers: &mut HeaderMap, meta: &ReplyMeta) {
    let mut put =
        |name: &'static str, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
    let decision = &meta.decision;
    put("x-pointsman-request-id", text(meta.request_id.as_str()));
    put("x-pointsman-model", text(meta.spec.id.as_str()));
    put("x-pointsman-backend", text(meta.spec.backend.as_str()));
    put("x-pointsman-route-reason", text(&decision.why()));
    put("x-pointsman-candidates", candidates(meta));
    put(
        "x-pointsman-fallback-used",
        HeaderValue::from_static(if meta.attempts > 1 { "true" } else { "false" }),
    );
    put("x-pointsman-attempts", HeaderValue::from(meta.attempts));
    if let Some(classification) = &decision.classification {
        let (task, confidence) = classification.top_task();
        put("x-pointsman-task", HeaderValue::from_static(task.as_str()));
        put("x-pointsman-task-confidence", text(&format!("{confidence:.3}")));
        put("x-pointsman-industry", HeaderValue::from_static(classification.top_industry().0.as_str()));
    }
    if let Some(propensity) = decision.propensity {
        put("x-pointsman-propensity", text(&format!("{propensity:.4}")));
    }
    if let Some(cost) = meta.cost {
        put("x-pointsman-cost-usd", text(&format!("{:.6}", cost.dollars())));
    }
    if meta.hedged {
        put("x-pointsman-hedged", HeaderValue::from_static("true"));
    }
    if let Some(id) = &meta.backend_request_id {
        put("x-pointsman-backend-request-id", id.clone());
    }
    put("x-pointsman-overhead-us", HeaderValue::from(meta.overhead_us));
    adapted(headers, &meta.changes);
}

/// What was changed in the request.
pub(crate) fn adapted(headers: &mut HeaderMap, changes: &[String]) {
    if !changes.is_empty() {
        let changes = list(changes.iter().map(String::as_str), "; ", usize::MAX);
        headers.insert(HeaderName::from_static("x-pointsman-adapted"), text(&changes));
    }
}

/// What the headers would have said had they not been sent before the answer was there, as comments of the stream;
/// `told` is what they did say.
pub(crate) fn comments(meta: &ReplyMeta, told: &HeaderMap) -> Bytes {
    let mut headers = HeaderMap::new();
    explain(&mut headers, meta);
    let mut comments = String::new();
    for (name, value) in headers.iter().filter(|(name, value)| told.get(*name) != Some(*value)) {
        let printable = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
        let value: String = value.as_bytes().iter().map(printable).collect();
        // writing to a string cannot fail
        let _ = writeln!(comments, ": {name}: {value}");
    }
    comments.push('\n');
    comments.into()
}

fn candidates(meta: &ReplyMeta) -> HeaderValue {
    match meta.decision.candidates.as_slice() {
        [only] => text(only.spec.id.as_str()),
        many => text(&list(many.iter().map(|c| c.spec.id.as_str()), ",", MAX_CANDIDATES)),
    }
}

/// The first `most` of these, each once, as far as they fit; and how many more there are.
fn list<'a>(entries: impl Iterator<Item = &'a str>, between: &str, most: usize) -> String {
    let mut seen = HashSet::new();
    let entries: Vec<&str> = entries.filter(|entry| seen.insert(*entry)).collect();
    let mut list = String::new();
    for (at, entry) in entries.iter().enumerate() {
        let (short, long) = match entry.char_indices().nth(MAX_ENTRY) {
            Some((end, _)) => (&entry[..end], "..."),
            None => (*entry, ""),
        };
        let separator = if at == 0 { "" } else { between };
        // room is kept for the words at the end
        if at == most || list.len() + separator.len() + short.len() + long.len() + 32 > MAX_LIST {
            let _ = write!(list, "{separator}and {} more", entries.len() - at);
            return list;
        }
        list.extend([separator, short, long]);
    }
    list
}

/// A header value of this text; what no header may hold becomes `?`.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let safe: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("?"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_an_end_and_everything_once() {
        let of = |entries: &[&str], most| list(entries.iter().copied(), "; ", most);
        assert_eq!(of(&[], 2), "");
        assert_eq!(of(&["a", "b", "a"], 9), "a; b");
        assert_eq!(of(&["a", "b", "a", "c", "d"], 2), "a; b; and 2 more");
        assert_eq!(of(&[&"x".repeat(5000)], 9), "x".repeat(MAX_ENTRY) + "...");
        let many: Vec<String> = (0..100_000).map(|n| format!("dropped field{n}")).collect();
        let many = list(many.iter().map(String::as_str), "; ", usize::MAX);
        assert!(many.len() <= MAX_LIST && many.ends_with(" more") && many.starts_with("dropped field0; "));
    }
}
