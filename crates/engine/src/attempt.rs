//! One attempt, recorded exactly once: when it ends, or when it is dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pointsman_latency::LatencyRegistry;
use pointsman_protocol::{Finish, Usage};
use pointsman_types::{ModelSpec, Observation, Outcome, Tokens};
use tokio::time::Instant;

use crate::{
    Metrics,
    breakers::Breaker,
    circuit::{Passage, Wait},
    learning::{Learned, Lesson, Pupil},
};

/// Where observations go.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) latency: LatencyRegistry,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) learned: Learned,
}

/// What an attempt is made of.
pub(crate) struct Start {
    pub(crate) spec: Arc<ModelSpec>,
    pub(crate) streamed: bool,
    pub(crate) breaker: Breaker,
    pub(crate) passage: Passage,
    /// The input, as we estimate it.
    pub(crate) input: Tokens,
    /// What its end teaches, where learning is on.
    pub(crate) pupil: Option<Pupil>,
    /// Set as soon as one of the attempts of the request has won.
    pub(crate) won: Arc<AtomicBool>,
}

/// An attempt that is under way. Dropped before its end, it counts as superseded where another has won, else as
/// cancelled by the client.
pub(crate) struct Attempt {
    recorder: Recorder,
    start: Start,
    wait: Wait,
    started: Instant,
    ttft: Option<Duration>,
    recorded: bool,
}

/// How an attempt ended, as far as the answer tells.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ending {
    pub(crate) usage: Usage,
    pub(crate) finish: Option<Finish>,
    /// Bytes of text that came.
    pub(crate) text_bytes: u64,
}

/// An attempt without content after so many times its usual time is overdue ...
const PATIENCE: u32 = 3;
/// ... but never before this.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

impl Attempt {
    pub(crate) fn begin(recorder: &Recorder, start: Start) -> Self {
        let view = recorder.latency.view(&start.spec.backend, &start.spec.id);
        let usual = if start.streamed { view.ttft_p95 } else { view.total_p95 };
        let wait = start.breaker.begins(usual.map(|usual| (usual * PATIENCE).max(LEAST_PATIENCE)));
        let recorder = recorder.clone();
        Self { recorder, start, wait, started: Instant::now(), ttft: None, recorded: false }
    }

    pub(crate) fn spec(&self) -> &Arc<ModelSpec> {
        &self.start.spec
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.recorder.metrics
    }

    /// The first content is here: no other attempt of the request is needed.
    pub(crate) fn won(&mut self) {
        self.start.won.store(true, Ordering::Release);
        self.ttft = Some(self.started.elapsed());
        self.start.breaker.answers(self.start.passage, self.wait);
    }

    /// The provider is over its limit, for so long if it says so.
    pub(crate) fn limited(&self, stated: Option<Duration>) {
        self.start.breaker.limit(stated);
    }

    /// Records the end. Gives back what it used: as the backend counted, else as we estimate.
    pub(crate) fn end(&mut self, outcome: Outcome, ending: Ending) -> Usage {
        let (usage, estimated) = self.usage(outcome, ending);
        if std::mem::replace(&mut self.recorded, true) {
            return usage;
        }
        let start = &mut self.start;
        if let (Some(pupil), Some(lesson)) = (start.pupil.take(), Lesson::of(outcome, ending.finish)) {
            self.recorder.learned.ended(pupil, lesson);
        }
        let observation = Observation {
            backend: start.spec.backend.clone(),
            model: start.spec.id.clone(),
            outcome,
            streamed: start.streamed,
            ttft: self.ttft,
            total: self.started.elapsed(),
            input_tokens: usage.input,
            output_tokens: usage.output,
            estimated,
        };
        let view = self.recorder.latency.view(&start.spec.backend, &start.spec.id);
        if start.breaker.ended(outcome, start.passage, self.wait, &view) {
            tracing::warn!(model = %start.spec.id, backend = %start.spec.backend, "breaker opened");
        }
        self.recorder.metrics.attempt(&observation, start.spec.price.as_ref());
        self.recorder.latency.record(observation);
        usage
    }

    /// What the provider will most likely charge for.
    fn usage(&self, outcome: Outcome, ending: Ending) -> (Usage, bool) {
        let counted = ending.usage;
        let nothing = counted.input.is_none() && counted.output.is_none();
        let worked = outcome == Outcome::Ok || outcome == Outcome::Superseded || ending.text_bytes > 0;
        if !nothing || !worked {
            return (counted, false);
        }
        // four bytes a token, as for the input
        let output = Tokens(ending.text_bytes.div_ceil(4));
        (Usage { input: Some(self.start.input), output: Some(output) }, true)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.recorded {
            return;
        }
        let beaten = self.ttft.is_none() && self.start.won.load(Ordering::Acquire);
        self.end(if beaten { Outcome::Superseded } else { Outcome::Cancelled }, Ending::default());
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("model", &self.start.spec.id).finish_non_exhaustive()
    }
}
