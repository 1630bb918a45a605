//! The engine: starts the actors, takes requests through them, stops them.

use std::{
    collections::BTreeMap,
    hash::BuildHasher,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use pointsman_actors::{CallError, QueueStats};
use pointsman_catalog::{CatalogHandle, CatalogSnapshot};
use pointsman_classifier::{ArtifactSource, Classifier, Device, EmbedderInfo};
use pointsman_decide::{Signals, WhyNot, is_open};
use pointsman_dialects::{Takes, has_extensions, without_extensions};
use pointsman_latency::LatencyRegistry;
use pointsman_protocol::{ChatRequest, EmbeddingsRequest};
use pointsman_types::{
    Classification, Decision, ModelForm, ModelSpec, NoRoute, Priority, RequestId, RouteRequest,
};
use pointsman_upstream::{Gate, Operation, Pass};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    Caller, ChatReply, EngineError, FeedbackError, Metrics, ReplyBody, ReplyMeta,
    adapt::{adaptations, takes},
    dispatcher::{Answer, Ask, DispatcherHandle, DispatcherMsg},
    execute::{Means, Plan, execute},
    gather::Gatherer,
    outcomes::Estimates,
    resolve::{follow_aliases, resolve},
    sessions::SessionKey,
    start::{Lasting, Lease},
};

/// When to ask again who found no place.
const BUSY: Duration = Duration::from_secs(1);

/// A running engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) lasting: Lasting,
    pub(crate) catalog: CatalogHandle,
    pub(crate) dispatchers: Vec<DispatcherHandle>,
    pub(crate) means: Means,
    pub(crate) admission: Gate,
    pub(crate) gatherer: Gatherer,
    pub(crate) limits: Limits,
    pub(crate) _lease: Lease,
}

impl std::ops::Deref for Inner {
    type Target = Lasting;

    fn deref(&self) -> &Lasting {
        &self.lasting
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) classify: Duration,
    pub(crate) decide: Duration,
    pub(crate) request: Duration,
    pub(crate) ready_models: usize,
    /// What encoders run on.
    pub(crate) device: Device,
}

/// Whether the engine can serve, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// It can.
    pub ready: bool,
    /// What is in the way, or only worth knowing.
    pub reasons: Vec<String>,
    /// Models in the catalog.
    pub models: usize,
}

/// A decision and the request it is for.
#[derive(Debug, Clone, Serialize)]
pub struct Routed {
    /// This request.
    pub request_id: RequestId,
    /// What was asked for.
    #[serde(flatten)]
    pub request: RouteRequest,
    /// The plan and its reasons.
    #[serde(flatten)]
    pub decision: Arc<Decision>,
    /// Why not the model that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<WhyNot>,
    #[serde(skip)]
    session: SessionKey,
    /// The last user turn, to know it again.
    #[serde(skip)]
    prompt: u64,
    /// From the body to the decision, in microseconds.
    pub elapsed_us: u64,
}

impl Routed {
    fn new(
        id: &RequestId,
        request: RouteRequest,
        answer: Answer,
        session: SessionKey,
        prompt: u64,
        started: Instant,
    ) -> Self {
        Self {
            request_id: id.clone(),
            request,
            decision: Arc::new(answer.decision),
            why_not: answer.why_not,
            session,
            prompt,
            elapsed_us: started.elapsed().as_micros() as u64,
        }
    }
}

impl Engine {
    /// A new id for a request, unique within this process.
    pub fn request_id(&self) -> RequestId {
        let number = self.inner.requests.fetch_add(1, Ordering::Relaxed);
        RequestId::new(format!("req_{:016x}", self.inner.hasher.hash_one(number)))
    }

