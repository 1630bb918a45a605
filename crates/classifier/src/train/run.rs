//! One training run: folds, calibration, the final fit, the artifact.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use pointsman_types::{Industry, Task};
use rayon::prelude::*;
use serde::Serialize;

use super::{
    Example, augment,
    calibrate::{self, Labelled},
    fit::{self, FitSettings, FloatTable, Sample},
    random::Random,
};
use crate::{
    Abstain, ArtifactConfig, ClassifierError, EmbedderConfig, Temperatures, artifact,
    evaluate::{Report, report},
    heads::{Dense, Heads, Logits},
    reading,
    table::Table,
    tokens::Tokens,
};

/// What a training run is told.
#[derive(Debug, Clone)]
pub struct TrainSettings {
    /// `tokenizer.json` to build on.
    pub tokenizer: PathBuf,
    /// Raw float32 table of the tokens, vocabulary x dims (`scripts/distill_static.py`); without one the table
    /// starts from small random numbers.
    pub table: Option<PathBuf>,
    /// Width of the table.
    pub dims: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// Rows for hashed token pairs.
    pub pairs: u32,
    /// Passes over the data.
    pub epochs: usize,
    /// Variations of each text.
    pub views: usize,
    /// How much an exemplar counts beside a row of the data sets.
    pub exemplar_weight: f32,
    /// Chance that a row is left out of a text in one step.
    pub row_dropout: f32,
    /// Rate of the table.
    pub table_rate: f32,
    /// Pull of the dense weights to zero.
    pub weight_decay: f32,
    /// Seed of everything random.
    pub seed: u64,
    /// Where the artifact goes.
    pub out: PathBuf,
}

/// Figures of one source that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct FoldReport {
    /// The source.
    pub source: String,
    /// Task head on it.
    pub task: Report,
    /// Industry head on it.
    pub industry: Report,
}

/// What came out.
#[derive(Debug, Clone, Serialize)]
pub struct TrainReport {
    /// Each source left out in turn.
    pub folds: Vec<FoldReport>,
    /// All left-out rows together, calibrated.
    pub unseen_task: Report,
    /// All left-out rows together, calibrated.
    pub unseen_industry: Report,
    /// The mean over sources of the task accuracy: a large source counts as much as a small one.
    pub unseen_task_by_source: f64,
    /// The mean over sources of the industry accuracy.
    pub unseen_industry_by_source: f64,
    /// Calibration.
    pub temperature: (f32, f32),
    /// Abstain threshold of the task head.
    pub threshold: f32,
    /// Rows of the final fit.
    pub rows: usize,
}

/// The share of prompts from unseen sources on which the task head abstains: the least sure of them.
const ABSTAINS: f64 = 0.15;
const HEAD_TOKENS: usize = 160;
const TAIL_TOKENS: usize = 64;

struct Prepared {
    tokens: Tokens,
    vocab: u32,
    start: FloatTable,
    fit: FitSettings,
}

/// Validates on each source in turn, calibrates on what that predicts, fits on everything, and writes the
/// artifact. `exemplars` train in every fold; `say` hears of the progress.
pub fn train(
    data: &[Example],
    exemplars: &[Example],
    settings: &TrainSettings,
    say: &(dyn Fn(&str) + Sync),
) -> Result<TrainReport, ClassifierError> {
    let prepared = prepare(settings)?;
    let sample = |examples: &[Example], weight: f32| -> Vec<Sample> {
        let number = |i: usize, e: &Example| prepared.sample(e, weight, settings, i as u64);
        examples.par_iter().enumerate().map(|(i, e)| number(i, e)).collect()
    };
    let (rows, extra) = (sample(data, 1.0), sample(exemplars, settings.exemplar_weight));
    say(&format!("{} rows, {} exemplars", rows.len(), extra.len()));
    let groups: BTreeSet<&str> = data.iter().map(Example::group).collect();
    let folds: Vec<Fold> = groups
        .par_iter()
        .map(|group| {
            let fold = prepared.fold(group, data, &rows, &extra);
            say(&format!(
                "left out {group}: task accuracy {:.3} ({} rows)",
                fold.accuracy(),
                fold.task.len()
            ));
            fold
        })
        .collect();
    let calibration = Calibration::of(&folds);
    let everything: Vec<Sample> = rows.into_iter().chain(extra).collect();
    say("final fit");
    let (table, heads) = fit::fit(&everything, prepared.start.clone(), &prepared.fit).quantised();
    write(settings, &prepared, &calibration, (&table, &heads))?;
    Ok(calibration.report(&folds, everything.len()))
}

