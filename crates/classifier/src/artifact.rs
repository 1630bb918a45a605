//! The folder a classifier is loaded from: `config.json`, `labels.json`, `tokenizer.json`,
//! `model.safetensors` (the embedder), `heads.safetensors`, and `manifest.json` with the sha256 of each.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use pointsman_types::{Industry, Task};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ArtifactSource, ClassifierError, Device,
    embedder::{Embedder, EncoderEmbedder, StaticEmbedder},
    encoder::{EncoderConfig, Pooling},
    heads::Heads,
    ids::TokenIds,
    tensors::Tensors,
    tokens::{POOLS, Tokens},
};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const LABELS: &str = "labels.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const HEADS: &str = "heads.safetensors";
pub(crate) const MANIFEST: &str = "manifest.json";

const FILES: [&str; 6] = [CONFIG, LABELS, TOKENIZER, WEIGHTS, HEADS, MANIFEST];

macro_rules! built_in {
    ($folder:literal) => {
        [
            include_bytes!(concat!("../../../models/", $folder, "/config.json")),
            include_bytes!(concat!("../../../models/", $folder, "/labels.json")),
            include_bytes!(concat!("../../../models/", $folder, "/tokenizer.json")),
            include_bytes!(concat!("../../../models/", $folder, "/model.safetensors")),
            include_bytes!(concat!("../../../models/", $folder, "/heads.safetensors")),
            include_bytes!(concat!("../../../models/", $folder, "/manifest.json")),
        ]
    };
}

/// The contents of [`FILES`], inside the binary.
static FAST: [&[u8]; 6] = built_in!("default");
static DEEP: [&[u8]; 6] = built_in!("deep");

/// `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactConfig {
    /// Name of the embedder.
    pub name: String,
    /// What turns text into features.
    #[serde(flatten)]
    pub embedder: EmbedderConfig,
    /// Width of the hidden layer of the heads; 0 where they stand on the features themselves.
    pub hidden: usize,
    /// Tokens that are read of the start of a text.
    pub head_tokens: usize,
    /// Tokens that are read of the end of a longer text.
    pub tail_tokens: usize,
    /// Divide the logits by these before the softmax.
    pub temperature: Temperatures,
    /// Below these the classifier abstains.
    pub abstain: Abstain,
    /// Of a fast tier: below this task confidence the deep tier is asked. 0 for a tier that is the last.
    #[serde(default)]
    pub deep_below: f32,
    /// Of a deep tier: how much the fast tier's word counts beside its own, 0 to 1. They err on different
    /// prompts, so both together know more than either.
    #[serde(default)]
    pub fast_share: f32,
}

/// The kinds of embedders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EmbedderConfig {
    /// Token and token-pair embeddings, pooled.
    Static {
        /// Width of the table.
        dims: usize,
        /// Rows of the table for tokens.
        vocab: u32,
        /// Rows of the table for hashed pairs of tokens, after those of the tokens.
        pairs: u32,
    },
    /// A transformer: BERT and its kin, `ModernBERT`.
    Encoder {
        /// Its shapes.
        encoder: EncoderConfig,
        /// How the vectors of its tokens become one.
        pooling: Pooling,
        /// What it wants in front of every text, such as `query: `.
        #[serde(default)]
        prefix: String,
    },
}

impl EmbedderConfig {
    /// Width of the features.
    pub const fn width(&self) -> usize {
        match self {
            Self::Static { dims, .. } => *dims * POOLS,
            Self::Encoder { encoder, .. } => encoder.hidden_size,
        }
    }
}

/// Calibration temperatures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperatures {
    /// Of the task head.
    pub task: f32,
    /// Of the industry head.
    pub industry: f32,
}

/// When the classifier says that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abstain {
    /// The least task confidence.
    pub task_confidence: f32,
}

/// `labels.json`: the order of the heads' outputs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Labels {
    pub(crate) task: Vec<String>,
    pub(crate) industry: Vec<String>,
}

