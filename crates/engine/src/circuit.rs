//! The breaker of one model on one backend, as a state machine without a clock.
//!
//! Closed: requests pass. Open: none does, until its time is over. Then one probe passes; its success lets a growing
//! share of the requests through (slow start), its failure opens the breaker for twice as long. Beside that: a limit
//! that the provider has stated (429 with `Retry-After`) holds whatever the state is.

use std::time::Duration;

use pointsman_types::{LatencyView, Outcome};
use pointsman_upstream::BreakerSettings;
use tokio::time::Instant;

/// The share of requests with which a slow start begins.
const FIRST_SHARE: f64 = 0.1;
/// The wait after a 429 that states none; doubled with each further one.
const UNSTATED_LIMIT: Duration = Duration::from_secs(1);
const LONGEST_UNSTATED: Duration = Duration::from_secs(30);

/// What nobody asked for so long is no news any more.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// So many requests of a slow start tell more than chance does.
const ENOUGH: u32 = 4;
/// So many attempts that are overdue at once are a backend that hangs.
const OVERDUE: usize = 3;

/// An attempt that waits for its first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(u64);

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Free,
    /// Better not: as a last resort only. Free again after this long.
    LastResort(Duration),
    /// The provider has said so: not before this long.
    Limited(Duration),
}

/// A request that was let through, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// As one of many.
    Usual,
    /// To see whether the backend is back.
    Probe,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    Probing,
    /// With what became of the requests since then.
    Recovering {
        since: Instant,
        ended: u32,
        failed: u32,
    },
}

/// One breaker.
#[derive(Debug)]
pub(crate) struct Circuit {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// How often it has opened since it was last whole.
    opened: u32,
    /// Attempts and failures of the windows that were judged already.
    judged: (u64, u64),
    /// The provider's limit, and whether it was stated.
    limited: Option<(Instant, bool)>,
    unstated: u32,
    /// Requests that met the slow start.
    turns: u32,
    /// Attempts without content so far, and when they are overdue.
    waiting: Vec<(u64, Instant)>,
    begun: u64,
    /// When the last attempt began.
    used: Option<Instant>,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: State::Closed,
            failures: 0,
            opened: 0,
            judged: (0, 0),
            limited: None,
            unstated: 0,
            turns: 0,
            waiting: Vec::new(),
            begun: 0,
            used: None,
        }
    }
}

impl Circuit {
    /// Whether a request may pass, without letting it.
    pub(crate) fn standing(&self, now: Instant, settings: &BreakerSettings) -> Standing {
        let left = |until: Instant| until.saturating_duration_since(now);
        if let Some((until, stated)) = self.limited.filter(|(until, _)| *until > now) {
            return if stated { Standing::Limited(left(until)) } else { Standing::LastResort(left(until)) };
        }
        match self.state {
            _ if !settings.enabled => Standing::Free,
            State::Closed if self.hangs(now) => Standing::LastResort(settings.open),
            State::Closed => Standing::Free,
            State::Open { until } if until <= now => Standing::Free,
            State::Open { until } => Standing::LastResort(left(until)),
            State::Probing => Standing::LastResort(settings.open),
            State::Recovering { since, .. } if self.has_turn(since, now, settings) => Standing::Free,
            State::Recovering { .. } => Standing::LastResort(Duration::ZERO),
        }
    }

    /// Lets a request through, if it may pass.
    pub(crate) fn admit(&mut self, now: Instant, settings: &BreakerSettings) -> Result<Passage, Standing> {
        let standing = self.standing(now, settings);
        if let State::Recovering { .. } = self.state {
            self.turns = self.turns.wrapping_add(1);
        }
        match (standing, self.state) {
            (Standing::Free, State::Open { .. }) if settings.enabled => {
                self.state = State::Probing;
                Ok(Passage::Probe)
            }
            (Standing::Free, _) => Ok(Passage::Usual),
            (standing, _) => Err(standing),
        }
    }

    /// Lets a request through for want of another way: unless a probe is on its way already, or the provider has
    /// stated a limit.
    pub(crate) fn force(&mut self, now: Instant, settings: &BreakerSettings) -> Result<Passage, Standing> {
        match (self.standing(now, settings), self.state) {
            (standing @ Standing::Limited(_), _) | (standing, State::Probing) => Err(standing),
            (_, State::Open { .. }) => {
                self.state = State::Probing;
                Ok(Passage::Probe)
            }
            _ => Ok(Passage::Usual),
        }
    }

    /// An attempt begins; without content by `due` it is overdue.
    pub(crate) fn begins(&mut self, now: Instant, due: Option<Instant>) -> Wait {
        self.begun += 1;
        self.used = Some(now);
        if let Some(due) = due {
            self.waiting.push((self.begun, due));
        }
        Wait(self.begun)
    }

    /// An attempt does not wait any more.
    pub(crate) fn no_longer(&mut self, wait: Wait) {
        self.waiting.retain(|(id, _)| *id != wait.0);
    }

    /// Several attempts are overdue, and none of them has failed yet: a backend that hangs fails only when their
    /// deadline is over.
    fn hangs(&self, now: Instant) -> bool {
        self.waiting.iter().filter(|(_, due)| *due <= now).take(OVERDUE).count() == OVERDUE
    }

    /// The first content of an answer is here: the backend is back, whatever becomes of the answer.
    pub(crate) fn answers(&mut self, now: Instant, passage: Passage, wait: Wait) {
        self.no_longer(wait);
        self.back(now, passage);
    }

