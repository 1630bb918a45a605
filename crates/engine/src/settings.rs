//! What the engine is told at the start.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pointsman_catalog::{CatalogSettings, Industries};
use pointsman_classifier::ClassifierSettings;
use pointsman_decide::Policy;
use pointsman_latency::LatencySettings;
use pointsman_types::ModelForm;
use pointsman_upstream::{BreakerSettings, HedgeSettings, LoadSettings, RetrySettings, UpstreamSettings};

use crate::{LearningSettings, SessionSettings};

/// Settings of the engine and of the actors under it.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The catalog actor.
    pub catalog: CatalogSettings,
    /// The latency actors.
    pub latency: LatencySettings,
    /// The classifier actor.
    pub classifier: ClassifierSettings,
    /// The transport.
    pub upstreams: Vec<UpstreamSettings>,
    /// The constants of `decide`.
    pub policy: Policy,
    /// User aliases: a name and the chain that it stands for, already free of cycles.
    pub aliases: BTreeMap<String, Vec<ModelForm>>,
    /// The lists of models per trade.
    pub industries: Industries,
    /// The memory of conversations.
    pub sessions: SessionSettings,
    /// Files of recorded outcomes.
    pub outcomes: Vec<PathBuf>,
    /// Learning from outcomes.
    pub learning: LearningSettings,
    /// The dispatcher pool.
    pub dispatchers: DispatcherSettings,
    /// From the request to its first content byte, over all attempts.
    pub request_timeout: Duration,
    /// Routable models without which it is not ready.
    pub ready_models: usize,
    /// How often a request is tried.
    pub retries: RetrySettings,
    /// When a model is passed over.
    pub breaker: BreakerSettings,
    /// When a second attempt is started beside the first.
    pub hedge: HedgeSettings,
    /// How many requests are worked on.
    pub load: LoadSettings,
}

/// Settings of the dispatcher pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DispatcherSettings {
    /// How many dispatchers there are; sessions are spread over them by their key.
    pub pool: usize,
    /// Requests that may wait for one dispatcher.
    pub mailbox: usize,
    /// How long a request waits for its decision.
    pub deadline: Duration,
}

impl Default for DispatcherSettings {
    fn default() -> Self {
        Self { pool: 2, mailbox: 4096, deadline: Duration::from_secs(2) }
    }
}
