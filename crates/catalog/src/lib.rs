//! The catalog actor: which models are routable, and what is known of them.
//!
//! Owns the set of models; it is its only writer. Readers load a snapshot, without a lock. Invariants: models
//! from the configuration are always there, and their figures outrank a backend's own word; a backend that
//! cannot be reached, or answers junk, changes nothing but its own state; a sync never blocks the actor; every fact
//! keeps its origin, and what nobody says is unknown, a price above all.

mod actor;
mod changes;
mod error;
mod facts;
mod glob;
mod industries;
mod known;
mod merge;
mod probes;
mod refresh;
mod settings;
mod snapshot;
mod source;

pub use actor::CatalogHandle;
pub use changes::{ChangeCounts, ChangeKind};
pub use error::CatalogError;
pub use facts::Facts;
pub use industries::{Industries, industries};
pub use refresh::{Refreshed, refresh};
pub use settings::{CatalogBackend, CatalogSettings};
pub use snapshot::{CatalogSnapshot, Match};
