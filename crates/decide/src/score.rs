//! The terms of one candidate for one request: quality, cost, latency, failures. Cost and latency stand on logarithmic
//! scales, so that a factor counts the same wherever it stands and no candidate's score depends on who else is there.

use std::time::Duration;

use pointsman_types::{LatencyView, Quality, RequestFeatures, Task, Terms, Tokens};

use crate::{Candidate, Evidence, Policy, Question, tasks};

/// What is the same for all candidates of a request.
pub(crate) struct Scorer<'a> {
    features: &'a RequestFeatures,
    policy: &'a Policy,
    p: &'a [f32; Task::COUNT],
    /// Output tokens to expect, before the limits of client and model.
    output: u64,
    cost_scale: LogScale,
    latency_scale: LogScale,
    /// Time to the whole answer where nothing was observed, and its place on the scale: that of most models.
    prior: (f64, f64),
}

impl<'a> Scorer<'a> {
    pub(crate) fn new(question: &Question<'a>, tasks: &'a tasks::Weights) -> Self {
        let (features, policy) = (&question.request.features, question.policy);
        let mean = tasks.p.iter().zip(&policy.expected_output).map(|(p, n)| f64::from(*p) * *n as f64);
        let most = features.max_output.map_or(u64::MAX, |limit| limit.0);
        let output = (mean.sum::<f64>().round() as u64).min(most);
        let latency_scale = LogScale::new(policy.latency_scale_ms);
        let prior = prior_latency(output.max(1) as f64, policy);
        Self {
            features,
            policy,
            p: &tasks.p,
            output,
            cost_scale: LogScale::new(policy.cost_scale_usd),
            prior: (prior, latency_scale.place(prior)),
            latency_scale,
        }
    }

    /// The terms before a strategy weighs them. `cached` tokens of the input are in the provider's prompt cache.
    #[inline]
    pub(crate) fn terms(&self, candidate: &Candidate, cached: Tokens) -> Terms {
        let (quality, sigma) = self.quality(candidate);
        let cost_usd = self.cost(candidate, cached);
        let (ttft_ms, latency_ms) = self.latency(candidate);
        Terms {
            quality,
            sigma,
            cost_usd,
            cost: cost_usd.map_or(self.policy.unknown_cost, |usd| self.cost_scale.place(usd)),
            ttft_ms,
            latency_ms,
            latency: if latency_ms.to_bits() == self.prior.0.to_bits() {
                self.prior.1
            } else {
                self.latency_scale.place(latency_ms)
            },
            error_rate: candidate.latency.error_rate(self.policy.prior_samples),
            switch_cost: 0.0,
            clears_bar: None,
            utility: 0.0,
        }
    }

    /// The place of a time on the latency scale.
    pub(crate) fn place_ms(&self, ms: f64) -> f64 {
        self.latency_scale.place(ms)
    }

    /// Expected quality and its deviation over the tasks, recorded outcomes blended in: `lambda = n / (n + kappa)` of
    /// their estimate and the rest of the catalog's belief.
    #[inline]
    fn quality(&self, candidate: &Candidate) -> (f64, f64) {
        let (quality, sigma) = self.believed(candidate);
        let Some(estimate) = candidate.estimate else { return (quality, sigma) };
        let share = estimate.effective / (estimate.effective + self.policy.outcome_kappa).max(1e-9);
        ((1.0 - share) * quality + share * estimate.score, (1.0 - share).sqrt() * sigma)
    }

    /// What the catalog and feedback say.
    #[inline]
    fn believed(&self, candidate: &Candidate) -> (f64, f64) {
        let prior = &candidate.spec.quality;
        match &candidate.evidence {
            None => (dot(self.p, &prior.mu), dot(self.p, &prior.sigma)),
            Some(evidence) => learned(self.p, evidence, prior),
        }
    }

    /// Output tokens to expect: the mean over the tasks, within what client and model allow.
    #[inline]
    pub(crate) fn output(&self, candidate: &Candidate) -> Tokens {
        Tokens(candidate.spec.max_output.map_or(self.output, |limit| limit.0.min(self.output)).max(1))
    }

