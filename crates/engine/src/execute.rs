//! The plan, tried in order until a backend answers.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::HeaderValue;
use pointsman_protocol::Usage;
use pointsman_types::{Decision, MicroUsd, ModelSpec, Outcome, RequestId, Tokens};
use pointsman_upstream::{
    AttemptError, BreakerSettings, Call, HedgeSettings, Operation, Pass, Reply, ReplyBody as Answered,
    RetrySettings, Transport,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    Caller, EngineError, FailedAttempt, ReplyBody, ReplyStream,
    attempt::{Attempt, Ending, Recorder, Start},
    breakers::{Breaker, Breakers},
    budget::RetryBudget,
    circuit::Passage,
    learning::Pupil,
    queue::Queue,
};

/// What attempts are made with.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) transport: Transport,
    pub(crate) breakers: Breakers,
    pub(crate) breaker: BreakerSettings,
    pub(crate) retries: RetrySettings,
    pub(crate) budget: RetryBudget,
    pub(crate) hedge: HedgeSettings,
    /// How long a request waits for a place where every backend is at its limit.
    pub(crate) queue: Duration,
}

/// Who answered, and what.
pub(crate) struct Executed {
    pub(crate) spec: Arc<ModelSpec>,
    pub(crate) attempts: usize,
    pub(crate) cost: Option<MicroUsd>,
    /// What was changed in the request for this model.
    pub(crate) changes: Vec<String>,
    pub(crate) hedged: bool,
    pub(crate) backend_request_id: Option<HeaderValue>,
    pub(crate) body: ReplyBody,
}

/// What is to be tried, and how long.
pub(crate) struct Plan<'a> {
    pub(crate) operation: Operation,
    /// The body for a model, and what was changed in it.
    pub(crate) body_for: &'a (dyn Fn(&ModelSpec) -> (Bytes, Vec<String>) + Sync),
    pub(crate) caller: &'a Caller,
    pub(crate) request_id: &'a RequestId,
    pub(crate) decision: &'a Decision,
    pub(crate) stream: bool,
    /// The input, as we estimate it.
    pub(crate) input: Tokens,
    /// When the request came in; its first content is due `timeout` later, over all attempts.
    pub(crate) started: Instant,
    pub(crate) timeout: Duration,
}

/// A candidate whose turn it is.
pub(crate) struct Turn {
    pub(crate) spec: Arc<ModelSpec>,
    pub(crate) breaker: Breaker,
    pub(crate) passage: Passage,
    pub(crate) place: Pass,
}

type Tried = (Attempt, Vec<String>, Option<Result<Reply, AttemptError>>);
type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Tried> + Send + 'a>>>;

/// Tries candidates in order. Until one of them has sent content nothing has reached the client, so each failure
/// that is not the request's own fault moves on to the next.
pub(crate) async fn execute(
    means: &Means,
    recorder: &Recorder,
    plan: &Plan<'_>,
) -> Result<Executed, EngineError> {
    means.budget.request();
    let won = Arc::new(AtomicBool::new(false));
    let end = plan.started + plan.timeout;
    let mut queue = Queue::new(means, recorder, plan);
    let mut running = Running::new();
    let mut hedge = None;
    let mut hedged = false;
    loop {
        if running.is_empty() {
            let Ok(turn) = timeout_at(end, queue.next()).await else { return Err(queue.deadline()) };
            let Some(turn) = turn else { return Err(queue.verdict()) };
            hedge = queue.hedge_at(&turn);
            running.push(start(means, recorder, plan, turn, &won));
        }
        tokio::select! {
            biased;
            Some((mut attempt, changes, answer)) = running.next() => match answer {
                // the backend was late; the client is still there
                None => {
                    attempt.end(Outcome::Timeout, Ending::default());
                    queue.late(&attempt);
                    // one that runs beside it is late now too, or answers at this very moment
                    if running.is_empty() {
                        return Err(queue.deadline());
                    }
                }
                Some(Ok(reply)) => {
                    let attempts = queue.failed.len() + 1 + running.len();
                    return Ok(Executed { attempts, hedged, ..finish(reply, attempt, changes) });
                }
                Some(Err(error)) => queue.failed(attempt, error).inspect_err(|_| {
                    // whoever runs beside it is not waited for
                    won.store(true, Ordering::Release);
                })?,
            },
            () = at(hedge) => {
                hedge = None;
                if let Some(turn) = queue.pick() {
                    hedged = true;
                    running.push(start(means, recorder, plan, turn, &won));
                }
            }
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn start<'a>(
    means: &'a Means,
    recorder: &Recorder,
    plan: &'a Plan<'a>,
    turn: Turn,
    won: &Arc<AtomicBool>,
) -> Pin<Box<dyn Future<Output = Tried> + Send + 'a>> {
    let Turn { spec, breaker, passage, place } = turn;
    let (body, changes) = (plan.body_for)(&spec);
    let pupil = recorder.learned.is_on().then(|| Pupil::new(plan.request_id, &spec, plan.decision));
    let attempt = Attempt::begin(
        recorder,
        Start {
            spec: Arc::clone(&spec),
            streamed: plan.stream,
            breaker,
            passage,
            input: plan.input,
            pupil,
            won: Arc::clone(won),
        },
    );
    Box::pin(async move {
        let call = Call {
            operation: plan.operation,
            model: spec.id.as_str(),
            upstream_model: &spec.upstream_id,
            body,
            stream: plan.stream,
            headers: &plan.caller.headers,
            authorization: plan.caller.authorization.as_ref(),
        };
        let sent = means.transport.send(&spec.backend, place, call);
        let answer = timeout_at(plan.started + plan.timeout, sent).await.ok();
        (attempt, changes, answer)
    })
}

fn finish(reply: Reply, mut attempt: Attempt, mut changes: Vec<String>) -> Executed {
    attempt.won();
    if reply.limited.is_some() {
        attempt.limited(reply.limited);
    }
    let spec = Arc::clone(attempt.spec());
    let (cost, body) = match reply.body {
        Answered::Json(answer) => {
            let ending = Ending { usage: answer.usage, finish: answer.finish, text_bytes: answer.text_bytes };
            attempt.end(Outcome::Ok, ending);
            (cost(&spec, answer.usage), ReplyBody::Json(answer.body))
        }
        Answered::Stream(stream) => (None, ReplyBody::Stream(Box::new(ReplyStream::new(*stream, attempt)))),
    };
    changes.extend(reply.dropped.into_iter().map(|what| format!("dropped {what}")));
    Executed { spec, attempts: 1, cost, changes, hedged: false, backend_request_id: reply.request_id, body }
}

fn cost(spec: &ModelSpec, usage: Usage) -> Option<MicroUsd> {
    let (Tokens(input), Tokens(output)) = (usage.input?, usage.output?);
    Some(spec.price?.cost(Tokens(input), Tokens(output)))
}

/// The refusal of a request that is itself at fault.
pub(crate) fn refused(spec: &ModelSpec, error: AttemptError, attempts: Vec<FailedAttempt>) -> EngineError {
    EngineError::Refused {
        backend: spec.backend.clone(),
        outcome: error.outcome,
        attempts,
        status: error.status.unwrap_or(400),
        body: error.body,
        message: error.message,
    }
}

/// One failure as it is told to the client.
pub(crate) fn told(spec: &ModelSpec, outcome: Outcome, message: String) -> FailedAttempt {
    FailedAttempt { model: spec.id.clone(), backend: spec.backend.clone(), outcome, message }
}
