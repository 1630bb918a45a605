//! What the classifier actor is told at the start.

use std::{path::PathBuf, time::Duration};

/// Where the artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ArtifactSource {
    /// The one built into the binary (`models/default`).
    #[default]
    BuiltIn,
    /// A folder laid out like `models/default`.
    Folder(PathBuf),
}

/// Settings of the classifier actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifierSettings {
    /// Where embedder and heads come from.
    pub artifact: ArtifactSource,
    /// Prompts that may wait; more are refused at once.
    pub queue: usize,
    /// The most prompts that one forward pass takes.
    pub max_batch: usize,
    /// How long a request waits for its classification before it is routed without one.
    pub deadline: Duration,
}

impl Default for ClassifierSettings {
    fn default() -> Self {
        Self {
            artifact: ArtifactSource::BuiltIn,
            queue: 1024,
            max_batch: 32,
            deadline: Duration::from_millis(50),
        }
    }
}
