//! Every form of `model`, as a client meets it.

use pointsman_testkit::{Behaviour, Upstream, chat};
use serde_json::{Value, json};

use crate::gateway::{Gateway, header, run};

fn with(extra: &Value, text: &str) -> String {
    let mut body = json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] });
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string()
}

const POEM: &str = "Write a short poem about the sea in autumn.";
const CODE: &str = "Write a Python function that reverses a linked list and add unit tests.";

#[tokio::test]
async fn every_form_is_answered_by_the_demo_and_says_why() {
    let gateway = Gateway::demo().await;
    for (extra, text, model, why) in [
        (json!({}), CODE, "demo-code", "auto:code"),
        (json!({ "model": "demo-local" }), CODE, "demo-local", "alias"),
        (json!({ "model": "strategy:cost" }), POEM, "demo-local", "strategy:cost"),
        (json!({ "model": "strategy:quality" }), POEM, "demo-reasoner", "strategy:quality"),
        (json!({ "model": "strategy:local" }), CODE, "demo-local", "strategy:local"),
        (json!({ "model": "industry:code" }), POEM, "demo-code", "industry:code"),
        (json!({ "model": "industry:legal" }), POEM, "demo-reasoner", "industry:legal"),
        (json!({ "metadata": { "industry": "support" } }), CODE, "demo-local", "industry:support"),
        (json!({ "metadata": { "industry": "basket weaving" } }), CODE, "demo-code", "auto:code"),
        (json!({ "route": { "strategy": "quality" } }), POEM, "demo-reasoner", "strategy:quality"),
        (json!({ "route": { "local_only": true } }), CODE, "demo-local", "auto:code"),
        (json!({ "models": ["demo-local", "strategy:quality"], "model": null }), CODE, "demo-local", "alias"),
        (json!({ "models": ["demo-code"], "model": "no-such-model" }), POEM, "demo-code", "alias"),
    ] {
        for stream in [false, true] {
            let mut extra = extra.clone();
            extra["stream"] = stream.into();
            // `model` beside `models`, or left out
            if extra.get("model").is_some_and(Value::is_null) {
                extra["model"] = "demo-local".into();
            }
            let response = gateway.post("/v1/chat/completions", with(&extra, text)).await;
            assert_eq!(response.status(), 200, "{extra}");
            let got = (header(&response, "x-pointsman-model"), header(&response, "x-pointsman-route-reason"));
            assert_eq!(got, (model, why), "{extra}");
        }
    }
    // latency is observed, so it may be anybody who clears the bar
    let response = gateway.post("/v1/chat/completions", chat("strategy:latency", POEM, false)).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "x-pointsman-route-reason")),
        (200, "strategy:latency")
    );
    let listed = gateway.get("/v1/models").await.1.to_string();
    assert!(
        listed.contains("industry:legal") && listed.contains("strategy:local") && !listed.contains("501")
    );
}

#[tokio::test]
async fn what_cannot_be_met_names_the_constraint_and_what_would_meet_it() {
    let gateway = Gateway::demo().await;
    let many: Vec<String> = (0..1000).map(|n| format!("m{n}")).collect();
    for (extra, status, code, words) in [
        (json!({ "model": "industry:mining" }), 400, "unknown_industry", "valid: code, creative"),
        (json!({ "model": "strategy:best" }), 400, "invalid_model", "cost, quality, latency, local"),
        (json!({ "models": [] }), 200, "", ""),
        (json!({ "models": many }), 400, "invalid_value", "at most 32"),
        (json!({ "models": ["x-1", "x-2"], "model": "x-0" }), 404, "model_not_found", "x-0"),
        (json!({ "route": { "industry": "mining" } }), 400, "unknown_industry", "mining"),
        (
            json!({ "route": { "local_only": true, "require": ["tools"] } }),
            503,
            "nothing_eligible",
            "not local",
        ),
        (
            json!({ "model": "strategy:local", "route": { "ignore": ["demo-local"] } }),
            503,
            "nothing_eligible",
            "local = true",
        ),
        (
            json!({ "route": { "max_cost_usd": 0, "only": ["demo-code"] } }),
            503,
            "nothing_eligible",
            "a ceiling of $",
        ),
        (json!({ "route": { "only": ["nobody"] } }), 503, "nothing_eligible", "route.only names none"),
        (json!({ "route": { "max_cost_usd": -1 } }), 400, "invalid_value", "max_cost_usd"),
        (json!({ "route": { "tradeoff": 7 } }), 400, "invalid_value", "tradeoff"),
        (json!({ "route": { "max_latency_ms": -1 } }), 400, "invalid_type", "max_latency_ms"),
        (json!({ "route": { "strategy": "best" } }), 400, "invalid_type", "strategy"),
    ] {
        let (got, body) = gateway.chat(with(&extra, "hi")).await;
        assert_eq!(got, status, "{extra} {body}");
        if status != 200 {
            assert_eq!(body["error"]["code"], code, "{extra} {body}");
            assert!(body["error"]["message"].as_str().unwrap().contains(words), "{extra} {body}");
        }
    }
    let raw = r#"{"models":[],"messages":[{"role":"user","content":"hi"}]}"#;
    let (status, body) = gateway.chat(raw).await;
    assert_eq!(status, 400);
    assert!(body["error"]["message"].as_str().unwrap().contains("models is empty"), "{body}");
}

