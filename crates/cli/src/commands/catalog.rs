//! `pointsman catalog refresh`.

use std::{fs, process::ExitCode, time::Duration};

use anyhow::Context;
use pointsman_catalog::refresh;
use serde_json::json;

use crate::{
    args::{Catalog, CatalogAction},
    setup::{self, say},
};

/// Longest list that is read: LiteLLM's is 3 MB.
const MAX_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn run(args: &Catalog) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let CatalogAction::Refresh(args) = &args.action;
    let json = read(&args.from)?;
    let source = args.source.as_deref().unwrap_or(&args.from);
    let refreshed = refresh(&json, source, &today(), &args.provider)?;
    fs::write(&args.out, &refreshed.file).with_context(|| args.out.display().to_string())?;
    if args.json {
        let counts = json!({ "prices": refreshed.rows, "unpriced": refreshed.unpriced, "file": args.out });
        say(&counts.to_string());
    } else {
        say(&format!(
            "{} prices written to {}; {} entries have none, which is unknown and not free",
            refreshed.rows,
            args.out.display(),
            refreshed.unpriced
        ));
        say(&format!("to use them: [catalog] prices = \"{}\"", args.out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// A query may hold what a file of prices should not repeat.
fn read(from: &str) -> anyhow::Result<String> {
    if !from.starts_with("http://") && !from.starts_with("https://") {
        return fs::read_to_string(from).with_context(|| from.to_owned());
    }
    anyhow::ensure!(!from.contains(['?', '@']), "a URL without query and credentials");
    setup::runtime()?.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let mut response = client.get(from).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= MAX_BYTES, "longer than {MAX_BYTES} bytes");
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).context("not text")
    })
}

/// ISO 8601, UTC.
fn today() -> String {
    let now = humantime::format_rfc3339(std::time::SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}
