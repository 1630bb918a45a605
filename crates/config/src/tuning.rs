//! `[classifier]` and `[catalog]`: how the parts behind the router are run.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use pointsman_catalog::Facts;
use pointsman_classifier::{ArtifactSource, ClassifierSettings, Device, Mode};

use crate::reader::Value;

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// How the catalog is kept fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Time between two syncs of one backend.
    pub refresh: Duration,
    /// Deadline of one model-list request.
    pub timeout: Duration,
    /// Longest model list that is read, in bytes.
    pub max_list_bytes: usize,
    /// Time between two probes of backends that have a cheap route for them.
    pub probe: Duration,
    /// How long a model that is no longer listed stays, stale.
    pub grace: Duration,
    /// A refreshed price table over the shipped one.
    pub prices: Option<PathBuf>,
    /// Routable models without which the process is not ready.
    pub ready_models: usize,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        Self {
            refresh: MINUTE,
            timeout: Duration::from_secs(10),
            max_list_bytes: 16 << 20,
            probe: Duration::from_secs(15),
            grace: MINUTE * 10,
            prices: None,
            ready_models: 1,
        }
    }
}

/// Reads `[catalog]` over the defaults. `folder` is where the file is: relative paths start there.
pub(crate) fn read_catalog(value: &Value<'_>, folder: &Path) -> CatalogConfig {
    let mut catalog = CatalogConfig::default();
    let Some(mut section) = value.section() else { return catalog };
    if let Some(time) = section.get("refresh").and_then(|v| v.duration(SECOND..=DAY)) {
        catalog.refresh = time;
    }
    if let Some(time) = section.get("timeout").and_then(|v| v.duration(MILLISECOND * 10..=MINUTE * 10)) {
        catalog.timeout = time;
    }
    if let Some(time) = section.get("probe").and_then(|v| v.duration(SECOND..=DAY)) {
        catalog.probe = time;
    }
    if let Some(time) = section.get("grace").and_then(|v| v.duration(Duration::ZERO..=DAY)) {
        catalog.grace = time;
    }
    if let Some(models) = section.get("ready_models").and_then(|v| v.size(0..=1_000_000)) {
        catalog.ready_models = models;
    }
    catalog.prices = section.get("prices").and_then(|v| {
        let path = folder.join(v.text()?);
        // read in full, so that a mistake in it is found here and not at the first request
        Facts::with_prices(&path).map_err(|e| v.fail(e.to_string())).ok()?;
        Some(path)
    });
    section.finish();
    catalog
}

/// Reads `[classifier]` over the defaults. `folder` is where the file is: relative paths start there.
pub(crate) fn read_classifier(value: &Value<'_>, folder: &Path) -> ClassifierSettings {
    let mut classifier = ClassifierSettings::default();
    let Some(mut section) = value.section() else { return classifier };
    if let Some(found) = section.get("embedder").and_then(|v| artifact(&v, folder, &classifier.artifact)) {
        classifier.artifact = found;
    }
    if let Some(found) = section.get("deep_embedder").and_then(|v| artifact(&v, folder, &classifier.deep)) {
        classifier.deep = found;
    }
    if let Some(mode) = section.get("mode").and_then(|v| mode(&v)) {
        classifier.mode = mode;
    }
    if let Some(found) = section.get("device").and_then(|v| device(&v)) {
        classifier.device = found;
    }
    if let Some(time) = section.get("deadline").and_then(|v| v.duration(MILLISECOND..=MINUTE)) {
        classifier.deadline = time;
    }
    if let Some(size) = section.get("queue").and_then(|v| v.size(1..=1_000_000)) {
        classifier.queue = size;
    }
    if let Some(size) = section.get("deep_queue").and_then(|v| v.size(1..=1_000_000)) {
        classifier.deep_queue = size;
    }
    if let Some(size) = section.get("max_batch").and_then(|v| v.size(1..=1024)) {
        classifier.max_batch = size;
    }
    section.refuse("thresholds", "not supported yet: the artifact brings its own");
    section.finish();
    classifier
}

fn mode(value: &Value<'_>) -> Option<Mode> {
    match value.text()? {
        "fast" => Some(Mode::Fast),
        "deep" => Some(Mode::Deep),
        "cascade" => Some(Mode::Cascade),
        other => {
            value.fail(format!("unknown mode `{other}`; known: \"fast\", \"deep\", \"cascade\""));
            None
        }
    }
}

fn device(value: &Value<'_>) -> Option<Device> {
    let device = match value.text()? {
        "cpu" => Device::Cpu,
        "cuda" => Device::Cuda,
        other => {
            value.fail(format!("unknown device `{other}`; known: \"cpu\", \"cuda\""));
            return None;
        }
    };
    if !device.is_built() {
        value.fail("this build has no CUDA: build it with `--features cuda`");
        return None;
    }
    Some(device)
}

fn artifact(value: &Value<'_>, folder: &Path, built_in: &ArtifactSource) -> Option<ArtifactSource> {
    let text = value.text()?;
    if text == "default" {
        return Some(built_in.clone());
    }
    let path: PathBuf = folder.join(text);
    if path.is_dir() {
        return Some(ArtifactSource::Folder(path));
    }
    value.fail(format!("`{text}` is neither \"default\" nor a folder with an embedder"));
    None
}
