//! Start and stop: ports, configurations, artifacts, signals.

use std::{fs, path::Path, time::Duration};

use pointsman_testkit::{Behaviour, Upstream, chat};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::gateway::{Gateway, command};

#[tokio::test]
async fn a_termination_finishes_open_streams_and_takes_no_new_ones() {
    let upstream = Upstream::start(&["m"]).await;
    let Behaviour::Stream(pieces) = Behaviour::stream("m", &["one", "two", "three"]) else { unreachable!() };
    upstream.script([Behaviour::StreamAtGate(pieces.clone())]);
    let mut gateway = Gateway::over(&[("lab", &upstream)], "").await;
    let mut response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
    let mut text = response.chunk().await.unwrap().unwrap().to_vec();
    gateway.terminate().await;
    // new connections are refused as soon as the listener is closed
    timeout(Duration::from_secs(5), async {
        while tokio::net::TcpStream::connect(gateway.address()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("still accepting");
    upstream.open_gate(10);
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(String::from_utf8(text).unwrap(), pieces.concat());
    let status = timeout(Duration::from_secs(10), gateway.child.wait()).await.expect("did not stop").unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_stream_that_outlasts_the_grace_is_cut() {
    let upstream = Upstream::start(&["m"]).await;
    upstream.script([Behaviour::StreamThenHang(vec![pointsman_testkit::event("m", "one")])]);
    let mut gateway = Gateway::over(&[("lab", &upstream)], "[server]\ngrace = \"300ms\"\n").await;
    let mut response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
    assert!(response.chunk().await.unwrap().is_some());
    gateway.terminate().await;
    let status = timeout(Duration::from_secs(10), gateway.child.wait()).await.expect("did not stop").unwrap();
    assert!(status.success());
}

async fn fails(folder: &Path, args: &[&str]) -> String {
    let output =
        timeout(Duration::from_secs(20), command(folder, args).output()).await.expect("it runs").unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_port_in_use_and_a_server_without_backends_say_what_to_do() {
    let folder = TempDir::new().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = fails(folder.path(), &["serve", "--demo", "--listen", &address]).await;
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
    let error = fails(folder.path(), &["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(error.contains("OLLAMA_BASE_URL") && error.contains("--demo"), "{error}");
}

#[tokio::test]
async fn a_typo_in_the_configuration_is_named_with_its_line() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("pointsman.toml"),
        "listen = \"127.0.0.1:0\"\n[server]\nbody_limit_byte = 5\n",
    )
    .unwrap();
    for args in [["serve", "--demo"], ["check", "--json"]] {
        let output = command(folder.path(), &args).output().await.unwrap();
        assert!(!output.status.success());
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.contains("body_limit_byte") && told.contains("body_limit_bytes"), "{told}");
        assert!(told.contains(":3") || told.contains("\"line\": 3"), "{told}");
    }
}

#[tokio::test]
async fn a_broken_artifact_is_named_with_its_file_and_hash() {
    let folder = TempDir::new().unwrap();
    let artifact = folder.path().join("artifact");
    fs::create_dir(&artifact).unwrap();
    let shipped = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../models/default");
    for entry in fs::read_dir(shipped).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, artifact.join(path.file_name().unwrap())).unwrap();
    }
    fs::write(folder.path().join("pointsman.toml"), "[classifier]\nembedder = \"artifact\"\n").unwrap();
    let ok = command(folder.path(), &["classify", "hello"]).output().await.unwrap();
    assert!(ok.status.success(), "{}", String::from_utf8_lossy(&ok.stderr));

    let weights = artifact.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    let error = fails(folder.path(), &["serve", "--demo", "--listen", "127.0.0.1:0"]).await;
    assert!(error.contains("model.safetensors") && error.contains("sha256"), "{error}");
    fs::remove_file(artifact.join("tokenizer.json")).unwrap();
    let error = fails(folder.path(), &["check"]).await;
    assert!(error.contains("tokenizer.json"), "{error}");
}
