//! The classifier without an actor around it: text in, distributions out.

use std::{borrow::Cow, path::Path, sync::Arc, time::Duration};

use pointsman_types::{Classification, Distribution, Task, Tier};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    ArtifactSource, ClassExamples, ClassifierError, Device,
    artifact::{Abstain, Artifact, EmbedderConfig, Temperatures},
    classes::Classes,
    embedder::{Embedder, Scratch},
    heads::{Heads, Logits, softmax},
    reading,
};

/// Prompts that every useful classifier knows.
const PLAIN: [(&str, Task); 6] = [
    ("Write a Python function that reverses a linked list and add unit tests.", Task::Code),
    ("What is 17 * 23 + 144 / 12? Show the calculation.", Task::Math),
    ("Write a short poem about the sea in autumn.", Task::Creative),
    ("Translate into French: I would like a table for two, please.", Task::Translation),
    ("Write a SQL query that counts orders per customer in the last month.", Task::Data),
    (
        "Summarize the following article in three bullet points: The council met on Monday to discuss the new bridge.",
        Task::Summarization,
    ),
];

/// The weights of both tiers' words together: what two say that were trained apart is surer than their mean. Fitted on
/// the held-out exemplars (`models/deep/card.md`).
const TOGETHER: f32 = 1.2;

/// How much of its share the fast tier's word keeps on an unfamiliar language. Chosen on the held-out exemplars:
/// 0, 0.25, 0.6 and 1 score .682, .692, .706 and .713 there, with an ECE of .065, .064, .053 and .085.
const UNFAMILIAR: f32 = 0.6;

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
    deep_below: f32,
    fast_share: f32,
    classes: Classes,
    keeps_features: bool,
    info: EmbedderInfo,
}

impl Classifier {
    /// Loads and checks an artifact, to run on the CPU.
    pub fn load(source: &ArtifactSource) -> Result<Self, ClassifierError> {
        Self::load_on(source, Device::Cpu)
    }

