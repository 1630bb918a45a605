//! The utility of one candidate for one request:
//! `U = w_Q (Q - k sigma) - w_C c - w_L l - w_E e`, with cost c and latency l on logarithmic scales, so that a
//! factor counts the same wherever it stands and no candidate's score depends on who else is in the pool.

use std::time::Duration;

use pointsman_types::{RequestFeatures, Terms, Tokens};

use crate::{Candidate, Policy, tasks};

/// The weights in force for one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UtilityWeights {
    quality: f64,
    cost: f64,
    latency: f64,
}

/// The policy's weights, or those of `tradeoff`: 0 looks almost only at the price, 1 almost only at quality.
pub(crate) fn weights(policy: &Policy, tradeoff: Option<f64>) -> UtilityWeights {
    let Some(t) = tradeoff else {
        return UtilityWeights { quality: policy.quality, cost: policy.cost, latency: policy.latency };
    };
    let between = |cheap: f64, best: f64| cheap + (best - cheap) * t;
    UtilityWeights { quality: between(0.10, 0.95), cost: between(0.80, 0.02), latency: between(0.10, 0.03) }
}

pub(crate) fn terms(
    candidate: &Candidate,
    features: &RequestFeatures,
    tasks: &tasks::Weights,
    weights: &UtilityWeights,
    policy: &Policy,
) -> Terms {
    let quality = tasks.expect(|i| f64::from(candidate.spec.quality.mu[i]));
    let sigma = tasks.expect(|i| f64::from(candidate.spec.quality.sigma[i]));
    let cost_usd = predicted_cost(candidate, features, tasks, policy);
    let cost = cost_usd.map_or(policy.unknown_cost, |usd| log_place(usd, policy.cost_scale_usd));
    let latency_ms = predicted_latency_ms(candidate, features, tasks, policy);
    let latency = log_place(latency_ms, policy.latency_scale_ms);
    let error_rate = candidate.latency.error_rate(policy.prior_samples);
    let utility = weights.quality * (quality - policy.caution * sigma)
        - weights.cost * cost
        - weights.latency * latency
        - policy.errors * error_rate;
    Terms { quality, sigma, cost_usd, cost, latency_ms, latency, error_rate, utility }
}

/// Output tokens to expect: the mean over the tasks, within what client and model allow.
pub(crate) fn expected_output(
    candidate: &Candidate,
    features: &RequestFeatures,
    tasks: &tasks::Weights,
    policy: &Policy,
) -> Tokens {
    let mean = tasks.expect(|i| policy.expected_output[i] as f64).round() as u64;
    let limits = [features.max_output, candidate.spec.max_output];
    Tokens(limits.iter().flatten().fold(mean, |n, limit| n.min(limit.0)).max(1))
}

/// In US dollars; `None` where the price is unknown.
pub(crate) fn predicted_cost(
    candidate: &Candidate,
    features: &RequestFeatures,
    tasks: &tasks::Weights,
    policy: &Policy,
) -> Option<f64> {
    let output = expected_output(candidate, features, tasks, policy);
    Some(candidate.spec.price?.cost_usd(features.input_tokens, output))
}

/// Time to the whole answer: TTFT + (n - 1) TPOT, medians shrunk towards the priors while there are few
/// samples. A backend that never streamed has no TTFT: its median total stands in for the whole.
pub(crate) fn predicted_latency_ms(
    candidate: &Candidate,
    features: &RequestFeatures,
    tasks: &tasks::Weights,
    policy: &Policy,
) -> f64 {
    let view = &candidate.latency;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let good = view.attempts.saturating_sub(view.failures) as f64;
    let shrunk = |observed: Option<Duration>, prior: f64| {
        observed
            .map_or(prior, |d| (good * ms(d) + policy.prior_samples * prior) / (good + policy.prior_samples))
    };
    let output = expected_output(candidate, features, tasks, policy).0 as f64;
    let prior = policy.prior_ttft_ms + (output - 1.0) * policy.prior_tpot_ms;
    if view.ttft_p50.is_none() {
        return shrunk(view.total_p50, prior);
    }
    shrunk(view.ttft_p50, policy.prior_ttft_ms) + (output - 1.0) * shrunk(view.tpot_p50, policy.prior_tpot_ms)
}

/// The place of `value` between `low` (0) and `high` (1) on a logarithmic scale; above `high` it
/// goes on, so that the better of two extremes still wins.
fn log_place(value: f64, (low, high): (f64, f64)) -> f64 {
    if value <= low {
        return 0.0;
    }
    (value / low).ln() / (high / low).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_counts_the_same_anywhere_on_the_scale() {
        let scale = (1e-5, 1.0);
        let step = log_place(1e-3, scale) - log_place(1e-4, scale);
        assert!((step - 0.2).abs() < 1e-9);
        assert!((log_place(1e-1, scale) - log_place(1e-2, scale) - step).abs() < 1e-9);
        assert!(log_place(0.0, scale).abs() < f64::EPSILON && (log_place(1.0, scale) - 1.0).abs() < 1e-9);
    }
}
