//! The scripted provider.

use std::{
    collections::VecDeque,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

use crate::http::{self, Recorded, STREAM_HEAD};

/// What the provider does with a chat request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Streams these pieces, one chunk each, and ends properly.
    Stream(Vec<String>),
    /// Streams these pieces and then closes in the middle of the body.
    StreamThenClose(Vec<String>),
    /// Sends pieces of a body of this type in chunks, with so long a pause before each.
    Dribble(Duration, &'static str, Vec<String>),
    /// Streams the first pieces, then waits for the gate before each further one.
    StreamAtGate(Vec<String>),
    /// Streams these pieces, then stands still until the client goes away.
    StreamThenHang(Vec<String>),
    /// Streams this piece over and over until the client goes away or stops to read.
    Flood(String),
    /// Sends these bytes, whatever they are, and closes.
    Raw(Vec<u8>),
    /// Closes without a byte.
    Close,
    /// Resets the connection without a byte.
    Reset,
    /// Does this after so long.
    After(Duration, Box<Self>),
    /// The first for requests that are not streamed, the second for those that are.
    Either(Box<Self>, Box<Self>),
    /// Whatever this makes of the request.
    By(Choice),
    /// Says nothing until the client goes away.
    Hang,
}

/// Chooses a behaviour by the request.
#[derive(Clone)]
pub struct Choice(pub Arc<dyn Fn(&Recorded) -> Behaviour + Send + Sync>);

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choice")
    }
}

impl Behaviour {
    /// What `choose` makes of each request.
    pub fn by(choose: impl Fn(&Recorded) -> Self + Send + Sync + 'static) -> Self {
        Self::By(Choice(Arc::new(choose)))
    }

    /// A good answer that says `text`, streamed where that is asked for.
    pub fn says(model: &str, text: &str) -> Self {
        Self::Either(Box::new(Self::json(model, text)), Box::new(Self::stream(model, &[text])))
    }

    /// A completion from `model`.
    pub fn json(model: &str, text: &str) -> Self {
        Self::Answer(
            200,
            vec![("content-type", "application/json".to_owned())],
            crate::completion(model, text),
        )
    }

    /// An error of this status, in OpenAI's shape.
    pub fn error(status: u16, message: &str) -> Self {
        let body =
            serde_json::json!({ "error": { "message": message, "type": "x", "param": null, "code": null } });
        Self::Answer(status, vec![("content-type", "application/json".to_owned())], body.to_string())
    }

    /// A whole stream of these texts.
    pub fn stream(model: &str, texts: &[&str]) -> Self {
        let mut events: Vec<String> = texts.iter().map(|t| crate::event(model, t)).collect();
        events.extend(crate::last_events(model));
        Self::Stream(events)
    }
}

#[derive(Debug)]
struct Shared {
    models: Mutex<Vec<String>>,
    /// The last one stays.
    script: Mutex<VecDeque<Behaviour>>,
    seen: Mutex<Vec<Recorded>>,
    gate: Semaphore,
    /// Answers that the client did not wait for.
    abandoned: AtomicUsize,
    /// Bytes of floods that the system took.
    flooded: AtomicUsize,
    /// Requests that were not lists, and whether they are kept.
    posts: AtomicUsize,
    forgetful: AtomicBool,
    /// Goes round the script instead of staying at its last.
    round: AtomicBool,
}

