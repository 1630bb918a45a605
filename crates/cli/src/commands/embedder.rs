//! `pointsman embedder`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use pointsman_classifier::{ArtifactSource, Classifier, hub};
use pointsman_types::Tier;
use serde_json::json;

use crate::{
    args::{ConfigArgs, Embedder, EmbedderWhat},
    setup::{self, say},
    table,
};

pub(crate) fn run(args: &Embedder) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    match &args.what {
        EmbedderWhat::List { json } => list(*json),
        EmbedderWhat::Pull { id, offline, sha256, json } => pull(id, *offline, sha256.as_deref(), *json),
        EmbedderWhat::Use { id, config, json } => choose(id, config, *json),
    }
}

fn list(as_json: bool) -> anyhow::Result<ExitCode> {
    let built_in = [ArtifactSource::BuiltIn, ArtifactSource::BuiltInDeep];
    let built_in: Vec<_> = built_in
        .iter()
        .map(|source| Ok(Classifier::load(source)?.info().clone()))
        .collect::<anyhow::Result<_>>()?;
    let cached = hub::list();
    if as_json {
        say(&serde_json::to_string_pretty(&json!({ "built_in": built_in, "hub": cached }))?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table::table(["embedder", "revision", "where", "MB", "heads"]);
    let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
    for info in built_in {
        let size = megabytes(info.bytes as f64);
        rows.add_row([info.name, info.revision, info.source, size, "yes".to_owned()]);
    }
    for model in cached {
        let (revision, place) =
            (model.revision.chars().take(12).collect(), model.folder.display().to_string());
        rows.add_row([model.id, revision, place, megabytes(model.bytes as f64), "train them".to_owned()]);
    }
    say(&rows.to_string());
    Ok(ExitCode::SUCCESS)
}

fn pull(id: &str, offline: bool, sha256: Option<&str>, as_json: bool) -> anyhow::Result<ExitCode> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let model = hub::pull(id, offline, sha256, &|file, done, of| {
        bar.set_message(file.to_owned());
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if as_json {
        say(&serde_json::to_string_pretty(&model)?);
    } else {
        let from = if model.from_hub { "from the hub" } else { "from the cache, the hub was not asked" };
        say(&format!("{}@{} {from}", model.id, model.revision));
        say(&format!(
            "{}, {:.1} MB, sha256 {}",
            model.folder.display(),
            model.bytes as f64 / 1e6,
            model.sha256
        ));
        say(&format!("next: pointsman train --embedder {id} --data F.. --out DIR, then embedder use DIR"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the artifact, and says it to the configuration.
fn choose(id: &str, args: &ConfigArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let config = setup::config(args, None)?;
    let path = args.config.clone().or(config.file).unwrap_or_else(|| "pointsman.toml".into());
    let (key, value, info) = if id == "default" {
        ("embedder", "default".to_owned(), None)
    } else {
        let folder = fs::canonicalize(Path::new(id)).with_context(|| id.to_owned())?;
        let classifier = Classifier::load(&ArtifactSource::Folder(folder.clone()))?;
        classifier.self_test()?;
        let info = classifier.info().clone();
        let key = if info.tier == Tier::Deep { "deep_embedder" } else { "embedder" };
        (key, folder.display().to_string(), Some(info))
    };
    let old = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let mut document: toml_edit::DocumentMut = old.parse().with_context(|| path.display().to_string())?;
    if id == "default" {
        if let Some(section) = document.get_mut("classifier").and_then(toml_edit::Item::as_table_mut) {
            section.remove("embedder");
            section.remove("deep_embedder");
        }
    } else {
        let section = document.entry("classifier").or_insert_with(toml_edit::table);
        let section = section.as_table_mut().context("[classifier] is no table")?;
        section.insert(key, toml_edit::value(&value));
    }
    // whole or not at all
    let new = path.with_extension("toml.new");
    fs::write(&new, document.to_string()).with_context(|| new.display().to_string())?;
    fs::rename(&new, &path).with_context(|| path.display().to_string())?;
    if as_json {
        say(&json!({ "config": path, "key": format!("classifier.{key}"), "value": value, "embedder": info })
            .to_string());
    } else {
        say(&format!(
            "{}: classifier.{key} = \"{value}\"; a server reads it at its next start",
            path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
