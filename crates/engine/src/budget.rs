//! How many attempts beyond the first all requests together may make: a failing backend must not meet a storm.

use std::sync::{Mutex, PoisonError};

use pointsman_upstream::RetrySettings;
use tokio::time::Instant;

/// Tokens are kept for this long at the most.
const SECONDS_KEPT: f64 = 10.0;

/// A bucket of tokens: requests and time put in, further attempts take out.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    settings: RetrySettings,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RetryBudget {
    pub(crate) fn new(settings: RetrySettings) -> Self {
        let tokens = settings.min_per_second * SECONDS_KEPT;
        Self { settings, bucket: Mutex::new(Bucket { tokens, at: Instant::now() }) }
    }

    /// A request came in.
    pub(crate) fn request(&self) {
        let _always = self.change(self.settings.ratio);
    }

    /// Whether one more attempt is allowed; it is taken off.
    pub(crate) fn spend(&self) -> bool {
        self.change(-1.0)
    }

    fn change(&self, tokens: f64) -> bool {
        let now = Instant::now();
        let most = (self.settings.min_per_second * SECONDS_KEPT).max(1.0);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = now.saturating_duration_since(bucket.at).as_secs_f64() * self.settings.min_per_second;
        bucket.at = now;
        let full = (bucket.tokens + grown).min(most);
        let allowed = full + tokens >= 0.0;
        bucket.tokens = if allowed { (full + tokens).min(most) } else { full };
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_and_time_pay_for_attempts() {
        let settings = RetrySettings { ratio: 0.5, min_per_second: 1.0, ..RetrySettings::default() };
        let budget = RetryBudget::new(settings);
        let spent = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(spent, 10, "ten seconds' worth at the start");
        for _ in 0..8 {
            budget.request();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 4);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 3);
    }
}