/// A provider on a free port of 127.0.0.1. Stops on drop.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Lists `models`; chat requests are answered by the first of them.
    pub async fn start(models: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let first = models.first().copied().unwrap_or("none");
        let shared = Arc::new(Shared {
            models: Mutex::new(models.iter().map(ToString::to_string).collect()),
            script: Mutex::new(VecDeque::from([Behaviour::json(first, "hello")])),
            seen: Mutex::default(),
            gate: Semaphore::new(0),
            abandoned: AtomicUsize::new(0),
            flooded: AtomicUsize::new(0),
            posts: AtomicUsize::new(0),
            forgetful: AtomicBool::new(false),
            round: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&serving)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, shared, accepting }
    }

    /// `http://127.0.0.1:port/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it does with the next chat requests; the last behaviour stays.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        *self.shared.script.lock().unwrap() = behaviours.into_iter().collect();
    }

    /// Goes round these behaviours for ever.
    pub fn flap(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.script(behaviours);
        self.shared.round.store(true, Ordering::SeqCst);
    }

    /// Keeps no requests from now on, for tests with many.
    pub fn forget(&self) {
        self.shared.forgetful.store(true, Ordering::SeqCst);
    }

    /// How many requests came that were not for a list.
    pub fn posts(&self) -> usize {
        self.shared.posts.load(Ordering::SeqCst)
    }

    /// Every request so far, oldest first.
    pub fn seen(&self) -> Vec<Recorded> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// What it lists from now on.
    pub fn list(&self, models: &[&str]) {
        *self.shared.models.lock().unwrap() = models.iter().map(ToString::to_string).collect();
    }

    /// The chat requests so far.
    pub fn chats(&self) -> Vec<Recorded> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|r| r.path.ends_with("/chat/completions")).cloned().collect()
    }

    /// How many bytes of floods the system has taken, its own buffers included.
    pub fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }

    /// Lets `n` pieces through the gate.
    pub fn open_gate(&self, n: usize) {
        self.shared.gate.add_permits(n);
    }

    /// Waits until `n` answers were abandoned by the client, ten seconds at the most.
    pub async fn abandoned(&self, n: usize) -> bool {
        for _ in 0..10_000 {
            if self.shared.abandoned.load(Ordering::SeqCst) >= n {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        false
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = http::read(&mut stream, &mut buffer).await {
        let listing = request.method == "GET";
        let streamed = String::from_utf8_lossy(&request.body).contains("\"stream\":true")
            || request.path.contains("stream");
        if !listing {
            shared.posts.fetch_add(1, Ordering::SeqCst);
        }
        let asked = request.clone();
        if !shared.forgetful.load(Ordering::SeqCst) {
            shared.seen.lock().unwrap().push(request);
        }
        let goes_on = if listing {
            let data: Vec<_> = shared
                .models
                .lock()
                .unwrap()
                .iter()
                .map(|id| serde_json::json!({ "id": id, "object": "model" }))
                .collect();
            let body = serde_json::json!({ "object": "list", "data": data }).to_string();
            http::respond(&mut stream, 200, &[("content-type", "application/json")], body.as_bytes()).await
        } else {
            let behaviour = {
                let mut script = shared.script.lock().unwrap();
                if shared.round.load(Ordering::SeqCst) {
                    script.rotate_left(1);
                    script.back().cloned()
                } else if script.len() > 1 {
                    script.pop_front()
                } else {
                    script.front().cloned()
                }
            };
            let mut behaviour = behaviour.unwrap_or(Behaviour::Close);
            loop {
                behaviour = match behaviour {
                    Behaviour::After(wait, then) => {
                        tokio::time::sleep(wait).await;
                        *then
                    }
                    Behaviour::Either(whole, events) => *if streamed { events } else { whole },
                    Behaviour::By(choice) => (choice.0)(&asked),
                    behaviour => break behave(&mut stream, behaviour, &shared).await,
                }
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// False where the connection is over.
async fn behave(stream: &mut TcpStream, behaviour: Behaviour, shared: &Shared) -> bool {
    match behaviour {
        Behaviour::Answer(status, headers, body) => {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            http::respond(stream, status, &headers, body.as_bytes()).await
        }
        Behaviour::Stream(pieces) => {
            let whole = pieces_out(stream, &pieces, None).await;
            whole && stream.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Behaviour::Dribble(pause, kind, pieces) => {
            let head = STREAM_HEAD.replace("text/event-stream", kind);
            let mut open = stream.write_all(head.as_bytes()).await.is_ok();
            for piece in pieces {
                tokio::time::sleep(pause).await;
                open = open && http::chunk(stream, piece.as_bytes()).await;
            }
            open && stream.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Behaviour::StreamThenClose(pieces) => {
            pieces_out(stream, &pieces, None).await;
            false
        }
        Behaviour::StreamAtGate(pieces) => {
            let whole = pieces_out(stream, &pieces, Some(shared)).await;
            whole && stream.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Behaviour::StreamThenHang(pieces) => {
            pieces_out(stream, &pieces, None).await;
            abandoned(stream, shared).await
        }
        Behaviour::Flood(piece) => {
            let head = stream.write_all(STREAM_HEAD.as_bytes()).await;
            while head.is_ok() && http::chunk(stream, piece.as_bytes()).await {
                shared.flooded.fetch_add(piece.len(), Ordering::SeqCst);
            }
            shared.abandoned.fetch_add(1, Ordering::SeqCst);
            false
        }
        Behaviour::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            false
        }
        Behaviour::Reset => {
            // a close with nothing to linger for is a reset
            let _ = stream.set_zero_linger();
            false
        }
        // the last three are resolved before
        Behaviour::Close | Behaviour::After(..) | Behaviour::Either(..) | Behaviour::By(_) => false,
        Behaviour::Hang => abandoned(stream, shared).await,
    }
}

async fn abandoned(stream: &mut TcpStream, shared: &Shared) -> bool {
    http::closed(stream).await;
    shared.abandoned.fetch_add(1, Ordering::SeqCst);
    false
}

async fn pieces_out(stream: &mut TcpStream, pieces: &[String], gate: Option<&Shared>) -> bool {
    if stream.write_all(STREAM_HEAD.as_bytes()).await.is_err() {
        return false;
    }
    for (i, piece) in pieces.iter().enumerate() {
        if let (Some(shared), true) = (gate, i > 0) {
            tokio::select! {
                permit = shared.gate.acquire() => permit.unwrap().forget(),
                () = http::closed(stream) => {
                    shared.abandoned.fetch_add(1, Ordering::SeqCst);
                    return false;
                }
            }
        }
        if !http::chunk(stream, piece.as_bytes()).await {
            return false;
        }
    }
    true
}