impl Labels {
    pub(crate) fn ours() -> Self {
        Self {
            task: Task::ALL.iter().map(ToString::to_string).collect(),
            industry: Industry::ALL.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A checked artifact.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) config: ArtifactConfig,
    pub(crate) embedder: Embedder,
    pub(crate) heads: Heads,
    /// The first 12 digits of the manifest's own sha256.
    pub(crate) revision: String,
    /// Bytes of all files.
    pub(crate) size: usize,
}

impl Artifact {
    pub(crate) fn load(source: &ArtifactSource, device: Device) -> Result<Self, ClassifierError> {
        let files = Files::read(source)?;
        files.check_hashes()?;
        let config: ArtifactConfig = files.json(CONFIG)?;
        files.check_config(&config)?;
        let labels: Labels = files.json(LABELS)?;
        files.check_labels(&labels)?;
        let embedder = files.embedder(&config, device)?;
        let heads = files.path(HEADS);
        let heads = Tensors::read(files.bytes(HEADS), &heads)?.heads(
            config.embedder.width(),
            config.hidden,
            (Task::COUNT, Industry::COUNT),
        )?;
        let revision = sha256(files.bytes(MANIFEST))[..12].to_owned();
        Ok(Self { config, embedder, heads, revision, size: files.size() })
    }
}

/// The files of an artifact, and where they were found.
struct Files {
    folder: PathBuf,
    files: BTreeMap<&'static str, Cow<'static, [u8]>>,
}

impl Files {
    fn read(source: &ArtifactSource) -> Result<Self, ClassifierError> {
        let mut files = BTreeMap::new();
        let mut built_in = |name: &str, contents: &'static [&'static [u8]; 6]| {
            files.extend(FILES.into_iter().zip(contents.iter().map(|bytes| Cow::Borrowed(*bytes))));
            PathBuf::from(format!("built-in:models/{name}"))
        };
        let folder = match source {
            ArtifactSource::BuiltIn => built_in("default", &FAST),
            ArtifactSource::BuiltInDeep => built_in("deep", &DEEP),
            ArtifactSource::Folder(folder) => {
                for name in FILES {
                    let path = folder.join(name);
                    let bytes = fs::read(&path)
                        .map_err(|e| ClassifierError::File { path: path.clone(), why: e.to_string() })?;
                    files.insert(name, Cow::Owned(bytes));
                }
                folder.clone()
            }
        };
        Ok(Self { folder, files })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn bytes(&self, name: &str) -> &[u8] {
        self.files.get(name).map_or(&[], |bytes| bytes)
    }

    fn size(&self) -> usize {
        self.files.values().map(|bytes| bytes.len()).sum()
    }

