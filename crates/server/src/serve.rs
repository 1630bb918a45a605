//! The listener: accepts, bounds, and at the end lets go of connections.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use axum::Router;
use futures_util::FutureExt;
use pointsman_engine::Engine;
use secrecy::SecretString;
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    KeySettings, ServerSettings,
    body::Buffered,
    connection,
    keys::{AdminKey, Keys},
    routes::{App, Live, Parts, ReloadSender, router},
};

/// A pause after `accept` failed for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why there is no server.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{hint}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
        /// What may help.
        hint: &'static str,
    },
}

impl ServerError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
        }
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    live: Arc<Live>,
    max_connections: usize,
    admin_key: Option<AdminKey>,
    reload: Option<ReloadSender>,
}

/// Puts a new configuration in the place of the one that is served. Cheap to clone.
#[derive(Clone)]
pub struct ServerHandle {
    live: Arc<Live>,
}

impl ServerHandle {
    /// What comes from now on is served so; what is under way ends as it began. The address, how many connections there
    /// may be, and those that are open, with their deadlines, stay.
    pub fn reload(&self, engine: Engine, settings: ServerSettings, keys: Option<Vec<KeySettings>>) {
        let before = self.live.keys.load_full();
        self.live.keys.store(Arc::new(Keys::new(keys, Some(&before))));
        self.live.settings.store(Arc::new(settings));
        self.live.engine.store(Arc::new(engine));
    }

    /// The engine that is served.
    pub fn engine(&self) -> Arc<Engine> {
        self.live.engine.load_full()
    }
}

impl Server {
    /// Listens on `address`; port 0 takes a free one. Without a list of keys everybody may ask, with an empty one
    /// nobody.
    pub async fn bind(
        address: SocketAddr,
        settings: ServerSettings,
        keys: Option<Vec<KeySettings>>,
        engine: Engine,
    ) -> Result<Self, ServerError> {
        let failed = |source: io::Error| {
            let taken = source.kind() == io::ErrorKind::AddrInUse;
            let hint = if taken { "; another process has it: choose one with --listen" } else { "" };
            ServerError::Bind { address, source, hint }
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let live = Live {
            engine: ArcSwap::from_pointee(engine),
            settings: ArcSwap::from_pointee(settings),
            keys: ArcSwap::from_pointee(Keys::new(keys, None)),
        };
        let max_connections = settings.max_connections;
        Ok(Self { listener, address, live: Arc::new(live), max_connections, admin_key: None, reload: None })
    }

    /// Opens the admin routes to those who have this key.
    #[must_use]
    pub fn with_admin_key(self, admin_key: Option<&SecretString>) -> Self {
        Self { admin_key: admin_key.map(AdminKey::new), ..self }
    }

    /// Opens `POST /admin/v1/reload`.
    #[must_use]
    pub fn with_reload(self, reload: ReloadSender) -> Self {
        Self { reload: Some(reload), ..self }
    }

    /// What a reload goes through.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { live: Arc::clone(&self.live) }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready, then finishes open answers within the grace period. Returns how
    /// many connections had to be cut.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let stopping = CancellationToken::new();
        let app = App::new(Parts {
            live: Arc::clone(&self.live),
            admin_key: self.admin_key,
            buffered: Buffered::default(),
            reload: self.reload,
            started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            stopping: stopping.clone(),
        });
        let connections = Connections {
            router: router(app.clone()),
            app,
            most: self.max_connections,
            places: Arc::new(Semaphore::new(self.max_connections)),
            stopping: stopping.clone(),
            cut: CancellationToken::new(),
        };
        tokio::select! {
            () = connections.accept(&self.listener) => {}
            () = shutdown => {}
        }
        stopping.cancel();
        drop(self.listener);
        connections.finish().await
    }
}

struct Connections {
    router: Router,
    app: App,
    /// How many there may be.
    most: usize,
    places: Arc<Semaphore>,
    /// Cancelled when what is open is to be finished.
    stopping: CancellationToken,
    /// Cancelled when the grace period is over.
    cut: CancellationToken,
}

impl Connections {
    async fn accept(&self, listener: &TcpListener) {
        // the semaphore is never closed
        while let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, place),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let (cut, app) = (self.cut.clone(), self.app.clone());
        let connection = connection::serve(stream, self.router.clone(), app.clone(), self.stopping.clone());
        tokio::spawn(async move {
            tokio::select! {
                ended = AssertUnwindSafe(connection).catch_unwind() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(error, "connection ended"),
                    Err(_) => {
                        tracing::error!("a panic in a connection");
                        app.engine().metrics().panicked();
                    }
                },
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }

    async fn finish(self) -> usize {
        let (open, grace) = (self.most - self.places.available_permits(), self.app.settings().grace);
        tracing::info!(open, ?grace, "finishing open answers");
        // every place is back when every connection has ended
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        if timeout(grace, self.places.acquire_many(all)).await.is_ok() {
            return 0;
        }
        let left = self.most - self.places.available_permits();
        tracing::warn!(left, "grace period over: cutting connections");
        self.cut.cancel();
        left
    }
}