    /// The same, with an encoder on this device.
    pub fn load_on(source: &ArtifactSource, device: Device) -> Result<Self, ClassifierError> {
        let Artifact { config, embedder, heads, revision, size } = Artifact::load(source, device)?;
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
                ArtifactSource::BuiltIn | ArtifactSource::BuiltInDeep => "built in".to_owned(),
                ArtifactSource::Folder(path) => Path::display(path).to_string(),
            },
            abstain_below: config.abstain.task_confidence,
        };
        Ok(Self {
            embedder,
            heads,
            temperature: config.temperature,
            abstain: config.abstain,
            deep_below: config.deep_below,
            fast_share: config.fast_share,
            classes: Classes::default(),
            keeps_features: false,
            info,
        })
    }

    /// Learns a user's own classes in the place of those that it knew.
    pub fn learn(&mut self, classes: &[ClassExamples]) {
        self.classes = Classes::learn(classes, &self.embedder);
    }

    /// Whether many texts at once are cheaper than one after the other.
    pub(crate) fn is_batched(&self) -> bool {
        self.embedder.is_batched()
    }

    /// Hands the features out with each classification.
    pub const fn keep_features(&mut self, keep: bool) {
        self.keeps_features = keep;
    }

    /// What is loaded.
    pub const fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    /// The embedding of one text; `None` where nothing in it can be read.
    pub fn embed(&self, text: &str) -> Option<Vec<f32>> {
        self.embedder.features(&reading::read(text), &mut Scratch::default())
    }

    /// Classifies one text.
    pub fn classify(&self, text: &str) -> Classification {
        self.classify_with(text, &mut Scratch::default())
    }

    /// Classifies texts, in order.
    pub fn classify_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Classification> {
        self.classify_batch_with(texts, &mut Scratch::default())
    }

    /// Classifies texts, in order; on a GPU in as few passes as its memory allows.
    pub(crate) fn classify_batch_with<T: AsRef<str>>(
        &self,
        texts: &[T],
        scratch: &mut Scratch,
    ) -> Vec<Classification> {
        if !self.embedder.is_batched() {
            return texts.iter().map(|text| self.classify_with(text.as_ref(), scratch)).collect();
        }
        let started = Instant::now();
        let texts: Vec<_> = texts.iter().map(|text| reading::read(text.as_ref())).collect();
        let features = self.embedder.features_of_all(&texts, scratch);
        let each = started.elapsed() / texts.len().max(1) as u32;
        let classify = |(text, features): (&Cow<'_, str>, Option<Vec<f32>>)| {
            let classification = self.of_features(text, features, scratch);
            Classification { elapsed: each, ..classification }
        };
        texts.iter().zip(features).map(classify).collect()
    }

    /// Whether the deep tier should look at what this tier has classified so.
    pub(crate) fn wants_deep(&self, classification: &Classification) -> bool {
        self.deep_below > 0.0 && (classification.unfamiliar || classification.top_task().1 < self.deep_below)
    }

    /// This tier's word and the fast tier's on the same text, as one: the geometric mean of their
    /// probabilities, weighted (Hinton 2002, "product of experts").
    pub(crate) fn with_fast(&self, fast: &Classification, own: &Classification) -> Classification {
        let (share, together) =
            if fast.unfamiliar { (self.fast_share * UNFAMILIAR, 1.0) } else { (self.fast_share, TOGETHER) };
        let weights = (share * together, (1.0 - share) * together);
        let task = product(&fast.task, &own.task, weights);
        Classification {
            abstained: own.abstained && fast.abstained || task.top().1 < self.abstain.task_confidence,
            task,
            industry: product(&fast.industry, &own.industry, weights),
            classes: fast.classes.clone(),
            features: fast.features.clone(),
            unfamiliar: fast.unfamiliar,
            elapsed: fast.elapsed + own.elapsed,
            ..own.clone()
        }
    }

    /// Whether it runs at all, and knows the plainest prompts: half of them are enough, since an embedder that was
    /// swapped in may be mediocre, and one with heads of another is not that good.
    pub fn self_test(&self) -> Result<(), ClassifierError> {
        let mut right = 0;
        for (text, task) in PLAIN {
            let got = self.classify(text);
            let sums = [got.task.0.iter().sum::<f32>(), got.industry.0.iter().sum::<f32>()];
            if sums.iter().any(|sum| (sum - 1.0).abs() > 1e-3 || !sum.is_finite()) {
                return Err(ClassifierError::SelfTest {
                    embedder: self.info.id.to_string(),
                    why: format!("the probabilities for {text:?} do not sum to 1"),
                });
            }
            right += usize::from(got.top_task().0 == task);
        }
        if right * 2 < PLAIN.len() {
            let why =
                format!("{right} of {} plain prompts right: the heads are not of this embedder", PLAIN.len());
            return Err(ClassifierError::SelfTest { embedder: self.info.id.to_string(), why });
        }
        Ok(())
    }

    pub(crate) fn classify_with(&self, text: &str, scratch: &mut Scratch) -> Classification {
        let started = Instant::now();
        let text = reading::read(text);
        let features = self.embedder.features(&text, scratch);
        let classification = self.of_features(&text, features, scratch);
        Classification { elapsed: started.elapsed(), ..classification }
    }

    /// What these features of a text say; without the time.
    fn of_features(&self, text: &str, features: Option<Vec<f32>>, scratch: &mut Scratch) -> Classification {
        let Logits { task, industry } = match &features {
            Some(features) => self.heads.forward(features, &mut scratch.hidden),
            None => Logits::default(),
        };
        let task = Distribution(softmax(&task, self.temperature.task));
        let classes = features.as_ref().map(|features| self.classes.of(features)).unwrap_or_default();
        Classification {
            classes,
            // where nothing was read all labels are as likely
            abstained: features.is_none() || task.top().1 < self.abstain.task_confidence,
            task,
            industry: Distribution(softmax(&industry, self.temperature.industry)),
            tier: self.info.tier,
            embedder: Arc::clone(&self.info.id),
            unfamiliar: self.embedder.is_unfamiliar(text),
            deep_missed: None,
            previous_share: 0.0,
            features: features.filter(|_| self.keeps_features).map(Into::into),
            elapsed: Duration::ZERO,
        }
    }
}

fn product<const N: usize>(
    a: &Distribution<N>,
    b: &Distribution<N>,
    (of_a, of_b): (f32, f32),
) -> Distribution<N> {
    let mean = |i: usize| a.0[i].max(1e-9).powf(of_a) * b.0[i].max(1e-9).powf(of_b);
    let values: [f32; N] = std::array::from_fn(mean);
    let sum: f32 = values.iter().sum();
    Distribution(values.map(|v| v / sum))
}

