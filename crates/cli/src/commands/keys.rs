//! `pointsman keys`: the hash file of gateway keys.

use std::{fs, io, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use pointsman_config::{KeyConfig, digest, parse_keys, written};
use serde_json::json;

use crate::{
    args::{Keys, KeysWhat},
    setup::{complain, say},
};

/// Bytes of chance in a key: 192 bits.
const BYTES: usize = 24;
/// What makes a leaked key easy to find.
const PREFIX: &str = "pm-";

pub(crate) fn run(args: &Keys) -> anyhow::Result<ExitCode> {
    match &args.what {
        KeysWhat::Create { name, file } => create(name, &file.file),
        KeysWhat::List { file, json } => list(&file.file, *json),
        KeysWhat::Revoke { name, file } => revoke(name, &file.file),
    }
}

fn create(name: &str, file: &Path) -> anyhow::Result<ExitCode> {
    let mut text = read(file)?;
    let mut chance = [0; BYTES];
    getrandom::fill(&mut chance).context("no random numbers from the system")?;
    let key = chance.iter().fold(PREFIX.to_owned(), |key, byte| format!("{key}{byte:02x}"));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &[name, " ", &written(&digest(&key)), "\n"].concat();
    // a bad name, or one that is there, is found here
    parse(file, &text)?;
    write(file, &text)?;
    complain(&format!("the key of {name}, shown only now ({} keeps its hash):", file.display()));
    say(&key);
    Ok(ExitCode::SUCCESS)
}

fn list(file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let keys = parse(file, &read(file)?)?;
    if as_json {
        let keys: Vec<_> = keys.iter().map(|key| json!({ "name": &*key.name })).collect();
        say(&serde_json::to_string_pretty(&keys)?);
    } else {
        for key in keys {
            say(&key.name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(name: &str, file: &Path) -> anyhow::Result<ExitCode> {
    let text = read(file)?;
    parse(file, &text)?;
    let kept: Vec<&str> = text.lines().filter(|line| line.split_whitespace().next() != Some(name)).collect();
    if kept.len() == text.lines().count() {
        bail!("{} has no key of the name {name}", file.display());
    }
    write(file, &(kept.join("\n") + "\n"))?;
    complain(&format!("{name} is no key any more"));
    Ok(ExitCode::SUCCESS)
}

fn parse(file: &Path, text: &str) -> anyhow::Result<Vec<KeyConfig>> {
    parse_keys(text).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))
}

/// A file that is not there has no keys.
fn read(file: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(file) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| file.display().to_string()),
    }
}

/// Whole or not at all: a server may be reading it.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text).with_context(|| new.display().to_string())?;
    fs::rename(&new, file).with_context(|| file.display().to_string())
}
