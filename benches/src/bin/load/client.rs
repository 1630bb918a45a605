//! A keep-alive HTTP/1.1 client that costs almost nothing: the request is written as it is, the answer is read
//! to its end.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole POST request.
pub(crate) fn post(body: &str) -> Vec<u8> {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Sends a request and reads its answer; anything but a complete 200 is an error. The body's length.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_lowercase();
        if !text.starts_with("http/1.1 200") {
            bail!("{}", String::from_utf8_lossy(&self.buffer));
        }
        if let Some(length) = text.split("content-length: ").nth(1) {
            let length: usize =
                length.split("\r\n").next().unwrap_or_default().parse().context("content-length")?;
            while self.buffer.len() < head + length {
                self.more().await?;
            }
            return Ok(length);
        }
        // the last chunk; `[DONE]` must come before it
        while !self.buffer.ends_with(b"0\r\n\r\n") {
            self.more().await?;
        }
        if find(&self.buffer[self.buffer.len().saturating_sub(64)..], b"[DONE]").is_none() {
            bail!("the stream ended without [DONE]");
        }
        Ok(self.buffer.len() - head)
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("closed in the middle of an answer");
        }
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
