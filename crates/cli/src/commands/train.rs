//! `pointsman train`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use pointsman_classifier::{
    Pooling, hub,
    train::{Example, Progress, TrainEmbedder, TrainReport, TrainSettings, read_examples, train},
};

use crate::{
    args::Train,
    setup::{complain, say},
    table,
};

pub(crate) fn run(args: Train) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let mut data = Vec::new();
    for path in &args.data {
        data.extend(read_examples(path, "data")?);
    }
    let exemplars = args.exemplars.as_deref().map(exemplars).transpose()?.unwrap_or_default();
    anyhow::ensure!(!data.is_empty() || !exemplars.is_empty(), "there are no rows to train on");
    let name = args.name.clone().or_else(|| Some(args.out.file_name()?.to_string_lossy().into_owned()));
    let settings = TrainSettings {
        embedder: embedder(&args)?,
        name: name.context("--out names no folder: give a --name")?,
        hidden: args.hidden,
        epochs: args.epochs,
        patience: args.patience,
        views: args.views.max(1),
        exemplar_weight: args.exemplar_weight,
        row_dropout: 0.3,
        table_rate: 0.05,
        weight_decay: 0.01,
        balance: args.balance,
        leave_one_source_out: !args.no_folds,
        deep_below: args.deep_below,
        seed: args.seed,
        out: args.out,
    };
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let report = train(&data, &exemplars, &settings, &|progress| tell(&bar, &progress))?;
    bar.finish_and_clear();
    if args.json {
        say(&serde_json::to_string_pretty(&report)?);
    } else {
        show(&report);
        say(&format!("written to {}", settings.out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn embedder(args: &Train) -> anyhow::Result<TrainEmbedder> {
    if args.embedder == "static" {
        return Ok(TrainEmbedder::Static {
            tokenizer: args.tokenizer.clone(),
            table: args.table.clone(),
            dims: args.dims,
            pairs: args.pairs,
        });
    }
    let folder = Path::new(&args.embedder);
    let folder = if folder.is_dir() { folder.to_owned() } else { hub::cached(&args.embedder)?.folder };
    let pooling = args.pooling.as_deref().map(|p| if p == "cls" { Pooling::Cls } else { Pooling::Mean });
    Ok(TrainEmbedder::Encoder { folder, pooling, prefix: args.prefix.clone() })
}

/// A bar where there is a terminal; a line for each fold where there is none.
fn tell(bar: &ProgressBar, progress: &Progress<'_>) {
    match progress {
        Progress::Embedding { done, of } => {
            bar.set_message("reading");
            bar.set_length(*of as u64);
            bar.set_position(*done as u64);
        }
        Progress::Fold { source, accuracy, done, of } => {
            bar.set_message("sources left out");
            bar.set_length(*of as u64);
            bar.set_position(*done as u64);
            bar.suspend(|| complain(&format!("left out {source}: task accuracy {accuracy:.3}")));
        }
        Progress::FinalFit => bar.set_message("fitting on everything"),
        Progress::Epoch { epoch, of, loss } => {
            bar.set_length(*of as u64);
            bar.set_position(*epoch as u64);
            if let Some(loss) = loss {
                bar.suspend(|| complain(&format!("pass {epoch}: loss {loss:.4} on the rows set aside")));
            }
        }
    }
}

/// All rows but the held-out ones.
fn exemplars(folder: &Path) -> anyhow::Result<Vec<Example>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = entries
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

fn show(report: &TrainReport) {
    if !report.folds.is_empty() {
        let mut folds = table::table(["source left out", "rows", "task", "rows", "industry"]);
        let rate = |n: usize, accuracy: f64| {
            if n == 0 { "-".to_owned() } else { format!("{accuracy:.3}") }
        };
        for fold in &report.folds {
            let (t, i) = (&fold.task, &fold.industry);
            folds.add_row([
                fold.source.clone(),
                t.n.to_string(),
                rate(t.n, t.accuracy),
                i.n.to_string(),
                rate(i.n, i.accuracy),
            ]);
        }
        say(&folds.to_string());
        let (t, i) = (&report.unseen_task, &report.unseen_industry);
        say(&format!(
            "all left-out rows: task {:.3} (ECE {:.3}), industry {:.3} (ECE {:.3})",
            t.accuracy, t.ece, i.accuracy, i.ece
        ));
        say(&format!(
            "mean over sources: task {:.3}, industry {:.3}",
            report.unseen_task_by_source, report.unseen_industry_by_source
        ));
        say(&format!(
            "abstains below {:.2}: covers {:.3}, right in {:.3}",
            report.threshold, t.coverage, t.covered_accuracy
        ));
    }
    say(&format!(
        "{} rows, temperatures {:.2} and {:.2}",
        report.rows, report.temperature.0, report.temperature.1
    ));
}
