//! What the classifier actor is told at the start.

use std::{path::PathBuf, time::Duration};

use crate::ClassExamples;

/// Where the artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ArtifactSource {
    /// The one built into the binary (`models/default`).
    #[default]
    BuiltIn,
    /// The deep tier built into the binary (`models/deep`).
    BuiltInDeep,
    /// A folder laid out like `models/default`.
    Folder(PathBuf),
}

/// Which tiers read a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The fast tier only.
    Fast,
    /// The deep tier only.
    Deep,
    /// The fast tier, and the deep one where that is not sure.
    #[default]
    Cascade,
}

/// What the encoders run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The fused pass, one text at a time.
    #[default]
    Cpu,
    /// The first CUDA device, whole batches through candle; needs a build with the feature `cuda`.
    Cuda,
}

impl Device {
    /// Whether this build can use it.
    pub const fn is_built(self) -> bool {
        matches!(self, Self::Cpu) || cfg!(feature = "cuda")
    }
}

/// Settings of the classifier actors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifierSettings {
    /// Which tiers read a prompt.
    pub mode: Mode,
    /// What encoders run on; static embedders need no more than a CPU.
    pub device: Device,
    /// Where embedder and heads of the fast tier come from.
    pub artifact: ArtifactSource,
    /// Where those of the deep tier come from.
    pub deep: ArtifactSource,
    /// Prompts that may wait for the fast tier; more are refused at once.
    pub queue: usize,
    /// Prompts that may be with the deep tier or wait for it; for more the fast tier's answer stands.
    pub deep_queue: usize,
    /// The most prompts that one forward pass takes.
    pub max_batch: usize,
    /// A user's own classes.
    pub classes: Vec<ClassExamples>,
    /// Whether classifications carry the features of the first tier.
    pub keep_features: bool,
    /// How long a request waits for its classification before it is routed without one.
    pub deadline: Duration,
}

impl Default for ClassifierSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Cascade,
            device: Device::Cpu,
            artifact: ArtifactSource::BuiltIn,
            deep: ArtifactSource::BuiltInDeep,
            queue: 1024,
            deep_queue: 4,
            max_batch: 32,
            classes: Vec::new(),
            keep_features: false,
            deadline: Duration::from_millis(50),
        }
    }
}
