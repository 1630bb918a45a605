//! Named tensors of a safetensors file, read by candle and checked against the shapes that they must have.

use std::{borrow::Cow, collections::HashMap, path::Path};

use candle_core::{DType, Device, Tensor};
use pointsman_kernels::{Packed, PackedInt8};
use safetensors::SafeTensors;

use crate::{
    ClassifierError,
    encoder::{Block, Encoder, EncoderConfig, Linear, Norm, Transformer, Weight},
    heads::{Dense, Heads},
    modern::{ModernBlock, ModernConfig, ModernEncoder},
    table::Table,
};

/// Tensors of one file. A matrix may be stored as floats under its name, or as bytes under its name with a
/// scale a row under `<name>.scales`.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    named: HashMap<String, Tensor>,
    path: &'a Path,
    /// The file, where it stays in memory anyway: tables are not copied out of it.
    resident: Option<SafeTensors<'static>>,
}

impl<'a> Tensors<'a> {
    pub(crate) fn read(bytes: &[u8], path: &'a Path) -> Result<Self, ClassifierError> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu);
        let content =
            |e: candle_core::Error| ClassifierError::Content { path: path.to_owned(), why: e.to_string() };
        Ok(Self { named: tensors.map_err(content)?, path, resident: None })
    }

    /// The same for a file that is part of the binary.
    pub(crate) fn read_resident(bytes: &'static [u8], path: &'a Path) -> Result<Self, ClassifierError> {
        Ok(Self { resident: SafeTensors::deserialize(bytes).ok(), ..Self::read(bytes, path)? })
    }

    fn content(&self, why: String) -> ClassifierError {
        ClassifierError::Content { path: self.path.to_owned(), why }
    }

