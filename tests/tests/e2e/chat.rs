//! What works: alias, auto, streams, the catalog, classification, metrics.

use pointsman_testkit::{Behaviour, Upstream, chat};
use serde_json::{Value, json};

use crate::gateway::{Gateway, header};

#[tokio::test]
async fn an_alias_reaches_its_backend_and_only_the_model_changes() {
    let upstream = Upstream::start(&["llama3.1:latest"]).await;
    let gateway = Gateway::over(&[("lab", &upstream)], "[aliases]\nmine = \"llama3.1\"\n").await;
    let body = r#"{ "temperature":0.25, "model" : "mine","messages":[{"role":"user","content":"hi","odd":1}],"route":{"task":"chat"},"seed":7}"#;
    let response = gateway.post("/v1/chat/completions", body).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-pointsman-backend"), "lab");
    assert_eq!(header(&response, "x-pointsman-route-reason"), "alias");
    assert_eq!(header(&response, "x-pointsman-attempts"), "1");
    assert!(header(&response, "x-pointsman-request-id").starts_with("req_"));
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(answer["model"], "llama3.1:latest");
    let sent: Value = serde_json::from_slice(&upstream.chats()[0].body).unwrap();
    let expected = json!({ "model": "llama3.1:latest", "temperature": 0.25, "seed": 7,
        "messages": [{ "role": "user", "content": "hi", "odd": 1 }] });
    assert_eq!(sent, expected, "our own fields never reach a backend");
}

#[tokio::test]
async fn auto_is_classified_and_spread_over_the_demo() {
    let gateway = Gateway::demo().await;
    for (prompt, model, task) in [
        ("Write a Rust function that reverses a linked list and add unit tests", "demo-code", "code"),
        ("hi there, how are you doing today?", "demo-local", "chat"),
        ("Prove by induction that the sum of the first n odd numbers is n squared", "demo-reasoner", "math"),
    ] {
        let response = gateway.post("/v1/chat/completions", chat("auto", prompt, false)).await;
        assert_eq!(header(&response, "x-pointsman-model"), model, "{prompt}");
        assert_eq!(header(&response, "x-pointsman-task"), task, "{prompt}");
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["model"], model);
        assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("simulated"));
    }
}

#[tokio::test]
async fn a_short_follow_up_keeps_the_class() {
    let gateway = Gateway::demo().await;
    let code = "Write a Rust function that reverses a linked list and add unit tests";
    for (follow_up, task) in
        [("yes", "code"), ("ok go on", "code"), ("translate that comment into French", "translation")]
    {
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": code },
            { "role": "assistant", "content": "Shall I use Box?" }, { "role": "user", "content": follow_up }] });
        let response = gateway.post("/v1/route", body.to_string()).await;
        let record: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(record["classification"]["task"], task, "{follow_up}: {record}");
        let noted = record["notes"].to_string().contains("follow-up");
        assert!(noted && record["classification"]["previous_share"].is_number(), "{record}");
    }
}

#[tokio::test]
async fn a_class_by_example_sends_its_prompts_where_it_says() {
    let (first, second) = (Upstream::start(&["general"]).await, Upstream::start(&["sommelier"]).await);
    let classes = r#"
[[classes]]
name = "wine"
examples = ["which wine goes with roast lamb", "recommend a dry white wine under 20 euros",
  "how long can I keep an opened bottle of red wine", "explain the difference between a Rioja and a Bordeaux"]
task = "knowledge"
prefer = ["sommelier"]
"#;
    let gateway = Gateway::over(&[("a", &first), ("b", &second)], classes).await;
    for (prompt, model, reason) in [
        ("should I serve a red wine or a white wine with salmon?", "sommelier", "auto:class"),
        ("Write a SQL query that finds duplicate orders", "general", "auto:data"),
    ] {
        let response = gateway.post("/v1/chat/completions", chat("auto", prompt, false)).await;
        assert_eq!(header(&response, "x-pointsman-model"), model, "{prompt}");
        assert_eq!(header(&response, "x-pointsman-route-reason"), reason, "{prompt}");
    }
    let response =
        gateway.post("/v1/classify", json!({ "input": "a good wine for cheese" }).to_string()).await;
    let text = response.text().await.unwrap();
    assert!(text.contains(r#""classes":{"wine":0."#), "{text}");
}

#[tokio::test]
async fn facts_of_the_request_outrank_the_prompt() {
    let gateway = Gateway::demo().await;
    let image = json!({ "model": "auto", "messages": [{ "role": "user", "content": [
        { "type": "text", "text": "hi" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }] }] });
    let response = gateway.post("/v1/route", image.to_string()).await;
    let record: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(record["model"], "demo-reasoner", "{record}");
    let removed = record["removed"].as_array().unwrap();
    assert!(
        removed.iter().any(|r| r["model"] == "demo-local" && r["why"]["missing"] == "vision"),
        "{record}"
    );
    assert!(
        record["candidates"][0]["terms"]["utility"].is_number()
            && record["classification"]["task"].is_string()
    );
}

#[tokio::test]
async fn streams_pass_through_byte_by_byte() {
    let upstream = Upstream::start(&["m"]).await;
    let behaviour = Behaviour::stream("m", &["one ", "two ", "thrée"]);
    let Behaviour::Stream(pieces) = &behaviour else { unreachable!() };
    let expected = pieces.concat();
    upstream.script([behaviour.clone()]);
    let gateway = Gateway::over(&[("lab", &upstream)], "").await;
    let response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    assert_eq!(response.text().await.unwrap(), expected);
    let metrics =
        gateway.client.get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains(r#"pointsman_attempts_total{backend="lab",model="m",outcome="ok"} 1"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"pointsman_tokens_total{backend="lab",direction="output"} 3"#), "{metrics}");
}

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let upstream = Upstream::start(&["m"]).await;
    let Behaviour::Stream(pieces) = Behaviour::stream("m", &["one", "two"]) else { unreachable!() };
    upstream.script([Behaviour::StreamAtGate(pieces.clone())]);
    let gateway = Gateway::over(&[("lab", &upstream)], "").await;
    let mut response = gateway.post("/v1/chat/completions", chat("m", "hi", true)).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), pieces[0]);
    upstream.open_gate(1);
    assert_eq!(response.chunk().await.unwrap().unwrap(), pieces[1]);
    upstream.open_gate(10);
    assert_eq!(response.text().await.unwrap(), pieces[2..].concat());
}

