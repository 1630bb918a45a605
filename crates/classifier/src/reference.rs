//! The embedders and heads through candle: what the fused passes are held against.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{
    bert::{BertModel, Config},
    modernbert,
};

use crate::{
    embedder::StaticEmbedder,
    encoder::{EncoderConfig, Pooling},
    heads::{Dense, Heads, Logits},
    modern::ModernConfig,
    table::Table,
    train::random::Random,
};

fn table(table: &Table) -> Result<Tensor> {
    Tensor::from_slice(&table.floats(), (table.scales.len(), table.dims), &Device::Cpu)
}

/// The pools of one text.
pub(crate) fn pool(embedder: &StaticEmbedder, text: &str) -> Result<Tensor> {
    let (rows, values) = (embedder.tokens.rows(text), table(&embedder.table)?);
    let mut pools = Vec::new();
    for pool in rows.pools() {
        let mut x = Tensor::zeros((1, embedder.table.dims), DType::F32, &Device::Cpu)?;
        for ids in pool.into_iter().filter(|ids| !ids.is_empty()) {
            let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
            x = (x + values.index_select(&ids, 0)?.mean_keepdim(0)?)?;
        }
        pools.push(x);
    }
    Tensor::cat(&pools, 1)
}

/// The embedding of one text by candle's own BERT. `checkpoint` is a safetensors file in floats.
pub(crate) fn bert(
    checkpoint: &[u8],
    config: &EncoderConfig,
    ids: &[u32],
    pooling: Pooling,
) -> Result<Vec<f32>> {
    let config: Config = config.to_candle()?;
    let weights = VarBuilder::from_buffered_safetensors(checkpoint.to_vec(), DType::F32, &Device::Cpu)?;
    let model = BertModel::load(weights, &config)?;
    let ids = Tensor::from_slice(ids, (1, ids.len()), &Device::Cpu)?;
    let vectors = model.forward(&ids, &ids.zeros_like()?, None)?.squeeze(0)?;
    match pooling {
        Pooling::Mean => vectors.mean(0)?.to_vec1(),
        Pooling::Cls => vectors.get(0)?.to_vec1(),
    }
}

/// The embedding of one text by candle's own `ModernBERT`.
pub(crate) fn modern(
    checkpoint: &[u8],
    config: &EncoderConfig,
    ids: &[u32],
    pooling: Pooling,
) -> Result<Vec<f32>> {
    let config: modernbert::Config = config.to_candle()?;
    let weights = VarBuilder::from_buffered_safetensors(checkpoint.to_vec(), DType::F32, &Device::Cpu)?;
    let model = modernbert::ModernBert::load(weights, &config)?;
    let ids = Tensor::from_slice(ids, (1, ids.len()), &Device::Cpu)?;
    let vectors = model.forward(&ids, &ids.ones_like()?)?.squeeze(0)?;
    match pooling {
        Pooling::Mean => vectors.mean(0)?.to_vec1(),
        Pooling::Cls => vectors.get(0)?.to_vec1(),
    }
}

