//! One connection, HTTP/1.1 or HTTP/2, and everything that it may not do for ever: say nothing, stay idle, not read.

mod watched;

use std::{
    convert::Infallible, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration,
};

use axum::{Router, response::IntoResponse};
use futures_util::FutureExt;
use http::{Request, Response, Version};
use hyper::{body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use self::watched::{Streams, Watched};
use crate::{
    ServerSettings,
    errors::HttpError,
    routes::{App, short_head},
};

/// How often an HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Bytes of a request that are read at once, and of an answer that are held for who does not read: fewer make large bodies
/// dear.
const BUFFER: usize = 256 << 10;
/// Streams that an HTTP/2 client may have open on one connection.
const MAX_STREAMS: u32 = 200;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Serves a connection until it ends. It ends by itself where its client says nothing within the read timeout, before
/// the first request or, over HTTP/2, after the last; where written bytes are not read within the write timeout; and,
/// once `stopping` is cancelled, when what is open is finished.
pub(crate) async fn serve(
    stream: TcpStream,
    router: Router,
    app: App,
    stopping: CancellationToken,
) -> Result<(), Error> {
    let settings = app.settings();
    // answers are small and whole: waiting for more bytes only delays them
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_timeout));
    let requests = Arc::new(Requests::default());
    let router = TowerToHyperService::new(router);
    let service = Guarded { router, app, requests: Arc::clone(&requests) };
    let builder = builder(&settings);
    let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = Box::pin(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stopping.cancelled() => {}
        () = requests.idle(settings.read_timeout) => {
            if !requests.came() {
                return Ok(());
            }
        }
    }
    // what is open is finished; an HTTP/2 client is told to open nothing more
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = requests.idle(settings.write_timeout) => Ok(()),
    }
}

fn builder(settings: &ServerSettings) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams { stall: settings.write_timeout });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.read_timeout)
        // a head that is longer still is answered 431 by hyper; an answer that is not read holds its backend back at this
        // much. Not so with `pipeline_flush`, under which hyper takes whatever it is given
        .max_buf_size(settings.max_header_bytes.max(BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PING))
        .keep_alive_timeout(PONG)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

/// The requests of one connection, as far as somebody wants to know of them: over HTTP/1.1 whether one came, since hyper
/// itself waits no longer than it may for the next head.
#[derive(Default)]
struct Requests(watch::Sender<Count>);

#[derive(Default)]
struct Count {
    open: usize,
    came: bool,
    http2: bool,
}

/// One request, from its head to the end of its answer.
struct Open(Arc<Requests>);

impl Requests {
    fn open(self: &Arc<Self>, version: Version) -> Option<Open> {
        let http2 = version == Version::HTTP_2;
        if http2 || !self.came() {
            self.0.send_modify(|count| *count = Count { open: count.open + 1, came: true, http2 });
        }
        http2.then(|| Open(Arc::clone(self)))
    }

    fn came(&self) -> bool {
        self.0.borrow().came
    }

    /// Waits until nothing has been open for so long, where nobody else looks at that.
    async fn idle(&self, limit: Duration) {
        // HTTP/1.1 is heard of once: its requests need wake nobody
        let idle = |count: &Count| (count.http2 || !count.came).then_some(count.open == 0);
        unchanged(self.0.subscribe(), limit, idle).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.open -= 1);
    }
}

/// Waits until a value for which this holds has stayed as it is for so long; for ever where nobody can change it, or
/// where it is `None`.
async fn unchanged<T>(mut value: watch::Receiver<T>, limit: Duration, is: impl Fn(&T) -> Option<bool>) {
    loop {
        // not while it is borrowed: a change waits for that
        let holds = is(&value.borrow_and_update());
        let changed = match holds {
            Some(true) => match timeout(limit, value.changed()).await {
                Ok(changed) => changed,
                Err(_) => return,
            },
            Some(false) => value.changed().await,
            None => break,
        };
        if changed.is_err() {
            break;
        }
    }
    drop(value);
    std::future::pending::<()>().await;
}

/// The routes, with every request counted, every head measured, every panic caught and every answer watched.
struct Guarded {
    router: TowerToHyperService<Router>,
    app: App,
    requests: Arc<Requests>,
}

impl Service<Request<Incoming>> for Guarded {
    type Response = Response<Watched>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let open = self.requests.open(request.version());
        let answer = match short_head(&self.app, request.headers(), request.uri()) {
            Ok(()) => Ok(self.router.call(request)),
            Err(error) => Err(error),
        };
        let app = self.app.clone();
        Box::pin(async move {
            let response = match answer {
                // a panic ends one request with an error, not the connection of whoever shares it
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
                    tracing::error!("a panic in a request");
                    app.engine().metrics().panicked();
                    Ok(HttpError::panicked().into_response())
                })?,
                Err(error) => error.into_response(),
            };
            Ok(response.map(|body| Watched::new(body, open)))
        })
    }
}
