//! What the catalog actor is told at the start.

use std::{sync::Arc, time::Duration};

use pointsman_types::{Endpoint, ModelSpec};
use secrecy::SecretString;

use crate::Facts;

/// Settings of the catalog actor.
#[derive(Debug, Clone)]
pub struct CatalogSettings {
    /// The backends to list models from, in the order of the configuration.
    pub backends: Vec<CatalogBackend>,
    /// Time between two syncs.
    pub refresh: Duration,
    /// Time between two probes of a backend that has a cheap route for them; `None` never probes.
    pub probe: Option<Duration>,
    /// How long a model that is no longer listed stays, stale.
    pub grace: Duration,
    /// Deadline of one model-list request.
    pub timeout: Duration,
    /// Longest model list that is read, in bytes.
    pub max_list_bytes: usize,
    /// What is known beyond what backends say.
    pub facts: Arc<Facts>,
}

/// One backend, as the catalog sees it.
#[derive(Debug, Clone)]
pub struct CatalogBackend {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Sent as `Authorization: Bearer`.
    pub api_key: Option<SecretString>,
    /// List models from the backend; otherwise only `models` are served.
    pub discover: bool,
    /// Models from the configuration: always routable, and their figures outrank the backend's own word.
    pub models: Vec<ModelSpec>,
    /// Ids matching one of these globs are routable here even when not listed. `*` matches any text.
    pub accept: Vec<String>,
}
