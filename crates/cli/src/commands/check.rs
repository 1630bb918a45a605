//! `pointsman check`.

use std::process::ExitCode;

use pointsman_classifier::Cascade;
use pointsman_config::{Config, ConfigError, Problem, Sources};
use serde_json::{Value, json};

use crate::{
    args::Check,
    setup::{complain, say},
};

pub(crate) fn run(args: &Check) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let loaded = Config::load(&Sources::of_process(args.config.config.clone(), None));
    let mut errors: Vec<(String, Value)> = Vec::new();
    let mut warnings: Vec<(String, Value)> = Vec::new();
    match &loaded {
        Ok(config) => {
            warnings.extend(config.warnings.iter().map(entry));
            // the artifact is part of the configuration: a server would not start without it
            if let Err(error) = Cascade::load(&config.classifier_settings()) {
                errors.push((
                    error.to_string(),
                    json!({ "key": "classifier.embedder", "message": error.to_string() }),
                ));
            }
        }
        Err(ConfigError::Invalid(problems)) => errors.extend(problems.iter().map(entry)),
        Err(error) => errors.push((error.to_string(), json!({ "message": error.to_string() }))),
    }
    if args.json {
        let values = |list: &[(String, Value)]| list.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>();
        let ok = errors.is_empty();
        say(&serde_json::to_string_pretty(
            &json!({ "ok": ok, "errors": values(&errors), "warnings": values(&warnings) }),
        )?);
    } else {
        for (text, _) in &warnings {
            complain(&format!("warning: {text}"));
        }
        for (text, _) in &errors {
            complain(&format!("error: {text}"));
        }
        if let (Ok(config), true) = (&loaded, errors.is_empty()) {
            let file = config.file.as_ref().map_or_else(|| "no file".to_owned(), |f| f.display().to_string());
            say(&format!(
                "ok: {file}, {} backends, {} aliases, {} warnings",
                config.backends.len(),
                config.aliases.len(),
                warnings.len()
            ));
        }
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn entry(problem: &Problem) -> (String, Value) {
    let value = json!({ "line": problem.line, "column": problem.column, "key": problem.key, "message": problem.message });
    (problem.to_string(), value)
}
