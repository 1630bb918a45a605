//! What Prometheus sees.

use std::sync::{Arc, atomic::AtomicU64};

use dashmap::DashSet;
use pointsman_actors::QueueStats;
use pointsman_catalog::{ChangeCounts, ChangeKind};
use pointsman_types::{
    BackendId, BackendState, Decision, Health, ModelId, Observation, Price, Ranked, Tokens,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// A label that is cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Text(Arc<str>);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        (&*self.0).encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    backend: Text,
    model: Text,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackendLabel {
    backend: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    backend: Text,
    model: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    backend: Text,
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabel {
    actor: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabel {
    change: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabel {
    /// `same`, `other`, or `none` where the shadow policy finds no model.
    choice: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabel {
    policy: &'static str,
}

/// The most models that have a label of their own.
const MOST_LABELS: usize = 5000;
/// The label of the others.
const OTHER: &str = "other";

/// Counters and histograms of one engine.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    decisions: Family<ReasonLabel, Counter>,
    shadow_decisions: Family<ShadowLabel, Counter>,
    shadow_cost: Family<PolicyLabel, Counter<f64, AtomicU64>>,
    shadow_quality: Family<PolicyLabel, Counter<f64, AtomicU64>>,
    sessions: Gauge,
    latency_dropped: Gauge,
    attempts: Family<AttemptLabels, Counter>,
    ttft: Family<BackendLabel, Histogram>,
    total: Family<BackendLabel, Histogram>,
    overhead: Histogram,
    classification: Histogram,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<BackendLabel, Counter<f64, AtomicU64>>,
    breaker: Family<ModelLabels, Gauge>,
    in_flight: Family<BackendLabel, Gauge>,
    queued: Family<BackendLabel, Gauge>,
    admitted: Gauge,
    admission_queue: Gauge,
    panics: Counter,
    labelled: DashSet<ModelId>,
    backend_up: Family<BackendLabel, Gauge>,
    models: Family<BackendLabel, Gauge>,
    running: Family<BackendLabel, Gauge>,
    waiting: Family<BackendLabel, Gauge>,
    changes: Family<ChangeLabel, Gauge>,
    queue_depth: Family<QueueLabel, Gauge>,
    queue_rejected: Family<QueueLabel, Gauge>,
    restarts: Family<QueueLabel, Gauge>,
}

/// 1 ms to about 2 minutes.
fn answer_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 18))
}

/// 10 us to about 80 ms.
fn overhead_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_01, 2.0, 14))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("pointsman"),
            requests: Family::default(),
            decisions: Family::default(),
            shadow_decisions: Family::default(),
            shadow_cost: Family::default(),
            shadow_quality: Family::default(),
            sessions: Gauge::default(),
            latency_dropped: Gauge::default(),
            attempts: Family::default(),
            ttft: Family::new_with_constructor(answer_buckets),
            total: Family::new_with_constructor(answer_buckets),
            overhead: overhead_buckets(),
            classification: overhead_buckets(),
            tokens: Family::default(),
            cost: Family::default(),
            breaker: Family::default(),
            in_flight: Family::default(),
            queued: Family::default(),
            admitted: Gauge::default(),
            admission_queue: Gauge::default(),
            panics: Counter::default(),
            labelled: DashSet::new(),
            backend_up: Family::default(),
            models: Family::default(),
            running: Family::default(),
            waiting: Family::default(),
            changes: Family::default(),
            queue_depth: Family::default(),
            queue_rejected: Family::default(),
            restarts: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("requests", "Requests by route and status", self.requests.clone());
        r.register("decisions", "Decisions by reason", self.decisions.clone());
        r.register(
            "shadow_decisions",
            "Choices of the shadow policy beside the live one",
            self.shadow_decisions.clone(),
        );
        r.register(
            "shadow_cost_usd",
            "Predicted cost where the shadow policy was asked",
            self.shadow_cost.clone(),
        );
        r.register(
            "shadow_quality",
            "Sum of predicted quality where the shadow policy was asked",
            self.shadow_quality.clone(),
        );
        r.register("sessions", "Conversations that are remembered", self.sessions.clone());
        r.register(
            "latency_dropped",
            "Observations that a latency actor did not take",
            self.latency_dropped.clone(),
        );
        r.register("attempts", "Attempts at backends by outcome", self.attempts.clone());
        r.register_with_unit("ttft", "Time to first token of streams", Unit::Seconds, self.ttft.clone());
        r.register_with_unit("attempt", "Duration of attempts", Unit::Seconds, self.total.clone());
        r.register_with_unit(
            "overhead",
            "Time before the backend was asked",
            Unit::Seconds,
            self.overhead.clone(),
        );
        let classification = self.classification.clone();
        r.register_with_unit("classification", "Wait for the classifier", Unit::Seconds, classification);
        r.register("tokens", "Tokens as the backends counted them", self.tokens.clone());
        r.register("cost_usd", "Cost in US dollars where the price is known", self.cost.clone());
        r.register("backend_running", "Requests that a backend says it works on", self.running.clone());
        r.register("backend_waiting", "Requests that a backend says wait in it", self.waiting.clone());
        r.register(
            "catalog_changes",
            "Models that appeared, changed, vanished or left",
            self.changes.clone(),
        );
        r.register("breaker", "0 closed, 1 recovering, 2 probing, 3 open", self.breaker.clone());
        r.register("backend_in_flight", "Requests at a backend", self.in_flight.clone());
        r.register("backend_queue", "Requests that wait for a place at a backend", self.queued.clone());
        r.register("in_flight", "Requests that are worked on", self.admitted.clone());
        r.register("admission_queue", "Requests that wait to be worked on", self.admission_queue.clone());
        r.register("panics", "Panics that were caught", self.panics.clone());
        r.register("backend_up", "1 unless the backend could not be reached", self.backend_up.clone());
        r.register("models", "Routable models", self.models.clone());
        r.register("queue_depth", "Messages waiting or being handled", self.queue_depth.clone());
        r.register("queue_rejected", "Messages refused by a full mailbox", self.queue_rejected.clone());
        r.register("actor_restarts", "Restarts after a failure", self.restarts.clone());
    }

    /// One answered request, whatever the answer.
    pub fn request(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    pub(crate) fn decision(&self, decision: &Decision) {
        let reason = Text(decision.why().into());
        self.decisions.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// What the shadow policy would have done beside what was done; sums are of what both predict.
    pub(crate) fn shadow(&self, live: &Ranked, other: Option<&Ranked>) {
        let same = other.is_some_and(|o| o.spec.id == live.spec.id && o.spec.backend == live.spec.backend);
        let choice = if same {
            "same"
        } else if other.is_some() {
            "other"
        } else {
            "none"
        };
        self.shadow_decisions.get_or_create(&ShadowLabel { choice }).inc();
        for (policy, ranked) in [("live", Some(live)), ("shadow", other)] {
            let Some(ranked) = ranked else { continue };
            let label = PolicyLabel { policy };
            self.shadow_cost.get_or_create(&label).inc_by(ranked.terms.cost_usd.unwrap_or(0.0));
            self.shadow_quality.get_or_create(&label).inc_by(ranked.terms.quality);
        }
    }

    /// A panic was caught on the way of a request.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// How busy everything is, as of now.
    pub(crate) fn loads<'a>(
        &self,
        backends: impl Iterator<Item = (&'a BackendId, (usize, usize))>,
        admission: (usize, usize),
        breakers: &[(BackendId, ModelId, i64)],
    ) {
        // what is no longer there has no load
        self.breaker.clear();
        self.in_flight.clear();
        self.queued.clear();
        self.admitted.set(gauge(admission.0 as u64));
        self.admission_queue.set(gauge(admission.1 as u64));
        for (backend, (taken, waiting)) in backends {
            let label = BackendLabel { backend: Text(backend.as_str().into()) };
            self.in_flight.get_or_create(&label).set(gauge(taken as u64));
            self.queued.get_or_create(&label).set(gauge(waiting as u64));
        }
        for (backend, model, level) in breakers {
            let (backend, model) = (Text(backend.as_str().into()), self.label(model));
            self.breaker.get_or_create(&ModelLabels { backend, model }).set(*level);
        }
    }

    pub(crate) fn overhead(&self, seconds: f64) {
        self.overhead.observe(seconds);
    }

    pub(crate) fn classified(&self, seconds: f64) {
        self.classification.observe(seconds);
    }

    pub(crate) fn attempt(&self, seen: &Observation, price: Option<&Price>) {
        let backend = Text(seen.backend.as_str().into());
        let model = self.label(&seen.model);
        let outcome = seen.outcome.as_str();
        self.attempts.get_or_create(&AttemptLabels { backend: backend.clone(), model, outcome }).inc();
        let label = BackendLabel { backend: backend.clone() };
        self.total.get_or_create(&label).observe(seen.total.as_secs_f64());
        if let Some(ttft) = seen.ttft.filter(|_| seen.streamed) {
            self.ttft.get_or_create(&label).observe(ttft.as_secs_f64());
        }
        for (direction, count) in [("input", seen.input_tokens), ("output", seen.output_tokens)] {
            if let Some(Tokens(n)) = count {
                self.tokens.get_or_create(&TokenLabels { backend: backend.clone(), direction }).inc_by(n);
            }
        }
        if let (Some(price), Some(input), Some(output)) = (price, seen.input_tokens, seen.output_tokens) {
            self.cost.get_or_create(&label).inc_by(price.cost_usd(input, output));
        }
    }

    /// A model as a label. A backend may take any name: those that clients make up share one label beyond a number.
    fn label(&self, model: &ModelId) -> Text {
        let known = self.labelled.contains(model);
        if !known && self.labelled.len() >= MOST_LABELS {
            return Text(OTHER.into());
        }
        if !known {
            self.labelled.insert(model.clone());
        }
        Text(model.as_str().into())
    }

    /// Everything in the text format of Prometheus, with the gauges as they are now.
    pub(crate) fn encode(
        &self,
        backends: &[BackendState],
        queues: &[QueueStats],
        changes: &ChangeCounts,
        (sessions, dropped): (usize, u64),
    ) -> String {
        self.sessions.set(gauge(sessions as u64));
        self.latency_dropped.set(gauge(dropped));
        for kind in ChangeKind::ALL {
            let label = ChangeLabel { change: kind.as_str() };
            self.changes.get_or_create(&label).set(gauge(changes.get(kind)));
        }
        for state in backends {
            let label = BackendLabel { backend: Text(state.endpoint.id.as_str().into()) };
            let up = !matches!(state.health, Health::Unreachable { .. });
            self.backend_up.get_or_create(&label).set(i64::from(up));
            self.models.get_or_create(&label).set(gauge(state.models as u64));
            if let Some(load) = state.load {
                self.running.get_or_create(&label).set(load.running as i64);
                self.waiting.get_or_create(&label).set(load.waiting as i64);
            }
        }
        for queue in queues {
            let label = QueueLabel { actor: Text(Arc::clone(&queue.name)) };
            self.queue_depth.get_or_create(&label).set(gauge(queue.depth as u64));
            self.queue_rejected.get_or_create(&label).set(gauge(queue.rejected));
            self.restarts.get_or_create(&label).set(gauge(queue.restarts));
        }
        let mut text = String::new();
        // writing to a string does not fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