    fn unreadable(&self, name: &str, error: &candle_core::Error) -> ClassifierError {
        self.content(format!("tensor `{name}`: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The tensor of that name, which must have that shape.
    fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor, ClassifierError> {
        let tensor =
            self.named.get(name).ok_or_else(|| self.content(format!("there is no tensor `{name}`")))?;
        if tensor.dims() != shape {
            return Err(self.content(format!("tensor `{name}` is {:?}, expected {shape:?}", tensor.dims())));
        }
        Ok(tensor)
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClassifierError> {
        let flat = self.get(name, shape)?.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1());
        let values: Vec<f32> = flat.map_err(|e| self.unreadable(name, &e))?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(self.content(format!("tensor `{name}` holds values that are no numbers")));
        }
        Ok(values)
    }

    /// A matrix in eight bits a value; one that is stored as floats is rounded.
    pub(crate) fn table(&self, name: &str, rows: usize, dims: usize) -> Result<Table, ClassifierError> {
        let stored = self.get(name, &[rows, dims])?;
        if stored.dtype() != DType::U8 {
            return Ok(Table::quantise(&self.floats(name, &[rows, dims])?, dims));
        }
        let scales = self.floats(&format!("{name}.scales"), &[rows])?;
        if let Some(view) = self.resident.as_ref().and_then(|file| file.tensor(name).ok()) {
            return Ok(Table { quantised: Cow::Borrowed(view.data()), scales, dims });
        }
        let flat = stored.flatten_all().and_then(|t| t.to_vec1::<u8>());
        let quantised = flat.map_err(|e| self.unreadable(name, &e))?;
        Ok(Table { quantised: quantised.into(), scales, dims })
    }

    /// A matrix as floats.
    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Vec<f32>, ClassifierError> {
        if self.get(name, &[rows, columns])?.dtype() == DType::U8 {
            return Ok(self.table(name, rows, columns)?.floats());
        }
        self.floats(name, &[rows, columns])
    }

    pub(crate) fn dense(&self, name: &str, outputs: usize, inputs: usize) -> Result<Dense, ClassifierError> {
        Ok(Dense {
            weight: self.matrix(&format!("{name}.weight"), outputs, inputs)?,
            bias: self.floats(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// Heads over features of width `inputs`; `hidden` is the width of the hidden layer, 0 for none.
    pub(crate) fn heads(
        &self,
        inputs: usize,
        hidden: usize,
        (tasks, industries): (usize, usize),
    ) -> Result<Heads, ClassifierError> {
        let below = if hidden == 0 { inputs } else { hidden };
        Ok(Heads {
            hidden: (hidden > 0).then(|| self.dense("hidden", hidden, inputs)).transpose()?,
            task: self.dense("task", tasks, below)?,
            industry: self.dense("industry", industries, below)?,
        })
    }

    /// All tensors, those in eight bits as the floats that they stand for, under their names without the model's in
    /// front, `model.` for a build that wants it.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn all_floats(&self) -> Result<HashMap<String, Tensor>, ClassifierError> {
        let mut floats = HashMap::new();
        for (name, tensor) in self.named.iter().filter(|(name, _)| !name.ends_with(".scales")) {
            let float = match *tensor.dims() {
                [rows, dims] if tensor.dtype() == DType::U8 => {
                    let values = self.table(name, rows, dims)?.floats();
                    Tensor::from_vec(values, (rows, dims), &Device::Cpu)
                }
                _ => tensor.to_dtype(DType::F32),
            };
            let plain = ["bert.", "roberta.", "model."]
                .iter()
                .find_map(|front| name.strip_prefix(front))
                .unwrap_or(name);
            // candle's ModernBERT has `model.` in front of every name
            let bare = plain.starts_with("layers.")
                || plain.starts_with("final_norm")
                || plain.contains("tok_embeddings");
            let full = if bare { format!("model.{plain}") } else { plain.to_owned() };
            floats.insert(full, float.map_err(|e| self.unreadable(name, &e))?);
        }
        if let Some(norm) = floats.get("embeddings.norm.weight").cloned() {
            floats.insert("model.embeddings.norm.weight".to_owned(), norm);
        }
        Ok(floats)
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, ClassifierError> {
        let beta = self.floats(&format!("{name}.bias"), &[width])?;
        Ok(Norm { beta, ..self.plain_norm(name, width)? })
    }

    /// A norm that does not shift.
    fn plain_norm(&self, name: &str, width: usize) -> Result<Norm, ClassifierError> {
        Ok(Norm { gamma: self.floats(&format!("{name}.weight"), &[width])?, beta: vec![0.0; width] })
    }

    /// Dense layers side by side: in eight bits where all are stored so, else in floats.
    fn linear(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Linear, ClassifierError> {
        let mut bias = Vec::new();
        for name in names {
            bias.extend(self.floats(&format!("{name}.bias"), &[outputs])?);
        }
        Ok(Linear { weight: self.weight(names, outputs, inputs)?, bias })
    }

    /// A dense layer that adds nothing.
    fn plain_linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, ClassifierError> {
        Ok(Linear { weight: self.weight(&[name.to_owned()], outputs, inputs)?, bias: vec![0.0; outputs] })
    }

    fn weight(&self, names: &[String], outputs: usize, inputs: usize) -> Result<Weight, ClassifierError> {
        let weights: Vec<String> = names.iter().map(|name| format!("{name}.weight")).collect();
        let bytes = |name: &String| self.named.get(name).is_some_and(|t| t.dtype() == DType::U8);
        if weights.iter().all(bytes) {
            let (mut quantised, mut scales) = (Vec::new(), Vec::new());
            for name in &weights {
                let table = self.table(name, outputs, inputs)?;
                quantised.extend_from_slice(&table.quantised);
                scales.extend(table.scales);
            }
            return Ok(Weight::Int8(PackedInt8::new(&quantised, &scales, inputs)));
        }
        let mut weight = Vec::new();
        for name in &weights {
            weight.extend(self.matrix(name, outputs, inputs)?);
        }
        Ok(Weight::Float(Packed::new(&weight, outputs * names.len(), inputs)))
    }

    /// A transformer of the build that its configuration names.
    pub(crate) fn transformer(&self, config: &EncoderConfig) -> Result<Transformer, ClassifierError> {
        match &config.modern {
            Some(modern) if config.model_type == "modernbert" => {
                Ok(Transformer::Modern(self.modern(config, modern)?))
            }
            _ => Ok(Transformer::Bert(self.encoder(config)?)),
        }
    }

    /// `ModernBERT` under the names of hub checkpoints, with `model.` in front or without.
    fn modern(
        &self,
        config: &EncoderConfig,
        modern: &ModernConfig,
    ) -> Result<ModernEncoder, ClassifierError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let at = "embeddings.tok_embeddings.weight";
        let front = if self.has(at) { "" } else { "model." };
        let name = |rest: &str| format!("{front}{rest}");
        let block = |n: usize| -> Result<ModernBlock, ClassifierError> {
            let part = |rest: &str| name(&format!("layers.{n}.{rest}"));
            let first = n == 0 && !self.has(&part("attn_norm.weight"));
            Ok(ModernBlock {
                attention_norm: (!first).then(|| self.plain_norm(&part("attn_norm"), width)).transpose()?,
                qkv: self.plain_linear(&part("attn.Wqkv"), 3 * width, width)?,
                attention: self.plain_linear(&part("attn.Wo"), width, width)?,
                norm: self.plain_norm(&part("mlp_norm"), width)?,
                up: self.plain_linear(&part("mlp.Wi"), 2 * inner, width)?,
                down: self.plain_linear(&part("mlp.Wo"), width, inner)?,
            })
        };
        Ok(ModernEncoder {
            tokens: self.table(&name(at), config.vocab_size, width)?,
            norm: self.plain_norm(&name("embeddings.norm"), width)?,
            blocks: (0..config.num_hidden_layers).map(block).collect::<Result<_, _>>()?,
            last_norm: self.plain_norm(&name("final_norm"), width)?,
            config: EncoderConfig {
                layer_norm_eps: modern.norm_eps.unwrap_or(config.layer_norm_eps),
                ..config.clone()
            },
            modern: modern.clone(),
        })
    }

    /// An encoder under the names that hub checkpoints use, with or without the model's name in front.
    pub(crate) fn encoder(&self, config: &EncoderConfig) -> Result<Encoder, ClassifierError> {
        let width = config.hidden_size;
        let fronts = ["", "bert.", "roberta."];
        let at = "embeddings.word_embeddings.weight";
        let front = fronts.into_iter().find(|f| self.has(&format!("{f}{at}"))).unwrap_or_default();
        let name = |rest: &str| format!("{front}{rest}");
        let types = self.types_row(&name("embeddings.token_type_embeddings.weight"), width)?;
        let mut positions = self.matrix(
            &name("embeddings.position_embeddings.weight"),
            config.max_position_embeddings,
            width,
        )?;
        for row in positions.chunks_exact_mut(width) {
            row.iter_mut().zip(&types).for_each(|(p, t)| *p += t);
        }
        Ok(Encoder {
            tokens: self.table(&name(at), config.vocab_size, width)?,
            positions,
            norm: self.norm(&name("embeddings.LayerNorm"), width)?,
            blocks: (0..config.num_hidden_layers)
                .map(|n| self.block(&name(&format!("encoder.layer.{n}")), config))
                .collect::<Result<_, _>>()?,
            config: config.clone(),
        })
    }

    /// The first row of the table of sentence types: how many there are differs.
    fn types_row(&self, name: &str, width: usize) -> Result<Vec<f32>, ClassifierError> {
        let rows = self.named.get(name).and_then(|t| t.dims().first().copied()).unwrap_or(1).max(1);
        let mut types = self.matrix(name, rows, width)?;
        types.truncate(width);
        Ok(types)
    }

    fn block(&self, name: &str, config: &EncoderConfig) -> Result<Block, ClassifierError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let part = |rest: &str| format!("{name}.{rest}");
        let qkv = ["query", "key", "value"].map(|p| part(&format!("attention.self.{p}")));
        Ok(Block {
            qkv: self.linear(&qkv, width, width)?,
            attention: self.linear(&[part("attention.output.dense")], width, width)?,
            attention_norm: self.norm(&part("attention.output.LayerNorm"), width)?,
            up: self.linear(&[part("intermediate.dense")], inner, width)?,
            down: self.linear(&[part("output.dense")], width, inner)?,
            norm: self.norm(&part("output.LayerNorm"), width)?,
        })
    }
}
