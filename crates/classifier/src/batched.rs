//! Whole batches through candle, for devices on which a pass over many prompts costs hardly more than one over a single
//! prompt. On a CPU it is slower than the fused pass of `encoder.rs`, which wastes nothing on padding.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Error, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, modernbert};

use crate::{
    ClassifierError,
    encoder::{EncoderConfig, Pooling},
};

/// Tokens of one pass, padding included: enough to fill a GPU, little enough for its memory.
const BUDGET: usize = 16_384;

/// An encoder on a device.
pub(crate) struct Batched {
    model: Model,
    device: Device,
    pad: u32,
    budget: usize,
}

enum Model {
    Bert(Box<bert::BertModel>),
    Modern(Box<modernbert::ModernBert>),
}

impl std::fmt::Debug for Batched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batched").field("device", &self.device).finish_non_exhaustive()
    }
}

/// Texts by number, those of like length together, so that no batch is padded beyond `budget` tokens. A text that is
/// longer by itself has a batch of its own.
pub(crate) fn plan(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|n| lengths[*n]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for n in order {
        // sorted: this one is the longest so far, and all are padded to it
        match batches.last_mut().filter(|batch| (batch.len() + 1) * lengths[n] <= budget) {
            Some(batch) => batch.push(n),
            None => batches.push(vec![n]),
        }
    }
    batches
}

impl Batched {
    /// The first CUDA device of the machine.
    #[cfg(feature = "cuda")]
    pub(crate) fn device(path: &Path) -> std::result::Result<Device, ClassifierError> {
        Device::new_cuda(0)
            .map_err(|e| ClassifierError::Content { path: path.to_owned(), why: format!("cuda: {e}") })
    }

    /// Weights in floats under the names of hub checkpoints.
    pub(crate) fn load(
        weights: HashMap<String, Tensor>,
        config: &EncoderConfig,
        device: &Device,
        path: &Path,
    ) -> std::result::Result<Self, ClassifierError> {
        let wrong =
            |e: Error| ClassifierError::Content { path: path.to_owned(), why: format!("on a device: {e}") };
        let weights = VarBuilder::from_tensors(weights, DType::F32, device);
        let model = match config.model_type.as_str() {
            "bert" => bert::BertModel::load(weights, &config.to_candle().map_err(wrong)?)
                .map(|model| Model::Bert(Box::new(model))),
            "modernbert" => modernbert::ModernBert::load(weights, &config.to_candle().map_err(wrong)?)
                .map(|model| Model::Modern(Box::new(model))),
            other => Err(Error::Msg(format!("{other} runs on the CPU only"))),
        };
        let model = model.map_err(wrong)?;
        Ok(Self { model, device: device.clone(), pad: config.pad_token_id as u32, budget: BUDGET })
    }

    /// The embeddings of texts as token ids with their special tokens, in their order. None may be empty.
    pub(crate) fn forward(&self, texts: &[Vec<u32>], pooling: Pooling) -> Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let mut embeddings = vec![Vec::new(); texts.len()];
        for batch in plan(&lengths, self.budget) {
            let ids: Vec<&[u32]> = batch.iter().map(|n| texts[*n].as_slice()).collect();
            for (n, embedding) in batch.iter().zip(self.pass(&ids, pooling)?) {
                embeddings[*n] = embedding;
            }
        }
        Ok(embeddings)
    }

    fn pass(&self, texts: &[&[u32]], pooling: Pooling) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let padded = |ids: &&[u32]| {
            let padding = std::iter::repeat_n(self.pad, longest - ids.len());
            ids.iter().copied().chain(padding).collect::<Vec<_>>()
        };
        let real = |ids: &&[u32]| (0..longest).map(|i| u32::from(i < ids.len())).collect::<Vec<_>>();
        let shape = (texts.len(), longest);
        let ids = Tensor::from_vec(texts.iter().flat_map(padded).collect(), shape, &self.device)?;
        let mask = Tensor::from_vec(texts.iter().flat_map(real).collect(), shape, &self.device)?;
        let vectors = match &self.model {
            Model::Bert(model) => model.forward(&ids, &ids.zeros_like()?, Some(&mask))?,
            Model::Modern(model) => model.forward(&ids, &mask)?,
        };
        let pooled = match pooling {
            Pooling::Cls => vectors.narrow(1, 0, 1)?.squeeze(1)?,
            Pooling::Mean => {
                let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
                let sum = vectors.broadcast_mul(&mask)?.sum(1)?;
                sum.broadcast_div(&mask.sum(1)?)?
            }
        };
        pooled.to_dtype(DType::F32)?.to_vec2()
    }
}

impl EncoderConfig {
    /// As candle's own configurations read it.
    pub(crate) fn to_candle<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let mut fields = serde_json::to_value(self).map_err(Error::wrap)?;
        for (name, value) in [
            ("hidden_dropout_prob", serde_json::json!(0.0)),
            ("type_vocab_size", serde_json::json!(2)),
            ("initializer_range", serde_json::json!(0.02)),
            ("classifier_config", serde_json::Value::Null),
        ] {
            fields[name] = value;
        }
        if let Some(epsilon) = self.modern.as_ref().and_then(|modern| modern.norm_eps) {
            fields["layer_norm_eps"] = epsilon.into();
        }
        serde_json::from_value(fields).map_err(Error::wrap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{encoder::Buffers, reference, tensors::Tensors};

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_and_no_batch_is_too_wide(lengths in proptest::collection::vec(1_usize..200, 0..80), budget in 1_usize..2000) {
            let batches = plan(&lengths, budget);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|n| lengths[*n]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * longest <= budget);
            }
        }
    }

    #[test]
    fn batches_agree_with_single_passes() {
        let path = Path::new("model.safetensors");
        for (checkpoint, config) in [reference::random_bert().unwrap(), reference::random_modern().unwrap()] {
            let tensors = Tensors::read(&checkpoint, path).unwrap();
            let (fused, mut buffers) = (tensors.transformer(&config).unwrap(), Buffers::default());
            let mut batched =
                Batched::load(tensors.all_floats().unwrap(), &config, &Device::Cpu, path).unwrap();
            // narrow, so that several passes are needed
            batched.budget = 60;
            let texts: Vec<Vec<u32>> =
                [7, 1, 30, 2, 19, 18, 5].map(|n| (0..n).map(|i| (i * 31 + n) % 90).collect()).to_vec();
            for pooling in [Pooling::Mean, Pooling::Cls] {
                let together = batched.forward(&texts, pooling).unwrap();
                for (ids, embedding) in texts.iter().zip(together) {
                    let single = fused.forward(ids, pooling, &mut buffers);
                    let furthest =
                        single.iter().zip(&embedding).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
                    assert!(furthest < 1e-3, "{} {} tokens: {furthest}", config.model_type, ids.len());
                }
            }
        }
    }
}
