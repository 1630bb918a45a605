//! Simulated backends: three OpenAI-compatible servers on loopback that say they are simulated.
//!
//! Owns what `--demo` shows: real HTTP, real streams, made-up answers. Each backend serves one model with its
//! own strengths, price, speed and context window. Not for tests of failures: that is `testkit`.

mod answer;
mod models;
mod server;

use std::io;

use pointsman_types::{BackendKind, Endpoint, ModelSpec};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use models::{Pace, preferred};

/// Why the demo could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// No loopback port.
    #[error("the demo cannot listen on loopback: {0}")]
    Listen(#[from] io::Error),
}

impl DemoError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Listen(_) => "listen",
        }
    }
}

/// Three running backends. They stop when this is dropped.
#[derive(Debug)]
pub struct Demo {
    /// Where they are and what they serve.
    pub backends: Vec<DemoBackend>,
    stop: CancellationToken,
}

/// One simulated backend.
#[derive(Debug, Clone)]
pub struct DemoBackend {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it serves.
    pub models: Vec<ModelSpec>,
}

impl Demo {
    /// Starts the backends, each on a free port of 127.0.0.1.
    pub async fn start(pace: Pace) -> Result<Self, DemoError> {
        let stop = CancellationToken::new();
        let mut backends = Vec::new();
        for character in models::characters(pace) {
            let id = character.backend;
            let (local, spec) = (character.spec.local, character.spec.clone());
            let address = server::start(character, stop.clone()).await?;
            let endpoint = Endpoint {
                id: id.into(),
                kind: BackendKind::OpenAi,
                base_url: format!("http://{address}/v1").into(),
                local,
                simulated: true,
            };
            backends.push(DemoBackend { endpoint, models: vec![spec] });
        }
        Ok(Self { backends, stop })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
