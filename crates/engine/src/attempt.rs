//! One attempt, recorded exactly once: when it ends, or when it is dropped.

use std::{sync::Arc, time::Duration};

use pointsman_latency::LatencyRegistry;
use pointsman_protocol::{Finish, Usage};
use pointsman_types::{ModelSpec, Observation, Outcome};
use tokio::time::Instant;

use crate::{
    Metrics,
    learning::{Learned, Lesson, Pupil},
};

/// Where observations go.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    pub(crate) latency: LatencyRegistry,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) learned: Learned,
}

/// An attempt that is under way. Dropped before its end, it counts as cancelled by the client.
#[derive(Debug)]
pub(crate) struct Attempt {
    recorder: Recorder,
    spec: Arc<ModelSpec>,
    started: Instant,
    streamed: bool,
    ttft: Option<Duration>,
    /// What its end teaches, where learning is on.
    pupil: Option<Pupil>,
    recorded: bool,
}

impl Attempt {
    pub(crate) fn begin(
        recorder: &Recorder,
        spec: &Arc<ModelSpec>,
        streamed: bool,
        pupil: Option<Pupil>,
    ) -> Self {
        Self {
            recorder: recorder.clone(),
            spec: Arc::clone(spec),
            started: Instant::now(),
            streamed,
            ttft: None,
            pupil,
            recorded: false,
        }
    }

    /// The first content is here.
    pub(crate) fn first_content(&mut self) {
        self.ttft = Some(self.started.elapsed());
    }

    pub(crate) fn end(&mut self, outcome: Outcome, usage: Usage, finish: Option<Finish>) {
        if std::mem::replace(&mut self.recorded, true) {
            return;
        }
        if let (Some(pupil), Some(lesson)) = (self.pupil.take(), Lesson::of(outcome, finish)) {
            self.recorder.learned.ended(pupil, lesson);
        }
        let observation = Observation {
            backend: self.spec.backend.clone(),
            model: self.spec.id.clone(),
            outcome,
            streamed: self.streamed,
            ttft: self.ttft,
            total: self.started.elapsed(),
            input_tokens: usage.input,
            output_tokens: usage.output,
        };
        self.recorder.metrics.attempt(&observation, self.spec.price.as_ref());
        self.recorder.latency.record(observation);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled, Usage::default(), None);
    }
}
