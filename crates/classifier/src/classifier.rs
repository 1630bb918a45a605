//! The classifier without an actor around it: text in, distributions out.

use std::{path::Path, sync::Arc};

use pointsman_types::{Classification, Distribution, Tier};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    ArtifactSource, ClassifierError,
    artifact::{Abstain, Artifact, Temperatures},
    model::{Logits, Model, Scratch, softmax},
    reading,
    tokens::{Rows, Tokens},
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
    tokens: Tokens,
    model: Model,
    temperature: Temperatures,
    abstain: Abstain,
    info: EmbedderInfo,
}

impl Classifier {
    /// Loads and checks an artifact.
    pub fn load(source: &ArtifactSource) -> Result<Self, ClassifierError> {
        let Artifact { config, tokens, model, revision, size } = Artifact::load(source)?;
        let info = EmbedderInfo {
            id: format!("{}@{revision}", config.name).into(),
            name: config.name,
            revision,
            tier: Tier::Fast,
            dims: config.dims,
            bytes: size,
            source: match source {
                ArtifactSource::BuiltIn => "built in".to_owned(),
                ArtifactSource::Folder(path) => Path::display(path).to_string(),
            },
            abstain_below: config.abstain.task_confidence,
        };
        Ok(Self { tokens, model, temperature: config.temperature, abstain: config.abstain, info })
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
        let rows = self.rows(text);
        let Logits { task, industry } = self.model.forward(&rows, scratch);
        let task = Distribution(softmax(&task, self.temperature.task));
        Classification {
            // nothing was read: whatever the biases say is no knowledge
            abstained: rows.tokens.is_empty() || task.top().1 < self.abstain.task_confidence,
            task,
            industry: Distribution(softmax(&industry, self.temperature.industry)),
            tier: Tier::Fast,
            embedder: Arc::clone(&self.info.id),
            elapsed: started.elapsed(),
        }
    }

    fn rows(&self, text: &str) -> Rows {
        self.tokens.rows(&reading::read(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fused_pass_agrees_with_candle() {
        let classifier = Classifier::load(&ArtifactSource::BuiltIn).unwrap();
        for text in
            ["", "a", "Write a SQL query that finds duplicate orders", "你好，请翻译", &"word ".repeat(400)]
        {
            let rows = classifier.rows(text);
            let fused = classifier.model.forward(&rows, &mut Scratch::default());
            let candle = crate::reference::forward(&classifier.model, &rows).unwrap();
            for (a, b) in
                fused.task.iter().chain(&fused.industry).zip(candle.task.iter().chain(&candle.industry))
            {
                assert!((a - b).abs() < 1e-4, "{text:?}: {a} {b}");
            }
        }
    }
}