    /// Answers a chat request. Requests of one `session` meet the same dispatcher.
    pub async fn chat(&self, id: &RequestId, body: &[u8], caller: &Caller) -> Result<ChatReply, EngineError> {
        let started = Instant::now();
        let request = ChatRequest::parse(body)?;
        let admitted = self.admit(caller.priority, started).await?;
        let routed = self.route(id, &request, caller, None, started).await?;
        let catalog = self.catalog();
        let body_for = |spec: &ModelSpec| {
            let kind = catalog.kind_of(&spec.backend);
            let changes = adaptations(&request, spec, kind);
            let body = request.body_for(&spec.upstream_id, &changes);
            let mut told: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let takes = takes(kind, spec, caller.extended);
            // who speaks OpenAI's dialect to a server that passes over what it does not know is let through as is
            let passes = takes == Takes::Lenient || !has_extensions(&body);
            if takes == Takes::All || (!caller.extended && passes) {
                return (body, told);
            }
            let (body, dropped) = without_extensions(&body, takes);
            told.extend(dropped.into_iter().map(|what| format!("dropped {what}")));
            (body.into(), told)
        };
        let reply = self.execute(&routed, Operation::Chat, &body_for, caller, admitted, started).await?;
        self.remember(&routed, &reply.meta.spec);
        Ok(reply)
    }

    /// Answers a request for embeddings.
    pub async fn embeddings(
        &self,
        id: &RequestId,
        body: &[u8],
        caller: &Caller,
    ) -> Result<ChatReply, EngineError> {
        let started = Instant::now();
        let request = EmbeddingsRequest::parse(body)?;
        let admitted = self.admit(caller.priority, started).await?;
        let mut resolved = request.route();
        follow_aliases(&mut resolved.forms, &self.inner.gatherer.aliases);
        let session = SessionKey(self.inner.hasher.hash_one(id.as_str()));
        let answer = self.ask(id, &resolved, Signals::default(), None, session, None).await?;
        let routed = Routed::new(id, resolved, answer, session, 0, started);
        let body_for = |spec: &ModelSpec| (request.body_for(&spec.upstream_id), Vec::new());
        self.execute(&routed, Operation::Embeddings, &body_for, caller, admitted, started).await
    }

    /// A place among the requests that are worked on.
    async fn admit(&self, priority: Priority, started: Instant) -> Result<Pass, EngineError> {
        let wait = self.inner.means.queue.min(self.inner.limits.request);
        let admitted = self.inner.admission.enter(priority, started + wait).await;
        admitted.map_err(|_| EngineError::Busy { retry_after: BUSY })
    }

    async fn execute(
        &self,
        routed: &Routed,
        operation: Operation,
        body_for: &(dyn Fn(&ModelSpec) -> (Bytes, Vec<String>) + Sync),
        caller: &Caller,
        admitted: Pass,
        started: Instant,
    ) -> Result<ChatReply, EngineError> {
        let inner = &self.inner;
        let overhead = started.elapsed();
        inner.recorder.metrics.overhead(overhead.as_secs_f64());
        let features = &routed.request.features;
        let plan = Plan {
            operation,
            body_for,
            caller,
            request_id: &routed.request_id,
            decision: &routed.decision,
            stream: features.stream,
            input: features.input_tokens,
            started,
            timeout: inner.limits.request,
        };
        let executed = execute(&inner.means, &inner.recorder, &plan).await?;
        let meta = ReplyMeta {
            request_id: routed.request_id.clone(),
            spec: executed.spec,
            decision: Arc::clone(&routed.decision),
            attempts: executed.attempts,
            cost: executed.cost,
            changes: executed.changes,
            hedged: executed.hedged,
            backend_request_id: executed.backend_request_id,
            overhead_us: overhead.as_micros() as u64,
        };
        let mut body = executed.body;
        if let ReplyBody::Stream(stream) = &mut body {
            stream.hold(admitted);
        }
        Ok(ChatReply { meta, body })
    }

    /// Decides a chat request and sends it nowhere; says what would have to change for `why_not` to win.
    pub async fn decide(
        &self,
        id: &RequestId,
        body: &[u8],
        caller: &Caller,
        why_not: Option<&str>,
    ) -> Result<Routed, EngineError> {
        let started = Instant::now();
        self.route(id, &ChatRequest::parse(body)?, caller, why_not, started).await
    }

