//! The plan, tried in order until a backend answers.

use std::{sync::Arc, time::Duration};

use pointsman_protocol::{Adaptation, ChatRequest, Usage};
use pointsman_types::{BackendKind, Decision, MicroUsd, ModelSpec, Outcome, RequestId, Tokens};
use pointsman_upstream::{AttemptError, Reply, Transport};

use tokio::time::{Instant, timeout_at};

use crate::{
    EngineError, FailedAttempt, ReplyBody, ReplyStream,
    adapt::adaptations,
    attempt::{Attempt, Recorder},
    learning::Pupil,
};

/// Who answered, and what.
pub(crate) struct Executed {
    pub(crate) spec: Arc<ModelSpec>,
    pub(crate) attempts: usize,
    pub(crate) cost: Option<MicroUsd>,
    /// What was changed in the request for this model.
    pub(crate) changes: Vec<Adaptation>,
    pub(crate) body: ReplyBody,
}

/// What is to be tried, and how long.
pub(crate) struct Plan<'a> {
    pub(crate) request: &'a ChatRequest<'a>,
    pub(crate) stream: bool,
    /// What the backend of a model speaks.
    pub(crate) kind: &'a (dyn Fn(&ModelSpec) -> BackendKind + Sync),
    pub(crate) request_id: &'a RequestId,
    pub(crate) decision: &'a Decision,
    pub(crate) max_attempts: usize,
    /// When the request came in; its first content is due `timeout` later, over all attempts.
    pub(crate) started: Instant,
    pub(crate) timeout: Duration,
}

/// Tries candidates in order. Until one of them has sent content nothing has reached the client, so each
/// failure that is not the request's own fault moves on to the next.
pub(crate) async fn execute(
    transport: &Transport,
    recorder: &Recorder,
    plan: &Plan<'_>,
) -> Result<Executed, EngineError> {
    let mut failed = Vec::new();
    let mut waits = Vec::new();
    for ranked in plan.decision.candidates.iter().take(plan.max_attempts.max(1)) {
        let spec = &ranked.spec;
        let changes = adaptations(plan.request, spec, (plan.kind)(spec));
        let body = plan.request.body_for(&spec.upstream_id, &changes);
        let pupil = recorder.learned.is_on().then(|| Pupil::new(plan.request_id, spec, plan.decision));
        let mut attempt = Attempt::begin(recorder, spec, plan.stream, pupil);
        let answer = transport.chat(&spec.backend, spec.id.as_str(), body, plan.stream);
        let Ok(answer) = timeout_at(plan.started + plan.timeout, answer).await else {
            // the backend was late; the client is still there
            attempt.end(Outcome::Timeout, Usage::default(), None);
            return Err(EngineError::Deadline { after: plan.timeout });
        };
        match answer {
            Ok(reply) => return Ok(Executed { changes, ..finish(reply, attempt, spec, failed.len() + 1) }),
            Err(error) => {
                attempt.end(error.outcome, Usage::default(), None);
                let elapsed = attempt.elapsed();
                tracing::warn!(model = %spec.id, backend = %spec.backend, ?elapsed, %error, "attempt failed");
                if !error.may_retry_elsewhere() {
                    return Err(refused(spec, error));
                }
                waits.push(if error.outcome == Outcome::RateLimited { error.retry_after } else { None });
                failed.push(FailedAttempt {
                    model: spec.id.clone(),
                    backend: spec.backend.clone(),
                    outcome: error.outcome,
                    message: error.message,
                });
            }
        }
    }
    Err(EngineError::AllFailed { retry_after: shortest_wait(&failed, &waits), attempts: failed })
}

fn finish(reply: Reply, mut attempt: Attempt, spec: &Arc<ModelSpec>, attempts: usize) -> Executed {
    let (cost, body) = match reply {
        Reply::Json(answer) => {
            attempt.end(Outcome::Ok, answer.usage, answer.finish);
            (cost(spec, answer.usage), ReplyBody::Json(answer.body))
        }
        Reply::Stream(stream) => {
            attempt.first_content();
            (None, ReplyBody::Stream(Box::new(ReplyStream::new(*stream, attempt))))
        }
    };
    Executed { spec: Arc::clone(spec), attempts, cost, changes: Vec::new(), body }
}

fn cost(spec: &ModelSpec, usage: Usage) -> Option<MicroUsd> {
    let (Tokens(input), Tokens(output)) = (usage.input?, usage.output?);
    Some(spec.price?.cost(Tokens(input), Tokens(output)))
}

fn refused(spec: &ModelSpec, error: AttemptError) -> EngineError {
    EngineError::Refused {
        backend: spec.backend.clone(),
        status: error.status.unwrap_or(400),
        body: error.body,
        message: error.message,
    }
}

/// Where all were rate limits: the soonest moment at which one of them may answer.
fn shortest_wait(failed: &[FailedAttempt], waits: &[Option<Duration>]) -> Option<Duration> {
    let all_limited = failed.iter().all(|f| f.outcome == Outcome::RateLimited);
    let shortest = waits.iter().flatten().min().copied();
    all_limited.then(|| shortest.unwrap_or(Duration::from_secs(1)))
}
