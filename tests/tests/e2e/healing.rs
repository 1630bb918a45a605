//! What the gateway does when it is itself in trouble, and how it is changed while it runs.

use std::time::Duration;

use pointsman_testkit::{Behaviour, Upstream, chat};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::gateway::{Gateway, command, header};

fn backend(name: &str, upstream: &Upstream) -> String {
    format!("[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{}\"\n", upstream.url())
}

async fn admin(gateway: &Gateway, path: &str) -> (u16, Value) {
    let post = gateway.client.post(format!("{}{path}", gateway.url)).bearer_auth("admin").send();
    let response = post.await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

async fn with_admin(config: &str) -> Gateway {
    Gateway::with_environment(config, &[("POINTSMAN_ADMIN_KEY", "admin"), ("TEAM_B", "secret-b")]).await
}

#[tokio::test]
async fn every_actor_may_die_under_load_and_no_request_fails() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::says("m", "fine")]);
    let gateway = std::sync::Arc::new(with_admin(&backend("lab", &lab)).await);
    let list = gateway.client.get(format!("{}/admin/v1/actors", gateway.url)).bearer_auth("admin").send();
    let list: Value = serde_json::from_str(&list.await.unwrap().text().await.unwrap()).unwrap();
    let names: Vec<String> =
        list["data"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect();
    for expected in ["catalog", "classifier", "dispatcher:0", "latency:lab"] {
        assert!(names.iter().any(|name| name == expected), "{names:?}");
    }
    let load: Vec<_> = (0..8)
        .map(|client| {
            let gateway = std::sync::Arc::clone(&gateway);
            tokio::spawn(async move {
                for n in 0..40 {
                    let form = if n % 2 == 0 { "auto" } else { "m" };
                    let (status, body) =
                        gateway.chat(chat(form, &format!("{client}: write a poem"), false)).await;
                    assert_eq!(status, 200, "{body}");
                }
            })
        })
        .collect();
    for name in &names {
        let (status, _) = admin(&gateway, &format!("/admin/v1/actors/{name}/restart")).await;
        assert_eq!(status, 200, "{name}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for client in load {
        client.await.unwrap();
    }
    let (_, models) = gateway.get("/v1/models/m").await;
    assert!(
        models["latency"]["attempts"].as_u64().is_some_and(|n| n > 0),
        "what was observed outlived its actor: {models}"
    );
    assert_eq!(admin(&gateway, "/admin/v1/actors/nobody/restart").await.0, 404);
}

#[tokio::test]
async fn an_actor_that_fails_too_often_ends_the_process_with_70() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::says("m", "fine")]);
    let mut gateway = with_admin(&backend("lab", &lab)).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while gateway.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it goes on with an actor that was given up");
        let kill = gateway
            .client
            .post(format!("{}/admin/v1/actors/catalog/restart", gateway.url))
            .bearer_auth("admin");
        // the last one may find nobody listening
        let _ = kill.send().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = gateway.child.wait().await.unwrap();
    assert_eq!(status.code(), Some(70));
}