    /// Who answered is who goes on with a conversation; an answer whose prompt comes again was of no use.
    fn remember(&self, routed: &Routed, spec: &ModelSpec) {
        let inner = &self.inner;
        if !is_open(&routed.request) {
            return;
        }
        let input = routed.request.features.input_tokens;
        let before = inner.sessions.answered(routed.session, spec, input, routed.prompt);
        let learned = &inner.recorder.learned;
        if let (Some(before), true) = (before, learned.is_on()) {
            let catalog = self.catalog();
            let same = |other: &&Arc<ModelSpec>| other.id == before.model && other.backend == before.backend;
            if let Some(earlier) = catalog.models().iter().find(same) {
                learned.asked_again(earlier, &routed.decision);
            }
        }
    }

    /// A person's or a program's word on a recent answer, 0..1.
    pub async fn feedback(
        &self,
        request: RequestId,
        score: f32,
    ) -> Result<Result<(), FeedbackError>, EngineError> {
        let deadline = Instant::now() + self.inner.limits.decide;
        let told = self.inner.recorder.learned.feedback(request, score, deadline).await;
        told.map_err(|error| EngineError::Actor { actor: "learning", error })
    }

    async fn route(
        &self,
        id: &RequestId,
        request: &ChatRequest<'_>,
        caller: &Caller,
        why_not: Option<&str>,
        started: Instant,
    ) -> Result<Routed, EngineError> {
        let inner = &self.inner;
        let mut resolved = resolve(request, &inner.gatherer);
        resolved.options.key = caller.key.clone();
        let signals = self.signals(request, &resolved, started).await;
        // a named model has no choice to remember, and its conversation is not looked at
        let open = is_open(&resolved);
        let session = if open {
            inner.sessions.key(caller.session.as_deref(), &resolved.options, request)
        } else {
            SessionKey(inner.hasher.hash_one(id.as_str()))
        };
        let estimates = self.estimates(request, &signals).await;
        let answer = self.ask(id, &resolved, signals, estimates, session, why_not).await?;
        let prompt = if open { inner.sessions.digest(&request.prompt()) } else { 0 };
        Ok(Routed::new(id, resolved, answer, session, prompt, started))
    }

    /// Asks a dispatcher, once more where it ended with the question: a decision changes nothing.
    async fn ask(
        &self,
        id: &RequestId,
        request: &RouteRequest,
        signals: Signals,
        estimates: Option<Estimates>,
        session: SessionKey,
        why_not: Option<&str>,
    ) -> Result<Answer, EngineError> {
        let inner = &self.inner;
        let dispatcher = &inner.dispatchers[(session.0 % inner.dispatchers.len() as u64) as usize];
        let deadline = Instant::now() + inner.limits.decide;
        let ask = Arc::new(Ask {
            request: request.clone(),
            estimates,
            signals,
            session,
            seed: inner.hasher.hash_one(id.as_str()),
            why_not: why_not.map(str::to_owned),
        });
        let mut answer = dispatcher.ask(deadline, |reply| DispatcherMsg(Arc::clone(&ask), reply)).await;
        if matches!(answer, Err(CallError::Dropped)) {
            answer = dispatcher.ask(deadline, |reply| DispatcherMsg(Arc::clone(&ask), reply)).await;
        }
        let answer = answer.map_err(|error| EngineError::Actor { actor: "dispatcher", error })??;
        inner.recorder.metrics.decision(&answer.decision);
        Ok(answer)
    }

    /// Classifies texts, in order. `deadline` is for all of them.
    pub async fn classify(
        &self,
        texts: &[String],
        deadline: Instant,
    ) -> Result<Vec<Arc<Classification>>, EngineError> {
        let mut answers = Vec::with_capacity(texts.len());
        for text in texts {
            let answer = self.inner.classifier.classify(text, deadline).await;
            answers.push(answer.map_err(|error| EngineError::Unclassified { why: error.to_string() })?);
        }
        Ok(answers)
    }

    /// The catalog of this moment.
    pub fn catalog(&self) -> Arc<CatalogSnapshot> {
        self.inner.catalog.snapshot()
    }

