//! Whose turn it is: the candidates of one request, those that failed, and those that cannot be asked now.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use pointsman_types::{BackendId, ModelSpec, Outcome, Tokens};
use pointsman_upstream::{AttemptError, Pass};
use tokio::time::{Instant, sleep};

use crate::{
    EngineError, FailedAttempt,
    attempt::{Attempt, Ending, Recorder},
    circuit::{Passage, Standing},
    execute::{Means, Plan, Turn, refused, told},
};

/// Before candidates are asked a second time; half of it is left to chance.
const BACKOFF: Duration = Duration::from_millis(40);
/// How often a request that waits for a probe of another looks whether it is back.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// A probe that has no content after this time is joined by an attempt elsewhere.
const PROBE_LEASH: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const USUAL_LEASH: Duration = Duration::from_secs(1);

/// A candidate of the plan.
struct Place {
    spec: Arc<ModelSpec>,
    state: PlaceState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceState {
    /// Its turn may come.
    Waits,
    /// It has had it.
    Asked,
    /// It failed in a way that may pass.
    MayPass,
    /// The breaker, or the provider, says not now.
    Resting(Standing),
    /// Its backend is at its limit.
    Busy,
    /// The prompt does not fit.
    TooSmall,
}

pub(crate) struct Queue<'a> {
    means: &'a Means,
    recorder: &'a Recorder,
    plan: &'a Plan<'a>,
    places: Vec<Place>,
    pub(crate) failed: Vec<FailedAttempt>,
    waits: Vec<Option<Duration>>,
    asked: usize,
    second_round: bool,
    /// How much longer it waits for those that rest.
    patience: Duration,
    /// The refusal of a model whose window or filter the prompt did not pass.
    refusal: Option<(Arc<ModelSpec>, AttemptError)>,
    crowded: bool,
    budget_spent: bool,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(means: &'a Means, recorder: &'a Recorder, plan: &'a Plan<'a>) -> Self {
        let place = |ranked: &pointsman_types::Ranked| Place {
            spec: Arc::clone(&ranked.spec),
            state: PlaceState::Waits,
        };
        Self {
            means,
            recorder,
            plan,
            places: plan.decision.candidates.iter().map(place).collect(),
            failed: Vec::new(),
            waits: Vec::new(),
            asked: 0,
            second_round: false,
            patience: means.retries.patience,
            refusal: None,
            crowded: false,
            budget_spent: false,
        }
    }

    /// The next that can be asked without waiting.
    pub(crate) fn pick(&mut self) -> Option<Turn> {
        if self.asked >= self.means.retries.max_attempts.max(1) || self.budget_spent {
            return None;
        }
        for at in 0..self.places.len() {
            if self.places[at].state != PlaceState::Waits {
                continue;
            }
            let spec = Arc::clone(&self.places[at].spec);
            let Some(place) = self.means.transport.try_place(&spec.backend) else {
                self.places[at].state = PlaceState::Busy;
                continue;
            };
            let breaker = self.means.breakers.of(&spec, self.means.breaker);
            match breaker.admit() {
                Ok(passage) => return self.ask(at, place, passage),
                Err(standing) => self.places[at].state = PlaceState::Resting(standing),
            }
        }
        None
    }

    /// Gives a candidate its turn, if the budget allows one more attempt.
    fn ask(&mut self, at: usize, place: Pass, passage: Passage) -> Option<Turn> {
        let spec = Arc::clone(&self.places[at].spec);
        let breaker = self.means.breakers.of(&spec, self.means.breaker);
        if self.asked > 0 && !self.means.budget.spend() {
            self.budget_spent = true;
            if passage == Passage::Probe {
                // it was not made: another may
                let view = self.recorder.latency.view(&spec.backend, &spec.id);
                let wait = breaker.begins(None);
                breaker.ended(Outcome::Cancelled, passage, wait, &view);
            }
            return None;
        }
        self.asked += 1;
        self.places[at].state = PlaceState::Asked;
        Some(Turn { spec, breaker, passage, place })
    }

    /// The next, waited for where that helps: for a place, for a moment before the second round, or for one that
    /// rests.
    pub(crate) async fn next(&mut self) -> Option<Turn> {
        loop {
            if let Some(turn) = self.pick() {
                return Some(turn);
            }
            if let Some(turn) = self.wait_for_a_place().await {
                return Some(turn);
            }
            if self.asked == 0
                && let Some(turn) = self.force()
            {
                return Some(turn);
            }
            if self.budget_spent || self.asked >= self.means.retries.max_attempts.max(1) {
                return None;
            }
            let pause = self.second_round().or_else(|| self.rest())?;
            sleep(pause).await;
        }
    }

