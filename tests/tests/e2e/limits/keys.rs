//! Gateway keys: where they may not go, what they bound, and the file that holds their hashes.

use std::os::unix::fs::PermissionsExt;

use pointsman_testkit::{Behaviour, Upstream, chat, event};
use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::{Gateway, command};

const ENVIRONMENT: [(&str, &str); 3] =
    [("KEY_A", "secret-a"), ("KEY_B", "secret-b"), ("POINTSMAN_ADMIN_KEY", "secret-admin")];

const KEYS: &str = "[[keys]]\nname = \"a\"\nenv = \"KEY_A\"\n[[keys]]\nname = \"b\"\nenv = \"KEY_B\"\n";

fn backend(upstream: &Upstream) -> String {
    format!("[[backends]]\nname = \"lab\"\nkind = \"openai\"\nbase_url = \"{}\"\n", upstream.url())
}

#[tokio::test]
async fn no_key_of_ours_is_shown_to_a_backend_in_whatever_header() {
    let lab = Upstream::start(&["m"]).await;
    let config = backend(&lab) + "bring_your_own_key = true\n" + KEYS;
    let gateway = Gateway::with_environment(&config, &ENVIRONMENT).await;
    let chat_url = format!("{}/v1/chat/completions", gateway.url);
    for (authorization, api_key, own_key, theirs) in [
        ("Bearer secret-a", "secret-a", "", None),
        ("Bearer secret-a", "secret-b", "", None),
        ("Bearer secret-admin", "secret-a", "", None),
        ("bearer  secret-b", "secret-admin", "", None),
        ("secret-a", "secret-b", "secret-b", None),
        ("Bearer secret-a", "Bearer secret-b", "secret-a", None),
        ("Bearer theirs", "secret-a", "", Some("Bearer theirs")),
        ("Bearer secret-a", "theirs", "", Some("Bearer theirs")),
        ("Bearer theirs", "secret-admin", "secret-a", Some("Bearer theirs")),
    ] {
        let ask = gateway.client.post(&chat_url).header("authorization", authorization);
        let ask = ask.header("x-api-key", api_key).header("x-pointsman-key", own_key);
        let response = ask.body(chat("m", "hi", false)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{authorization}, {api_key}, {own_key}");
        let seen = lab.chats().pop().unwrap();
        assert_eq!(
            pointsman_testkit::header(&seen.headers, "authorization"),
            theirs,
            "{authorization}, {api_key}"
        );
        assert!(!format!("{:?}", seen.headers).contains("secret"), "{authorization}, {api_key}");
    }
}

#[tokio::test]
async fn streams_of_a_key_are_counted_however_they_are_asked_for() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::StreamThenHang(vec![event("m", "one")])]);
    let folder = TempDir::new().unwrap();
    let made = command(folder.path(), &["keys", "create", "a"]).output().await.unwrap();
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let file = folder.path().join("keys.txt");
    let config =
        backend(&lab) + &format!("[server]\nmax_streams_per_key = 1\nkeys_file = \"{}\"\n", file.display());
    let gateway = Gateway::with_environment(&config, &[]).await;
    let plain = chat("m", "hi", true);
    let escaped = plain.replace("\"stream\"", "\"str\\u0065am\"");
    assert_ne!(plain, escaped);
    for (first, second) in [(&escaped, &plain), (&plain, &escaped), (&escaped, &escaped)] {
        let ask = |body: &str| {
            let ask = gateway.client.post(format!("{}/v1/chat/completions", gateway.url));
            ask.bearer_auth(&key).body(body.to_owned()).send()
        };
        let mut open = ask(first).await.unwrap();
        assert_eq!(open.status(), 200);
        assert!(open.chunk().await.unwrap().is_some());
        assert_eq!(ask(second).await.unwrap().status(), 429, "{first}, {second}");
        let abandoned = lab.chats().len();
        drop(open);
        assert!(lab.abandoned(abandoned).await);
    }
}

#[tokio::test]
async fn who_has_no_key_learns_that_it_is_ready_and_no_more() {
    let lab = Upstream::start(&["m"]).await;
    let gateway =
        Gateway::with_environment(&(backend(&lab) + "[server]\nopen_metrics = false\n" + KEYS), &ENVIRONMENT)
            .await;
    let get =
        |path: &str, key: &str| gateway.client.get(format!("{}{path}", gateway.url)).bearer_auth(key).send();
    for (key, known) in [("", false), ("wrong", false), ("secret-a", true), ("secret-admin", true)] {
        let response = get("/readyz", key).await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        let ready: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&ready["ready"], &ready["models"]), (&Value::from(true), &Value::from(1)), "{text}");
        assert_eq!(ready["backends"].is_array(), known, "{key}: {text}");
        assert_eq!(text.contains(&lab.url()), known, "{key}: {text}");
        let metrics = get("/metrics", key).await.unwrap();
        assert_eq!(metrics.status(), if known { 200 } else { 401 }, "{key}");
    }
    let open = Gateway::with_environment(&(backend(&lab) + KEYS), &ENVIRONMENT).await;
    assert_eq!(open.get("/metrics").await.0, 200, "open as it always was, unless it is said");
}

#[tokio::test]
async fn an_admin_key_that_is_a_gateway_key_is_no_configuration() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("pointsman.toml"), KEYS).unwrap();
    for (admin, good) in [("secret-b", false), ("secret-c", true)] {
        let mut check = command(folder.path(), &["check"]);
        let check =
            check.envs([("KEY_A", "secret-a"), ("KEY_B", "secret-b"), ("POINTSMAN_ADMIN_KEY", admin)]);
        let output = check.output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), good, "{told}");
        assert_eq!(told.contains("POINTSMAN_ADMIN_KEY"), !good, "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
}

#[tokio::test]
async fn keys_that_are_made_at_the_same_time_are_all_there() {
    let folder = TempDir::new().unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("team-{n}")).collect();
    let made: Vec<_> =
        names.iter().map(|name| command(folder.path(), &["keys", "create", name]).spawn().unwrap()).collect();
    for mut child in made {
        assert!(child.wait().await.unwrap().success());
    }
    let file = std::fs::read_to_string(folder.path().join("keys.txt")).unwrap();
    for name in &names {
        assert!(file.contains(&format!("{name} sha256:")), "{name} is lost: {file}");
    }
    let mode = std::fs::metadata(folder.path().join("keys.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bad =
        command(folder.path(), &["keys", "create", "no/name", "--file", "other.txt"]).output().await.unwrap();
    assert!(!bad.status.success() && !folder.path().join("other.txt").exists());
}