#[tokio::test]
async fn a_reload_takes_over_without_losing_a_request() {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["n"]).await);
    let Behaviour::Stream(pieces) = Behaviour::stream("m", &["one", "two"]) else { unreachable!() };
    a.script([Behaviour::StreamAtGate(pieces.clone())]);
    b.script([Behaviour::says("n", "from b")]);
    let gateway = with_admin(&backend("a", &a)).await;
    let mut open = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
    let mut text = open.chunk().await.unwrap().unwrap().to_vec();
    assert_eq!(gateway.chat(chat("n", "hi", false)).await.0, 404);

    gateway.write_config(&(backend("b", &b) + "[aliases]\nmine = \"n\"\n"));
    assert_eq!(admin(&gateway, "/admin/v1/reload").await.0, 200);
    let (status, body) = gateway.chat(chat("mine", "hi", false)).await;
    assert_eq!((status, body["choices"][0]["message"]["content"].as_str()), (200, Some("from b")));
    assert_eq!(gateway.chat(chat("m", "hi", false)).await.0, 404, "its backend is gone");
    a.open_gate(10);
    while let Some(chunk) = open.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(String::from_utf8(text).unwrap(), pieces.concat(), "what was under way ends as it began");

    gateway.write_config("[aliases\n");
    let (status, body) = admin(&gateway, "/admin/v1/reload").await;
    assert_eq!((status, body["error"]["code"].as_str()), (400, Some("bad_configuration")));
    assert_eq!(gateway.chat(chat("mine", "hi", false)).await.0, 200, "the old one stays");

    // the file alone is enough, and so is a signal
    gateway.write_config(&(backend("b", &b) + "[aliases]\nwatched = \"n\"\n"));
    timeout(Duration::from_secs(10), async {
        while gateway.chat(chat("watched", "hi", false)).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the file was not read again");

    // a change that the file's date and length do not show
    let before = gateway.written();
    gateway.write_config(&(backend("b", &b) + "[aliases]\nsignals = \"n\"\n"));
    gateway.set_written(before);
    gateway.signal("HUP").await;
    timeout(Duration::from_secs(10), async {
        while gateway.chat(chat("signals", "hi", false)).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the signal was not heard");
}

#[tokio::test]
async fn keys_say_who_may_ask_and_rules_may_ask_for_them() {
    let lab = Upstream::start(&["m", "n"]).await;
    lab.script([Behaviour::says("m", "fine")]);
    let hash = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    let config = backend("lab", &lab)
        + &format!(
            "[[keys]]\nname = \"team-a\"\nhash = \"{hash}\"\n[[keys]]\nname = \"team-b\"\nenv = \"TEAM_B\"\n\
           [[rules]]\nname = \"b\"\nwhen = {{ keys = [\"team-b\"] }}\nuse = \"n\"\n"
        );
    let gateway = with_admin(&config).await;
    let ask = |name: &'static str, value: &'static str, body: String| {
        gateway
            .client
            .post(format!("{}/v1/chat/completions", gateway.url))
            .header(name, value)
            .body(body)
            .send()
    };
    for (name, value) in [
        ("x-nothing", ""),
        ("authorization", "Bearer wrong"),
        ("authorization", "Bearer admin"),
        ("x-api-key", "team-b"),
    ] {
        let response = ask(name, value, chat("m", "hi", false)).await.unwrap();
        assert_eq!(response.status(), 401, "{name}: {value}");
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["error"]["type"], "authentication_error");
    }
    assert_eq!(gateway.get("/v1/models").await.0, 401);
    assert_eq!(gateway.get("/healthz").await.0, 200);
    let response = ask("authorization", "Bearer secret-b", chat("auto", "hi", false)).await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "x-pointsman-model")), (200, "n"));
    assert!(header(&response, "x-pointsman-route-reason").starts_with("rule:b>"));
    let seen = lab.seen();
    let asked = seen.iter().rfind(|r| r.method == "POST").unwrap();
    assert!(
        !format!("{:?}", asked.headers).contains("secret-b"),
        "a gateway key is never shown to a backend"
    );
    let response =
        gateway.client.post(format!("{}/v1/messages", gateway.url)).body("{}").send().await.unwrap();
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("authentication_error")));
    let admin_route =
        gateway.client.post(format!("{}/admin/v1/reload", gateway.url)).bearer_auth("secret-b").send();
    assert_eq!(admin_route.await.unwrap().status(), 401, "a key is no admin key");
}

