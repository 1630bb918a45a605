//! `pointsman classify`.

use std::{
    io::{self, BufWriter, Read, Write},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use anyhow::Context;
use pointsman_classifier::Cascade;
use pointsman_types::{Classification, Industry, Task};
use serde::{Deserialize, Serialize};

use crate::{args::Classify, commands::route::summary, setup, table};

/// Rows that a thread takes at once.
const CHUNK: usize = 512;

/// One line of `--json`, in the order that API users rely on.
#[derive(Serialize)]
struct Line<'a> {
    task: Task,
    task_confidence: f32,
    industry: Industry,
    industry_confidence: f32,
    abstained: bool,
    probs: &'a serde_json::Value,
}

#[derive(Deserialize)]
struct Row {
    text: String,
}

pub(crate) fn run(args: &Classify) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let config = setup::config(&args.config, None)?;
    let classifier = Cascade::load(&config.classifier_settings())?;
    let texts = match &args.jsonl {
        Some(path) => rows(path)?,
        None => args.prompts.iter().map(|p| setup::text_or_stdin(p)).collect::<anyhow::Result<_>>()?,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        return lines(&classifier, &texts, &mut out).map(|()| ExitCode::SUCCESS);
    }
    for text in &texts {
        let classification = classifier.classify(text);
        writeln!(out, "{}", summary(&classification))?;
        if texts.len() == 1 {
            writeln!(out, "{}", distributions(&classification))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// All cores, in order: each round gives every thread a chunk.
fn lines(classifier: &Cascade, texts: &[String], out: &mut impl Write) -> anyhow::Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    for round in texts.chunks(CHUNK * threads) {
        let done: Vec<anyhow::Result<Vec<u8>>> = thread::scope(|scope| {
            let work: Vec<_> =
                round.chunks(CHUNK).map(|chunk| scope.spawn(|| chunk_lines(classifier, chunk))).collect();
            let joined = work.into_iter().map(thread::ScopedJoinHandle::join);
            joined.map(|r| r.unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")))).collect()
        });
        for bytes in done {
            out.write_all(&bytes?)?;
        }
    }
    Ok(out.flush()?)
}

fn chunk_lines(classifier: &Cascade, texts: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for text in texts {
        let classification = classifier.classify(text);
        let whole = serde_json::to_value(&classification)?;
        let (task, task_confidence) = classification.top_task();
        let (industry, industry_confidence) = classification.top_industry();
        let abstained = classification.abstained;
        let line =
            Line { task, task_confidence, industry, industry_confidence, abstained, probs: &whole["probs"] };
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn rows(path: &PathBuf) -> anyhow::Result<Vec<String>> {
    let mut bytes = Vec::new();
    setup::open(path)?.read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_end(&mut plain)
            .with_context(|| path.display().to_string())?;
        bytes = plain;
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let row: Row =
                serde_json::from_str(line).with_context(|| format!("{}:{}", path.display(), i + 1))?;
            Ok(row.text)
        })
        .collect()
}

fn distributions(classification: &Classification) -> comfy_table::Table {
    let mut both = table::table(["task", "p", "industry", "p"]);
    let sorted = |names: Vec<(&'static str, f32)>| {
        let mut names = names;
        names.sort_by(|a, b| b.1.total_cmp(&a.1));
        names
    };
    let tasks = sorted(Task::ALL.iter().map(|t| (t.as_str(), classification.task.0[t.index()])).collect());
    let trades =
        sorted(Industry::ALL.iter().map(|t| (t.as_str(), classification.industry.0[t.index()])).collect());
    for i in 0..Task::COUNT {
        let cell = |list: &[(&str, f32)]| {
            list.get(i).map_or_else(Default::default, |(n, p)| [(*n).to_owned(), format!("{p:.3}")])
        };
        let ([a, b], [c, d]) = (cell(&tasks), cell(&trades));
        both.add_row([a, b, c, d]);
    }
    both
}
