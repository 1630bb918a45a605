//! What a training run is told.

use std::path::PathBuf;

use crate::Pooling;

/// What the heads stand on.
#[derive(Debug, Clone)]
pub enum TrainEmbedder {
    /// The static embedder, whose table is fitted with the heads.
    Static {
        /// `tokenizer.json` to build on.
        tokenizer: PathBuf,
        /// Raw float32 table of the tokens, vocabulary x dims (`scripts/distill_static.py`); without one the
        /// table starts from small random numbers.
        table: Option<PathBuf>,
        /// Width of the table.
        dims: usize,
        /// Rows for hashed token pairs.
        pairs: u32,
    },
    /// An encoder that stays as it is: a folder with a hub model or with an artifact.
    Encoder {
        /// The folder.
        folder: PathBuf,
        /// How the vectors of its tokens become one; by default as the folder says, else their mean.
        pooling: Option<Pooling>,
        /// What it wants in front of every text.
        prefix: String,
    },
}

/// What a training run is told.
#[derive(Debug, Clone)]
pub struct TrainSettings {
    /// What the heads stand on.
    pub embedder: TrainEmbedder,
    /// Name of the artifact.
    pub name: String,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// Passes over the data.
    pub epochs: usize,
    /// Stop after so many passes without a better loss on a twentieth of the rows, which then does not train; 0
    /// trains on everything to the end.
    pub patience: usize,
    /// Variations of each text.
    pub views: usize,
    /// How much an exemplar counts beside a row of the data sets.
    pub exemplar_weight: f32,
    /// Chance that a row is left out of a text in one step.
    pub row_dropout: f32,
    /// Rate of the table.
    pub table_rate: f32,
    /// Pull of the dense weights to zero.
    pub weight_decay: f32,
    /// Whether a row counts more the rarer its task is: by the square root, at most twice.
    pub balance: bool,
    /// Whether each source is left out in turn; without it nothing is calibrated on unseen sources.
    pub leave_one_source_out: bool,
    /// Below this task confidence the deep tier is asked.
    pub deep_below: f32,
    /// Seed of everything random.
    pub seed: u64,
    /// Where the artifact goes.
    pub out: PathBuf,
}
