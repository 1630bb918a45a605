//! What a latency actor is told at the start.

use std::time::Duration;

/// Settings shared by all latency actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencySettings {
    /// Length of one window of the rotating histograms.
    pub window: Duration,
    /// How many windows are kept: quantiles are over `window * windows` at the most.
    pub windows: usize,
    /// Observations that may wait in one actor's mailbox; more are counted and dropped.
    pub mailbox: usize,
}

impl Default for LatencySettings {
    fn default() -> Self {
        Self { window: Duration::from_mins(1), windows: 5, mailbox: 4096 }
    }
}
