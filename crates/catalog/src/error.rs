//! What can go wrong with facts.

use thiserror::Error;

/// An error of the catalog.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A file of facts or prices cannot be read.
    #[error("{file}: {why}")]
    Facts {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
}

impl CatalogError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Facts { .. } => "facts",
        }
    }
}