/// A small `ModernBERT` with random weights, the same each time: a window of four, every second layer global.
pub(crate) fn random_modern() -> Result<(Vec<u8>, EncoderConfig)> {
    let modern = ModernConfig {
        global_attn_every_n_layers: 2,
        global_rope_theta: 160_000.0,
        local_attention: 4,
        local_rope_theta: 10_000.0,
        norm_eps: Some(1e-5),
        hidden_activation: None,
    };
    let (_, bert) = random_bert()?;
    let config = EncoderConfig {
        model_type: "modernbert".to_owned(),
        num_hidden_layers: 4,
        layer_norm_eps: 1e-5,
        modern: Some(modern),
        ..bert
    };
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let mut shapes = vec![
        ("embeddings.tok_embeddings".to_owned(), vec![config.vocab_size, width]),
        ("embeddings.norm".to_owned(), vec![width]),
        ("final_norm".to_owned(), vec![width]),
    ];
    for n in 0..config.num_hidden_layers {
        for (part, shape) in [
            ("attn.Wqkv", vec![3 * width, width]),
            ("attn.Wo", vec![width, width]),
            ("mlp_norm", vec![width]),
            ("mlp.Wi", vec![2 * inner, width]),
            ("mlp.Wo", vec![width, inner]),
            ("attn_norm", vec![width]),
        ] {
            if (n, part) != (0, "attn_norm") {
                shapes.push((format!("layers.{n}.{part}"), shape));
            }
        }
    }
    let mut random = Random::new(11);
    let mut tensors = HashMap::new();
    for (name, shape) in shapes {
        let mean = if shape.len() == 1 { 1.0 } else { 0.0 };
        let mut values: Vec<f32> =
            (0..shape.iter().product()).map(|_| mean + 0.7 * (random.unit() - 0.5)).collect();
        if name.ends_with("tok_embeddings") {
            values = Table::quantise(&values, width).floats();
        }
        tensors.insert(format!("model.{name}.weight"), Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    let bytes = safetensors::serialize(&tensors, None).map_err(candle_core::Error::wrap)?;
    Ok((bytes, config))
}

/// A small checkpoint with random weights, the same each time, its configuration, and the hub's names.
pub(crate) fn random_bert() -> Result<(Vec<u8>, EncoderConfig)> {
    let config = EncoderConfig {
        model_type: "bert".to_owned(),
        hidden_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 100,
        max_position_embeddings: 40,
        vocab_size: 90,
        layer_norm_eps: 1e-12,
        pad_token_id: 0,
        hidden_act: "gelu".to_owned(),
        modern: None,
    };
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let mut tensors = HashMap::new();
    let mut random = Random::new(7);
    let mut put = |name: String, shape: &[usize], mean: f32| -> Result<()> {
        let mut values: Vec<f32> =
            (0..shape.iter().product()).map(|_| mean + 0.7 * (random.unit() - 0.5)).collect();
        if name.ends_with("word_embeddings.weight") {
            // the fused pass keeps this one in eight bits: values that survive it tell errors from rounding
            values = Table::quantise(&values, shape[1]).floats();
        }
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
        Ok(())
    };
    for (name, rows) in [("word", config.vocab_size), ("position", 40), ("token_type", 2)] {
        put(format!("embeddings.{name}_embeddings.weight"), &[rows, width], 0.0)?;
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for n in 0..config.num_hidden_layers {
        let layer = format!("encoder.layer.{n}");
        for (part, outputs, inputs) in [
            ("attention.self.query", width, width),
            ("attention.self.key", width, width),
            ("attention.self.value", width, width),
            ("attention.output.dense", width, width),
            ("intermediate.dense", inner, width),
            ("output.dense", width, inner),
        ] {
            put(format!("{layer}.{part}.weight"), &[outputs, inputs], 0.0)?;
            put(format!("{layer}.{part}.bias"), &[outputs], 0.0)?;
        }
        norms.extend(["attention.output", "output"].map(|part| format!("{layer}.{part}.LayerNorm")));
    }
    for norm in norms {
        put(format!("{norm}.weight"), &[width], 1.0)?;
        put(format!("{norm}.bias"), &[width], 0.0)?;
    }
    let views: Vec<_> = tensors.iter().collect();
    let bytes = safetensors::serialize(views, None).map_err(candle_core::Error::wrap)?;
    Ok((bytes, config))
}

/// The same checkpoint with its dense weights in eight bits, as artifacts store them, and with the values that
/// these eight bits stand for.
pub(crate) fn in_eight_bits(checkpoint: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let named = candle_core::safetensors::load_buffer(checkpoint, &Device::Cpu)?;
    let (mut stored, mut meant) = (named.clone(), named.clone());
    for (name, weight) in named.iter().filter(|(name, _)| name.contains("layer") && !name.contains("Norm")) {
        if let [rows, dims] = *weight.dims() {
            let table = Table::quantise(&weight.flatten_all()?.to_vec1::<f32>()?, dims);
            let bytes = Tensor::from_slice(&table.quantised, (rows, dims), &Device::Cpu)?;
            stored.insert(name.clone(), bytes);
            stored.insert(format!("{name}.scales"), Tensor::from_slice(&table.scales, rows, &Device::Cpu)?);
            meant.insert(name.clone(), Tensor::from_vec(table.floats(), (rows, dims), &Device::Cpu)?);
        }
    }
    let file = |tensors: &HashMap<String, Tensor>| {
        safetensors::serialize(tensors, None).map_err(candle_core::Error::wrap)
    };
    Ok((file(&stored)?, file(&meant)?))
}

/// The heads over features `[1, width]`.
pub(crate) fn heads(heads: &Heads, features: &Tensor) -> Result<Logits> {
    let apply = |layer: &Dense, x: &Tensor| {
        let outputs = layer.bias.len();
        let shape = (outputs, layer.weight.len() / outputs);
        let weight = Tensor::from_slice(&layer.weight, shape, &Device::Cpu)?;
        x.matmul(&weight.t()?)?.broadcast_add(&Tensor::from_slice(&layer.bias, outputs, &Device::Cpu)?)
    };
    let h = match &heads.hidden {
        Some(hidden) => apply(hidden, features)?.relu()?,
        None => features.clone(),
    };
    let logits = |layer: &Dense| apply(layer, &h)?.flatten_all()?.to_vec1::<f32>();
    Ok(Logits { task: logits(&heads.task)?, industry: logits(&heads.industry)? })
}
