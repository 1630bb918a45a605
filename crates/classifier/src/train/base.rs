//! What the heads are fitted on: the table of the static embedder, or the features of an encoder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pointsman_types::{Industry, Task};
use serde::Deserialize;

use super::{
    Example, TrainEmbedder, TrainSettings, augment,
    fit::{FloatTable, Sample, View},
    random::Random,
};
use crate::{
    ClassifierError, Device, EmbedderConfig, EncoderConfig, Pooling,
    artifact::{TOKENIZER, WEIGHTS, encoder_embedder},
    embedder::{Embedder, Scratch},
    reading,
    tensors::Tensors,
    tokens::{POOLS, Tokens},
};

/// Tokens of the start and of the end that the static embedder reads.
const STATIC: (usize, usize) = (160, 64);
/// The same for an encoder, special tokens not counted: 128 are enough to route.
const ENCODER: (usize, usize) = (94, 32);

/// What the heads stand on, loaded.
pub(crate) struct Base {
    pub(crate) config: EmbedderConfig,
    /// Tokens of the start and of the end that are read.
    pub(crate) cut: (usize, usize),
    pub(crate) tokenizer: PathBuf,
    /// The weights of an encoder; the static embedder's are what is fitted.
    pub(crate) weights: Option<PathBuf>,
    kind: Kind,
}

enum Kind {
    Static { tokens: Box<Tokens>, start: FloatTable },
    Encoder(Embedder),
}

fn read(path: &Path) -> Result<Vec<u8>, ClassifierError> {
    fs::read(path).map_err(|e| ClassifierError::File { path: path.to_owned(), why: e.to_string() })
}

fn content(path: &Path, why: &dyn ToString) -> ClassifierError {
    ClassifierError::Content { path: path.to_owned(), why: why.to_string() }
}

impl Base {
    pub(crate) fn load(settings: &TrainSettings) -> Result<Self, ClassifierError> {
        match &settings.embedder {
            TrainEmbedder::Static { tokenizer, table, dims, pairs } => {
                Self::fresh(tokenizer, table.as_deref(), (*dims, *pairs), settings.seed)
            }
            TrainEmbedder::Encoder { folder, pooling, prefix } => Self::encoder(folder, *pooling, prefix),
        }
    }

    fn fresh(
        tokenizer: &Path,
        table: Option<&Path>,
        (dims, pairs): (usize, u32),
        seed: u64,
    ) -> Result<Self, ClassifierError> {
        let json = read(tokenizer)?;
        let loaded = tokenizers::Tokenizer::from_bytes(&json).map_err(|e| content(tokenizer, &e))?;
        let vocab = loaded.get_vocab(true).into_values().max().map_or(0, |id| id + 1);
        let tokens = Tokens::load(&json, tokenizer, (vocab, pairs), STATIC)?;
        let mut random = Random::new(seed ^ 0xA5A5);
        let cells = (vocab + pairs) as usize * dims;
        let mut values: Vec<f32> = (0..cells).map(|_| (random.unit() - 0.5) * 0.01).collect();
        if let Some(path) = table {
            let raw = read(path)?;
            if raw.len() != vocab as usize * dims * 4 {
                return Err(content(path, &format!("{} bytes, expected {vocab} x {dims} x 4", raw.len())));
            }
            for (value, bytes) in values.iter_mut().zip(raw.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        Ok(Self {
            config: EmbedderConfig::Static { dims, vocab, pairs },
            cut: STATIC,
            tokenizer: tokenizer.to_owned(),
            weights: None,
            kind: Kind::Static { tokens: Box::new(tokens), start: FloatTable { values, dims } },
        })
    }

    fn encoder(folder: &Path, pooling: Option<Pooling>, prefix: &str) -> Result<Self, ClassifierError> {
        let (tokenizer, weights) = (folder.join(TOKENIZER), folder.join(WEIGHTS));
        let config = hub_config(folder, pooling, prefix)?;
        let EmbedderConfig::Encoder { encoder, .. } = &config else {
            return Err(content(folder, &"a static embedder is fitted anew: give its tokenizer instead"));
        };
        if let Some(why) = encoder.problem() {
            return Err(content(&folder.join("config.json"), &why));
        }
        let room = encoder.max_position_embeddings.saturating_sub(encoder.first_position() + 2);
        let cut = if room < ENCODER.0 + ENCODER.1 { (room - room / 4, room / 4) } else { ENCODER };
        let (json, bytes) = (read(&tokenizer)?, read(&weights)?);
        let tensors = Tensors::read(&bytes, &weights)?;
        let path = folder.join("config.json");
        let embedder = encoder_embedder((&json, &tokenizer), &tensors, &config, (cut, Device::Cpu), &path)?;
        Ok(Self { config, cut, tokenizer, weights: Some(weights), kind: Kind::Encoder(embedder) })
    }

    /// Width of the features.
    pub(crate) fn width(&self) -> usize {
        match &self.kind {
            Kind::Static { start, .. } => start.dims * POOLS,
            Kind::Encoder(_) => self.config.width(),
        }
    }

    /// Where the table starts, if there is one to fit.
    pub(crate) fn table(&self) -> Option<FloatTable> {
        match &self.kind {
            Kind::Static { start, .. } => Some(start.clone()),
            Kind::Encoder(_) => None,
        }
    }

    /// A row with its variations; `number` seeds them.
    pub(crate) fn sample(
        &self,
        example: &Example,
        weight: f32,
        settings: &TrainSettings,
        number: u64,
    ) -> Sample {
        let mut random = Random::new(settings.seed.wrapping_add(number.wrapping_mul(7919)));
        let mut scratch = Scratch::default();
        let mut view = |text: &str| match &self.kind {
            Kind::Static { tokens, .. } => View::Rows(tokens.rows(&reading::read(text))),
            Kind::Encoder(embedder) => {
                let features = embedder.features(&reading::read(text), &mut scratch);
                View::Features(features.unwrap_or_else(|| vec![0.0; self.config.width()]))
            }
        };
        let mut views = vec![view(&example.text)];
        views.extend((1..settings.views).map(|_| view(&augment::vary(&example.text, &mut random))));
        let (task, industry) = (example.task.map(Task::index), example.industry.map(Industry::index));
        Sample { views, task, industry, weight }
    }
}

/// The configuration of a hub model (`config.json`, and for the pooling `1_Pooling/config.json`), or of one of
/// our artifacts.
fn hub_config(
    folder: &Path,
    pooling: Option<Pooling>,
    prefix: &str,
) -> Result<EmbedderConfig, ClassifierError> {
    #[derive(Deserialize)]
    struct HubPooling {
        #[serde(default)]
        pooling_mode_cls_token: bool,
    }
    let path = folder.join("config.json");
    let json = read(&path)?;
    if let Ok(ours) = serde_json::from_slice::<EmbedderConfig>(&json) {
        return Ok(ours);
    }
    let encoder: EncoderConfig = serde_json::from_slice(&json).map_err(|e| content(&path, &e))?;
    let stored = read(&folder.join("1_Pooling/config.json")).ok();
    let stored = stored.and_then(|json| serde_json::from_slice::<HubPooling>(&json).ok());
    let stored = stored.map(|p| if p.pooling_mode_cls_token { Pooling::Cls } else { Pooling::Mean });
    let pooling = pooling.or(stored).unwrap_or(Pooling::Mean);
    Ok(EmbedderConfig::Encoder { encoder, pooling, prefix: prefix.to_owned() })
}
