//! The binary, started and stopped.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use pointsman_testkit::Upstream;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// The binary beside this test: `cargo build -p pointsman-cli` makes it, and `scripts/check.sh` does so first.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("POINTSMAN_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("pointsman");
    assert!(path.exists(), "{} is missing: run `cargo build -p pointsman-cli` first", path.display());
    path
}

/// A command of the binary, in an empty folder and without the variables of whoever runs the tests.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub(crate) async fn run(args: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    command(folder.path(), args).output().await.unwrap()
}

/// A running `pointsman serve`. Killed on drop.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) child: Child,
    pub(crate) client: reqwest::Client,
    folder: TempDir,
}

impl Gateway {
    /// Serves the backends named here; `extra` is appended to the configuration.
    pub(crate) async fn over(backends: &[(&str, &Upstream)], extra: &str) -> Self {
        let mut config = String::new();
        for (name, upstream) in backends {
            config += &format!(
                "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{}\"\n",
                upstream.url()
            );
            config +=
                "timeouts = { connect = \"1s\", first_byte = \"2s\", idle = \"2s\", total = \"20s\" }\n";
        }
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("pointsman.toml"), config + extra).unwrap();
        Self::start(folder, &["serve", "--listen", "127.0.0.1:0", "--json"], &[]).await
    }

    /// Backends from environment variables.
    pub(crate) async fn with_environment(config: &str, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("pointsman.toml"), config).unwrap();
        Self::start(folder, &["serve", "--listen", "127.0.0.1:0", "--json"], variables).await
    }

    pub(crate) async fn demo() -> Self {
        let args = ["serve", "--demo", "--demo-instant", "--listen", "127.0.0.1:0", "--json"];
        Self::start(TempDir::new().unwrap(), &args, &[]).await
    }

    /// The demo with an admin key.
    pub(crate) async fn demo_with_admin(key: &str) -> Self {
        let args = ["serve", "--demo", "--demo-instant", "--listen", "127.0.0.1:0", "--json"];
        Self::start(TempDir::new().unwrap(), &args, &[("POINTSMAN_ADMIN_KEY", key)]).await
    }

    async fn start(folder: TempDir, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(folder.path(), args);
        let mut child = command
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("stderr.log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let banner = timeout(Duration::from_secs(20), lines.next_line()).await.expect("no banner").unwrap();
        let banner: Value =
            serde_json::from_str(&banner.expect("the server ended before its banner")).unwrap();
        let url = banner["url"].as_str().unwrap().trim_end_matches("/v1").to_owned();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { url, child, client, folder }
    }

    /// Puts another configuration in the place of the one it was started with.
    pub(crate) fn write_config(&self, config: &str) {
        std::fs::write(self.folder.path().join("pointsman.toml"), config).unwrap();
    }

    /// What the process has written to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr.log")).unwrap()
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        self.client.post(format!("{}{path}", self.url)).body(body).send().await.unwrap()
    }

    /// Status and body of a chat request.
    pub(crate) async fn chat(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let response = self.post("/v1/chat/completions", body).await;
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text:?}")))
    }

    /// When the configuration was written.
    pub(crate) fn written(&self) -> std::time::SystemTime {
        std::fs::metadata(self.folder.path().join("pointsman.toml")).unwrap().modified().unwrap()
    }

    /// Dates the configuration back.
    pub(crate) fn set_written(&self, at: std::time::SystemTime) {
        let file = std::fs::File::options().append(true).open(self.folder.path().join("pointsman.toml"));
        file.unwrap().set_modified(at).unwrap();
    }

    /// Asks the process to stop, as an operator would.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    pub(crate) async fn signal(&self, name: &str) {
        let (pid, signal) = (self.child.id().unwrap().to_string(), format!("-{name}"));
        assert!(Command::new("kill").args([&signal, &pid]).status().await.unwrap().success());
    }
}

pub(crate) fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |v| v.to_str().unwrap())
}
