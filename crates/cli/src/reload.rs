//! A new configuration in the place of the one that is served: on SIGHUP, when a file changes, or when an admin asks.

use std::{net::SocketAddr, time::Duration};

use pointsman_config::{Config, Sources, Stamp};
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
    address: SocketAddr,
    watch: Watch,
}

impl Reloader {
    pub(crate) fn new(
        sources: Sources,
        served: Config,
        demo: Option<Demo>,
        server: ServerHandle,
        asked: Asked,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let watch = Watch::from(served.stamps());
        Ok(Self { sources, served, demo, server, asked, hangup, address, watch })
    }

    pub(crate) async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer = tokio::select! {
                Some(answer) = self.asked.recv() => Some(answer),
                Some(()) = self.hangup.recv() => None,
                _ = look.tick() => {
                    if !self.watch.settled() {
                        continue;
                    }
                    None
                }
            };
            // a bad file is read again when it has changed again, not every second
            self.watch.act();
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
        let mut config = self.served.load_again(&self.sources).map_err(|error| error.to_string())?;
        if let Some(demo) = &self.demo {
            setup::add_demo(&mut config, demo).map_err(|error| error.to_string())?;
        }
        if config.backends.is_empty() {
            return Err("no backend is configured any more".to_owned());
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
        warn_if_open(&config, self.address);
        // as the files were before they were read: what changed while the lists were waited for is seen at the next look
        self.watch = Watch::from(config.stamps());
        self.served = config;
        Ok(())
    }
}

/// The files of a configuration, and whether somebody is changing them.
struct Watch {
    /// As they were when they were last read.
    read: Vec<Stamp>,
    /// As the last look found them, where that differs.
    changed: Option<Vec<Stamp>>,
}

impl From<Vec<Stamp>> for Watch {
    fn from(read: Vec<Stamp>) -> Self {
        Self { read, changed: None }
    }
}

impl Watch {
    fn now(&self) -> Vec<Stamp> {
        self.read.iter().map(Stamp::again).collect()
    }

    /// Looks once. True where the files have changed and were the same at two looks: an editor that empties a file
    /// before it writes it, or moves one away before another takes its place, is not met half way.
    fn settled(&mut self) -> bool {
        let now = self.now();
        if now == self.read {
            self.changed = None;
            return false;
        }
        if self.changed.as_ref() == Some(&now) {
            return true;
        }
        self.changed = Some(now);
        false
    }

    /// The files are about to be read as they are now.
    fn act(&mut self) {
        self.read = self.now();
        self.changed = None;
    }
}

/// Without keys everybody who can reach the address may ask.
pub(crate) fn warn_if_open(config: &Config, address: SocketAddr) {
    if !config.asks_for_keys() && !address.ip().is_loopback() {
        tracing::warn!(%address, "no gateway key is configured: everybody who reaches this address may ask");
    }
}

/// What a reload leaves as it was.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |name, differs: bool| differs.then_some(name);
    [
        differs("listen", old.listen != new.listen),
        differs("[server] max_connections", old.server.max_connections != new.server.max_connections),
        differs("[sessions]", old.sessions != new.sessions),
        differs("[learning]", old.learning != new.learning),
        differs("[outcomes]", old.outcomes != new.outcomes),
        differs("[classifier]", format!("{:?}", old.classifier) != format!("{:?}", new.classifier)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the server is told.
pub(crate) fn server_settings(config: &Config) -> ServerSettings {
    let server = &config.server;
    ServerSettings {
        body_limit_bytes: server.body_limit_bytes,
        body_timeout: server.body_timeout,
        max_buffered_bytes: server.max_buffered_bytes,
        grace: server.grace,
        max_connections: server.max_connections,
        read_timeout: server.header_read_timeout,
        write_timeout: server.write_timeout,
        keep_alive: server.keep_alive,
        max_header_bytes: server.max_header_bytes,
        open_metrics: server.open_metrics,
    }
}

/// Who may ask; everybody, where no key is asked for.
pub(crate) fn keys(config: &Config) -> Option<Vec<KeySettings>> {
    let key = |key: &pointsman_config::KeyConfig| KeySettings {
        name: key.name.clone(),
        sha256: key.sha256,
        max_streams: key.max_streams.or(config.server.max_streams_per_key),
    };
    config.asks_for_keys().then(|| config.keys.iter().map(key).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_counts_when_it_was_there_at_two_looks() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pointsman.toml");
        fs::write(&file, "whole").unwrap();
        let mut watch = Watch::from(vec![Stamp::of(&file)]);
        assert!(!watch.settled() && !watch.settled());
        fs::write(&file, "").unwrap();
        assert!(!watch.settled(), "somebody may be writing it");
        fs::write(&file, "half").unwrap();
        assert!(!watch.settled(), "it has changed again");
        assert!(watch.settled());
        watch.act();
        assert!(!watch.settled() && !watch.settled(), "it is read once");
    }

    #[test]
    fn what_a_reload_cannot_change_is_named() {
        let old = Config::load(&Sources::default()).unwrap();
        let mut new = old.clone();
        assert!(needs_restart(&old, &new).is_empty());
        new.listen.set_port(1);
        new.server.max_connections = 7;
        assert_eq!(needs_restart(&old, &new), ["listen", "[server] max_connections"]);
    }

    #[test]
    fn a_key_that_states_no_number_of_streams_has_that_of_all() {
        let mut config = Config::load(&Sources::default()).unwrap();
        assert!(keys(&config).is_none());
        let key = |name: &str, max_streams| pointsman_config::KeyConfig {
            name: name.into(),
            sha256: [0; 32],
            max_streams,
        };
        config.keys = vec![key("a", None), key("b", Some(3))];
        config.server.max_streams_per_key = Some(2);
        let most: Vec<_> = keys(&config).unwrap().iter().map(|key| key.max_streams).collect();
        assert_eq!(most, [Some(2), Some(3)]);
    }
}
