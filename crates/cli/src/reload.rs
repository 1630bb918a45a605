//! A new configuration in the place of the one that is served: on SIGHUP, when a file changes, or when an admin asks.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use pointsman_config::{Config, Sources};
use pointsman_demo::Demo;
use pointsman_server::{KeySettings, ServerHandle, ServerSettings};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::setup;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a reload waits for the model lists of backends that are new.
const SYNC: Duration = Duration::from_secs(2);

/// Who asks for a reload, and where the answer goes.
pub(crate) type Asked = mpsc::Receiver<oneshot::Sender<Result<(), String>>>;

/// Watches and reloads; never ends by itself.
pub(crate) struct Reloader {
    sources: Sources,
    served: Config,
    demo: Option<Demo>,
    server: ServerHandle,
    asked: Asked,
    hangup: Signal,
    seen: Vec<Option<(SystemTime, u64)>>,
}

impl Reloader {
    pub(crate) fn new(
        sources: Sources,
        served: Config,
        demo: Option<Demo>,
        server: ServerHandle,
        asked: Asked,
    ) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let seen = stamps(&served);
        Ok(Self { sources, served, demo, server, asked, hangup, seen })
    }

    pub(crate) async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer = tokio::select! {
                Some(answer) = self.asked.recv() => Some(answer),
                Some(()) = self.hangup.recv() => None,
                _ = look.tick() => {
                    if stamps(&self.served) == self.seen {
                        continue;
                    }
                    None
                }
            };
            // a bad file is read again when it has changed again, not every second
            self.seen = stamps(&self.served);
            let done = self.reload().await;
            match &done {
                Ok(()) => tracing::warn!("configuration reloaded"),
                Err(why) => tracing::error!(why, "the new configuration is bad: the old one stays"),
            }
            if let Some(answer) = answer {
                // who asked may be gone
                let _ = answer.send(done);
            }
        }
    }

    async fn reload(&mut self) -> Result<(), String> {
        let mut config = Config::load(&self.sources).map_err(|error| error.to_string())?;
        if let Some(demo) = &self.demo {
            setup::add_demo(&mut config, demo).map_err(|error| error.to_string())?;
        }
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        for part in needs_restart(&self.served, &config) {
            tracing::warn!("{part} has changed: that takes effect at the next start");
        }
        let engine = self.server.engine();
        let reloaded = engine.reload(setup::engine_settings(&config), Instant::now() + SYNC).await;
        let reloaded = reloaded.map_err(|error| error.to_string())?;
        self.server.reload(reloaded, server_settings(&config), keys(&config));
        self.served = config;
        self.seen = stamps(&self.served);
        Ok(())
    }
}

/// What a reload leaves as it was.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |name, differs: bool| differs.then_some(name);
    [
        differs("listen", old.listen != new.listen),
        differs("[sessions]", old.sessions != new.sessions),
        differs("[learning]", old.learning != new.learning),
        differs("[outcomes]", old.outcomes != new.outcomes),
        differs("[classifier]", format!("{:?}", old.classifier) != format!("{:?}", new.classifier)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// When the files of a configuration were written, and how long they are.
fn stamps(config: &Config) -> Vec<Option<(SystemTime, u64)>> {
    let files: Vec<&PathBuf> = config.file.iter().chain(&config.server.keys_file).collect();
    let stamp = |file: &&PathBuf| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.iter().map(stamp).collect()
}

/// What the server is told.
pub(crate) fn server_settings(config: &Config) -> ServerSettings {
    let server = &config.server;
    ServerSettings {
        body_limit_bytes: server.body_limit_bytes,
        grace: server.grace,
        max_connections: server.max_connections,
        read_timeout: server.header_read_timeout,
        write_timeout: server.write_timeout,
        keep_alive: server.keep_alive,
        max_header_bytes: server.max_header_bytes,
    }
}

/// Who may ask; everybody, where no key is asked for.
pub(crate) fn keys(config: &Config) -> Option<Vec<KeySettings>> {
    let key = |key: &pointsman_config::KeyConfig| KeySettings {
        name: key.name.clone(),
        sha256: key.sha256,
        max_streams: key.max_streams,
    };
    config.asks_for_keys().then(|| config.keys.iter().map(key).collect())
}