    fn back(&mut self, now: Instant, passage: Passage) {
        if passage == Passage::Probe && self.state == State::Probing {
            self.state = State::Recovering { since: now, ended: 0, failed: 0 };
            self.turns = 0;
            self.failures = 0;
        }
    }

    /// An attempt has ended. `view` is what routing reads of this model. True where the breaker opened.
    pub(crate) fn ended(
        &mut self,
        outcome: Outcome,
        passage: Passage,
        view: &LatencyView,
        now: Instant,
        settings: &BreakerSettings,
    ) -> bool {
        if outcome == Outcome::Ok {
            self.back(now, passage);
            self.succeeded(view, now, settings);
            return false;
        }
        // a limit is no illness, and what says nothing of the backend leaves it as it was
        if !outcome.is_failure() || outcome == Outcome::RateLimited {
            if passage == Passage::Probe && self.state == State::Probing {
                if outcome == Outcome::Superseded {
                    // it was given its time and did not answer
                    self.open(view, now, settings);
                } else {
                    self.state = State::Open { until: now };
                }
            }
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let opens = match self.state {
            State::Open { .. } => false,
            State::Probing => passage == Passage::Probe,
            State::Recovering { .. } => self.relapses(passage, settings),
            State::Closed => self.failures >= settings.consecutive || self.is_above_rate(view, settings),
        };
        if opens && settings.enabled {
            self.open(view, now, settings);
        }
        opens && settings.enabled
    }

    /// A failure in the slow start: whether it is more than the usual share of them.
    fn relapses(&mut self, passage: Passage, settings: &BreakerSettings) -> bool {
        let State::Recovering { ended, failed, .. } = &mut self.state else { return false };
        *ended = ended.saturating_add(1);
        *failed = failed.saturating_add(1);
        let too_many = *ended >= ENOUGH && f64::from(*failed) / f64::from(*ended) >= settings.error_rate;
        // a probe that answered, and broke off
        passage == Passage::Probe || too_many || self.failures >= settings.consecutive
    }

    fn succeeded(&mut self, view: &LatencyView, now: Instant, settings: &BreakerSettings) {
        self.failures = 0;
        self.unstated = 0;
        if let State::Recovering { ended, .. } = &mut self.state {
            *ended = ended.saturating_add(1);
        }
        if self.limited.is_some_and(|(until, stated)| !stated || until <= now) {
            self.limited = None;
        }
        if let State::Recovering { since, .. } = self.state
            && now.saturating_duration_since(since) >= settings.slow_start
        {
            self.state = State::Closed;
            self.opened = 0;
            self.judged = (view.attempts, view.failures);
        }
    }

    fn open(&mut self, view: &LatencyView, now: Instant, settings: &BreakerSettings) {
        let doubled = settings.open.saturating_mul(1 << self.opened.min(16));
        self.state = State::Open { until: now + doubled.min(settings.longest_open) };
        self.opened = self.opened.saturating_add(1);
        self.judged = (view.attempts, view.failures);
    }

    /// Whether too many of the attempts since the last judgement failed. Windows rotate: what has left them is no
    /// longer taken off.
    fn is_above_rate(&self, view: &LatencyView, settings: &BreakerSettings) -> bool {
        let (attempts, failures) = self.judged;
        let fresh = view.attempts.saturating_sub(attempts);
        let failed = view.failures.saturating_sub(failures).min(fresh);
        fresh >= settings.least_attempts.max(1) && failed as f64 / fresh as f64 >= settings.error_rate
    }

    /// The provider is over its limit: for as long as it says, else for a little longer each time.
    pub(crate) fn limit(&mut self, stated: Option<Duration>, now: Instant) {
        let wait = stated.unwrap_or_else(|| {
            self.unstated = self.unstated.saturating_add(1);
            UNSTATED_LIMIT.saturating_mul(1 << (self.unstated - 1).min(16)).min(LONGEST_UNSTATED)
        });
        let until = now + wait;
        if self.limited.is_none_or(|(known, _)| known < until) {
            self.limited = Some((until, stated.is_some()));
        }
    }

    /// Whether the next request of a slow start may pass: a share that grows from a tenth to all.
    fn has_turn(&self, since: Instant, now: Instant, settings: &BreakerSettings) -> bool {
        let passed = now.saturating_duration_since(since).as_secs_f64();
        let whole = settings.slow_start.as_secs_f64().max(1e-3);
        let share = (passed / whole).clamp(FIRST_SHARE, 1.0);
        let turn = f64::from(self.turns);
        // whole numbers that the share of the turns has just passed
        ((turn + 1.0) * share).floor() > (turn * share).floor()
    }

    /// The state as a metric: 0 closed, 1 recovering, 2 probing, 3 open.
    pub(crate) const fn level(&self) -> i64 {
        match self.state {
            State::Closed => 0,
            State::Recovering { .. } => 1,
            State::Probing => 2,
            State::Open { .. } => 3,
        }
    }

    /// Nothing that would have to be remembered, or nothing that still means anything.
    pub(crate) fn is_whole(&self, now: Instant) -> bool {
        let healthy = self.state == State::Closed && self.failures == 0 && self.limited.is_none();
        let old = self.used.is_none_or(|used| now.saturating_duration_since(used) >= FORGOTTEN);
        self.waiting.is_empty() && (healthy || old)
    }
}

#[cfg(test)]
mod tests;