fn prepare(settings: &TrainSettings) -> Result<Prepared, ClassifierError> {
    let file =
        |path: &Path, e: &std::io::Error| ClassifierError::File { path: path.to_owned(), why: e.to_string() };
    let json = fs::read(&settings.tokenizer).map_err(|e| file(&settings.tokenizer, &e))?;
    let vocab = tokenizers::Tokenizer::from_bytes(&json)
        .map_err(|e| ClassifierError::Content { path: settings.tokenizer.clone(), why: e.to_string() })?
        .get_vocab_size(true) as u32;
    let cut = (HEAD_TOKENS, TAIL_TOKENS);
    let tokens = Tokens::load(&json, &settings.tokenizer, (vocab, settings.pairs), cut)?;
    let mut random = Random::new(settings.seed ^ 0xA5A5);
    let cells = (vocab + settings.pairs) as usize * settings.dims;
    let mut values: Vec<f32> = (0..cells).map(|_| (random.unit() - 0.5) * 0.01).collect();
    if let Some(path) = &settings.table {
        let raw = fs::read(path).map_err(|e| file(path, &e))?;
        if raw.len() != vocab as usize * settings.dims * 4 {
            let why = format!("{} bytes, expected {vocab} x {} x 4", raw.len(), settings.dims);
            return Err(ClassifierError::Content { path: path.clone(), why });
        }
        for (value, bytes) in values.iter_mut().zip(raw.chunks_exact(4)) {
            *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
    let fit = FitSettings {
        hidden: settings.hidden,
        epochs: settings.epochs,
        table_rate: settings.table_rate,
        dense_rate: 2e-3,
        batch: 32,
        row_dropout: settings.row_dropout,
        hidden_dropout: 0.3,
        smoothing: 0.05,
        weight_decay: settings.weight_decay,
        seed: settings.seed,
    };
    Ok(Prepared { tokens, vocab, start: FloatTable { values, dims: settings.dims }, fit })
}

/// Logits of the rows of one source by a model that has not seen it.
struct Fold {
    source: String,
    task: Vec<Labelled>,
    industry: Vec<Labelled>,
}

impl Fold {
    fn accuracy(&self) -> f64 {
        report(&calibrate::predictions(&self.task, 1.0), 0.0).accuracy
    }
}

impl Prepared {
    fn sample(&self, example: &Example, weight: f32, settings: &TrainSettings, number: u64) -> Sample {
        let mut random = Random::new(settings.seed.wrapping_add(number.wrapping_mul(7919)));
        let rows = |text: &str| self.tokens.rows(&reading::read(text));
        let mut views = vec![rows(&example.text)];
        views.extend((1..settings.views).map(|_| rows(&augment::vary(&example.text, &mut random))));
        let (task, industry) = (example.task.map(Task::index), example.industry.map(Industry::index));
        Sample { views, task, industry, weight }
    }

    fn fold(&self, group: &str, data: &[Example], rows: &[Sample], extra: &[Sample]) -> Fold {
        let of = |inside: bool| {
            let kept = data.iter().zip(rows).filter(move |(e, _)| (e.group() == group) == inside);
            kept.map(|(_, s)| s.clone())
        };
        let training: Vec<Sample> = of(false).chain(extra.iter().cloned()).collect();
        let test: Vec<Sample> = of(true).collect();
        let (table, heads) = fit::fit(&training, self.start.clone(), &self.fit).quantised();
        let logits = fit::logits(&table, &heads, &test);
        let labelled = |truth: fn(&Sample) -> Option<usize>, head: fn(&Logits) -> &Vec<f32>| {
            test.iter().zip(&logits).filter_map(|(s, l)| Some((head(l).clone(), truth(s)?))).collect()
        };
        Fold {
            source: group.to_owned(),
            task: labelled(|s| s.task, |l| &l.task),
            industry: labelled(|s| s.industry, |l| &l.industry),
        }
    }
}

struct Calibration {
    task: f32,
    industry: f32,
    threshold: f32,
}

impl Calibration {
    fn of(folds: &[Fold]) -> Self {
        let all = |head: fn(&Fold) -> &Vec<Labelled>| -> Vec<Labelled> {
            folds.iter().flat_map(|f| head(f).clone()).collect()
        };
        let task_rows = all(|f| &f.task);
        let task = calibrate::temperature(&task_rows);
        let threshold = calibrate::threshold(&calibrate::predictions(&task_rows, task), ABSTAINS);
        Self { task, industry: calibrate::temperature(&all(|f| &f.industry)), threshold }
    }

    fn report(&self, folds: &[Fold], rows: usize) -> TrainReport {
        let figures = |labelled: &[Labelled], temperature| {
            report(&calibrate::predictions(labelled, temperature), self.threshold)
        };
        let all = |head: fn(&Fold) -> &Vec<Labelled>| -> Vec<Labelled> {
            folds.iter().flat_map(|f| head(f).clone()).collect()
        };
        let folds_reported: Vec<FoldReport> = folds
            .iter()
            .map(|f| FoldReport {
                source: f.source.clone(),
                task: figures(&f.task, self.task),
                industry: figures(&f.industry, self.industry),
            })
            .collect();
        let mean = |head: fn(&FoldReport) -> &Report| {
            let scored: Vec<f64> =
                folds_reported.iter().map(head).filter(|r| r.n > 0).map(|r| r.accuracy).collect();
            scored.iter().sum::<f64>() / scored.len().max(1) as f64
        };
        TrainReport {
            unseen_task: figures(&all(|f| &f.task), self.task),
            unseen_industry: figures(&all(|f| &f.industry), self.industry),
            unseen_task_by_source: mean(|f| &f.task),
            unseen_industry_by_source: mean(|f| &f.industry),
            temperature: (self.task, self.industry),
            threshold: self.threshold,
            rows,
            folds: folds_reported,
        }
    }
}

/// Writes every file of the artifact but the card.
fn write(
    settings: &TrainSettings,
    prepared: &Prepared,
    calibration: &Calibration,
    model: (&Table, &Heads),
) -> Result<(), ClassifierError> {
    let failed = |why: String| ClassifierError::Training(format!("{}: {why}", settings.out.display()));
    let io = |e: std::io::Error| failed(e.to_string());
    fs::create_dir_all(&settings.out).map_err(io)?;
    let config = ArtifactConfig {
        name: "pointsman-fast".to_owned(),
        embedder: EmbedderConfig::Static {
            dims: settings.dims,
            vocab: prepared.vocab,
            pairs: settings.pairs,
        },
        hidden: settings.hidden,
        head_tokens: HEAD_TOKENS,
        tail_tokens: TAIL_TOKENS,
        temperature: Temperatures { task: calibration.task, industry: calibration.industry },
        abstain: Abstain { task_confidence: calibration.threshold },
    };
    let json = |value: serde_json::Result<String>| value.map(|v| v + "\n").map_err(|e| failed(e.to_string()));
    fs::write(settings.out.join(artifact::CONFIG), json(serde_json::to_string_pretty(&config))?)
        .map_err(io)?;
    let labels = json(serde_json::to_string_pretty(&artifact::Labels::ours()))?;
    fs::write(settings.out.join(artifact::LABELS), labels).map_err(io)?;
    if settings.tokenizer != settings.out.join(artifact::TOKENIZER) {
        fs::copy(&settings.tokenizer, settings.out.join(artifact::TOKENIZER)).map_err(io)?;
    }
    save_tensors(&settings.out, model).map_err(|e| failed(e.to_string()))?;
    artifact::write_manifest(&settings.out).map_err(io)
}

fn save_tensors(out: &Path, (table, heads): (&Table, &Heads)) -> candle_core::Result<()> {
    let rows = table.scales.len();
    let quantised = Tensor::from_slice(&table.quantised, (rows, table.dims), &Device::Cpu)?;
    let scales = Tensor::from_slice(&table.scales, rows, &Device::Cpu)?;
    let tensors: HashMap<_, _> = [("table", quantised), ("table.scales", scales)].into();
    candle_core::safetensors::save(&tensors, out.join(artifact::WEIGHTS))?;
    save_heads(heads, &out.join(artifact::HEADS))
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