    /// In US dollars; `None` where the price is unknown.
    #[inline]
    pub(crate) fn cost(&self, candidate: &Candidate, cached: Tokens) -> Option<f64> {
        let price = candidate.spec.price?;
        let full = price.cost_usd(self.features.input_tokens, self.output(candidate));
        let saved = price.cached_input.map_or(0, |cheap| price.input.saturating_sub(cheap));
        let cached = cached.0.min(self.features.input_tokens.0);
        Some((full - saved as f64 * cached as f64 / 1e12).max(0.0))
    }

    /// Time to the first token and to the whole answer, TTFT + (n - 1) TPOT, in milliseconds: medians, shrunk towards
    /// the priors while there are few samples. A backend that never streamed has no TTFT: its median total stands
    /// in for the whole.
    #[inline]
    pub(crate) fn latency(&self, candidate: &Candidate) -> (f64, f64) {
        let (view, policy): (&LatencyView, _) = (&candidate.latency, self.policy);
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let good = view.attempts.saturating_sub(view.failures) as f64;
        let shrunk = |observed: Option<Duration>, prior: f64| {
            observed.map_or(prior, |d| {
                (good * ms(d) + policy.prior_samples * prior) / (good + policy.prior_samples)
            })
        };
        let output = self.output(candidate).0 as f64;
        let prior = prior_latency(output, policy);
        if view.ttft_p50.is_none() {
            let whole = shrunk(view.total_p50, prior);
            return (policy.prior_ttft_ms.min(whole), whole);
        }
        let first = shrunk(view.ttft_p50, policy.prior_ttft_ms);
        (first, first + (output - 1.0) * shrunk(view.tpot_p50, policy.prior_tpot_ms))
    }
}

/// The catalog's belief with what outcomes taught.
#[cold]
fn learned(p: &[f32; Task::COUNT], evidence: &Evidence, prior: &Quality) -> (f64, f64) {
    let sum = |(mu, sigma): (f64, f64), (i, p): (usize, &f32)| {
        let (m, s) = evidence.posterior(prior, i);
        (mu + f64::from(*p) * m, sigma + f64::from(*p) * s)
    };
    p.iter().enumerate().fold((0.0, 0.0), sum)
}

/// Time to the whole answer where nothing was observed, in milliseconds.
fn prior_latency(output: f64, policy: &Policy) -> f64 {
    policy.prior_ttft_ms + (output - 1.0) * policy.prior_tpot_ms
}

/// The expectation of `values`. Four sums side by side: one after the other would wait for each addition.
fn dot(p: &[f32; Task::COUNT], values: &[f32; Task::COUNT]) -> f64 {
    let ((p, p_rest), (v, v_rest)) = (p.as_chunks::<4>(), values.as_chunks::<4>());
    let mut sums = [0.0_f32; 4];
    for (p, v) in p.iter().zip(v) {
        for i in 0..4 {
            sums[i] += p[i] * v[i];
        }
    }
    for (i, (p, v)) in p_rest.iter().zip(v_rest).enumerate() {
        sums[i] += p * v;
    }
    f64::from((sums[0] + sums[2]) + (sums[1] + sums[3]))
}

/// 0 at the first end and below, 1 at the second; above it goes on, so that the better of two extremes still wins.
struct LogScale {
    low: f64,
    /// 1 / ln(high / low).
    factor: f64,
}

impl LogScale {
    fn new((low, high): (f64, f64)) -> Self {
        Self { low, factor: 1.0 / (high / low).ln() }
    }

    #[inline]
    fn place(&self, value: f64) -> f64 {
        if value <= self.low { 0.0 } else { (value / self.low).ln() * self.factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_counts_the_same_anywhere_on_the_scale() {
        let scale = LogScale::new((1e-5, 1.0));
        let step = scale.place(1e-3) - scale.place(1e-4);
        assert!((step - 0.2).abs() < 1e-9);
        assert!((scale.place(1e-1) - scale.place(1e-2) - step).abs() < 1e-9);
        assert!(scale.place(0.0).abs() < f64::EPSILON && (scale.place(1.0) - 1.0).abs() < 1e-9);
    }
}
