//! Quality per task: figures of models, and a fit for those without (`models/catalog/QUALITY.md`).

use std::{collections::HashMap, sync::Arc};

use pointsman_names::{Identity, Variant};
use pointsman_types::{Document, Origin, Quality, Task};
use serde::Deserialize;

use super::key_of;

/// The release year that is assumed where nobody knows it, and how much wider the belief is then, in logits.
const UNKNOWN_YEAR: (f32, f32) = (2024.5, 0.5);

/// A value a task, by name.
type ByTask = HashMap<String, f32>;

/// `quality.toml`, as `scripts/derive_quality.py` writes it.
#[derive(Deserialize)]
struct File {
    as_of: String,
    #[serde(default)]
    models: Vec<Row>,
    fallback: Option<Fallback>,
}

#[derive(Deserialize)]
struct Row {
    canonical: String,
    basis: String,
    n: u32,
    task: ByTask,
    #[serde(default)]
    task_sigma: ByTask,
    sigma: f32,
}

/// Ability, in logits, of open weights without figures: a line over the logarithms of total and active parameters
/// (in billions) and the release year; offsets for words of the name.
#[derive(Debug, Clone, Deserialize)]
struct Fallback {
    intercept: f32,
    log10_total: f32,
    log10_active: f32,
    /// Of the mean of the two logarithms.
    log10_mean_squared: f32,
    /// A year after the start of 2024.
    year: f32,
    /// Standard deviation of the fit, in logits.
    sd: f32,
    task: ByTask,
    /// `general` and one offset a task.
    words: HashMap<String, ByTask>,
    hosted: Hosted,
}

/// The same for models of which nobody says how large they are: by year and tier.
#[derive(Debug, Clone, Deserialize)]
struct Hosted {
    intercept: f32,
    year: f32,
    sd: f32,
    tier: HashMap<String, f32>,
}

/// What is known of the line of a model.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line<'a> {
    /// Nobody but its vendor has the weights.
    pub(super) hosted: bool,
    /// It thinks before it answers.
    pub(super) reasons: bool,
    /// Year and month, `2024-11`.
    pub(super) released: Option<&'a str>,
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
        let mu = by_task(&row.task, 0.5).map_err(|why| format!("{}: {why}", row.canonical))?;
        let sigma = by_task(&row.task_sigma, row.sigma).map_err(|why| format!("{}: {why}", row.canonical))?;
        let origin = Origin::Shipped(document(format!("{} figures, {} (QUALITY.md)", row.n, row.basis)));
        models.insert(key_of(&row.canonical), (Quality { mu, sigma }, origin));
    }
    let fitted = Origin::Family(document("fitted from size, age and name (QUALITY.md)".to_owned()));
    Ok(Qualities { models, fallback: file.fallback.map(|fallback| (fallback, fitted)) })
}

/// The values in the order of the tasks; `missing` where there is none.
fn by_task(values: &ByTask, missing: f32) -> Result<[f32; Task::COUNT], String> {
    let mut all = [missing; Task::COUNT];
    for (task, value) in values {
        let task: Task = task.parse().map_err(|_| format!("unknown task `{task}`"))?;
        all[task.index()] = value.clamp(0.0, 1.0);
    }
    Ok(all)
}

impl Qualities {
    pub(super) fn len(&self) -> usize {
        self.models.len()
    }

    /// The figures of a model, else those that its size and age suggest.
    pub(super) fn of(&self, identity: &Identity, key: &str, line: Line<'_>) -> Option<(Quality, Origin)> {
        if let Some(found) = self.models.get(key) {
            return Some(found.clone());
        }
        let (fallback, origin) = self.fallback.as_ref()?;
        let year = line.released.and_then(year);
        let quality = match identity.billions().filter(|b| *b > 0.0) {
            Some(_) => fallback.open(identity, line.reasons, year),
            // without a year there is nothing to go by
            None if line.hosted => fallback.hosted(&identity.line, year?),
            None => return None,
        };
        Some((quality, origin.clone()))
    }
}

impl Fallback {
    fn open(&self, identity: &Identity, reasons: bool, year: Option<f32>) -> Quality {
        let (total, active) = parameters(identity);
        let log = |billions: f64| (billions.clamp(0.3, 2000.0) as f32).log10();
        let (at, doubt) = year.map_or(UNKNOWN_YEAR, |year| (year.clamp(2023.0, 2026.6), 0.0));
        let general = self.intercept
            + self.log10_total * log(total)
            + self.log10_active * log(active)
            + self.log10_mean_squared * f32::midpoint(log(total), log(active)).powi(2)
            + self.year * (at - 2024.0);
        let words: Vec<&ByTask> =
            words_of(identity, reasons).into_iter().filter_map(|word| self.words.get(word)).collect();
        let offset = |name: &str| words.iter().filter_map(|word| word.get(name)).sum::<f32>();
        let ability = Task::ALL.map(|task| {
            let own = self.task.get(task.as_str()).copied().unwrap_or_default();
            general + offset("general") + own + offset(task.as_str())
        });
        quality(ability, self.sd.hypot(doubt))
    }

