//! From the headers of a request to who asks and what goes on to a backend.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pointsman_engine::Caller;
use pointsman_types::Priority;

use crate::{
    headers,
    keys::{API_KEY, Holder},
};

/// What goes on to backends; everything else stays here.
static FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("anthropic-beta"),
];

/// Somebody waits (`interactive`, which is also meant where nothing is said) or nobody does (`batch`).
const PRIORITY: &str = "x-pointsman-priority";

/// What the engine is told of who asks. `ours` says whether a value holds a key of the gateway, which is never shown to
/// a backend: not in the header that opened to this request, and not in another one.
pub(crate) fn caller(headers: &HeaderMap, holder: Option<&Holder>, ours: impl Fn(&[u8]) -> bool) -> Caller {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty());
    let forwarded = FORWARDED.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    let batch = text(PRIORITY).is_some_and(|priority| priority.trim().eq_ignore_ascii_case("batch"));
    let own = |name: HeaderName| headers.get(&name).filter(|value| !ours(value.as_bytes()));
    let api_key = || HeaderValue::from_bytes(&[b"Bearer ", own(API_KEY)?.as_bytes()].concat()).ok();
    let authorization = own(header::AUTHORIZATION).cloned().or_else(api_key).map(|mut value| {
        value.set_sensitive(true);
        value
    });
    Caller {
        session: text(headers::SESSION_ID).map(str::to_owned),
        priority: if batch { Priority::Batch } else { Priority::Interactive },
        key: holder.map(|holder| holder.name.clone()),
        extended: false,
        headers: forwarded.collect(),
        authorization,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_goes_on() {
        let mut headers = HeaderMap::new();
        for name in
            ["traceparent", "cookie", "host", "connection", "x-forwarded-for", "x-api-key", "authorization"]
        {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        headers.insert(PRIORITY, HeaderValue::from_static("Batch"));
        let caller = caller(&headers, None, |_| false);
        assert_eq!(caller.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["traceparent"]);
        assert_eq!(caller.priority, Priority::Batch);
        assert!(caller.authorization.is_some_and(|value| value == "v" && value.is_sensitive()));
    }

    #[test]
    fn a_key_of_the_backend_is_found_beside_ours_and_ours_stays_here() {
        let own = |authorization: &'static str, api_key: &'static str| {
            let headers = HeaderMap::from_iter([
                (header::AUTHORIZATION, HeaderValue::from_static(authorization)),
                (API_KEY, HeaderValue::from_static(api_key)),
            ]);
            let ours = |value: &[u8]| value.windows(4).any(|part| part == b"ours");
            caller(&headers, None, ours).authorization
        };
        assert_eq!(own("Bearer ours", "theirs").unwrap(), "Bearer theirs");
        assert_eq!(own("Bearer theirs", "ours").unwrap(), "Bearer theirs");
        assert_eq!(own("Bearer ours", "ours"), None);
    }
}