    /// The user's aliases, each with its chain.
    pub fn aliases(&self) -> &BTreeMap<String, Vec<ModelForm>> {
        &self.inner.gatherer.aliases
    }

    /// The tags of trades that have a list of models.
    pub fn industries(&self) -> impl Iterator<Item = &str> {
        self.inner.gatherer.industries.keys().map(String::as_str)
    }

    /// The error for a name that nobody has.
    pub fn unknown_model(&self, name: &str) -> NoRoute {
        self.inner.gatherer.unknown(name, &self.catalog())
    }

    /// What was observed of a model.
    pub fn latency(&self) -> &LatencyRegistry {
        &self.inner.recorder.latency
    }

    /// The embedders that classify, the one that is asked first in front.
    pub fn embedders(&self) -> Vec<EmbedderInfo> {
        self.inner.classifier.info()
    }

    /// Puts the embedder of `source` in the place of the live one of its tier; the old one stays where the new
    /// one does not load or fails its self-test.
    pub async fn swap_embedder(&self, source: ArtifactSource) -> Result<EmbedderInfo, EngineError> {
        let classifier = self.inner.classifier.clone();
        // seconds of reading, hashing and testing: no work for a runtime worker
        let device = self.inner.limits.device;
        let swap = move || classifier.swap(Classifier::load_on(&source, device)?);
        let swapped = tokio::task::spawn_blocking(swap).await;
        let info = swapped.map_err(|why| EngineError::Unclassified { why: why.to_string() })??;
        tracing::info!(embedder = %info.id, source = info.source, "embedder swapped");
        Ok(info)
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.recorder.metrics
    }

    /// The counters in the text format of Prometheus.
    pub fn metrics_text(&self) -> String {
        let inner = &self.inner;
        inner.means.breakers.prune();
        let breakers = inner.means.breakers.levels();
        inner.recorder.metrics.loads(inner.means.transport.loads(), inner.admission.load(), &breakers);
        let changes = self.inner.catalog.changes();
        let counts = (self.inner.sessions.len(), self.inner.recorder.latency.dropped());
        self.inner.recorder.metrics.encode(self.catalog().backends(), &self.queues(), changes, counts)
    }

    /// Whether it can serve: at least one routable model, and no actor given up.
    pub fn readiness(&self) -> Readiness {
        let catalog = self.catalog();
        let mut reasons: Vec<_> = self
            .inner
            .supervisor
            .failed()
            .into_iter()
            .map(|name| format!("actor {name} failed too often"))
            .collect();
        let routable = catalog.models().iter().filter(|spec| spec.about.stale_since.is_none()).count();
        let needed = self.inner.limits.ready_models;
        if routable < needed {
            let named = if routable == 0 { "no model".to_owned() } else { format!("{routable} models") };
            reasons.push(format!("{named} in the catalog, {needed} needed"));
        }
        Readiness { ready: reasons.is_empty(), reasons, models: catalog.models().len() }
    }

    /// Refuses new work, lets the actors finish what they have, and stops them. Names those that were killed.
    pub async fn stop(&self, deadline: Instant) -> Vec<String> {
        self.inner.supervisor.stop(deadline).await
    }

    /// Waits until an actor was given up: what is left is not whole.
    pub async fn given_up(&self) {
        self.inner.supervisor.given_up().await;
    }

    /// Kills an actor, whatever it is doing, so that its supervisor brings it back. False where none has this name.
    pub async fn restart_actor(&self, name: &str) -> bool {
        self.inner.supervisor.kill(name).await
    }

    /// The counters of every actor's mailbox.
    pub fn queues(&self) -> Vec<QueueStats> {
        let inner = &self.inner;
        let dispatchers = inner.dispatchers.iter().map(pointsman_actors::ActorHandle::stats);
        dispatchers
            .chain(inner.classifier.stats())
            .chain([inner.catalog.stats()])
            .chain(inner.recorder.latency.stats())
            .chain(inner.recorder.learned.stats())
            .collect()
    }
}
