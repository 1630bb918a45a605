//! The `x-pointsman-*` headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use pointsman_dialects::in_short;
use pointsman_engine::ReplyMeta;
use pointsman_types::RequestId;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-pointsman-request-id");
/// Names a conversation; requests of one conversation meet the same dispatcher.
pub(crate) const SESSION_ID: &str = "x-session-id";

/// The most candidates that the header lists.
const MAX_LISTED: usize = 16;

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
    if !meta.changes.is_empty() {
        put("x-pointsman-adapted", text(&in_short(meta.changes.iter().cloned()).join("; ")));
    }
    if meta.hedged {
        put("x-pointsman-hedged", HeaderValue::from_static("true"));
    }
    if let Some(id) = &meta.backend_request_id {
        put("x-pointsman-backend-request-id", id.clone());
    }
    put("x-pointsman-overhead-us", HeaderValue::from(meta.overhead_us));
}

fn candidates(meta: &ReplyMeta) -> HeaderValue {
    match meta.decision.candidates.as_slice() {
        [only] => text(only.spec.id.as_str()),
        many => text(&many.iter().take(MAX_LISTED).map(|c| c.spec.id.as_str()).collect::<Vec<_>>().join(",")),
    }
}

/// A header value of this text; what no header may hold becomes `?`.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let safe: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("?"))
    })
}
