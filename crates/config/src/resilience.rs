//! `[retries]`, `[breakers]`, `[hedging]`, and of `[server]` what is under way at once.

use std::time::Duration;

use pointsman_upstream::{BreakerSettings, HedgeSettings, LoadSettings, RetrySettings};

use crate::{
    reader::{Section, Value},
    tuning::{DAY, MILLISECOND},
};

pub(crate) fn read_retries(value: &Value<'_>) -> RetrySettings {
    let mut retries = RetrySettings::default();
    let Some(mut section) = value.section() else { return retries };
    retries.max_attempts =
        section.get("max_attempts").and_then(|v| v.size(1..=32)).unwrap_or(retries.max_attempts);
    retries.second_round =
        section.get("second_round").and_then(|v| v.boolean()).unwrap_or(retries.second_round);
    time(&mut section, "patience", Duration::ZERO, &mut retries.patience);
    retries.ratio = section.get("ratio").and_then(|v| v.number(0.0..=10.0)).unwrap_or(retries.ratio);
    retries.min_per_second =
        section.get("min_per_second").and_then(|v| v.number(0.0..=1e6)).unwrap_or(retries.min_per_second);
    section.finish();
    retries
}

pub(crate) fn read_breakers(value: &Value<'_>) -> BreakerSettings {
    let mut breaker = BreakerSettings::default();
    let Some(mut section) = value.section() else { return breaker };
    breaker.enabled = section.get("enabled").and_then(|v| v.boolean()).unwrap_or(breaker.enabled);
    if let Some(failures) = section.get("consecutive").and_then(|v| v.size(1..=10_000)) {
        breaker.consecutive = failures as u32;
    }
    breaker.error_rate =
        section.get("error_rate").and_then(|v| v.number(0.01..=1.0)).unwrap_or(breaker.error_rate);
    if let Some(attempts) = section.get("least_attempts").and_then(|v| v.count(1..=1_000_000)) {
        breaker.least_attempts = attempts;
    }
    time(&mut section, "open", MILLISECOND, &mut breaker.open);
    time(&mut section, "longest_open", MILLISECOND, &mut breaker.longest_open);
    time(&mut section, "slow_start", Duration::ZERO, &mut breaker.slow_start);
    section.finish();
    if breaker.longest_open < breaker.open {
        value.fail("longest_open is shorter than open");
    }
    breaker
}

pub(crate) fn read_hedging(value: &Value<'_>) -> HedgeSettings {
    let mut hedge = HedgeSettings::default();
    let Some(mut section) = value.section() else { return hedge };
    hedge.enabled = section.get("enabled").and_then(|v| v.boolean()).unwrap_or(hedge.enabled);
    if let Some(attempts) = section.get("least_attempts").and_then(|v| v.count(1..=1_000_000)) {
        hedge.least_attempts = attempts;
    }
    time(&mut section, "least_wait", Duration::ZERO, &mut hedge.least_wait);
    section.finish();
    hedge
}

/// The keys of `[server]` that bound what is under way.
pub(crate) fn read_load(section: &mut Section<'_>) -> LoadSettings {
    let mut load = LoadSettings::default();
    if let Some(most) = section.get("max_in_flight").and_then(|v| v.size(1..=1_000_000)) {
        load.max_in_flight = most;
    }
    if let Some(most) = section.get("max_waiting").and_then(|v| v.size(0..=1_000_000)) {
        load.max_waiting = most;
    }
    time(section, "queue_timeout", Duration::ZERO, &mut load.queue);
    load
}

fn time(section: &mut Section<'_>, key: &'static str, least: Duration, slot: &mut Duration) {
    if let Some(time) = section.get(key).and_then(|v| v.duration(least..=DAY)) {
        *slot = time;
    }
}
