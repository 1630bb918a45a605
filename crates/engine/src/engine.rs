//! The engine: starts the actors, takes requests through them, stops them.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pointsman_actors::{QueueStats, Supervisor};
use pointsman_catalog::{CatalogHandle, CatalogSnapshot};
use pointsman_classifier::{ArtifactSource, Classifier, ClassifierHandle, Device, EmbedderInfo};
use pointsman_decide::{WhyNot, is_open};
use pointsman_latency::LatencyRegistry;
use pointsman_protocol::ChatRequest;
use pointsman_types::{
    BackendKind, Classification, Decision, ModelForm, ModelSpec, NoRoute, RequestId, RouteRequest,
};
use pointsman_upstream::Transport;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    ChatReply, EngineError, FeedbackError, Metrics, ReplyMeta,
    attempt::Recorder,
    dispatcher::{Ask, DispatcherHandle, DispatcherMsg},
    execute::{Plan, execute},
    gather::Gatherer,
    outcomes::Outcomes,
    resolve::resolve,
    sessions::{SessionKey, Sessions},
};

/// A running engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) supervisor: Supervisor,
    pub(crate) catalog: CatalogHandle,
    pub(crate) classifier: ClassifierHandle,
    pub(crate) outcomes: Option<Arc<Outcomes>>,
    pub(crate) dispatchers: Vec<DispatcherHandle>,
    pub(crate) transport: Transport,
    pub(crate) recorder: Recorder,
    pub(crate) gatherer: Gatherer,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) limits: Limits,
    pub(crate) hasher: RandomState,
    pub(crate) requests: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) classify: Duration,
    pub(crate) decide: Duration,
    pub(crate) request: Duration,
    pub(crate) max_attempts: usize,
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

impl Engine {
    /// A new id for a request, unique within this process.
    pub fn request_id(&self) -> RequestId {
        let number = self.inner.requests.fetch_add(1, Ordering::Relaxed);
        RequestId::new(format!("req_{:016x}", self.inner.hasher.hash_one(number)))
    }

    /// Answers a chat request. Requests of one `session` meet the same dispatcher.
    pub async fn chat(
        &self,
        id: &RequestId,
        body: &[u8],
        session: Option<&str>,
    ) -> Result<ChatReply, EngineError> {
        let started = Instant::now();
        let inner = &self.inner;
        let request = ChatRequest::parse(body)?;
        let routed = self.route(id, &request, session, None, started).await?;
        let overhead = started.elapsed();
        inner.recorder.metrics.overhead(overhead.as_secs_f64());
        let limits = &inner.limits;
        let catalog = self.catalog();
        let kind = |spec: &ModelSpec| {
            let state = catalog.backends().iter().find(|b| b.endpoint.id == spec.backend);
            state.map_or(BackendKind::OpenAi, |state| state.endpoint.kind)
        };
        let plan = Plan {
            kind: &kind,
            request: &request,
            request_id: id,
            stream: routed.request.features.stream,
            decision: &routed.decision,
            max_attempts: limits.max_attempts,
            started,
            timeout: limits.request,
        };
        let executed = execute(&inner.transport, &inner.recorder, &plan).await?;
        self.remember(&routed, &executed.spec);
        let meta = ReplyMeta {
            request_id: routed.request_id,
            spec: executed.spec,
            decision: routed.decision,
            attempts: executed.attempts,
            cost: executed.cost,
            changes: executed.changes,
            overhead_us: overhead.as_micros() as u64,
        };
        Ok(ChatReply { meta, body: executed.body })
    }

    /// Decides a chat request and sends it nowhere; says what would have to change for `why_not` to win.
    pub async fn decide(
        &self,
        id: &RequestId,
        body: &[u8],
        session: Option<&str>,
        why_not: Option<&str>,
    ) -> Result<Routed, EngineError> {
        let started = Instant::now();
        self.route(id, &ChatRequest::parse(body)?, session, why_not, started).await
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
        session: Option<&str>,
        why_not: Option<&str>,
        started: Instant,
    ) -> Result<Routed, EngineError> {
        let inner = &self.inner;
        let resolved = resolve(request, &inner.gatherer);
        let signals = self.signals(request, &resolved, started).await;
        // a named model has no choice to remember, and its conversation is not looked at
        let open = is_open(&resolved);
        let session = if open {
            inner.sessions.key(session, &resolved.options, request)
        } else {
            SessionKey(inner.hasher.hash_one(id.as_str()))
        };
        let dispatcher = &inner.dispatchers[(session.0 % inner.dispatchers.len() as u64) as usize];
        let deadline = Instant::now() + inner.limits.decide;
        let estimates = self.estimates(request, &signals).await;
        let ask = Box::new(Ask {
            request: resolved.clone(),
            estimates,
            signals,
            session,
            seed: inner.hasher.hash_one(id.as_str()),
            why_not: why_not.map(str::to_owned),
        });
        let answer = dispatcher.ask(deadline, |reply| DispatcherMsg(ask, reply)).await;
        let answer = answer.map_err(|error| EngineError::Actor { actor: "dispatcher", error })??;
        inner.recorder.metrics.decision(&answer.decision);
        Ok(Routed {
            request_id: id.clone(),
            request: resolved,
            decision: Arc::new(answer.decision),
            why_not: answer.why_not,
            session,
            prompt: if open { inner.sessions.digest(&request.prompt()) } else { 0 },
            elapsed_us: started.elapsed().as_micros() as u64,
        })
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

    fn queues(&self) -> Vec<QueueStats> {
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
