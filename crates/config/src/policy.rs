//! `[policy]`: the constants of a decision.

use pointsman_decide::Policy;

use crate::{
    model::by_task,
    reader::{Section, Value},
};

/// Reads the section over the defaults, and `[policy.shadow]` over what it says.
pub(crate) fn read(value: &Value<'_>) -> Policy {
    let mut policy = Policy::default();
    let Some(mut section) = value.section() else { return policy };
    over(&mut section, &mut policy);
    if let Some(inner) = section.get("shadow").and_then(|v| v.section()) {
        let (mut inner, mut shadow) = (inner, policy.clone());
        over(&mut inner, &mut shadow);
        inner.finish();
        policy.shadow = Some(Box::new(shadow));
    }
    section.finish();
    policy
}

fn over(section: &mut Section<'_>, policy: &mut Policy) {
    if let Some(value) = section.get("weights") {
        weights(&value, policy);
    }
    set(section, "bar", 1.0, &mut policy.bar);
    if let Some(name) = section.get("default_model").and_then(|v| v.text()) {
        policy.default_model = Some(name.to_owned());
    }
    set(section, "guard_z", 100.0, &mut policy.guard_z);
    set(section, "switch_cost", 10.0, &mut policy.switch_cost);
    set(section, "upward_gain", 10.0, &mut policy.upward_gain);
    set(section, "outcome_kappa", 1e6, &mut policy.outcome_kappa);
    set(section, "explore", 0.5, &mut policy.explore);
    set(section, "explore_margin", 10.0, &mut policy.explore_margin);
    if let Some(offset) = section.get("utc_offset").and_then(|v| offset(&v)) {
        policy.utc_offset = offset;
    }
    set(section, "caution", 10.0, &mut policy.caution);
    scale(section, "cost_scale_usd", 1e6, &mut policy.cost_scale_usd);
    scale(section, "latency_scale_ms", 1e9, &mut policy.latency_scale_ms);
    set(section, "unknown_cost", 1.0, &mut policy.unknown_cost);
    set(section, "prior_ttft_ms", 1e9, &mut policy.prior_ttft_ms);
    set(section, "prior_tpot_ms", 1e9, &mut policy.prior_tpot_ms);
    set(section, "prior_samples", 1e6, &mut policy.prior_samples);
    if let Some(value) = section.get("expected_output") {
        for (task, tokens) in by_task(&value, |v| v.count(1..=1_000_000)).unwrap_or_default() {
            policy.expected_output[task.index()] = tokens;
        }
    }
}

/// `"+02:00"`, in minutes.
fn offset(value: &Value<'_>) -> Option<i64> {
    let text = value.text()?;
    let minutes = || {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes))
    };
    let found = minutes();
    if found.is_none() {
        value.fail(format!("`{text}` is no offset from UTC; for example \"+02:00\""));
    }
    found
}

fn weights(value: &Value<'_>, policy: &mut Policy) {
    let Some(mut section) = value.section() else { return };
    set(&mut section, "quality", 100.0, &mut policy.quality);
    set(&mut section, "cost", 100.0, &mut policy.cost);
    set(&mut section, "latency", 100.0, &mut policy.latency);
    set(&mut section, "errors", 100.0, &mut policy.errors);
    section.finish();
    if policy.quality + policy.cost + policy.latency <= 0.0 {
        value.fail("quality, cost and latency are all 0: nothing would tell one model from another");
    }
}

/// A number from 0 to `most`.
fn set(section: &mut Section<'_>, key: &'static str, most: f64, slot: &mut f64) {
    if let Some(number) = section.get(key).and_then(|v| v.number(0.0..=most)) {
        *slot = number;
    }
}

/// Two ends of a logarithmic scale: above zero, the lower one first.
fn scale(section: &mut Section<'_>, key: &'static str, most: f64, slot: &mut (f64, f64)) {
    let Some(value) = section.get(key) else { return };
    let Some(ends) = value.list() else { return };
    let [low, high] = ends.as_slice() else {
        return value.fail("expected two numbers, the lower end and the upper end");
    };
    let (Some(low), Some(high)) = (low.number(0.0..=most), high.number(0.0..=most)) else { return };
    if low <= 0.0 || low >= high {
        return value.fail("the scale is logarithmic: 0 < lower end < upper end");
    }
    *slot = (low, high);
}
