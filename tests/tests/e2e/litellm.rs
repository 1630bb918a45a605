//! A real LiteLLM proxy, followed while its models change.

use std::{path::Path, process::Stdio, time::Duration};

use pointsman_testkit::chat;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::gateway::Gateway;

/// The proxy's command, where `scripts/litellm.sh` has put one.
#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn command() -> Option<String> {
    let found = std::env::var("POINTSMAN_LITELLM").unwrap_or_default();
    if found.is_empty() {
        eprintln!("skipped: POINTSMAN_LITELLM names no command; scripts/litellm.sh installs one");
        return None;
    }
    Some(found)
}

/// A proxy whose models answer without any provider behind them.
async fn proxy(command: &str, folder: &Path, port: u16, models: &[(&str, &str)]) -> Child {
    let entry = |(name, model): &(&str, &str)| {
        format!(
            "  - model_name: {name}\n    litellm_params:\n      model: {model}\n      api_key: none\n      mock_response: \"hello from {name}\"\n"
        )
    };
    let list: String = models.iter().map(entry).collect();
    let config = folder.join("litellm.yaml");
    std::fs::write(&config, format!("model_list:\n{list}general_settings:\n  master_key: sk-test\n"))
        .unwrap();
    let child = Command::new(command)
        .args(["--config", config.to_str().unwrap(), "--host", "127.0.0.1", "--port", &port.to_string()])
        .current_dir(folder)
        // its price table comes with it
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    let alive = format!("http://127.0.0.1:{port}/health/liveliness");
    while !client.get(&alive).send().await.is_ok_and(|r| r.status().is_success()) {
        assert!(Instant::now() < deadline, "the proxy does not start");
        sleep(Duration::from_millis(200)).await;
    }
    child
}

#[tokio::test]
async fn a_new_model_on_a_running_proxy_is_routable_within_one_sync() {
    let Some(command) = command() else { return };
    let folder = TempDir::new().unwrap();
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mini = ("mini", "openai/gpt-4o-mini");
    let mut running = proxy(&command, folder.path(), port, &[mini]).await;
    let url = format!("http://127.0.0.1:{port}");
    let gateway = Gateway::with_environment(
        "[catalog]\nrefresh = \"2s\"\n",
        &[("LITELLM_BASE_URL", url.as_str()), ("LITELLM_API_KEY", "sk-test")],
    )
    .await;
    let (status, answer) = gateway.chat(chat("mini", "hi", false)).await;
    assert_eq!((status, answer["choices"][0]["message"]["content"].as_str()), (200, Some("hello from mini")));
    let (_, model) = gateway.get("/v1/models/mini").await;
    assert_eq!(model["pricing"]["prompt"], "0.00000015", "the proxy's own word: {model}");
    assert_eq!((&model["canonical_slug"], &model["provider"]), (&"gpt-4o-mini".into(), &"openai".into()));
    assert_eq!(model["origins"]["price"]["from"], "backend");
    assert_eq!(gateway.chat(chat("sonnet", "hi", false)).await.0, 404);

    // a proxy without a database takes new models from its file, at its start
    running.kill().await.unwrap();
    let sonnet = ("sonnet", "anthropic/claude-sonnet-4-5");
    let _running = proxy(&command, folder.path(), port, &[mini, sonnet]).await;
    let started = Instant::now();
    while gateway.chat(chat("sonnet", "hi", false)).await.0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "never routable");
        sleep(Duration::from_millis(50)).await;
    }
    // one period of 2 s with its jitter, and what the proxy takes for its first list
    let took = started.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    let (status, answer) = gateway.chat(chat("claude-sonnet-4.5", "hi", false)).await;
    assert_eq!(
        (status, answer["model"].as_str()),
        (200, Some("sonnet")),
        "by its canonical id too: {answer}"
    );
}
