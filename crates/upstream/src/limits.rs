//! What a provider says of its rate limits, in any of the ways that providers say it.
//!
//! `Retry-After` in seconds or as a date (RFC 9110, 10.2.3) and `retry-after-ms`; OpenAI's
//! `x-ratelimit-remaining-*` and `-reset-*` (a duration such as `6m0s`); Anthropic's `anthropic-ratelimit-*` (a time
//! in RFC 3339); a Unix time in `x-ratelimit-reset` (OpenRouter, in milliseconds).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// Longer waits are believed up to here: then we ask again.
const LONGEST: Duration = Duration::from_hours(1);
/// What is left of a limit, and when it is whole again. The longest wait counts.
const COUNTED: [(&str, &str); 8] = [
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
];

/// How long not to ask again: stated by a refusal, or by an answer that used up the last of a limit.
pub(crate) fn wait(headers: &HeaderMap, refused: bool, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let stated = || {
        let milliseconds = text("retry-after-ms").and_then(|v| v.parse::<f64>().ok()).map(|ms| ms / 1e3);
        let stated = milliseconds.and_then(seconds);
        stated.or_else(|| text("retry-after").and_then(|v| after(v, now)))
    };
    let stated = if refused { stated() } else { None };
    let used_up = COUNTED.iter().filter_map(|(left, reset)| {
        let none_left = text(left)?.parse::<f64>().ok()? <= 0.0;
        if none_left { after(text(reset)?, now) } else { None }
    });
    let wait = stated.or_else(|| used_up.max())?;
    (!wait.is_zero()).then(|| wait.min(LONGEST))
}

/// A moment as a number of seconds, a Unix time, a duration such as `1m30.5s`, or a date.
fn after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let unix = now.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        // nobody waits for thirty years: what is that large is a time, in seconds or in milliseconds
        return if number > 1e12 {
            seconds(number / 1e3 - unix)
        } else if number > 1e9 {
            seconds(number - unix)
        } else {
            seconds(number)
        };
    }
    if let Some(duration) = go_duration(text) {
        return Some(duration);
    }
    let date = httpdate::parse_http_date(text).ok().or_else(|| humantime::parse_rfc3339(text).ok())?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

/// `1h2m3.5s`, `20ms`: numbers with units, as Go prints durations.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = behind;
    }
    if text.is_empty() { None } else { seconds(total) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn told(pairs: &[(&'static str, &str)], refused: bool) -> Option<f64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        // 2026-01-01T00:00:00Z
        let now = UNIX_EPOCH + Duration::from_hours(490_896);
        wait(&headers, refused, now).map(|d| d.as_secs_f64())
    }

    #[test]
    fn every_way_of_saying_it() {
        for (pairs, refused, expected) in [
            (&[("retry-after", "7")][..], true, Some(7.0)),
            (&[("retry-after", "7")], false, None),
            (&[("retry-after", "0.5")], true, Some(0.5)),
            (&[("retry-after", "Thu, 01 Jan 2026 00:00:09 GMT")], true, Some(9.0)),
            (&[("retry-after", "Thu, 01 Jan 2015 00:00:09 GMT")], true, None),
            (&[("retry-after-ms", "250"), ("retry-after", "1")], true, Some(0.25)),
            (&[("retry-after", "soon")], true, None),
            (&[("retry-after", "-3")], true, None),
            (&[("retry-after", "1e300")], true, None),
            (&[("retry-after", "99999999")], true, Some(3600.0)),
            (
                &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m0.5s")],
                false,
                Some(60.5),
            ),
            (&[("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "1s")], true, None),
            (
                &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "20ms")],
                true,
                Some(0.02),
            ),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:03Z"),
                ],
                false,
                Some(3.0),
            ),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225605000")], false, Some(5.0)),
            (&[], true, None),
        ] {
            assert_eq!(told(pairs, refused), expected, "{pairs:?} {refused}");
        }
    }
}