#[tokio::test]
async fn the_catalog_lists_what_runs_and_what_is_virtual() {
    let gateway = Gateway::demo().await;
    let (status, list) = gateway.get("/v1/models").await;
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!((status, ids.len(), ids[0]), (200, 18, "auto"), "{ids:?}");
    assert!(ids.contains(&"strategy:cost") && ids.contains(&"industry:legal"));
    assert_eq!(ids[15..], ["demo-code", "demo-reasoner", "demo-local"]);
    for (query, expected) in [
        ("sort=price", vec!["demo-local", "demo-code", "demo-reasoner"]),
        ("sort=quality&capability=vision", vec!["demo-reasoner"]),
        ("local=true", vec!["demo-local"]),
        ("family=qwen", vec![]),
    ] {
        let (_, list) = gateway.get(&format!("/v1/models?{query}")).await;
        let data = list["data"].as_array().unwrap();
        let ids: Vec<_> = data.iter().map(|m| m["id"].as_str().unwrap()).collect();
        assert!(
            ids.ends_with(&expected)
                && ids.len() == expected.len() + if query == "sort=price" { 15 } else { 0 },
            "{query}: {ids:?}"
        );
    }
    for query in ["sort=luck", "capability=sight", "lokal=true"] {
        assert_eq!(gateway.get(&format!("/v1/models?{query}")).await.0, 400, "{query}");
    }
    let (status, model) = gateway.get("/v1/models/demo-code").await;
    assert_eq!((status, &model["pricing"]["prompt"]), (200, &json!("0.000001")));
    let (status, error) = gateway.get("/v1/models/demo-cod").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!(gateway.get("/healthz").await.0, 200);
    let (status, ready) = gateway.get("/readyz").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_new_model_becomes_routable_with_no_restart() {
    let upstream = Upstream::start(&["old"]).await;
    let gateway = Gateway::over(&[("lab", &upstream)], "[catalog]\nrefresh = \"1s\"\n").await;
    assert_eq!(gateway.chat(chat("new", "hi", false)).await.0, 404);
    upstream.list(&["old", "new"]);
    for _ in 0..100 {
        if gateway.chat(chat("new", "hi", false)).await.0 == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the new model was never routable");
}

#[tokio::test]
async fn a_sync_on_demand_needs_the_admin_key() {
    let gateway = Gateway::demo_with_admin("k3y").await;
    let sync = |key: &str| {
        let url = format!("{}/admin/v1/catalog/sync", gateway.url);
        gateway.client.post(url).bearer_auth(key).send()
    };
    assert_eq!(sync("wrong").await.unwrap().status(), 401);
    let synced = sync("k3y").await.unwrap();
    assert_eq!(synced.status(), 200);
    let synced: Value = serde_json::from_str(&synced.text().await.unwrap()).unwrap();
    assert_eq!((&synced["models"], &synced["backends"][0]["health"]["status"]), (&json!(3), &json!("up")));
    let metrics = gateway.client.get(format!("{}/metrics", gateway.url)).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("catalog_changes{change=\"appeared\"}"));
}

#[tokio::test]
async fn classification_over_http() {
    let gateway = Gateway::demo().await;
    let body = json!({ "input": ["Translate to French: good morning", "", "SELECT * FROM orders WHERE"] });
    let response = gateway.post("/v1/classify", body.to_string()).await;
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data[0]["task"], "translation", "{answer}");
    assert_eq!(data[1]["abstained"], true);
    let sum: f64 = data[2]["probs"]["task"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4);
    assert_eq!(gateway.post("/v1/classify", "{\"input\": 3}").await.status(), 400);
}
