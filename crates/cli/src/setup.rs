//! From the command line to a running engine.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use pointsman_config::{Config, Sources};
use pointsman_demo::{Demo, Pace};
use pointsman_engine::{DispatcherSettings, Engine, EngineSettings, LearningSettings, SessionSettings};
use tokio::{runtime::Runtime, time::Instant};

use crate::args::ConfigArgs;

/// How long a start waits for the first model lists.
pub(crate) const FIRST_SYNC: Duration = Duration::from_millis(500);
/// How long a command that shows models waits for their lists.
pub(crate) const ONE_SYNC: Duration = Duration::from_secs(10);

/// Standard output, where a closed pipe is no crash.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Half the cores serve HTTP, the rest is for the classifier's thread and whatever shares the machine: on two
/// cores a second worker made every request slower, because its parts woke each other up across cores
/// (`benches/README.md` has the figures). `TOKIO_WORKER_THREADS` overrides.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(cores.div_ceil(2));
    }
    builder.enable_all().build().context("the runtime did not start")
}

/// The configuration, with its warnings told.
pub(crate) fn config(args: &ConfigArgs, listen: Option<String>) -> anyhow::Result<Config> {
    let config = Config::load(&Sources::of_process(args.config.clone(), listen))?;
    for warning in &config.warnings {
        complain(&format!("warning: {warning}"));
    }
    for note in &config.notes {
        tracing::info!("{note}");
    }
    Ok(config)
}

/// Starts the demo and adds its backends.
pub(crate) async fn start_demo(config: &mut Config, pace: Pace) -> anyhow::Result<Demo> {
    let demo = Demo::start(pace).await?;
    add_demo(config, &demo)?;
    Ok(demo)
}

/// Adds the backends of the demo.
pub(crate) fn add_demo(config: &mut Config, demo: &Demo) -> anyhow::Result<()> {
    for backend in &demo.backends {
        config.add_backend(backend.endpoint.clone(), backend.models.clone())?;
    }
    // the curated lists name no simulated model: behind theirs, each trade gets the demo's in a sensible order
    for (tag, list) in &mut config.industries {
        list.extend(pointsman_demo::preferred(tag).map(str::to_owned));
    }
    Ok(())
}

/// Starts the engine and waits at most `sync` for the model lists of the backends.
pub(crate) async fn engine(config: &Config, sync: Duration) -> anyhow::Result<Engine> {
    let engine = Engine::start(engine_settings(config)).await?;
    // who is late is shown as it is, and followed up by the catalog
    let _ = engine.sync_catalog(Instant::now() + sync).await;
    Ok(engine)
}

/// What the engine is told.
pub(crate) fn engine_settings(config: &Config) -> EngineSettings {
    EngineSettings {
        catalog: config.catalog_settings(),
        latency: config.latency_settings(),
        classifier: config.classifier_settings(),
        upstreams: config.upstream_settings(),
        policy: config.policy(),
        aliases: config.aliases.clone(),
        industries: config.industries.clone(),
        sessions: SessionSettings {
            enabled: config.sessions.enabled,
            capacity: config.sessions.capacity,
            idle: config.sessions.idle,
        },
        outcomes: config.outcomes.clone(),
        learning: LearningSettings {
            enabled: config.learning.enabled,
            file: config.learning.file.clone(),
            half_life: config.learning.half_life,
        },
        dispatchers: DispatcherSettings::default(),
        request_timeout: config.server.request_timeout,
        retries: config.retries,
        breaker: config.breakers,
        hedge: config.hedging,
        load: config.server.load,
        ready_models: config.catalog.ready_models,
    }
}

/// The text itself, or standard input for `-`.
pub(crate) fn text_or_stdin(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The whole of a file, or of standard input for `-`.
pub(crate) fn open(path: &PathBuf) -> anyhow::Result<Box<dyn Read>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(std::fs::File::open(path).with_context(|| path.display().to_string())?))
}
