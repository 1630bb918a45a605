//! The classifier without an actor around it: text in, distributions out.

use std::{path::Path, sync::Arc};

use pointsman_types::{Classification, Distribution, Tier};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    ArtifactSource, ClassifierError,
    artifact::{Abstain, Artifact, EmbedderConfig, Temperatures},
    embedder::{Embedder, Scratch},
    heads::{Heads, Logits, softmax},
    reading,
};

/// What is loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbedderInfo {
    /// Name and revision, as in every classification.
    pub id: Arc<str>,
    /// Name of the embedder.
    pub name: String,
    /// The first 12 digits of the manifest's sha256.
    pub revision: String,
    /// Which tier it is.
    pub tier: Tier,
    /// Width of its embedding.
    pub dims: usize,
    /// Bytes of its files.
    pub bytes: usize,
    /// Where it is from.
    pub source: String,
    /// Below this task confidence it abstains.
    pub abstain_below: f32,
}

/// A loaded classifier. All methods take bounded time, whatever the text.
#[derive(Debug)]
pub struct Classifier {
    embedder: Embedder,
    heads: Heads,
    temperature: Temperatures,
    abstain: Abstain,
    info: EmbedderInfo,
}

impl Classifier {
    /// Loads and checks an artifact.
    pub fn load(source: &ArtifactSource) -> Result<Self, ClassifierError> {
        let Artifact { config, embedder, heads, revision, size } = Artifact::load(source)?;
        let (tier, dims) = match &config.embedder {
            EmbedderConfig::Static { dims, .. } => (Tier::Fast, *dims),
            EmbedderConfig::Encoder { encoder, .. } => (Tier::Deep, encoder.hidden_size),
        };
        let info = EmbedderInfo {
            id: format!("{}@{revision}", config.name).into(),
            name: config.name,
            revision,
            tier,
            dims,
            bytes: size,
            source: match source {
                ArtifactSource::BuiltIn => "built in".to_owned(),
                ArtifactSource::Folder(path) => Path::display(path).to_string(),
            },
            abstain_below: config.abstain.task_confidence,
        };
        Ok(Self { embedder, heads, temperature: config.temperature, abstain: config.abstain, info })
    }

    /// What is loaded.
    pub const fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    /// Classifies one text.
    pub fn classify(&self, text: &str) -> Classification {
        self.one(text, &mut Scratch::default())
    }

    /// Classifies texts, in order.
    pub fn classify_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Classification> {
        let mut scratch = Scratch::default();
        texts.iter().map(|text| self.one(text.as_ref(), &mut scratch)).collect()
    }

    fn one(&self, text: &str, scratch: &mut Scratch) -> Classification {
        let started = Instant::now();
        let features = self.embedder.features(&reading::read(text), scratch);
        let Logits { task, industry } = match &features {
            Some(features) => self.heads.forward(features, &mut scratch.hidden),
            None => Logits::default(),
        };
        let task = Distribution(softmax(&task, self.temperature.task));
        Classification {
            // where nothing was read all labels are as likely
            abstained: features.is_none() || task.top().1 < self.abstain.task_confidence,
            task,
            industry: Distribution(softmax(&industry, self.temperature.industry)),
            tier: self.info.tier,
            embedder: Arc::clone(&self.info.id),
            elapsed: started.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{encoder::Pooling, reference, tensors::Tensors};

    fn close(a: &[f32], b: &[f32], tolerance: f32) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
    }

    #[test]
    fn the_static_pass_agrees_with_candle() {
        let classifier = Classifier::load(&ArtifactSource::BuiltIn).unwrap();
        let Embedder::Static(embedder) = &classifier.embedder else { unreachable!("the fast tier") };
        for text in
            ["a", "Write a SQL query that finds duplicate orders", "你好，请翻译", &"word ".repeat(400)]
        {
            let features = classifier.embedder.features(text, &mut Scratch::default()).unwrap();
            let fused = classifier.heads.forward(&features, &mut Vec::new());
            let candle =
                reference::heads(&classifier.heads, &reference::pool(embedder, text).unwrap()).unwrap();
            assert!(close(&fused.task, &candle.task, 1e-4), "{text:?}");
            assert!(close(&fused.industry, &candle.industry, 1e-4), "{text:?}");
        }
    }

    #[test]
    fn the_encoder_agrees_with_candle() {
        let (checkpoint, config) = reference::random_bert().unwrap();
        let path = Path::new("model.safetensors");
        let encoder = Tensors::read(&checkpoint, path).unwrap().encoder(&config).unwrap();
        let mut buffers = crate::encoder::Buffers::default();
        for n in [1_u32, 2, 5, 16, 17, 40] {
            let ids: Vec<u32> = (0..n).map(|i| (i * 37 + 11) % 90).collect();
            for pooling in [Pooling::Mean, Pooling::Cls] {
                let fused = encoder.forward(&ids, pooling, &mut buffers);
                let candle = reference::bert(&checkpoint, &config, &ids, pooling).unwrap();
                // the token table is rounded to eight bits
                assert!(close(&fused, &candle, 0.02), "{n} tokens: {fused:?} {candle:?}");
                let (mut dot, mut a2, mut b2) = (0.0, 0.0, 0.0);
                for (a, b) in fused.iter().zip(&candle) {
                    (dot, a2, b2) = (dot + a * b, a2 + a * a, b2 + b * b);
                }
                let cosine: f32 = dot / (a2 * b2).sqrt();
                assert!(cosine > 0.9999, "{n} tokens: {cosine}");
            }
        }
    }
}
