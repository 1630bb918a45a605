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
    Engine, EngineError, EngineSettings, Metrics,
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

impl Engine {
    /// Starts all actors. The models of the configuration are routable at once; those of the backends follow
    /// as they answer.
    pub async fn start(settings: EngineSettings) -> Result<Self, EngineError> {
        let supervisor = Supervisor::start(RestartSettings::default()).await?;
        let transport = Transport::new(settings.upstreams)?;
        let backends: Vec<_> = settings.catalog.backends.iter().map(|b| b.endpoint.id.clone()).collect();
        let latency = LatencyRegistry::start(&supervisor, backends, settings.latency).await?;
        let catalog = CatalogHandle::start(&supervisor, settings.catalog).await?;
        let mut tiers = settings.classifier.clone();
        tiers.keep_features = !settings.outcomes.is_empty();
        let keep_features = tiers.keep_features;
        // reading and checking 30 MB is no work for a runtime worker
        let files = settings.outcomes;
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
        let learned = Learned::start(&supervisor, settings.learning).await?;
        let sessions = Sessions::new(settings.sessions);
        let metrics = Arc::new(Metrics::default());
        let breakers = Breakers::default();
        let gatherer = Gatherer {
            catalog: catalog.clone(),
            latency: latency.clone(),
            policy: Arc::new(settings.policy),
            industries: Arc::new(settings.industries),
            aliases: Arc::new(settings.aliases),
            learned: learned.clone(),
            breakers: breakers.clone(),
            breaker: settings.breaker,
        };
        let dispatcher = DispatcherActor {
            gatherer: gatherer.clone(),
            sessions: Arc::clone(&sessions),
            metrics: Arc::clone(&metrics),
        };
        let mut dispatchers = Vec::new();
        for number in 0..settings.dispatchers.pool.max(1) {
            let actor = dispatcher.clone();
            let name = format!("dispatcher:{number}");
            dispatchers
                .push(supervisor.spawn(&name, settings.dispatchers.mailbox, move || actor.clone()).await?);
        }
        let limits = Limits {
            classify: settings.classifier.deadline,
            decide: settings.dispatchers.deadline,
            request: settings.request_timeout,
            ready_models: settings.ready_models,
            device: settings.classifier.device,
        };
        let inner = Inner {
            supervisor,
            catalog,
            classifier,
            outcomes: outcomes.map(Arc::new),
            dispatchers,
            means: Means {
                transport,
                breakers: breakers.clone(),
                breaker: settings.breaker,
                retries: settings.retries,
                budget: RetryBudget::new(settings.retries),
                hedge: settings.hedge,
                queue: settings.load.queue,
            },
            admission: Gate::new(settings.load.max_in_flight, settings.load.max_waiting),
            recorder: Recorder { latency, metrics, learned },
            gatherer,
            sessions,
            limits,
            hasher: RandomState::new(),
            requests: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks all backends for their models now, and waits until `deadline` for the last of them.
    pub async fn sync_catalog(&self, deadline: tokio::time::Instant) -> Result<(), EngineError> {
        let synced = self.inner.catalog.sync_now(deadline).await;
        synced.map_err(|error| EngineError::Actor { actor: "catalog", error })
    }
}
