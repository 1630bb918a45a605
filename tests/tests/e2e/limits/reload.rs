//! A reload fails closed: what was served goes on where what would take its place is not whole.

use std::{fs, time::Duration};

use pointsman_testkit::{Upstream, chat};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::gateway::{Gateway, command};

/// Longer than it takes until a change that stays is acted upon.
const LOOKS: Duration = Duration::from_millis(3500);
const KEYS: &str = "[[keys]]\nname = \"a\"\nenv = \"KEY_A\"\n";
const VARIABLES: [(&str, &str); 2] = [("KEY_A", "secret-a"), ("POINTSMAN_ADMIN_KEY", "root")];

fn backend(name: &str, url: &str) -> String {
    format!("[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{url}\"\n")
}

async fn status(gateway: &Gateway, key: &str) -> u16 {
    let ask = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).bearer_auth(key);
    ask.body(chat("m", "hi", false)).send().await.unwrap().status().as_u16()
}

/// The answer of the admin route.
async fn reload(gateway: &Gateway) -> (u16, String) {
    let ask = gateway.client.post(format!("{}/admin/v1/reload", gateway.url)).bearer_auth("root");
    let response = ask.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_configuration_that_is_gone_empty_or_half_there_changes_nothing() {
    let lab = Upstream::start(&["m"]).await;
    let whole = backend("lab", &lab.url()) + KEYS;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("here.toml");
    fs::write(&file, &whole).unwrap();
    let variables = [&VARIABLES[..], &[("POINTSMAN_CONFIG", file.to_str().unwrap())]].concat();
    let gateway = Gateway::with_environment("", &variables).await;
    let unchanged =
        async || (status(&gateway, "none").await, status(&gateway, "secret-a").await) == (401, 200);
    assert!(unchanged().await);

    fs::remove_file(&file).unwrap();
    sleep(LOOKS).await;
    assert!(unchanged().await, "the file is gone");
    for (half, why) in [
        ("", "says nothing any more"),
        ("# written by hand\n", "says nothing any more"),
        (KEYS, "no backend"),
        (backend("lab", &lab.url()).as_str(), "restart"),
    ] {
        fs::write(&file, half).unwrap();
        let (code, told) = reload(&gateway).await;
        assert!(code == 400 && told.contains(why), "{half:?}: {told}");
        assert!(unchanged().await, "{half:?}");
    }
    fs::write(&file, "").unwrap();
    sleep(LOOKS).await;
    assert!(unchanged().await, "it was read although it is empty");
    assert!(gateway.log().contains("the old one stays"));
    fs::write(&file, whole.replace("KEY_A", "POINTSMAN_CONFIG")).unwrap();
    timeout(Duration::from_secs(10), async {
        while status(&gateway, "secret-a").await != 401 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("what is whole again is not read");
}

#[tokio::test]
async fn a_file_is_not_read_while_somebody_writes_it() {
    let lab = Upstream::start(&["m"]).await;
    let whole = backend("lab", &lab.url()) + KEYS;
    let gateway = Gateway::with_environment(&whole, &VARIABLES).await;
    // valid all the time, and never twice the same: for longer than several looks
    for n in 0..20 {
        gateway.write_config(&format!("{whole}[aliases]\nhalf{} = \"m\"\n", "x".repeat(n)));
        sleep(Duration::from_millis(200)).await;
    }
    assert!(!gateway.log().contains("configuration reloaded"), "{}", gateway.log());
    gateway.write_config(&(whole + "[aliases]\nwhole = \"m\"\n"));
    sleep(LOOKS).await;
    assert_eq!(gateway.log().matches("configuration reloaded").count(), 1, "{}", gateway.log());
}

#[tokio::test]
async fn a_key_that_is_taken_back_during_a_reload_is_taken_back() {
    let lab = Upstream::start(&["m"]).await;
    let folder = TempDir::new().unwrap();
    let run = async |args: &[&str]| {
        let output = command(folder.path(), args).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let key = run(&["keys", "create", "a"]).await;
    let file = folder.path().join("keys.txt");
    let config = backend("lab", &lab.url()) + &format!("[server]\nkeys_file = \"{}\"\n", file.display());
    let gateway = Gateway::with_environment(&config, &VARIABLES).await;
    assert_eq!(status(&gateway, &key).await, 200);
    // whose list a reload waits for until it gives up
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    gateway
        .write_config(&(backend("silent", &format!("http://{}/v1", silent.local_addr().unwrap())) + &config));
    let (reloaded, ()) = tokio::join!(reload(&gateway), async {
        sleep(Duration::from_millis(700)).await;
        run(&["keys", "revoke", "a"]).await;
    });
    assert_eq!(reloaded.0, 200, "{}", reloaded.1);
    timeout(Duration::from_secs(10), async {
        while status(&gateway, &key).await != 401 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the key still opens");
}
