//! As much of HTTP/2 as it takes to be a bad client, which no library would be.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(super) const GO_AWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection that reads what it is sent and never widens a window.
pub(super) struct Http2 {
    stream: TcpStream,
}

/// A frame that came.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Http2 {
    /// Connects; each stream may be sent so many bytes.
    pub(super) async fn connect(address: &str, window: u32) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        let mut http2 = Self { stream };
        http2.window(window).await;
        http2
    }

    /// Each stream may be sent so many bytes.
    pub(super) async fn window(&mut self, bytes: u32) {
        let setting = [&4_u16.to_be_bytes()[..], &bytes.to_be_bytes()].concat();
        self.send(SETTINGS, 0, 0, &setting).await;
    }

    pub(super) async fn get(&mut self, stream: u32, path: &str) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &head(0x82, path)).await;
    }

    pub(super) async fn post(&mut self, stream: u32, path: &str, body: &str) {
        self.send(HEADERS, END_HEADERS, stream, &head(0x83, path)).await;
        self.send(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    /// The next frame that is no SETTINGS and no PING, which are acknowledged; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = timeout(Duration::from_secs(10), self.read()).await.expect("it stands still")?;
            match frame {
                (SETTINGS | PING, ACK, _) => {}
                (kind @ (SETTINGS | PING), _, frame) => {
                    let payload = if kind == PING { frame.payload } else { Vec::new() };
                    self.send(kind, ACK, 0, &payload).await;
                }
                (.., frame) => return Some(frame),
            }
        }
    }

    /// The next frame of this kind.
    pub(super) async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection ended");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    async fn read(&mut self) -> Option<(u8, u8, Frame)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, Frame { kind, stream: u32::from_be_bytes(stream), payload }))
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // the other side may have gone
        let _ = self.stream.write_all(&[&head, payload].concat()).await;
    }
}

/// `:method` by its index, `:scheme http`, the path and an authority.
fn head(method: u8, path: &str) -> Vec<u8> {
    let mut head = vec![method, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    head.extend_from_slice(path.as_bytes());
    head.extend_from_slice(&[0x01, 1, b'x']);
    head
}