    /// Those whose failure may pass are asked once more, after this long.
    fn second_round(&mut self) -> Option<Duration> {
        if self.second_round || !self.means.retries.second_round {
            return None;
        }
        self.second_round = true;
        let again = |state| matches!(state, PlaceState::MayPass | PlaceState::Resting(_));
        self.places.iter().any(|place| place.state == PlaceState::MayPass).then(|| {
            self.revive(again);
            BACKOFF.mul_f64(0.5 + 0.5 * self.chance())
        })
    }

    /// How long to wait until one that rests may be free, if our patience is that long.
    fn rest(&mut self) -> Option<Duration> {
        let soonest = self.places.iter().filter_map(|place| match place.state {
            PlaceState::Resting(Standing::Limited(wait)) => Some(wait),
            // a probe may come back at any moment
            PlaceState::Resting(_) => Some(LOOK_AGAIN),
            _ => None,
        });
        let pause = soonest.min()?.mul_f64(1.0 + 0.2 * self.chance()).max(Duration::from_millis(1));
        self.patience = self.patience.checked_sub(pause)?;
        self.revive(|state| matches!(state, PlaceState::Resting(_)));
        Some(pause)
    }

    fn revive(&mut self, which: impl Fn(PlaceState) -> bool) {
        for place in self.places.iter_mut().filter(|place| which(place.state)) {
            place.state = PlaceState::Waits;
        }
    }

    /// Between 0 and 1, by the request: those that failed together do not come back together.
    fn chance(&self) -> f64 {
        let id = self.plan.request_id.as_str().bytes();
        f64::from(id.fold(0_u32, |sum, byte| sum * 31 % 1009 + u32::from(byte)) % 100) / 100.0
    }

    /// Waits in the line of every backend that is at its limit, for the first place.
    async fn wait_for_a_place(&mut self) -> Option<Turn> {
        if self.budget_spent || self.asked >= self.means.retries.max_attempts.max(1) {
            return None;
        }
        let deadline = Instant::now() + self.means.queue;
        loop {
            let mut backends: Vec<BackendId> = Vec::new();
            for place in self.places.iter().filter(|place| place.state == PlaceState::Busy) {
                if !backends.contains(&place.spec.backend) {
                    backends.push(place.spec.backend.clone());
                }
            }
            if backends.is_empty() {
                return None;
            }
            let (means, priority) = (self.means, self.plan.caller.priority);
            let mut lines: FuturesUnordered<_> =
                backends
                    .iter()
                    .map(|backend| async move {
                        (backend, means.transport.place(backend, priority, deadline).await)
                    })
                    .collect();
            let mut got = None;
            while let Some((backend, place)) = lines.next().await {
                if let Ok(place) = place {
                    got = Some((backend.clone(), place));
                    break;
                }
            }
            drop(lines);
            let Some((backend, place)) = got else {
                self.crowded = true;
                return None;
            };
            let at =
                self.places.iter().position(|p| p.state == PlaceState::Busy && p.spec.backend == backend)?;
            let breaker = self.means.breakers.of(&self.places[at].spec, self.means.breaker);
            match breaker.admit() {
                Ok(passage) => return self.ask(at, place, passage),
                // it fell ill while we waited
                Err(standing) => self.places[at].state = PlaceState::Resting(standing),
            }
        }
    }

    /// Nobody may be asked: the first whose breaker lets a probe through is, all the same.
    fn force(&mut self) -> Option<Turn> {
        for at in 0..self.places.len() {
            if !matches!(self.places[at].state, PlaceState::Resting(_)) {
                continue;
            }
            let spec = Arc::clone(&self.places[at].spec);
            let Some(place) = self.means.transport.try_place(&spec.backend) else { continue };
            match self.means.breakers.of(&spec, self.means.breaker).force() {
                Ok(passage) => return self.ask(at, place, passage),
                Err(standing) => self.places[at].state = PlaceState::Resting(standing),
            }
        }
        None
    }