#[tokio::test]
async fn a_key_is_made_used_and_taken_back() {
    let lab = Upstream::start(&["m"]).await;
    let folder = tempfile::TempDir::new().unwrap();
    let run = |args: &'static [&'static str]| command(folder.path(), args).output();
    let made = run(&["keys", "create", "team-a"]).await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let file = std::fs::read_to_string(folder.path().join("keys.txt")).unwrap();
    assert!(key.starts_with("pm-") && key.len() > 40 && !file.contains(&key), "{file}");
    assert!(!run(&["keys", "create", "team-a"]).await.unwrap().status.success(), "the name is taken");
    assert_eq!(run(&["keys", "list"]).await.unwrap().stdout, b"team-a\n");
    let gateway = with_admin(
        &(backend("lab", &lab)
            + &format!("[server]\nkeys_file = \"{}\"\n", folder.path().join("keys.txt").display())),
    )
    .await;
    let status = || async {
        let ask = gateway.client.get(format!("{}/v1/models", gateway.url)).bearer_auth(&key).send();
        ask.await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 200);
    assert!(run(&["keys", "revoke", "team-a"]).await.unwrap().status.success());
    assert!(!run(&["keys", "revoke", "team-a"]).await.unwrap().status.success());
    // a file that has no key left opens to nobody
    timeout(Duration::from_secs(10), async {
        while status().await != 401 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the key still opens");
}

#[tokio::test]
async fn only_listed_headers_go_on_and_own_keys_only_where_they_may() {
    let (plain, own) = (Upstream::start(&["m"]).await, Upstream::start(&["n"]).await);
    let config = backend("plain", &plain) + &backend("own", &own) + "bring_your_own_key = true\n";
    let gateway = Gateway::with_environment(&config, &[]).await;
    for model in ["m", "n"] {
        let ask = gateway.client.post(format!("{}/v1/chat/completions", gateway.url));
        let ask = ask.header("authorization", "Bearer mine").header("cookie", "a=b").header("x-api-key", "k");
        let ask = ask.header("traceparent", "00-1-1-01").header("x-forwarded-for", "10.0.0.1");
        assert_eq!(ask.body(chat(model, "hi", false)).send().await.unwrap().status(), 200);
    }
    let sent =
        |upstream: &Upstream| upstream.seen().into_iter().rfind(|r| r.method == "POST").unwrap().headers;
    let has = |headers: &[(String, String)], name: &str| headers.iter().any(|(n, _)| n == name);
    let (plain, own) = (sent(&plain), sent(&own));
    for headers in [&plain, &own] {
        assert!(has(headers, "traceparent"));
        for name in ["cookie", "x-api-key", "x-forwarded-for"] {
            assert!(!has(headers, name), "{name}");
        }
    }
    assert!(!has(&plain, "authorization"));
    assert_eq!(pointsman_testkit::header(&own, "authorization"), Some("Bearer mine"));
}

#[tokio::test]
async fn a_place_is_waited_for_and_batch_waits_longer() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::After(Duration::from_millis(150), Box::new(Behaviour::says("m", "fine")))]);
    let config =
        backend("lab", &lab) + "max_concurrency = 1\nmax_waiting = 3\n[server]\nqueue_timeout = \"5s\"\n";
    let gateway = Gateway::with_environment(&config, &[]).await;
    let ask = |priority: &'static str| {
        let ask = gateway.client.post(format!("{}/v1/chat/completions", gateway.url));
        let ask = ask.header("x-pointsman-priority", priority).body(chat("m", "hi", false)).send();
        async move {
            let response = ask.await.unwrap();
            (response.status().as_u16(), header(&response, "retry-after").to_owned(), Instant::now())
        }
    };
    let later = |ms, priority| {
        let ask = ask(priority);
        async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            ask.await
        }
    };
    let (first, batch, second, third, full) = tokio::join!(
        ask("interactive"),
        later(30, "batch"),
        later(50, "interactive"),
        later(70, ""),
        later(90, "")
    );
    for (status, ..) in [&first, &batch, &second, &third] {
        assert_eq!(*status, 200);
    }
    assert_eq!((full.0, full.1.as_str()), (503, "1"), "the line was full");
    assert!(batch.2 > second.2 && batch.2 > third.2, "batch came first, and was served last");
}

#[tokio::test]
async fn a_hedge_answers_where_the_first_is_slow() {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    a.script([Behaviour::says("m", "from a")]);
    b.script([Behaviour::After(Duration::from_millis(20), Box::new(Behaviour::says("m", "from b")))]);
    let config = backend("a", &a)
        + &backend("b", &b)
        + "[hedging]\nenabled = true\nleast_attempts = 5\nleast_wait = \"10ms\"\n";
    let gateway = Gateway::with_environment(&config, &[]).await;
    for _ in 0..30 {
        assert_eq!(gateway.chat(chat("m", "hi", false)).await.0, 200);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = (a.posts(), b.posts());
    let slow = Behaviour::After(Duration::from_secs(3), Box::new(Behaviour::says("m", "late")));
    a.script([slow.clone()]);
    b.script([Behaviour::says("m", "from b")]);
    let response = gateway.post("/v1/chat/completions", chat("m", "hi", false)).await;
    let hedged = header(&response, "x-pointsman-hedged").to_owned();
    let text = response.text().await.unwrap();
    assert!(text.contains("from b"), "{text}");
    if a.posts() > before.0 {
        assert_eq!(hedged, "true");
        let metrics = gateway
            .client
            .get(format!("{}/metrics", gateway.url))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(metrics.contains("outcome=\"superseded\"} 1"), "its cost is counted once");
    }
    assert!(b.posts() > before.1);
}

#[tokio::test]
async fn a_line_break_of_a_client_is_none_in_the_log_and_long_heads_are_refused() {
    let lab = Upstream::start(&["m"]).await;
    lab.script([Behaviour::error(500, "line one\nFAKE ERROR line two \u{1b}[31m")]);
    let gateway = Gateway::with_environment(&backend("lab", &lab), &[]).await;
    let (status, body) = gateway.chat(chat("a\nb", "hi", false)).await;
    assert_eq!(status, 400, "{body}");
    let (_, body) = gateway.chat(chat("m", "hi", false)).await;
    assert!(!body["error"]["message"].as_str().unwrap().contains(['\n', '\u{1b}']), "{body}");
    let log = gateway.log();
    assert!(log.contains("FAKE ERROR"), "the failed attempt is in the log: {log}");
    assert!(!log.lines().any(|line| line.starts_with("FAKE")) && !log.contains('\u{1b}'), "{log}");
    let long =
        gateway.client.get(format!("{}/healthz", gateway.url)).header("x-long", "a".repeat(100_000)).send();
    assert_eq!(long.await.unwrap().status(), 431);
}
