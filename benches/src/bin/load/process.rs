//! The two processes under test, and what the kernel says of them.

use std::{fs, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

pub(crate) struct Backend {
    pub(crate) url: String,
    _child: Child,
    _stdin: Option<ChildStdin>,
}

pub(crate) struct Gateway {
    url: String,
    child: Child,
    _lines: Lines<BufReader<ChildStdout>>,
}

async fn first_line(child: &mut Child) -> anyhow::Result<(String, Lines<BufReader<ChildStdout>>)> {
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let line = timeout(Duration::from_secs(30), lines.next_line()).await.context("no banner")??;
    Ok((line.context("ended before its banner")?, lines))
}

fn address(url: &str) -> SocketAddr {
    let rest = url.trim_start_matches("http://").trim_end_matches("/v1");
    rest.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
}

impl Backend {
    pub(crate) async fn start(binary: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdin = child.stdin.take();
        let (url, _) = first_line(&mut child).await?;
        Ok(Self { url, _child: child, _stdin: stdin })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address(&self.url)
    }
}

impl Gateway {
    /// One backend, from a configuration file of its own.
    pub(crate) async fn start(binary: &Path, backend: &str) -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("pointsman-load-{}.toml", std::process::id()));
        let text = format!("[[backends]]\nname = \"bare\"\nkind = \"openai\"\nbase_url = \"{backend}\"\n");
        fs::write(&file, text)?;
        let path = file.to_string_lossy().into_owned();
        let gateway = Self::with(binary, &["--config", &path]).await;
        fs::remove_file(file)?;
        gateway
    }

    pub(crate) async fn with(binary: &Path, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0"]).args(args);
        command.env_remove("POINTSMAN_CONFIG").env_remove("OLLAMA_BASE_URL").env_remove("OPENAI_API_KEY");
        let mut child = command
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (banner, lines) = first_line(&mut child).await?;
        let banner: serde_json::Value = serde_json::from_str(&banner)?;
        let url = banner["url"].as_str().context("no url in the banner")?.to_owned();
        Ok(Self { url, child, _lines: lines })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address(&self.url)
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let pid = self.child.id().context("the gateway has ended")?;
        Ok(fs::read_to_string(format!("/proc/{pid}/{file}"))?)
    }

    /// User and system time so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).context("/proc/PID/stat");
        // 100 ticks a second on every Linux that this runs on
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    /// Resident memory in MB.
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
        let kb: f64 = line.split_whitespace().nth(1).and_then(|f| f.parse().ok()).context("VmRSS")?;
        Ok(kb / 1024.0)
    }
}
