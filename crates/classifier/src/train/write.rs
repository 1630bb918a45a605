//! The artifact folder that a training run leaves.

use std::{collections::HashMap, fs, path::Path};

use candle_core::{Device, Tensor};

use super::{TrainSettings, base::Base, report::Calibration};
use crate::{
    Abstain, ArtifactConfig, ClassifierError, Temperatures, artifact,
    heads::{Dense, Heads},
    table::Table,
};

/// Writes every file of the artifact but the card.
pub(crate) fn write(
    settings: &TrainSettings,
    base: &Base,
    calibration: &Calibration,
    (table, heads): &(Option<Table>, Heads),
) -> Result<(), ClassifierError> {
    let out = &settings.out;
    let failed = |why: String| ClassifierError::Training(format!("{}: {why}", out.display()));
    let io = |e: std::io::Error| failed(e.to_string());
    fs::create_dir_all(out).map_err(io)?;
    let config = ArtifactConfig {
        name: settings.name.clone(),
        embedder: base.config.clone(),
        hidden: settings.hidden,
        head_tokens: base.cut.0,
        tail_tokens: base.cut.1,
        temperature: Temperatures { task: calibration.task, industry: calibration.industry },
        abstain: Abstain { task_confidence: calibration.threshold },
        deep_below: settings.deep_below,
        fast_share: 0.0,
    };
    let json = |value: serde_json::Result<String>| value.map(|v| v + "\n").map_err(|e| failed(e.to_string()));
    fs::write(out.join(artifact::CONFIG), json(serde_json::to_string_pretty(&config))?).map_err(io)?;
    let labels = json(serde_json::to_string_pretty(&artifact::Labels::ours()))?;
    fs::write(out.join(artifact::LABELS), labels).map_err(io)?;
    copy(&base.tokenizer, &out.join(artifact::TOKENIZER)).map_err(io)?;
    if let Some(weights) = &base.weights {
        copy(weights, &out.join(artifact::WEIGHTS)).map_err(io)?;
    }
    if let Some(table) = table {
        save_table(table, &out.join(artifact::WEIGHTS)).map_err(|e| failed(e.to_string()))?;
    }
    save_heads(heads, &out.join(artifact::HEADS)).map_err(|e| failed(e.to_string()))?;
    artifact::write_manifest(out).map_err(io)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let same = fs::canonicalize(from).ok() == fs::canonicalize(to).ok();
    if same { Ok(()) } else { fs::copy(from, to).map(drop) }
}

fn save_table(table: &Table, path: &Path) -> candle_core::Result<()> {
    let rows = table.scales.len();
    let quantised = Tensor::from_slice(&table.quantised, (rows, table.dims), &Device::Cpu)?;
    let scales = Tensor::from_slice(&table.scales, rows, &Device::Cpu)?;
    let tensors: HashMap<_, _> = [("table", quantised), ("table.scales", scales)].into();
    candle_core::safetensors::save(&tensors, path)
}

fn save_heads(heads: &Heads, path: &Path) -> candle_core::Result<()> {
    let layers =
        [("hidden", heads.hidden.as_ref()), ("task", Some(&heads.task)), ("industry", Some(&heads.industry))];
    let mut tensors = HashMap::new();
    for (name, layer) in layers {
        let Some(Dense { weight, bias }) = layer else { continue };
        let shape = (bias.len(), weight.len() / bias.len());
        tensors.insert(format!("{name}.weight"), Tensor::from_slice(weight, shape, &Device::Cpu)?);
        tensors.insert(format!("{name}.bias"), Tensor::from_slice(bias, bias.len(), &Device::Cpu)?);
    }
    candle_core::safetensors::save(&tensors, path)
}
