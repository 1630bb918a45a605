//! Recorded outcomes: rows of a file, with prices and embeddings.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, bail};
use flate2::read::GzDecoder;
use pointsman_classifier::{ArtifactSource, Classifier};
use pointsman_outcomes::Row;
use serde::Deserialize;

use crate::args::BenchRouting;

const PRICES: &str = include_str!("../../../../../../models/catalog/recorded_prices.toml");
/// Characters of a token, as everywhere in the recorded data.
const CHARS: f64 = 4.0;

/// One file.
pub(super) struct Set {
    pub(super) name: String,
    pub(super) models: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Parallel to the rows: whether a row may train.
    pub(super) trains: Vec<bool>,
    /// Parallel to the rows: the same for the same question.
    pub(super) question: Vec<u64>,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    #[serde(default)]
    split: Option<String>,
    scores: BTreeMap<String, f32>,
    #[serde(default)]
    cost_usd: BTreeMap<String, f64>,
    #[serde(default)]
    out_chars: BTreeMap<String, f64>,
}

/// The encoder that reads the prompts.
pub(super) fn embedder(args: &BenchRouting) -> anyhow::Result<Classifier> {
    let source = match args.embedder.as_str() {
        "deep" => ArtifactSource::BuiltInDeep,
        "fast" => ArtifactSource::BuiltIn,
        folder => ArtifactSource::Folder(PathBuf::from(folder)),
    };
    Ok(Classifier::load(&source)?)
}

fn prices() -> anyhow::Result<BTreeMap<String, [f64; 2]>> {
    #[derive(Deserialize)]
    struct Prices {
        models: BTreeMap<String, [f64; 2]>,
    }
    Ok(toml::from_str::<Prices>(PRICES)?.models)
}

pub(super) fn read(path: &Path, embedder: &Classifier, limit: Option<usize>) -> anyhow::Result<Set> {
    let name = path.file_name().context("a file")?.to_string_lossy().into_owned();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let reader: Box<dyn Read> =
        if name.to_lowercase().ends_with(".gz") { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut lines = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.with_context(|| path.display().to_string())?;
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{}:{}", path.display(), number + 1);
        let line: Line = serde_json::from_str(&line).with_context(place)?;
        if line.scores.values().any(|score| !(0.0..=1.0).contains(score)) {
            bail!("{}: a score is not between 0 and 1", place());
        }
        lines.push(line);
        if limit.is_some_and(|limit| lines.len() >= limit) {
            break;
        }
    }
    let models: BTreeSet<&String> = lines.iter().flat_map(|line| line.scores.keys()).collect();
    if lines.len() < 20 || models.len() < 2 {
        bail!(
            "{}: {} rows of {} models are too few to learn from",
            path.display(),
            lines.len(),
            models.len()
        );
    }
    let models: Vec<String> = models.into_iter().cloned().collect();
    let prices = prices()?;
    let unpriced: Vec<_> = models
        .iter()
        .filter(|m| !prices.contains_key(*m) && lines.iter().all(|l| !l.cost_usd.contains_key(*m)))
        .collect();
    if !unpriced.is_empty() {
        bail!("{}: no price and no cost of {unpriced:?}", path.display());
    }
    let embeddings = embed(&lines, embedder);
    let tested = lines.iter().any(|line| line.split.as_deref().is_some_and(|split| split != "train"));
    let question: Vec<u64> = lines.iter().map(|line| digest(&line.text)).collect();
    let trains = lines.iter().zip(&question).map(|(line, question)| match &line.split {
        Some(split) if tested => split == "train",
        // no split of its own: one question in five tests
        _ => question % 5 != 0,
    });
    let trains = trains.collect();
    let rows = lines
        .iter()
        .zip(embeddings)
        .map(|(line, embedding)| row(line, embedding, &models, &prices))
        .collect();
    Ok(Set { name, models, rows, trains, question })
}

fn row(line: &Line, embedding: Vec<f32>, models: &[String], prices: &BTreeMap<String, [f64; 2]>) -> Row {
    let cost = |model: &String| {
        if let Some(cost) = line.cost_usd.get(model) {
            return Some(*cost);
        }
        line.scores.get(model)?;
        let [input, output] = prices.get(model)?;
        let tokens = line.text.chars().count() as f64 / CHARS;
        // without a recorded answer: one token, the letter of a choice
        let written = if line.out_chars.is_empty() { CHARS } else { *line.out_chars.get(model)? };
        Some((tokens * input + written / CHARS * output) / 1e6)
    };
    Row {
        text: line.text.clone(),
        embedding,
        scores: models.iter().map(|m| line.scores.get(m).copied()).collect(),
        costs: models.iter().map(cost).collect(),
    }
}

/// The same for questions that differ in case, spacing and marks only.
fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        word.hash(&mut hasher);
    }
    hasher.finish()
}

fn embed(lines: &[Line], embedder: &Classifier) -> Vec<Vec<f32>> {
    let width = embedder.embed("a").map_or(0, |vector| vector.len());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let part = lines.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let work = |part: &[Line]| -> Vec<Vec<f32>> {
            part.iter().map(|line| embedder.embed(&line.text).unwrap_or_else(|| vec![0.0; width])).collect()
        };
        let running: Vec<_> = lines.chunks(part).map(|part| scope.spawn(move || work(part))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}