#[cfg(test)]
impl Classifier {
    /// Leaves a model that panics whatever it reads.
    pub(crate) fn break_table(&mut self) {
        if let Embedder::Static(embedder) = &mut self.embedder {
            embedder.table.scales.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pointsman_kernels::dot;

    use super::*;
    use crate::{
        encoder::{Buffers, Encoder, EncoderConfig, Pooling, Transformer, Weight},
        reference,
        tensors::Tensors,
    };

    fn close(a: &[f32], b: &[f32], tolerance: f32) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
    }

    #[test]
    fn a_product_is_between_its_factors() {
        let (a, b) = (Distribution([0.9, 0.1]), Distribution([0.2, 0.8]));
        assert!(
            close(&product(&a, &b, (0.0, 1.0)).0, &b.0, 1e-6)
                && close(&product(&a, &b, (1.0, 0.0)).0, &a.0, 1e-6)
        );
        let both = product(&a, &b, (0.5, 0.5)).0;
        assert!(close(&both, &[0.6, 0.4], 1e-5), "sqrt(.18) : sqrt(.08) = 3 : 2, {both:?}");
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

    const LENGTHS: [u32; 6] = [1, 2, 5, 16, 17, 40];

    fn ids(n: u32) -> Vec<u32> {
        (0..n).map(|i| (i * 37 + 11) % 90).collect()
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    fn encoder(checkpoint: &[u8], config: &EncoderConfig) -> Encoder {
        Tensors::read(checkpoint, Path::new("model.safetensors")).unwrap().encoder(config).unwrap()
    }

    #[test]
    fn the_encoder_agrees_with_candle() {
        let (checkpoint, config) = reference::random_bert().unwrap();
        let (encoder, mut buffers) = (encoder(&checkpoint, &config), Buffers::default());
        for ids in LENGTHS.map(ids) {
            for pooling in [Pooling::Mean, Pooling::Cls] {
                let fused = encoder.forward(&ids, pooling, &mut buffers);
                let candle = reference::bert(&checkpoint, &config, &ids, pooling).unwrap();
                assert!(close(&fused, &candle, 1e-3), "{} tokens: {fused:?} {candle:?}", ids.len());
            }
        }
    }

    #[test]
    fn a_modern_encoder_agrees_with_candle() {
        let (checkpoint, config) = reference::random_modern().unwrap();
        let tensors = Tensors::read(&checkpoint, Path::new("model.safetensors")).unwrap();
        let (encoder, mut buffers) = (tensors.transformer(&config).unwrap(), Buffers::default());
        assert!(matches!(encoder, Transformer::Modern(_)));
        for ids in LENGTHS.map(ids) {
            for pooling in [Pooling::Mean, Pooling::Cls] {
                let fused = encoder.forward(&ids, pooling, &mut buffers);
                let candle = reference::modern(&checkpoint, &config, &ids, pooling).unwrap();
                assert!(close(&fused, &candle, 1e-3), "{} tokens: {fused:?} {candle:?}", ids.len());
            }
        }
    }

    /// all-MiniLM-L6-v2, where `scripts/minilm.sh` has put it.
    #[test]
    fn a_real_encoder_agrees_with_candle() {
        let folder = std::env::var("POINTSMAN_MINILM").unwrap_or_default();
        if folder.is_empty() {
            eprintln!("skipped: POINTSMAN_MINILM names no folder; scripts/minilm.sh fetches one");
            return;
        }
        let read = |name: &str| std::fs::read(Path::new(&folder).join(name)).unwrap();
        let (checkpoint, config) = (read("model.safetensors"), read("config.json"));
        let config: EncoderConfig = serde_json::from_slice(&config).unwrap();
        let (stored, _) = reference::in_eight_bits(&checkpoint).unwrap();
        let (floats, int8) = (encoder(&checkpoint, &config), encoder(&stored, &config));
        let mut buffers = Buffers::default();
        let mut tokenizer =
            tokenizers::Tokenizer::from_file(Path::new(&folder).join("tokenizer.json")).unwrap();
        tokenizer.with_padding(None);
        for (text, _) in PLAIN {
            let ids = tokenizer.encode(text, true).unwrap().get_ids().to_vec();
            let candle = reference::bert(&checkpoint, &config, &ids, Pooling::Mean).unwrap();
            for (encoder, least) in [(&floats, 0.9999), (&int8, 0.999)] {
                let cosine = cosine(&encoder.forward(&ids, Pooling::Mean, &mut buffers), &candle);
                assert!(cosine >= least, "{text}: {cosine}");
            }
        }
    }

    #[test]
    fn eight_bits_agree_with_floats() {
        let (checkpoint, config) = reference::random_bert().unwrap();
        let (stored, meant) = reference::in_eight_bits(&checkpoint).unwrap();
        let (encoder, mut buffers) = (encoder(&stored, &config), Buffers::default());
        assert!(encoder.blocks.iter().all(|b| matches!(b.up.weight, Weight::Int8(_))));
        for ids in LENGTHS.map(ids) {
            let fused = encoder.forward(&ids, Pooling::Mean, &mut buffers);
            let exact = reference::bert(&meant, &config, &ids, Pooling::Mean).unwrap();
            assert!(close(&fused, &exact, 2e-3), "{} tokens: {fused:?} {exact:?}", ids.len());
            let floats = reference::bert(&checkpoint, &config, &ids, Pooling::Mean).unwrap();
            let cosine = cosine(&fused, &floats);
            assert!(cosine >= 0.999, "{} tokens: {cosine}", ids.len());
        }
    }
}
