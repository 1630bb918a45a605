//! Recorded outcomes at work: what the neighbours of a prompt say of each model, blended into its quality.
//!
//! Rows are read and embedded at the start, by the fast tier, whose features every prompt has anyway. A first tier that
//! is swapped in has features of its own: nothing is estimated then until a restart fits them anew.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::read::GzDecoder;
use pointsman_classifier::Cascade;
use pointsman_decide::Estimate;
use pointsman_names::identify;
use pointsman_outcomes::{Blend, Estimator, Row};
use pointsman_types::ModelSpec;
use serde::Deserialize;

/// The most rows that are kept: more make a prompt wait for milliseconds.
pub(crate) const MAX_ROWS: usize = 20_000;

/// Estimates of one prompt, by what a model is.
pub(crate) type Estimates = Arc<HashMap<Arc<str>, Estimate>>;

/// Fitted rows.
#[derive(Debug)]
pub(crate) struct Outcomes {
    models: Vec<Arc<str>>,
    width: usize,
    estimator: Estimator<Arc<Row>>,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    scores: BTreeMap<String, f32>,
}

impl Outcomes {
    /// Reads, embeds and fits; long. `None` where there are no rows.
    pub(crate) fn load(files: &[PathBuf], cascade: &Cascade) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        for file in files {
            read(file, &mut lines)?;
        }
        let rows: Vec<(Line, Vec<f32>)> =
            lines.into_iter().filter_map(|line| cascade.features(&line.text).map(|f| (line, f))).collect();
        let Some((_, first)) = rows.first() else { return Ok(None) };
        let width = first.len();
        let names: BTreeSet<&String> = rows.iter().flat_map(|(line, _)| line.scores.keys()).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let row = |(line, embedding): (Line, Vec<f32>)| {
            let scores = names.iter().map(|name| line.scores.get(name).copied()).collect();
            Arc::new(Row { text: line.text, embedding, scores, costs: vec![None; names.len()] })
        };
        let rows: Vec<Arc<Row>> = rows.into_iter().map(row).collect();
        let models = names.iter().map(|name| canonical(name)).collect();
        tracing::info!(rows = rows.len(), models = names.len(), "recorded outcomes fitted");
        Ok(Some(Self { models, width, estimator: Estimator::fit(rows) }))
    }

    /// What is estimated for a prompt with these features of the fast tier.
    pub(crate) fn estimate(&self, text: &str, features: &[f32]) -> Option<Estimates> {
        if features.len() != self.width {
            return None;
        }
        let predicted = self.estimator.predict(text, features);
        let estimates = self.models.iter().zip(predicted).map(|(model, (fitted, _))| {
            let score = fitted.score(Blend::Mean).clamp(0.0, 1.0);
            (Arc::clone(model), Estimate { score, effective: fitted.effective() })
        });
        Some(Arc::new(estimates.collect()))
    }
}

/// What a model is, however it is spelled.
fn canonical(name: &str) -> Arc<str> {
    let identity = identify(name);
    if identity.family.is_some() { identity.key().into() } else { name.into() }
}

/// The estimate of a model, if there is one.
pub(crate) fn of(estimates: &Estimates, spec: &ModelSpec) -> Option<Estimate> {
    let known = spec.about.canonical.as_deref().map(|name| identify(name).key());
    let found = known.and_then(|key| estimates.get(key.as_str()));
    found.or_else(|| estimates.get(spec.id.as_str())).copied()
}

fn read(file: &Path, lines: &mut Vec<Line>) -> io::Result<()> {
    let wrong = |number: usize, why: String| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}:{}: {why}", file.display(), number + 1))
    };
    let opened =
        File::open(file).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.display())))?;
    let packed = file.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if packed { Box::new(GzDecoder::new(opened)) } else { Box::new(opened) };
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&line).map_err(|e| wrong(number, e.to_string()))?;
        if line.scores.values().any(|score| !(0.0..=1.0).contains(score)) {
            return Err(wrong(number, "a score is not between 0 and 1".to_owned()));
        }
        if lines.len() >= MAX_ROWS {
            return Err(wrong(number, format!("more than {MAX_ROWS} rows")));
        }
        lines.push(line);
    }
    Ok(())
}
