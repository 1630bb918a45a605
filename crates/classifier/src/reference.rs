//! The same forward pass in candle: the reference that `model.rs` is held against, and the loader's view of
//! the tensors.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Tensor};

use crate::{
    ClassifierError,
    model::{Dense, Model, Table},
};

/// Named tensors of one safetensors file.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    tensors: HashMap<String, Tensor>,
    path: &'a Path,
}

impl<'a> Tensors<'a> {
    pub(crate) fn read(bytes: &[u8], path: &'a Path) -> Result<Self, ClassifierError> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu);
        let content =
            |e: candle_core::Error| ClassifierError::Content { path: path.to_owned(), why: e.to_string() };
        Ok(Self { tensors: tensors.map_err(content)?, path })
    }

    /// The tensor of that name, which must have that shape.
    fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor, ClassifierError> {
        let content = |why: String| ClassifierError::Content { path: self.path.to_owned(), why };
        let tensor = self.tensors.get(name).ok_or_else(|| content(format!("there is no tensor `{name}`")))?;
        if tensor.dims() != shape {
            return Err(content(format!("tensor `{name}` is {:?}, expected {shape:?}", tensor.dims())));
        }
        Ok(tensor)
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClassifierError> {
        let flat = self.get(name, shape)?.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1());
        let values: Vec<f32> = flat.map_err(|e| self.unreadable(name, &e))?;
        if values.iter().any(|v| !v.is_finite()) {
            let why = format!("tensor `{name}` holds values that are no numbers");
            return Err(ClassifierError::Content { path: self.path.to_owned(), why });
        }
        Ok(values)
    }

    pub(crate) fn table(&self, rows: usize, dims: usize) -> Result<Table, ClassifierError> {
        let flat = self.get("table", &[rows, dims])?.flatten_all().and_then(|t| t.to_vec1::<u8>());
        let quantised = flat.map_err(|e| self.unreadable("table", &e))?;
        Ok(Table { quantised, scales: self.floats("scales", &[rows])?, dims })
    }

    pub(crate) fn dense(&self, name: &str, outputs: usize, inputs: usize) -> Result<Dense, ClassifierError> {
        Ok(Dense {
            weight: self.floats(&format!("{name}.weight"), &[outputs, inputs])?,
            bias: self.floats(&format!("{name}.bias"), &[outputs])?,
        })
    }

    fn unreadable(&self, name: &str, error: &candle_core::Error) -> ClassifierError {
        ClassifierError::Content { path: self.path.to_owned(), why: format!("tensor `{name}`: {error}") }
    }
}

/// A dense layer as candle tensors `[outputs, inputs]` and `[outputs]`.
pub(crate) fn dense_tensors(layer: &Dense) -> candle_core::Result<(Tensor, Tensor)> {
    let outputs = layer.bias.len();
    let weight = Tensor::from_slice(&layer.weight, (outputs, layer.weight.len() / outputs), &Device::Cpu)?;
    Ok((weight, Tensor::from_slice(&layer.bias, outputs, &Device::Cpu)?))
}

/// Logits of one text through candle operations.
#[cfg_attr(not(test), expect(dead_code, reason = "the reference of the tests"))]
pub(crate) fn forward(
    model: &Model,
    rows: &crate::tokens::Rows,
) -> candle_core::Result<crate::model::Logits> {
    let Table { quantised, scales, dims } = &model.table;
    let table = Tensor::from_slice(quantised, (scales.len(), *dims), &Device::Cpu)?;
    let scales = Tensor::from_slice(scales, (scales.len(), 1), &Device::Cpu)?;
    let mut pools = Vec::new();
    for pool in rows.pools() {
        let mut x = Tensor::zeros((1, *dims), DType::F32, &Device::Cpu)?;
        for ids in pool.into_iter().filter(|ids| !ids.is_empty()) {
            let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
            let values = (table.index_select(&ids, 0)?.to_dtype(DType::F32)? - 128.0)?;
            x = (x + values.broadcast_mul(&scales.index_select(&ids, 0)?)?.mean_keepdim(0)?)?;
        }
        pools.push(x);
    }
    let x = Tensor::cat(&pools, 1)?;
    let apply = |layer: &Dense, x: &Tensor| {
        let (weight, bias) = dense_tensors(layer)?;
        x.matmul(&weight.t()?)?.broadcast_add(&bias)
    };
    let h = apply(&model.hidden, &x)?.relu()?;
    let logits = |layer: &Dense| apply(layer, &h)?.flatten_all()?.to_vec1::<f32>();
    Ok(crate::model::Logits { task: logits(&model.task)?, industry: logits(&model.industry)? })
}