    fn hosted(&self, line: &str, year: f32) -> Quality {
        let Hosted { intercept, year: per_year, sd, tier } = &self.hosted;
        let words: Vec<&str> = line.split('-').collect();
        let is_tier = |name: &str| {
            let parts: Vec<&str> = name.split('-').collect();
            words.windows(parts.len()).any(|w| w == parts.as_slice())
        };
        // `flash-lite` before `flash` and `lite`
        let found = tier.iter().filter(|(name, _)| is_tier(name)).max_by_key(|(name, _)| name.len());
        let offset = found.map_or(0.0, |(_, offset)| *offset);
        quality([intercept + per_year * (year.clamp(2023.0, 2026.6) - 2024.0) + offset; Task::COUNT], *sd)
    }
}

/// Abilities in logits to quality; its standard deviation by the slope of the curve.
fn quality(ability: [f32; Task::COUNT], sd: f32) -> Quality {
    let mu = ability.map(|a| 1.0 / (1.0 + (-a).exp()));
    Quality { mu, sigma: mu.map(|mu| mu * (1.0 - mu) * sd) }
}

/// Total and active parameters in billions: `235b-a22b`, `8x7b` (two experts of which work), else the same.
fn parameters(identity: &Identity) -> (f64, f64) {
    let total = identity.billions().unwrap_or(1.0);
    let size = identity.size.as_deref().unwrap_or_default();
    let active = size.split('-').find_map(|part| part.strip_prefix('a')?.strip_suffix('b')?.parse().ok());
    let experts = || {
        let each: f64 = size.split('-').next()?.strip_suffix('b')?.split_once('x')?.1.parse().ok()?;
        Some(2.0 * each)
    };
    (total, active.or_else(experts).unwrap_or(total))
}

/// The specialities that the fit has offsets for.
fn words_of(identity: &Identity, reasons: bool) -> Vec<&'static str> {
    let line: Vec<&str> = identity.line.split('-').collect();
    let any = |names: &[&str]| line.iter().any(|word| names.iter().any(|name| word.starts_with(name)));
    let thinks = reasons || matches!(identity.variant, Some(Variant::Thinking | Variant::Reasoning));
    [
        ("coder", any(&["coder", "code", "starcoder"])),
        ("math", any(&["math"])),
        ("thinking", thinks || line.contains(&"r1") || any(&["qwq", "magistral"])),
        ("distill", line.contains(&"distill")),
        ("base", identity.variant == Some(Variant::Base)),
    ]
    .into_iter()
    .filter_map(|(word, applies)| applies.then_some(word))
    .collect()
}

/// `2024-11` is 2024.83.
fn year(released: &str) -> Option<f32> {
    let (year, month) = released.split_once('-').unwrap_or((released, "7"));
    let month: f32 = month.get(..month.len().min(2))?.parse().ok()?;
    Some(year.parse::<f32>().ok()? + (month - 1.0) / 12.0)
}

#[cfg(test)]
mod tests {
    use pointsman_names::identify;

    use super::*;

    #[test]
    fn size_age_and_name_make_a_quality() {
        let qualities = read(include_str!("../../../../models/catalog/quality.toml")).unwrap();
        let of = |name: &str, released| {
            let identity = identify(name);
            let key = identity.key();
            qualities.of(&identity, &key, Line { released, ..Line::default() }).map(|(quality, _)| quality)
        };
        let mean = |name: &str, released| of(name, Some(released)).unwrap().mean();
        assert!(mean("nobody-70b", "2025-01") > mean("nobody-7b", "2025-01") + 0.05);
        assert!(mean("nobody-7b", "2025-06") > mean("nobody-7b", "2023-06") + 0.1);
        assert!(mean("nobody-70b-a3b", "2025-01") < mean("nobody-70b", "2025-01"));
        let wide = of("nobody-7b", None).unwrap();
        assert!(wide.sigma[0] > of("nobody-7b", Some("2024-07")).unwrap().sigma[0]);
        assert!(of("nobody", Some("2025-01")).is_none(), "no size, no guess");
        // the order that every table of this kind has
        let known = |name: &str| of(name, None).unwrap().mean();
        assert!(
            known("gpt-4o") > known("gpt-4o-mini")
                && known("llama-3.1-70b-instruct") > known("llama-3.1-8b-instruct")
        );
    }
}
