//! Figures of an artifact on labelled sets: `cargo run --release -p pointsman-benches --bin evaluate --
//! [--artifact DIR] --data FILE..`.

#![allow(clippy::print_stdout, reason = "a command line program")]

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use pointsman_classifier::{
    ArtifactSource, Classifier,
    evaluate::{Prediction, Report, report},
    train::{Example, read_examples},
};
use tokio::time::Instant;

/// Accuracy, macro F1, calibration and speed of a classifier.
#[derive(Parser)]
struct Args {
    /// A folder laid out like models/default; without it, the one built in.
    #[arg(long)]
    artifact: Option<PathBuf>,
    /// Labelled rows, JSON Lines, .gz or not.
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Only the rows that never train.
    #[arg(long)]
    held_out: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let source = args.artifact.map_or(ArtifactSource::BuiltIn, ArtifactSource::Folder);
    let started = Instant::now();
    let classifier = Classifier::load(&source)?;
    let loaded = started.elapsed();
    let mut out = serde_json::Map::new();
    let mut all: Vec<(String, Vec<Example>)> = Vec::new();
    for path in &args.data {
        let name = path.file_name().context("a file")?.to_string_lossy().into_owned();
        let rows = read_examples(path, "unknown")?;
        all.push((name, rows.into_iter().filter(|e| !args.held_out || e.is_held_out()).collect()));
    }
    if args.held_out {
        let rows = all.drain(..).flat_map(|(_, rows)| rows).collect();
        all.push(("held out".to_owned(), rows));
    }
    for (name, rows) in &all {
        let started = Instant::now();
        let (task, industry) = figures(&classifier, rows);
        let each = started.elapsed().as_secs_f64() * 1e6 / rows.len().max(1) as f64;
        if args.json {
            out.insert(
                name.clone(),
                serde_json::json!({ "task": task, "industry": industry, "us_per_prompt": each }),
            );
        } else {
            line(name, "task", &task);
            line(name, "industry", &industry);
            println!("{name}: {each:.0} us a prompt");
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&out)?);
    } else {
        println!("loaded in {:.0} ms", loaded.as_secs_f64() * 1e3);
    }
    Ok(())
}

fn figures(classifier: &Classifier, rows: &[Example]) -> (Report, Report) {
    let (mut task, mut industry) = (Vec::new(), Vec::new());
    for row in rows {
        let c = classifier.classify(&row.text);
        task.extend(row.task.map(|t| Prediction { probabilities: c.task.0.to_vec(), truth: t.index() }));
        industry.extend(
            row.industry.map(|t| Prediction { probabilities: c.industry.0.to_vec(), truth: t.index() }),
        );
    }
    let threshold = classifier.info().abstain_below;
    (report(&task, threshold), report(&industry, 0.0))
}

fn line(set: &str, head: &str, r: &Report) {
    println!(
        "{set} {head}: n {} accuracy {:.3} macro-F1 {:.3} ECE {:.3} coverage {:.3} accuracy when covered {:.3}",
        r.n, r.accuracy, r.macro_f1, r.ece, r.coverage, r.covered_accuracy
    );
}