    fn content(&self, name: &str, why: impl Into<String>) -> ClassifierError {
        ClassifierError::Content { path: self.path(name), why: why.into() }
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<T, ClassifierError> {
        serde_json::from_slice(self.bytes(name)).map_err(|e| self.content(name, e.to_string()))
    }

    fn check_hashes(&self) -> Result<(), ClassifierError> {
        let manifest: BTreeMap<String, String> = self.json(MANIFEST)?;
        for (name, bytes) in self.files.iter().filter(|(name, _)| **name != MANIFEST) {
            let expected =
                manifest.get(*name).ok_or_else(|| self.content(MANIFEST, format!("no hash of {name}")))?;
            let found = sha256(bytes);
            if *expected != found {
                return Err(ClassifierError::Hash {
                    path: self.path(name),
                    expected: expected.clone(),
                    found,
                });
            }
        }
        Ok(())
    }

    fn check_config(&self, config: &ArtifactConfig) -> Result<(), ClassifierError> {
        let positive = |t: f32| t.is_finite() && t > 0.0;
        let wrong = match &config.embedder {
            EmbedderConfig::Static { dims: 0, .. } => Some("dims must be positive".to_owned()),
            EmbedderConfig::Static { .. } => None,
            EmbedderConfig::Encoder { encoder, .. } => encoder.problem(),
        };
        let why = if let Some(why) = wrong {
            why
        } else if !positive(config.temperature.task) || !positive(config.temperature.industry) {
            "a temperature must be positive".to_owned()
        } else if !(0.0..=1.0).contains(&config.fast_share) {
            "fast_share must be between 0 and 1".to_owned()
        } else if config.head_tokens == 0 {
            "head_tokens must be positive".to_owned()
        } else {
            return Ok(());
        };
        Err(self.content(CONFIG, why))
    }

    fn embedder(&self, config: &ArtifactConfig, device: Device) -> Result<Embedder, ClassifierError> {
        let (tokenizer, weights) = (self.path(TOKENIZER), self.path(WEIGHTS));
        let json = self.bytes(TOKENIZER);
        let tensors = match self.files.get(WEIGHTS) {
            Some(Cow::Borrowed(bytes)) => Tensors::read_resident(bytes, &weights)?,
            _ => Tensors::read(self.bytes(WEIGHTS), &weights)?,
        };
        let (head, tail) = (config.head_tokens, config.tail_tokens);
        match &config.embedder {
            EmbedderConfig::Static { dims, vocab, pairs } => Ok(Embedder::Static(Box::new(StaticEmbedder {
                tokens: Tokens::load(json, &tokenizer, (*vocab, *pairs), (head, tail))?,
                table: tensors.table("table", (vocab + pairs) as usize, *dims)?,
            }))),
            EmbedderConfig::Encoder { .. } => encoder_embedder(
                (json, &tokenizer),
                &tensors,
                &config.embedder,
                ((head, tail), device),
                &self.path(CONFIG),
            ),
        }
    }

    fn check_labels(&self, labels: &Labels) -> Result<(), ClassifierError> {
        let ours = Labels::ours();
        if labels.task == ours.task && labels.industry == ours.industry {
            return Ok(());
        }
        Err(self.content(LABELS, "the labels are not those of this version"))
    }
}

/// An encoder from its weights and the content and path of its tokenizer.
pub(crate) fn encoder_embedder(
    (json, tokenizer): (&[u8], &Path),
    tensors: &Tensors<'_>,
    config: &EmbedderConfig,
    ((head, tail), device): ((usize, usize), Device),
    config_path: &Path,
) -> Result<Embedder, ClassifierError> {
    let content = |why: String| ClassifierError::Content { path: config_path.to_owned(), why };
    let EmbedderConfig::Encoder { encoder, pooling, prefix } = config else {
        return Err(content("not an encoder".to_owned()));
    };
    let ids = TokenIds::load(json, tokenizer, encoder.vocab_size as u32)?;
    let around = ids.around();
    let longest = head + tail + around.0.len() + around.1.len() + encoder.first_position();
    if longest > encoder.max_position_embeddings {
        let has = encoder.max_position_embeddings;
        return Err(content(format!(
            "{longest} positions for head_tokens, tail_tokens and special tokens, and the encoder has {has}"
        )));
    }
    if !device.is_built() {
        return Err(content("this build has no CUDA: build it with `--features cuda`".to_owned()));
    }
    Ok(Embedder::Encoder(Box::new(EncoderEmbedder {
        #[cfg(feature = "cuda")]
        batched: match device {
            Device::Cpu => None,
            Device::Cuda => {
                let on = crate::batched::Batched::device(config_path)?;
                Some(crate::batched::Batched::load(tensors.all_floats()?, encoder, &on, config_path)?)
            }
        },
        ids,
        around,
        prefix: prefix.clone(),
        head,
        tail,
        pooling: *pooling,
        encoder: tensors.transformer(encoder)?,
    })))
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes the manifest of a folder that holds all other files.
pub(crate) fn write_manifest(folder: &Path) -> std::io::Result<()> {
    let mut manifest = BTreeMap::new();
    for name in FILES.into_iter().filter(|name| *name != MANIFEST) {
        manifest.insert(name, sha256(&fs::read(folder.join(name))?));
    }
    fs::write(folder.join(MANIFEST), serde_json::to_string_pretty(&manifest)? + "\n")
}
