//! What keeps one backend's failure from being everybody's: settings of breakers, retries, hedges and queues.

use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// Off: every request passes, whatever happened.
    pub enabled: bool,
    /// Failures in a row.
    pub consecutive: u32,
    /// Share of failures in the observed windows ...
    pub error_rate: f64,
    /// ... of at least so many attempts.
    pub least_attempts: u64,
    /// The first time for which it stays open; doubled with each failed probe.
    pub open: Duration,
    /// The longest.
    pub longest_open: Duration,
    /// How long the slow start takes.
    pub slow_start: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive: 5,
            error_rate: 0.5,
            least_attempts: 20,
            open: Duration::from_secs(1),
            longest_open: Duration::from_secs(30),
            slow_start: Duration::from_secs(10),
        }
    }
}

/// Limits on attempts beyond the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrySettings {
    /// The most attempts for one request.
    pub max_attempts: usize,
    /// Where every candidate has failed, those that may do better a moment later are asked once more.
    pub second_round: bool,
    /// How long a request waits for candidates that rest, or whose provider has stated a limit, to be free again.
    pub patience: Duration,
    /// Further attempts for each request, over all requests.
    pub ratio: f64,
    /// Further attempts that are always allowed, per second.
    pub min_per_second: f64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            second_round: true,
            patience: Duration::from_secs(1),
            ratio: 0.5,
            min_per_second: 50.0,
        }
    }
}

/// A second attempt beside a slow first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeSettings {
    /// On.
    pub enabled: bool,
    /// Not before a model was observed so often.
    pub least_attempts: u64,
    /// Not before this time, however fast the model usually is.
    pub least_wait: Duration,
}

impl Default for HedgeSettings {
    fn default() -> Self {
        Self { enabled: false, least_attempts: 20, least_wait: Duration::from_millis(50) }
    }
}

/// Limits on what is under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadSettings {
    /// Requests that are worked on, streams until their end.
    pub max_in_flight: usize,
    /// Requests that wait for a place; more are refused at once.
    pub max_waiting: usize,
    /// How long they wait, and how long one waits where every backend is at its limit.
    pub queue: Duration,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self { max_in_flight: 4096, max_waiting: 4096, queue: Duration::from_secs(10) }
    }
}
