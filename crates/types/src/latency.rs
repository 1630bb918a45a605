//! What was observed of one model on one backend, as the request path reads it.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Observed quantiles over the recent windows. All `None` and zero where nothing was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LatencyView {
    /// Time to first token, median.
    #[serde(rename = "ttft_p50_ms", serialize_with = "millis")]
    pub ttft_p50: Option<Duration>,
    /// Time to first token, 95th percentile.
    #[serde(rename = "ttft_p95_ms", serialize_with = "millis")]
    pub ttft_p95: Option<Duration>,
    /// Time per output token after the first, median.
    #[serde(rename = "tpot_p50_ms", serialize_with = "millis")]
    pub tpot_p50: Option<Duration>,
    /// Whole answer, median.
    #[serde(rename = "total_p50_ms", serialize_with = "millis")]
    pub total_p50: Option<Duration>,
    /// Whole answer, 95th percentile.
    #[serde(rename = "total_p95_ms", serialize_with = "millis")]
    pub total_p95: Option<Duration>,
    /// Attempts in the windows, failures included, cancelled ones not.
    pub attempts: u64,
    /// Failed attempts in the windows.
    pub failures: u64,
}

impl LatencyView {
    /// Share of failed attempts, shrunk towards zero by `prior` imaginary good ones.
    pub fn error_rate(&self, prior: f64) -> f64 {
        if self.failures == 0 { 0.0 } else { self.failures as f64 / (self.attempts as f64 + prior) }
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn millis<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(d) => serializer.serialize_f64(d.as_micros() as f64 / 1e3),
        None => serializer.serialize_none(),
    }
}
