//! The supervision tree, in the order in which it starts; it stops in the reverse order.

use std::{
    hash::RandomState,
    sync::{Arc, atomic::AtomicU64},
};

use pointsman_actors::{RestartSettings, Supervisor};
use pointsman_catalog::CatalogHandle;
use pointsman_classifier::{Cascade, ClassifierHandle, ClassifierSettings};
use pointsman_latency::LatencyRegistry;
use pointsman_upstream::{Gate, Transport};

use crate::{
    Engine, EngineError, EngineSettings,
    attempt::Recorder,
    breakers::Breakers,
    budget::RetryBudget,
    dispatcher::DispatcherActor,
    engine::{Inner, Limits},
    execute::Means,
    gather::Gatherer,
    learning::Learned,
    outcomes::Outcomes,
    sessions::Sessions,
};

/// What outlives a reload: it was dear to make, or is what was learned so far.
#[derive(Debug, Clone)]
pub(crate) struct Lasting {
    pub(crate) supervisor: Supervisor,
    pub(crate) classifier: ClassifierHandle,
    pub(crate) outcomes: Option<Arc<Outcomes>>,
    pub(crate) recorder: Recorder,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) breakers: Breakers,
    pub(crate) hasher: RandomState,
    pub(crate) requests: Arc<AtomicU64>,
}

/// Ends the actors of one configuration when the last request under it is over.
#[derive(Debug)]
pub(crate) struct Lease {
    supervisor: Supervisor,
    actors: Vec<u64>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.supervisor.retire(std::mem::take(&mut self.actors));
    }
}

impl Engine {
    /// Starts all actors. The models of the configuration are routable at once; those of the backends follow
    /// as they answer.
    pub async fn start(settings: EngineSettings) -> Result<Self, EngineError> {
        let supervisor = Supervisor::start(RestartSettings::default()).await?;
        let backends = settings.catalog.backends.iter().map(|b| b.endpoint.id.clone());
        let latency = LatencyRegistry::start(&supervisor, backends, settings.latency).await?;
        let catalog = CatalogHandle::start(&supervisor, settings.catalog.clone()).await?;
        let mut tiers = settings.classifier.clone();
        tiers.keep_features = !settings.outcomes.is_empty();
        let keep_features = tiers.keep_features;
        // reading and checking 30 MB is no work for a runtime worker
        let files = settings.outcomes.clone();
        let load = move || {
            let cascade = Cascade::load(&tiers)?;
            let outcomes =
                Outcomes::load(&files, &cascade).map_err(|e| EngineError::Outcomes(e.to_string()))?;
            Ok::<_, EngineError>((cascade, outcomes))
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        let failed = |why: tokio::task::JoinError| EngineError::Unclassified { why: why.to_string() };
        let (loaded, outcomes) = loaded.map_err(failed)??;
        let told = ClassifierSettings { keep_features, ..settings.classifier.clone() };
        let classifier = ClassifierHandle::start(&supervisor, loaded, &told).await?;
        let learned = Learned::start(&supervisor, settings.learning.clone()).await?;
        let lasting = Lasting {
            supervisor,
            classifier,
            outcomes: outcomes.map(Arc::new),
            recorder: Recorder { latency, metrics: Arc::default(), learned },
            sessions: Sessions::new(settings.sessions),
            breakers: Breakers::default(),
            hasher: RandomState::new(),
            requests: Arc::default(),
        };
        Self::assemble(lasting, catalog, settings, None).await
    }

    /// An engine of another configuration over what this one has learned: the classifier, conversations, latencies,
    /// breakers and counters go on; requests that are under way end as they began. Waits until `deadline` for the lists
    /// of the backends. What belongs to the lasting parts (`[classifier]`, `[sessions]`, `[learning]`, `[outcomes]`)
    /// stays as it was.
    pub async fn reload(
        &self,
        settings: EngineSettings,
        deadline: tokio::time::Instant,
    ) -> Result<Self, EngineError> {
        let mut lasting = self.inner.lasting.clone();
        let supervisor = &lasting.supervisor;
        let backends = settings.catalog.backends.iter().map(|b| b.endpoint.id.clone());
        let latency = lasting.recorder.latency.also(supervisor, backends, settings.latency).await?;
        lasting.recorder.latency = latency;
        let before = Some(&self.inner.catalog);
        let catalog = CatalogHandle::start_after(supervisor, settings.catalog.clone(), before).await?;
        let engine = Self::assemble(lasting, catalog, settings, Some(&self.inner)).await?;
        // who is late is followed up by the catalog
        let _ = engine.sync_catalog(deadline).await;
        Ok(engine)
    }

    async fn assemble(
        lasting: Lasting,
        catalog: CatalogHandle,
        settings: EngineSettings,
        before: Option<&Inner>,
    ) -> Result<Self, EngineError> {
        let transport = Transport::new(settings.upstreams, before.map(|before| &before.means.transport))?;
        let gatherer = Gatherer {
            catalog: catalog.clone(),
            latency: lasting.recorder.latency.clone(),
            policy: Arc::new(settings.policy),
            industries: Arc::new(settings.industries),
            aliases: Arc::new(settings.aliases),
            learned: lasting.recorder.learned.clone(),
            breakers: lasting.breakers.clone(),
            breaker: settings.breaker,
        };
        let dispatcher = DispatcherActor {
            gatherer: gatherer.clone(),
            sessions: Arc::clone(&lasting.sessions),
            metrics: Arc::clone(&lasting.recorder.metrics),
        };
        let supervisor = lasting.supervisor.clone();
        let mut lease = Lease { supervisor: supervisor.clone(), actors: vec![catalog.id()] };
        let mut dispatchers = Vec::new();
        for number in 0..settings.dispatchers.pool.max(1) {
            let actor = dispatcher.clone();
            let name = format!("dispatcher:{number}");
            let spawned =
                supervisor.spawn(&name, settings.dispatchers.mailbox, move || actor.clone()).await?;
            lease.actors.push(spawned.id());
            dispatchers.push(spawned);
        }
        let limits = Limits {
            classify: settings.classifier.deadline,
            decide: settings.dispatchers.deadline,
            request: settings.request_timeout,
            ready_models: settings.ready_models,
            device: settings.classifier.device,
        };
        let means = Means {
            transport,
            breakers: lasting.breakers.clone(),
            breaker: settings.breaker,
            retries: settings.retries,
            budget: RetryBudget::new(settings.retries),
            hedge: settings.hedge,
            queue: settings.load.queue,
        };
        let admission = before.map(|before| &before.admission);
        let admission = Gate::after(admission, settings.load.max_in_flight, settings.load.max_waiting);
        let inner =
            Inner { lasting, catalog, dispatchers, means, admission, gatherer, limits, _lease: lease };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks all backends for their models now, and waits until `deadline` for the last of them.
    pub async fn sync_catalog(&self, deadline: tokio::time::Instant) -> Result<(), EngineError> {
        let synced = self.inner.catalog.sync_now(deadline).await;
        synced.map_err(|error| EngineError::Actor { actor: "catalog", error })
    }
}
