//! The catalog actor: which models are routable, synced from config and backends.

mod settings;

pub use settings::{CatalogBackend, CatalogSettings};
