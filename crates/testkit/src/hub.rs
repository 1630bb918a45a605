//! A model hub on loopback: resolve URLs, redirects to a CDN path, ranges, etags, commits, and faults.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::http::{self, Recorded, header};

/// A file of a hub repository.
#[derive(Debug, Clone)]
pub struct HubFile {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// Its etag: for large files the sha256.
    pub etag: String,
    /// Large files are sent from a CDN path.
    pub large: bool,
}

#[derive(Debug)]
struct Shared {
    /// By `org/name/file`.
    files: BTreeMap<String, HubFile>,
    commit: String,
    token: Option<String>,
    /// So many of the next large answers break off in the middle.
    breaks: AtomicUsize,
    seen: Mutex<Vec<Recorded>>,
    address: SocketAddr,
}

/// A hub that serves one commit of every repository.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Hub {
    /// Serves `files`, by `org/name/file`. With a token, only to those who have it.
    pub async fn start(files: BTreeMap<String, HubFile>, commit: &str, token: Option<&str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shared = Arc::new(Shared {
            files,
            commit: commit.to_owned(),
            token: token.map(|t| format!("Bearer {t}")),
            breaks: AtomicUsize::new(0),
            seen: Mutex::new(Vec::new()),
            address: listener.local_addr().unwrap(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&serving)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { shared, accepting }
    }

    /// What `HF_ENDPOINT` is set to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// The next `n` large answers break off in the middle.
    pub fn break_downloads(&self, n: usize) {
        self.shared.breaks.store(n, Ordering::SeqCst);
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Recorded> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(request) = http::read(&mut stream, &mut buffer).await {
        shared.seen.lock().unwrap().push(request.clone());
        if !answer(&mut stream, &request, &shared).await {
            return;
        }
    }
}

async fn answer(stream: &mut TcpStream, request: &Recorded, shared: &Shared) -> bool {
    let (cdn, path) = match request.path.strip_prefix("/cdn/") {
        Some(path) => (true, path.to_owned()),
        // /org/name/resolve/revision/file
        None => match request.path.trim_start_matches('/').split_once("/resolve/") {
            Some((repo, rest)) => {
                (false, format!("{repo}/{}", rest.split_once('/').map_or("", |(_, file)| file)))
            }
            None => return http::respond(stream, 404, &[], b"no such page").await,
        },
    };
    if !cdn && shared.token.as_deref().is_some_and(|t| header(&request.headers, "authorization") != Some(t)) {
        return http::respond(stream, 401, &[], b"who are you").await;
    }
    let Some(file) = shared.files.get(&path) else {
        return http::respond(stream, 404, &[], b"no such file").await;
    };
    let quoted = format!("\"{}\"", file.etag);
    if file.large && !cdn {
        let location = format!("http://{}/cdn/{path}", shared.address);
        let size = file.bytes.len().to_string();
        let headers = [
            ("location", location.as_str()),
            ("x-repo-commit", &shared.commit),
            ("x-linked-etag", &quoted),
            ("x-linked-size", &size),
        ];
        return http::respond(stream, 302, &headers, b"").await;
    }
    let all = file.bytes.len();
    let (start, end) = range(request, all);
    let part = &file.bytes[start.min(all)..end.min(all)];
    let content_range = format!("bytes {start}-{}/{all}", end.saturating_sub(1));
    let headers =
        [("content-range", content_range.as_str()), ("etag", &quoted), ("x-repo-commit", &shared.commit)];
    let breaks = part.len() > 1
        && file.large
        && shared.breaks.try_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
    if breaks {
        let mut head = format!("HTTP/1.1 206 Partial\r\ncontent-length: {}\r\n", part.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let _ = stream.write_all(&[head.as_bytes(), &part[..part.len() / 2]].concat()).await;
        return false;
    }
    http::respond(stream, 206, &headers, part).await
}

/// `bytes=a-b` or `bytes=a-`, the end exclusive.
fn range(request: &Recorded, all: usize) -> (usize, usize) {
    let range = header(&request.headers, "range").and_then(|r| r.strip_prefix("bytes=")?.split_once('-'));
    let (start, end) = range.unwrap_or(("0", ""));
    (start.parse().unwrap_or(0), end.parse::<usize>().map_or(all, |end| (end + 1).min(all)))
}
