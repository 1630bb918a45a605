//! Trains the shipped classifier: `cargo run --release -p pointsman-benches --bin train -- --help`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Parser;
use pointsman_classifier::train::{Example, TrainSettings, read_examples, train};

/// Fits the static embedder and its heads, with leave-one-source-out validation.
#[derive(Parser)]
struct Args {
    /// Labelled rows, JSON Lines, .gz or not.
    #[arg(long, required = true)]
    data: Vec<PathBuf>,
    /// A folder of exemplars, *.jsonl.
    #[arg(long)]
    exemplars: Option<PathBuf>,
    #[arg(long)]
    tokenizer: PathBuf,
    /// Start of the token table, from `scripts/distill_static.py`.
    #[arg(long)]
    table: Option<PathBuf>,
    #[arg(long, default_value_t = 256)]
    dims: usize,
    #[arg(long, default_value_t = 192)]
    hidden: usize,
    #[arg(long, default_value_t = 16384)]
    pairs: u32,
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    #[arg(long, default_value_t = 4)]
    views: usize,
    #[arg(long, default_value_t = 2.0)]
    exemplar_weight: f32,
    #[arg(long, default_value_t = 0.3)]
    row_dropout: f32,
    #[arg(long, default_value_t = 0.05)]
    table_rate: f32,
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the artifact goes.
    #[arg(long)]
    out: PathBuf,
    /// Where the report goes, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut data = Vec::new();
    for path in &args.data {
        data.extend(read_examples(path, "unknown")?);
    }
    let exemplars = args.exemplars.as_deref().map(exemplars).transpose()?.unwrap_or_default();
    let settings = TrainSettings {
        tokenizer: args.tokenizer,
        table: args.table,
        dims: args.dims,
        hidden: args.hidden,
        pairs: args.pairs,
        epochs: args.epochs,
        views: args.views,
        exemplar_weight: args.exemplar_weight,
        row_dropout: args.row_dropout,
        table_rate: args.table_rate,
        weight_decay: args.weight_decay,
        seed: args.seed,
        out: args.out,
    };
    let report = train(&data, &exemplars, &settings, &|line| eprintln!("{line}"))?;
    println!("{:<34} {:>6} {:>7} {:>6} {:>9}", "source left out", "rows", "task", "rows", "industry");
    for fold in &report.folds {
        let (t, i) = (&fold.task, &fold.industry);
        println!("{:<34} {:>6} {:>7.3} {:>6} {:>9.3}", fold.source, t.n, t.accuracy, i.n, i.accuracy);
    }
    let (t, i) = (&report.unseen_task, &report.unseen_industry);
    println!(
        "all left-out rows: task {:.3} (ECE {:.3}), industry {:.3} (ECE {:.3})",
        t.accuracy, t.ece, i.accuracy, i.ece
    );
    println!(
        "mean over sources: task {:.3}, industry {:.3}",
        report.unseen_task_by_source, report.unseen_industry_by_source
    );
    println!(
        "threshold {:.2}: covers {:.3}, right in {:.3}",
        report.threshold, t.coverage, t.covered_accuracy
    );
    if let Some(path) = args.report {
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}

/// All rows but the held-out ones.
fn exemplars(folder: &Path) -> anyhow::Result<Vec<Example>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut rows = Vec::new();
    for path in files {
        rows.extend(read_examples(&path, "exemplars")?.into_iter().filter(|e| !e.is_held_out()));
    }
    Ok(rows)
}
