//! Quality per task: figures of models, and a fit for those without.

use std::{collections::HashMap, sync::Arc};

use pointsman_names::Identity;
use pointsman_types::{Document, Origin, Quality, Task};
use serde::Deserialize;

use super::key_of;

/// `quality.toml`, as `scripts/derive_quality.py` writes it.
#[derive(Deserialize)]
struct File {
    source: String,
    as_of: String,
    #[serde(default)]
    models: Vec<Row>,
    fallback: Option<Fallback>,
}

#[derive(Deserialize)]
struct Row {
    canonical: String,
    basis: String,
    sigma: f32,
    task: HashMap<String, f32>,
}

/// Quality by size and age, for weights that nobody measured: `general = intercept + per_log10_billions *
/// log10(billions) + per_year * (year - 2024)`, then an offset a task.
#[derive(Debug, Clone, Deserialize)]
struct Fallback {
    intercept: f32,
    per_log10_billions: f32,
    per_year: f32,
    sigma: f32,
    /// Where the date of release is not known.
    default_year: f32,
    /// Added a task.
    #[serde(default)]
    task: HashMap<String, f32>,
    /// Added to one task where the line has a word, such as `coder`.
    #[serde(default)]
    words: HashMap<String, HashMap<String, f32>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Qualities {
    models: HashMap<String, (Quality, Origin)>,
    fallback: Option<(Fallback, Origin)>,
}

pub(super) fn read(text: &str) -> Result<Qualities, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    let document = |source: String| Arc::new(Document { source, as_of: file.as_of.clone() });
    let mut models = HashMap::new();
    for row in file.models {
        let mut quality = Quality { mu: [0.5; Task::COUNT], sigma: [row.sigma; Task::COUNT] };
        for (task, mu) in &row.task {
            let task: Task = task.parse().map_err(|_| format!("{}: unknown task `{task}`", row.canonical))?;
            quality.mu[task.index()] = mu.clamp(0.0, 1.0);
        }
        let origin = Origin::Shipped(document(format!("{} ({})", file.source, row.basis)));
        models.insert(key_of(&row.canonical), (quality, origin));
    }
    let fitted = || Origin::Family(document(format!("{} (fitted from size and age)", file.source)));
    Ok(Qualities { models, fallback: file.fallback.clone().map(|fallback| (fallback, fitted())) })
}

impl Qualities {
    pub(super) fn len(&self) -> usize {
        self.models.len()
    }

    /// The figures of a model, else those that its size and age suggest.
    pub(super) fn of(
        &self,
        identity: &Identity,
        key: &str,
        released: Option<&str>,
    ) -> Option<(Quality, Origin)> {
        if let Some(found) = self.models.get(key) {
            return Some(found.clone());
        }
        let (fallback, origin) = self.fallback.as_ref()?;
        let billions = identity.billions().filter(|b| *b > 0.0)? as f32;
        Some((fallback.quality(billions, released, &identity.line), origin.clone()))
    }
}

impl Fallback {
    fn quality(&self, billions: f32, released: Option<&str>, line: &str) -> Quality {
        let year = released.and_then(year).unwrap_or(self.default_year);
        let general =
            self.intercept + self.per_log10_billions * billions.log10() + self.per_year * (year - 2024.0);
        let words = self.words.iter().filter(|(word, _)| line.split('-').any(|w| w == *word));
        let offsets: Vec<&HashMap<String, f32>> = words.map(|(_, offsets)| offsets).collect();
        let mu = Task::ALL.map(|task| {
            let name = task.as_str();
            let of = |offsets: &HashMap<String, f32>| offsets.get(name).copied().unwrap_or(0.0);
            let special: f32 = offsets.iter().map(|offsets| of(offsets)).sum();
            (general + of(&self.task) + special).clamp(0.02, 0.98)
        });
        Quality { mu, sigma: [self.sigma; Task::COUNT] }
    }
}

/// `2024-11` is 2024.83.
fn year(released: &str) -> Option<f32> {
    let (year, month) = released.split_once('-').unwrap_or((released, "7"));
    let month: f32 = month.get(..month.len().min(2))?.parse().ok()?;
    Some(year.parse::<f32>().ok()? + (month - 1.0) / 12.0)
}
