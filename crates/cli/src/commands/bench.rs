//! `pointsman bench classifier`.

mod html;
mod latency;
mod routing;

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context;
use pointsman_classifier::{
    ArtifactSource, Cascade, Classifier, ClassifierSettings, Mode,
    evaluate::{Baseline, Perturbation, Prediction, Report, report},
    train::{Example, read_examples},
};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    args::{Bench, BenchClassifier, BenchWhat},
    setup::{self, say},
    table,
};

pub(crate) fn run(args: &Bench) -> anyhow::Result<ExitCode> {
    match &args.what {
        BenchWhat::Classifier(args) => classifier(args),
        BenchWhat::Routing(args) => routing::run(args),
        BenchWhat::Latency(args) => latency::run(args),
    }
}

fn classifier(args: &BenchClassifier) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let sets = sets(args)?;
    let contenders = contenders(args)?;
    let mut results = Vec::new();
    for (name, contender) in &contenders {
        for (set, rows) in &sets {
            results.push(measure((name, contender), (set, rows), args.flips));
        }
    }
    if let Some(path) = &args.html {
        fs::write(path, html::page(&results)).with_context(|| path.display().to_string())?;
    }
    if args.json {
        say(&serde_json::to_string_pretty(&results)?);
    } else {
        show(&results);
    }
    Ok(ExitCode::SUCCESS)
}

/// What is measured.
enum Contender {
    Cascade(Box<Cascade>),
    Baseline(Baseline),
}

/// Everything about one contender on one set.
#[derive(Serialize)]
pub(crate) struct Measured {
    contender: String,
    set: String,
    task: Report,
    industry: Report,
    /// Share of prompts whose task changes, by kind of change.
    flips: Vec<(&'static str, f64)>,
    /// Their mean.
    flip_rate: f64,
    /// Microseconds a prompt on one thread: median, 95th and 99th percentile, mean.
    p50_us: f64,
    p95_us: f64,
    p99_us: f64,
    mean_us: f64,
    /// Prompts a second, one after the other.
    per_second: f64,
    /// The same where so many come at once and are spread over all cores.
    per_second_by_batch: Vec<(usize, f64)>,
    /// Resident memory of this process after the set, in bytes; nothing where the system does not say.
    resident_bytes: Option<u64>,
}

fn sets(args: &BenchClassifier) -> anyhow::Result<Vec<(String, Vec<Example>)>> {
    let mut sets = Vec::new();
    for path in &args.data {
        let name = path.file_name().context("a file")?.to_string_lossy().into_owned();
        let rows = read_examples(path, "unknown")?;
        sets.push((name, rows.into_iter().filter(|e| !args.held_out || e.is_held_out()).collect()));
    }
    if args.held_out {
        // held-out rows of many small files are one set
        let rows: Vec<Example> = sets.drain(..).flat_map(|(_, rows): (_, Vec<Example>)| rows).collect();
        sets.push(("held out".to_owned(), rows));
    }
    Ok(sets)
}

fn contenders(args: &BenchClassifier) -> anyhow::Result<Vec<(String, Contender)>> {
    let configured = setup::config(&args.config, None)?.classifier_settings();
    let mut list = Vec::new();
    if args.embedder.is_empty() {
        list.push(("configured".to_owned(), Contender::Cascade(Box::new(Cascade::load(&configured)?))));
    }
    for name in &args.embedder {
        let mode = |mode| Cascade::load(&ClassifierSettings { mode, ..configured.clone() });
        let cascade = match name.as_str() {
            "fast" => mode(Mode::Fast)?,
            "deep" => mode(Mode::Deep)?,
            "cascade" => mode(Mode::Cascade)?,
            folder => Cascade::only(Classifier::load(&ArtifactSource::Folder(Path::new(folder).to_owned()))?),
        };
        list.push((name.clone(), Contender::Cascade(Box::new(cascade))));
    }
    let mut training = Vec::new();
    for path in &args.train {
        training.extend(read_examples(path, "unknown")?.into_iter().filter(|e| !e.is_held_out()));
    }
    for name in &args.baseline {
        let baseline = match name.as_str() {
            "majority" => Baseline::majority(&training),
            "keywords" => Baseline::Keywords,
            _ => Baseline::tf_idf(&training),
        };
        list.push((name.clone(), Contender::Baseline(baseline)));
    }
    Ok(list)
}

impl Contender {
    fn classify(&self, text: &str) -> (Vec<f32>, Vec<f32>) {
        match self {
            Self::Cascade(cascade) => {
                let c = cascade.classify(text);
                (c.task.0.to_vec(), c.industry.0.to_vec())
            }
            Self::Baseline(baseline) => baseline.classify(text),
        }
    }

