//! The catalog actor: which models are routable, synced from configuration and backends.
//!
//! Owns the set of models; it is its only writer. Readers load a snapshot, without a lock. Invariants: models
//! from the configuration are always there, and their figures outrank a backend's own word; a backend that
//! cannot be reached, or answers junk, changes nothing but its own state; a sync never blocks the actor.

mod actor;
mod glob;
mod merge;
mod settings;
mod snapshot;
mod source;

pub use actor::CatalogHandle;
pub use settings::{CatalogBackend, CatalogSettings};
pub use snapshot::CatalogSnapshot;
