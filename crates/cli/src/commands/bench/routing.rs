//! `pointsman bench routing`: what routing policies would have earned on recorded outcomes.

mod data;
mod plot;
mod run;

use std::{fs, process::ExitCode};

use anyhow::Context;
use serde::Serialize;

use crate::{args::BenchRouting, setup::say, table};

/// One policy on one part of one set.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    policy: String,
    /// Of the score, 0..=1.
    score: f64,
    usd_per_thousand: f64,
    /// `RouterArena`'s, 0..=100.
    arena: f64,
    /// Of the score that the best choice for every row gets.
    share_of_oracle: f64,
    /// Score less that of the best single model, and its paired standard error.
    gain: f64,
    gain_error: f64,
    /// Share of the best single model's cost that it saves.
    saving: f64,
    /// Expected calibration error of the predicted score of the chosen models, where scores are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<f64>,
    /// Why there is nothing to report, where so.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A point of the whole curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Point {
    lambda: f64,
    score: f64,
    usd_per_thousand: f64,
}

/// One part of one set: rows that trained nothing.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Part {
    set: String,
    #[serde(rename = "part")]
    rows_are: &'static str,
    rows: usize,
    models: usize,
    best_single: String,
    lines: Vec<Line>,
    curve: Vec<Point>,
}

pub(crate) fn run(args: &BenchRouting) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let embedder = data::embedder(args)?;
    let mut parts = Vec::new();
    for path in &args.data {
        let set = data::read(path, &embedder, args.limit)?;
        parts.extend(run::measure(&set, args.folds));
    }
    if let Some(path) = &args.html {
        fs::write(path, plot::page(&parts)).with_context(|| path.display().to_string())?;
    }
    if args.json {
        say(&serde_json::to_string_pretty(&parts)?);
    } else {
        parts.iter().for_each(show);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(part: &Part) {
    say(&format!(
        "{}, {}: {} rows, {} models, best single {}",
        part.set, part.rows_are, part.rows, part.models, part.best_single
    ));
    let mut table =
        table::table(["policy", "score", "$/1000", "arena S", "of oracle", "gain", "saves", "ECE"]);
    for line in &part.lines {
        if let Some(note) = &line.note {
            table.add_row([line.policy.as_str(), note, "", "", "", "", "", ""]);
            continue;
        }
        table.add_row([
            line.policy.clone(),
            format!("{:.2}", 100.0 * line.score),
            format!("{:.4}", line.usd_per_thousand),
            format!("{:.1}", line.arena),
            format!("{:.0}%", 100.0 * line.share_of_oracle),
            format!("{:+.2} ± {:.2}", 100.0 * line.gain, 100.0 * line.gain_error),
            format!("{:.0}%", 100.0 * line.saving),
            line.calibration.map(|ece| format!("{ece:.3}")).unwrap_or_default(),
        ]);
    }
    say(&table.to_string());
    say(&verdict(part));
}

/// Whether routing pays on this set, in a sentence.
fn verdict(part: &Part) -> String {
    let pays = |line: &&Line| {
        let cheaper = line.gain >= 0.0 && line.saving > 0.01;
        let better = line.gain > line.gain_error && line.saving > -0.001;
        line.policy.starts_with("ours") && line.note.is_none() && (cheaper || better)
    };
    let worth = |line: &Line| line.saving + 10.0 * line.gain;
    let best = part.lines.iter().filter(pays).max_by(|a, b| worth(a).total_cmp(&worth(b)));
    match best {
        Some(line) => format!(
            "routing pays: `{}` scores {:+.2} points against the best single model and saves {:.0}%",
            line.policy,
            100.0 * line.gain,
            100.0 * line.saving
        ),
        None => "routing does not pay here: nothing scores as much as the best single model for less. Who is right is not \
                 to be told from the prompt; the best single model stays the better policy."
            .to_owned(),
    }
}
