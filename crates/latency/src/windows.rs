//! Rotating windows of histograms: the newest is written, the oldest forgotten.

use std::{collections::VecDeque, time::Duration};

use hdrhistogram::Histogram;
use pointsman_types::{LatencyView, Observation, Outcome};

/// One microsecond to one hour, two significant digits: about 25 KB a histogram that is in use.
const LOWEST_US: u64 = 1;
const HIGHEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 2;

/// What was observed of one model in one window.
#[derive(Debug)]
struct Window {
    ttft: Option<Histogram<u32>>,
    tpot: Option<Histogram<u32>>,
    total: Option<Histogram<u32>>,
    attempts: u64,
    failures: u64,
}

/// What was observed of one model in the last windows, newest first.
#[derive(Debug)]
pub(crate) struct Windows {
    windows: VecDeque<Window>,
    kept: usize,
}

impl Window {
    const fn new() -> Self {
        Self { ttft: None, tpot: None, total: None, attempts: 0, failures: 0 }
    }

    fn record(&mut self, seen: &Observation) {
        if seen.outcome == Outcome::Ok {
            self.attempts += 1;
            add(&mut self.total, Some(seen.total));
            add(&mut self.ttft, seen.ttft.filter(|_| seen.streamed));
            add(&mut self.tpot, seen.time_per_output_token());
        } else if seen.outcome.is_failure() {
            self.attempts += 1;
            self.failures += 1;
        }
    }
}

/// Histograms are made when they are first needed.
fn add(histogram: &mut Option<Histogram<u32>>, value: Option<Duration>) {
    let Some(value) = value else { return };
    if histogram.is_none() {
        *histogram = Histogram::new_with_bounds(LOWEST_US, HIGHEST_US, DIGITS).ok();
    }
    if let Some(histogram) = histogram {
        histogram.saturating_record(u64::try_from(value.as_micros()).unwrap_or(u64::MAX).max(LOWEST_US));
    }
}

impl Windows {
    pub(crate) fn new(kept: usize) -> Self {
        Self { windows: VecDeque::from([Window::new()]), kept: kept.max(1) }
    }

    pub(crate) fn record(&mut self, seen: &Observation) {
        if let Some(newest) = self.windows.front_mut() {
            newest.record(seen);
        }
    }

    /// Starts a new window and forgets the oldest. False where nothing is left to forget.
    pub(crate) fn rotate(&mut self) -> bool {
        self.windows.push_front(Window::new());
        self.windows.truncate(self.kept);
        self.windows.iter().any(|w| w.attempts > 0)
    }

    /// Quantiles over all windows.
    pub(crate) fn view(&self) -> LatencyView {
        let ttft = merged(self.windows.iter().filter_map(|w| w.ttft.as_ref()));
        let tpot = merged(self.windows.iter().filter_map(|w| w.tpot.as_ref()));
        let total = merged(self.windows.iter().filter_map(|w| w.total.as_ref()));
        LatencyView {
            ttft_p50: quantile(ttft.as_ref(), 0.50),
            ttft_p95: quantile(ttft.as_ref(), 0.95),
            tpot_p50: quantile(tpot.as_ref(), 0.50),
            total_p50: quantile(total.as_ref(), 0.50),
            total_p95: quantile(total.as_ref(), 0.95),
            attempts: self.windows.iter().map(|w| w.attempts).sum(),
            failures: self.windows.iter().map(|w| w.failures).sum(),
        }
    }
}

fn merged<'a>(mut histograms: impl Iterator<Item = &'a Histogram<u32>>) -> Option<Histogram<u32>> {
    let mut sum = histograms.next()?.clone();
    for histogram in histograms {
        // all have the same bounds
        let _ = sum.add(histogram);
    }
    Some(sum)
}

fn quantile(histogram: Option<&Histogram<u32>>, q: f64) -> Option<Duration> {
    histogram.map(|h| Duration::from_micros(h.value_at_quantile(q)))
}