    /// Takes note of a failure; an error where the request itself is at fault.
    pub(crate) fn failed(&mut self, mut attempt: Attempt, error: AttemptError) -> Result<(), EngineError> {
        attempt.end(error.outcome, Ending::default());
        let spec = Arc::clone(attempt.spec());
        let elapsed = attempt.elapsed();
        tracing::warn!(model = %spec.id, backend = %spec.backend, ?elapsed, %error, "attempt failed");
        let limited = error.outcome == Outcome::RateLimited;
        if limited || error.retry_after.is_some() {
            attempt.limited(error.retry_after);
        }
        if let Some(place) = self.places.iter_mut().find(|place| Arc::ptr_eq(&place.spec, &spec)) {
            match error.retry_after {
                Some(wait) if limited => place.state = PlaceState::Resting(Standing::Limited(wait)),
                None if error.outcome.is_passing() => place.state = PlaceState::MayPass,
                _ => {}
            }
        }
        self.waits.push(if limited { error.retry_after } else { None });
        self.failed.push(told(&spec, error.outcome, error.message.clone()));
        match error.outcome {
            Outcome::ClientError => {
                return Err(refused(&spec, error, std::mem::take(&mut self.failed)));
            }
            Outcome::ContextOverflow => {
                self.only_larger_than(spec.context);
                self.refusal.get_or_insert((spec, error));
            }
            Outcome::ContentFilter | Outcome::Untranslatable => {
                self.refusal.get_or_insert((spec, error));
            }
            _ => {}
        }
        Ok(())
    }

    /// The deadline of the whole request passed while this one was asked.
    pub(crate) fn late(&mut self, attempt: &Attempt) {
        let message = format!("no answer within {:?}", attempt.elapsed());
        self.failed.push(told(attempt.spec(), Outcome::Timeout, message));
    }

    /// There was no answer in time.
    pub(crate) fn deadline(self) -> EngineError {
        EngineError::Deadline { after: self.plan.timeout, attempts: self.failed }
    }

    /// A prompt that did not fit fits no model whose window is known not to be larger.
    fn only_larger_than(&mut self, context: Option<Tokens>) {
        let Some(context) = context else { return };
        let waits = |place: &&mut Place| !matches!(place.state, PlaceState::Asked);
        for place in self.places.iter_mut().filter(waits) {
            if place.spec.context.is_some_and(|own| own.0 <= context.0) {
                place.state = PlaceState::TooSmall;
            }
        }
    }

    /// When an attempt is to be joined by one elsewhere: a probe whose backend does not come back, and, where
    /// hedging is on, a first attempt that is slower than nearly all before it.
    pub(crate) fn hedge_at(&self, turn: &Turn) -> Option<Instant> {
        let view = self.recorder.latency.view(&turn.spec.backend, &turn.spec.id);
        let usual = if self.plan.stream { view.ttft_p95 } else { view.total_p95 };
        let hedge = self.means.hedge;
        let wait = if turn.passage == Passage::Probe {
            usual.unwrap_or(USUAL_LEASH).clamp(PROBE_LEASH.0, PROBE_LEASH.1)
        } else if hedge.enabled && self.asked == 1 && view.attempts >= hedge.least_attempts {
            usual?.max(hedge.least_wait)
        } else {
            return None;
        };
        Some(Instant::now() + wait)
    }

    /// Why there is no answer.
    pub(crate) fn verdict(mut self) -> EngineError {
        let own_fault = |f: &FailedAttempt| {
            matches!(f.outcome, Outcome::ContextOverflow | Outcome::ContentFilter | Outcome::Untranslatable)
        };
        if self.failed.iter().all(own_fault)
            && let Some((spec, error)) = self.refusal.take()
        {
            return refused(&spec, error, self.failed);
        }
        if !self.failed.is_empty() {
            if self.budget_spent {
                tracing::warn!("no further attempt: the budget of all requests is spent");
            }
            let retry_after = self.shortest_wait();
            return EngineError::AllFailed { retry_after, attempts: self.failed };
        }
        let resting = self.places.iter().filter_map(|place| match place.state {
            PlaceState::Resting(Standing::Limited(wait)) => Some((true, wait)),
            PlaceState::Resting(Standing::LastResort(wait)) => Some((false, wait)),
            _ => None,
        });
        let resting: Vec<_> = resting.collect();
        let soonest = resting.iter().map(|(_, wait)| *wait).min().unwrap_or(Duration::from_secs(1));
        if self.crowded || resting.is_empty() {
            return EngineError::Busy { retry_after: Duration::from_secs(1) };
        }
        if resting.iter().all(|(limited, _)| *limited) {
            return EngineError::Limited { retry_after: soonest };
        }
        EngineError::Resting { retry_after: soonest }
    }

    /// Where all were rate limits: the soonest moment at which one of them may answer.
    fn shortest_wait(&self) -> Option<Duration> {
        let all_limited = self.failed.iter().all(|f| f.outcome == Outcome::RateLimited);
        let shortest = self.waits.iter().flatten().min().copied();
        all_limited.then(|| shortest.unwrap_or(Duration::from_secs(1)))
    }
}
