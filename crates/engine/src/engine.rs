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
use pointsman_classifier::{ArtifactSource, Classifier, ClassifierError, ClassifierHandle, EmbedderInfo};
use pointsman_decide::{Signals, follow_up_share, may_follow_up};
use pointsman_latency::LatencyRegistry;
use pointsman_protocol::ChatRequest;
use pointsman_types::{Classification, Decision, ModelForm, NoRoute, RequestId, RouteRequest, Tokens};
use pointsman_upstream::Transport;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    ChatReply, EngineError, Metrics, ReplyMeta,
    attempt::Recorder,
    dispatcher::{DispatcherHandle, DispatcherMsg},
    execute::{Plan, execute},
    resolve::{resolve, unknown_model},
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
    pub(crate) dispatchers: Vec<DispatcherHandle>,
    pub(crate) transport: Transport,
    pub(crate) recorder: Recorder,
    pub(crate) aliases: Arc<BTreeMap<String, ModelForm>>,
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
        let routed = self.route(id, &request, session, started).await?;
        let overhead = started.elapsed();
        inner.recorder.metrics.overhead(overhead.as_secs_f64());
        let limits = &inner.limits;
        let plan = Plan {
            request: &request,
            stream: routed.request.features.stream,
            decision: &routed.decision,
            max_attempts: limits.max_attempts,
            started,
            timeout: limits.request,
        };
        let executed = execute(&inner.transport, &inner.recorder, &plan).await?;
        let meta = ReplyMeta {
            request_id: routed.request_id,
            spec: executed.spec,
            decision: routed.decision,
            attempts: executed.attempts,
            cost: executed.cost,
            overhead_us: overhead.as_micros() as u64,
        };
        Ok(ChatReply { meta, body: executed.body })
    }

    /// Decides a chat request and sends it nowhere.
    pub async fn decide(
        &self,
        id: &RequestId,
        body: &[u8],
        session: Option<&str>,
    ) -> Result<Routed, EngineError> {
        let started = Instant::now();
        self.route(id, &ChatRequest::parse(body)?, session, started).await
    }

    async fn route(
        &self,
        id: &RequestId,
        request: &ChatRequest<'_>,
        session: Option<&str>,
        started: Instant,
    ) -> Result<Routed, EngineError> {
        let inner = &self.inner;
        let resolved = resolve(request, &inner.aliases)?;
        let signals = self.signals(request, &resolved, started).await;
        let key = session.or(resolved.options.session_id.as_deref()).unwrap_or(id.as_str());
        let place = inner.hasher.hash_one(key);
        let dispatcher = &inner.dispatchers[(place % inner.dispatchers.len() as u64) as usize];
        let deadline = Instant::now() + inner.limits.decide;
        let question = Box::new(resolved.clone());
        let decision =
            dispatcher.ask(deadline, |reply| DispatcherMsg::Decide(question, signals, reply)).await;
        let decision = decision.map_err(|error| EngineError::Actor { actor: "dispatcher", error })??;
        inner.recorder.metrics.decision(decision.reason);
        Ok(Routed {
            request_id: id.clone(),
            request: resolved,
            decision: Arc::new(decision),
            elapsed_us: started.elapsed().as_micros() as u64,
        })
    }

    /// Asks the classifier where its answer matters. Whatever keeps it from answering is a reason, no error.
    async fn signals(&self, request: &ChatRequest<'_>, resolved: &RouteRequest, started: Instant) -> Signals {
        if resolved.form != ModelForm::Auto || resolved.options.task.is_some() {
            return Signals::default();
        }
        let inner = &self.inner;
        let asked = self.classify_turn(request, started + inner.limits.classify).await;
        inner.recorder.metrics.classified(started.elapsed().as_secs_f64());
        match asked {
            Ok(classification) => Signals { classification: Some(classification), unclassified: None },
            Err(error) => {
                Signals { classification: None, unclassified: Some(format!("no classification ({error})")) }
            }
        }
    }

    /// Classifies the last user turn, a short one together with the turn that it follows up on.
    async fn classify_turn(
        &self,
        request: &ChatRequest<'_>,
        deadline: Instant,
    ) -> Result<Arc<Classification>, ClassifierError> {
        let classifier = &self.inner.classifier;
        let prompt = request.prompt();
        let length = Tokens::estimate(&prompt);
        let earlier = if may_follow_up(length) { request.earlier_prompt() } else { None };
        let Some(earlier) = earlier else { return classifier.classify(&prompt, deadline).await };
        let (own, earlier) =
            tokio::join!(classifier.classify(&prompt, deadline), classifier.classify(&earlier, deadline));
        let own = own?;
        // without the turn before, this one stands for itself
        let Ok(earlier) = earlier else { return Ok(own) };
        let share = follow_up_share(length, &own);
        Ok(Arc::new(Arc::unwrap_or_clone(own).following(&earlier, share)))
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

    /// The user's aliases.
    pub fn aliases(&self) -> &BTreeMap<String, ModelForm> {
        &self.inner.aliases
    }

    /// The error for a name that nobody has.
    pub fn unknown_model(&self, name: &str) -> NoRoute {
        unknown_model(name, &self.catalog(), &self.inner.aliases)
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
        let swap = move || classifier.swap(Classifier::load(&source)?);
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
        self.inner.recorder.metrics.encode(self.catalog().backends(), &self.queues(), changes)
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
            .collect()
    }
}
