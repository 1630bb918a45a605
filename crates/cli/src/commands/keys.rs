//! `pointsman keys`: the hash file of gateway keys.

mod file;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use pointsman_config::{KeyConfig, digest, parse_keys, written};
use serde_json::json;

use self::file::Locked;
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
    // a bad name is found before a file is made for it
    let entry = |key: &str| [name, " ", &written(&digest(key)), "\n"].concat();
    parse(file, &entry(""))?;
    let locked = Locked::made(file)?;
    let mut text = locked.read()?;
    let mut chance = [0; BYTES];
    getrandom::fill(&mut chance).context("no random numbers from the system")?;
    let key = chance.iter().fold(PREFIX.to_owned(), |key, byte| format!("{key}{byte:02x}"));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &entry(&key);
    // a name that is there already is found here
    parse(file, &text)?;
    locked.replace(&text)?;
    complain(&format!("the key of {name}, shown only now ({} keeps its hash):", file.display()));
    say(&key);
    Ok(ExitCode::SUCCESS)
}

fn list(file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let keys = parse(file, &file::read(file)?)?;
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
    let none = || format!("{} has no key of the name {name}", file.display());
    let Some(locked) = Locked::existing(file)? else { bail!(none()) };
    let text = locked.read()?;
    parse(file, &text)?;
    let kept: Vec<&str> = text.lines().filter(|line| line.split_whitespace().next() != Some(name)).collect();
    if kept.len() == text.lines().count() {
        bail!(none());
    }
    locked.replace(&(kept.join("\n") + "\n"))?;
    complain(&format!("{name} is no key any more"));
    Ok(ExitCode::SUCCESS)
}

fn parse(file: &Path, text: &str) -> anyhow::Result<Vec<KeyConfig>> {
    parse_keys(text).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))
}