    /// Below this task confidence it abstains; baselines never do.
    fn threshold(&self) -> f32 {
        match self {
            Self::Cascade(cascade) => cascade.info().last().map_or(0.0, |info| info.abstain_below),
            Self::Baseline(_) => 0.0,
        }
    }
}

fn measure((name, contender): (&str, &Contender), (set, rows): (&str, &[Example]), flips: usize) -> Measured {
    let (mut task, mut industry, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let started = Instant::now();
        let (p, q) = contender.classify(&row.text);
        times.push(started.elapsed().as_secs_f64() * 1e6);
        task.extend(row.task.map(|t| Prediction { probabilities: p, truth: t.index() }));
        industry.extend(row.industry.map(|t| Prediction { probabilities: q, truth: t.index() }));
    }
    let mean_us = times.iter().sum::<f64>() / times.len().max(1) as f64;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    let flips = flip_rates(contender, rows, flips);
    let flip_rate = flips.iter().map(|(_, rate)| rate).sum::<f64>() / flips.len().max(1) as f64;
    Measured {
        contender: name.to_owned(),
        set: set.to_owned(),
        task: report(&task, contender.threshold()),
        industry: report(&industry, 0.0),
        flips,
        flip_rate,
        p50_us: at(0.5),
        p95_us: at(0.95),
        p99_us: at(0.99),
        mean_us,
        per_second: 1e6 / mean_us,
        per_second_by_batch: BATCHES.map(|batch| (batch, by_batch(contender, rows, batch))).to_vec(),
        resident_bytes: resident_bytes(),
    }
}

/// Rows spread over the whole set, each changed in each way.
fn flip_rates(contender: &Contender, rows: &[Example], count: usize) -> Vec<(&'static str, f64)> {
    let step = (rows.len() / count.max(1)).max(1);
    let rows: Vec<&Example> = rows.iter().step_by(step).take(count).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let top = |text: &str| {
        let (p, _) = contender.classify(text);
        (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b]))
    };
    let before: Vec<_> = rows.iter().map(|row| top(&row.text)).collect();
    let rate = |kind: Perturbation| {
        let after = rows.iter().enumerate().map(|(i, row)| top(&kind.apply(&row.text, i as u64)));
        let flipped = after.zip(&before).filter(|(a, b)| a != *b).count();
        (kind.as_str(), flipped as f64 / rows.len() as f64)
    };
    Perturbation::ALL.into_iter().map(rate).collect()
}

/// Prompts that come at once.
const BATCHES: [usize; 3] = [1, 32, 256];
/// Enough for a steady figure.
const TIMED_ROWS: usize = 768;

/// On a CPU each prompt is a pass of its own, since padding costs more than a shared pass saves: a batch is what the
/// cores have to share out.
fn by_batch(contender: &Contender, rows: &[Example], batch: usize) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = &rows[..rows.len().min(TIMED_ROWS)];
    let started = Instant::now();
    for together in rows.chunks(batch) {
        std::thread::scope(|scope| {
            let mut parts = together.chunks(together.len().div_ceil(threads).max(1));
            let own = parts.next().unwrap_or_default();
            let classify = |part: &[Example]| part.iter().for_each(|row| drop(contender.classify(&row.text)));
            for part in parts {
                scope.spawn(move || classify(part));
            }
            classify(own);
        });
    }
    rows.len() as f64 / started.elapsed().as_secs_f64()
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn show(results: &[Measured]) {
    let mut quality = table::table([
        "contender",
        "set",
        "head",
        "rows",
        "accuracy",
        "macro F1",
        "ECE",
        "coverage",
        "right when covered",
        "flips",
    ]);
    let mut speed =
        table::table(["contender", "set", "p50 us", "p95 us", "p99 us", "1/s", "batch 1", "32", "256", "MB"]);
    for m in results {
        for (head, r) in [("task", &m.task), ("industry", &m.industry)].into_iter().filter(|(_, r)| r.n > 0) {
            let flips = if head == "task" && !m.flips.is_empty() {
                format!("{:.3}", m.flip_rate)
            } else {
                String::new()
            };
            let f = |v: f64| format!("{v:.3}");
            quality.add_row([
                m.contender.clone(),
                m.set.clone(),
                head.to_owned(),
                r.n.to_string(),
                f(r.accuracy),
                f(r.macro_f1),
                f(r.ece),
                f(r.coverage),
                f(r.covered_accuracy),
                flips,
            ]);
        }
        let f = |v: f64| format!("{v:.0}");
        let megabytes = m.resident_bytes.map_or_else(String::new, |b| f(b as f64 / 1e6));
        let times = [m.p50_us, m.p95_us, m.p99_us, m.per_second];
        let batches = m.per_second_by_batch.iter().map(|(_, rate)| *rate);
        let figures = times.into_iter().chain(batches).map(f);
        let names = [m.contender.clone(), m.set.clone()];
        speed.add_row(names.into_iter().chain(figures).chain([megabytes]));
    }
    say(&quality.to_string());
    say(&speed.to_string());
    for m in results {
        let mut labels = table::table(["label", "rows", "precision", "recall"]);
        for (i, label) in pointsman_types::Task::ALL.iter().enumerate().filter(|_| m.task.n > 0) {
            let rows: usize = m.task.confusion.get(i).map_or(0, |row| row.iter().sum());
            if rows > 0 {
                let (precision, recall) = m.task.precision_recall(i);
                labels.add_row([
                    label.to_string(),
                    rows.to_string(),
                    format!("{precision:.3}"),
                    format!("{recall:.3}"),
                ]);
            }
        }
        say(&format!("{} on {}: tasks", m.contender, m.set));
        say(&labels.to_string());
        let flips: Vec<String> = m.flips.iter().map(|(kind, rate)| format!("{kind} {rate:.3}")).collect();
        say(&format!("flips: {}", flips.join(", ")));
    }
}