#[tokio::test]
async fn a_chain_goes_on_where_a_backend_fails() {
    let (first, second) = (Upstream::start(&["a"]).await, Upstream::start(&["b"]).await);
    let gateway = Gateway::over(&[("one", &first), ("two", &second)], "[aliases]\npair = ['a', 'b']\n").await;
    for model in [json!({ "model": "pair" }), json!({ "models": ["a", "b"], "model": "a" })] {
        first.script([Behaviour::error(500, "no")]);
        second.script([Behaviour::json("b", "hi")]);
        let response = gateway.post("/v1/chat/completions", with(&model, "hi")).await;
        assert_eq!((response.status().as_u16(), header(&response, "x-pointsman-model")), (200, "b"));
        assert_eq!(header(&response, "x-pointsman-fallback-used"), "true");
        assert_eq!(header(&response, "x-pointsman-candidates"), "a,b");
    }
}

#[tokio::test]
async fn rules_decide_for_auto_and_the_check_finds_those_that_never_do() {
    let rules = r#"
[[rules]]
name = "secrets"
priority = 5
when = { pattern = '(?i)\bpassword\b' }
use = "strategy:local"
[[rules]]
name = "ide"
when = { tags = ["ide"] }
use = ["b", "auto"]
[industries]
mining = ["b"]
"#;
    let (first, second) = (Upstream::start(&["a"]).await, Upstream::start(&["b"]).await);
    let gateway = Gateway::over(&[("one", &first), ("two", &second)], rules).await;
    let (status, error) = gateway.chat(with(&json!({}), "my PASSWORD is x")).await;
    assert_eq!(
        status, 503,
        "no backend is local, and a rule that keeps requests local fails closed: {error}"
    );
    second.script([Behaviour::json("b", "hi"), Behaviour::json("b", "hi")]);
    let tagged = json!({ "metadata": { "tags": ["ide"] } });
    let response = gateway.post("/v1/chat/completions", with(&tagged, "hi")).await;
    assert_eq!(header(&response, "x-pointsman-route-reason"), "rule:ide>alias");
    let response = gateway.post("/v1/chat/completions", chat("industry:mining", "hi", false)).await;
    assert_eq!(header(&response, "x-pointsman-model"), "b");

    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("p.toml");
    let never = "[[rules]]\nname = 'all'\nuse = 'strategy:cost'\n[[rules]]\nname = 'late'\nuse = 'auto'\n\
                 [[rules]]\nname = 'none'\nwhen = { tokens = { min = 9, max = 3 } }\nuse = 'auto'\n";
    std::fs::write(&file, never).unwrap();
    let checked = run(&["check", "--config", file.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("rule `late`: it is never reached: `all` comes before it"), "{said}");
    assert!(said.contains("rule `none`: it never matches"), "{said}");
}

#[tokio::test]
async fn parameters_that_a_model_cannot_take_are_translated_and_told() {
    let upstream = Upstream::start(&["gpt-5", "gpt-4o"]).await;
    let gateway = Gateway::over(&[("lab", &upstream)], "").await;
    upstream.script([Behaviour::json("gpt-5", "hi"), Behaviour::json("gpt-4o", "hi")]);
    let settings = json!({ "model": "gpt-5", "temperature": 0.2, "max_tokens": 50 });
    let response = gateway.post("/v1/chat/completions", with(&settings, "hi")).await;
    let told = header(&response, "x-pointsman-adapted").to_owned();
    assert_eq!(told, "dropped temperature; max_tokens as max_completion_tokens");
    let settings = json!({ "model": "gpt-4o", "temperature": 0.2, "max_tokens": 50 });
    let response = gateway.post("/v1/chat/completions", with(&settings, "hi")).await;
    assert!(!response.headers().contains_key("x-pointsman-adapted"));
    let bodies: Vec<Value> =
        upstream.chats().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_eq!((&bodies[0]["max_completion_tokens"], &bodies[0]["temperature"]), (&json!(50), &Value::Null));
    assert_eq!((&bodies[1]["max_tokens"], &bodies[1]["temperature"]), (&json!(50), &json!(0.2)));
}

#[tokio::test]
async fn why_not_and_feedback() {
    let gateway = Gateway::demo().await;
    let asked = gateway.post("/v1/route?why_not=demo-reasoner", chat("auto", CODE, false)).await;
    let record: Value = serde_json::from_str(&asked.text().await.unwrap()).unwrap();
    assert_eq!(
        (&record["why_not"]["model"], &record["why_not"]["standing"]),
        (&json!("demo-reasoner"), &json!("behind"))
    );
    let changes = record["why_not"]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["what"] == "price"), "{record}");
    assert_eq!(gateway.post("/v1/route?why=x", chat("auto", CODE, false)).await.status(), 400);

    let word = json!({ "request_id": "req_1", "score": 1.0 }).to_string();
    let off = gateway.post("/v1/feedback", word.clone()).await;
    assert_eq!(off.status(), 403);
    let upstream = Upstream::start(&["m"]).await;
    let learning = Gateway::over(&[("lab", &upstream)], "[learning]\nenabled = true\n").await;
    upstream.script([Behaviour::json("m", "hi")]);
    let answer = learning.post("/v1/chat/completions", chat("auto", POEM, false)).await;
    let known = json!({ "request_id": header(&answer, "x-pointsman-request-id"), "score": 0.5 }).to_string();
    assert_eq!(learning.post("/v1/feedback", known).await.status(), 200);
    assert_eq!(learning.post("/v1/feedback", word).await.status(), 404);
    assert_eq!(learning.post("/v1/feedback", r#"{"request_id":"x","score":2}"#).await.status(), 400);
    assert_eq!(learning.post("/v1/feedback", "no").await.status(), 400);
}
