//! From files and variables to a configuration, or to a list of everything that is wrong with them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that meets an error has failed")]

mod mistakes;
mod sources;

use std::{fs, path::PathBuf};

use pointsman_config::{Config, ConfigError, Environment, Sources};

/// Loads this text as `pointsman.toml` under these variables.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pointsman.toml");
    fs::write(&file, text).unwrap();
    Config::load(&Sources {
        file: Some(file),
        environment: variables.iter().copied().collect(),
        ..Sources::default()
    })
}

/// The report on this text, without the path of the folder.
fn report(text: &str) -> String {
    report_under(text, &[])
}

fn report_under(text: &str, variables: &[(&str, &str)]) -> String {
    let error = load(text, variables).expect_err("the file has mistakes");
    without_folder(&error.to_string())
}

fn without_folder(report: &str) -> String {
    let line = |line: &str| match line.find("pointsman.toml") {
        Some(at) if line.starts_with('/') => line[at..].to_owned(),
        _ => line.to_owned(),
    };
    report.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Under these variables only, without a file.
fn from_environment(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment: Environment = variables.iter().copied().collect();
    Config::load(&Sources { environment, ..Sources::default() })
}

/// Found at run time: clones that share a build folder share this binary too.
fn example() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("run by cargo"))
        .join("../../examples/pointsman.toml")
}
