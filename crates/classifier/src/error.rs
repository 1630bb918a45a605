//! What can be wrong with an artifact, and why a text has no classification.

use std::path::PathBuf;

use pointsman_actors::{ActorError, CallError};
use thiserror::Error;

/// Why a classifier cannot be loaded or does not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// A file of the artifact cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A file is not the one that the manifest describes.
    #[error("{}: its sha256 is {found}, the manifest says {expected}: the file is corrupt or from another artifact", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A file has the right hash and makes no sense.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The model hub does not give what was asked for.
    #[error("{id}: {why}")]
    Hub {
        /// What was asked for.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// It loads, and what it says makes no sense.
    #[error("{embedder}: self-test failed: {why}")]
    SelfTest {
        /// Name and revision.
        embedder: String,
        /// What it said.
        why: String,
    },
    /// The actor could not be started.
    #[error(transparent)]
    Start(#[from] ActorError),
    /// The actor is overloaded, down or late.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Training failed.
    #[error("training: {0}")]
    Training(String),
}

impl ClassifierError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Hash { .. } => "hash",
            Self::Content { .. } => "content",
            Self::Hub { .. } => "hub",
            Self::SelfTest { .. } => "self_test",
            Self::Start(_) => "start",
            Self::Call(error) => error.kind(),
            Self::Training(_) => "training",
        }
    }
}
