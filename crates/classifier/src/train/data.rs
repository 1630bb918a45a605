//! Labelled prompts from JSON Lines, plain or gzipped.

use std::{fs::File, io::Read, path::Path};

use flate2::read::GzDecoder;
use pointsman_types::{Industry, Task};
use serde::Deserialize;

use crate::{ClassifierError, artifact::sha256};

/// One labelled prompt. A label that its source does not decide is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The prompt.
    pub text: String,
    /// What it asks for.
    pub task: Option<Task>,
    /// The trade it belongs to.
    pub industry: Option<Industry>,
    /// Where it is from: the part before the first slash groups the folds.
    pub source: String,
}

impl Example {
    /// The first part of the source.
    pub fn group(&self) -> &str {
        self.source.split('/').next().unwrap_or_default()
    }

    /// Whether the row is held out: one in eight, by the hash of its text, the same on every run.
    pub fn is_held_out(&self) -> bool {
        sha256(self.text.as_bytes()).as_bytes().first().is_some_and(|b| matches!(b, b'0' | b'1'))
    }
}

#[derive(Deserialize)]
struct Row {
    text: String,
    #[serde(default)]
    task: Option<Task>,
    #[serde(default)]
    industry: Option<Industry>,
    #[serde(default)]
    source: Option<String>,
}

/// Reads a file of rows `text, task, industry` and perhaps `source`; rows without one get `default_source`.
pub fn read_examples(path: &Path, default_source: &str) -> Result<Vec<Example>, ClassifierError> {
    let failed = |why: String| ClassifierError::File { path: path.to_owned(), why };
    let mut file = File::open(path).map_err(|e| failed(e.to_string()))?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|e| e == "gz") {
        GzDecoder::new(file).read_to_string(&mut text)
    } else {
        file.read_to_string(&mut text)
    };
    read.map_err(|e| failed(e.to_string()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let row: Row = serde_json::from_str(line).map_err(|e| failed(format!("line {}: {e}", i + 1)))?;
            let source = row.source.unwrap_or_else(|| default_source.to_owned());
            Ok(Example { text: row.text, task: row.task, industry: row.industry, source })
        })
        .collect()
}
