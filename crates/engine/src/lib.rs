//! One request, one direction: resolve, gather, decide, execute, record.
//!
//! Owns the supervision tree and the order in which a request meets the actors. The request path reads
//! published snapshots; it awaits the classifier (only for `auto`, under a deadline), the dispatcher, and the
//! backend. Invariants: the commit point is the first content byte, before it the next candidate may be
//! tried, after it never; every attempt is recorded exactly once, also when the client goes away; a classifier
//! that is late, full or down costs a request its classification, not its answer.

mod adapt;
mod attempt;
mod breakers;
mod budget;
mod caller;
mod circuit;
mod dispatcher;
mod engine;
mod error;
mod execute;
mod gather;
mod learning;
mod metrics;
mod outcomes;
mod queue;
mod reply;
mod resolve;
mod sessions;
mod settings;
mod signals;
mod start;

pub use caller::Caller;
pub use engine::{Engine, Readiness, Routed};
pub use error::{EngineError, FailedAttempt};
pub use learning::{FeedbackError, LearningSettings};
pub use metrics::Metrics;
pub use pointsman_catalog::CatalogSnapshot;
pub use pointsman_classifier::ArtifactSource;
pub use pointsman_decide::{Change, Standing, WhyNot};
pub use reply::{ChatReply, ReplyBody, ReplyMeta, ReplyStream};
pub use sessions::SessionSettings;
pub use settings::{DispatcherSettings, EngineSettings};
