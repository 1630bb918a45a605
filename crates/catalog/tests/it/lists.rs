//! Lists as servers really write them, and lists that are odd.

use super::*;

/// One backend that answers this body with 200.
async fn over(body: &str) -> Fixture {
    let lister = Lister::start(http("200 OK", "", body)).await;
    Fixture::over(vec![backend("a", &lister.url)], NEVER).await
}

#[tokio::test]
async fn recorded_lists_of_real_servers_are_read() {
    let litellm = over(include_str!("../fixtures/litellm.json")).await;
    assert_eq!(litellm.health(0), Health::Up);
    assert_eq!(litellm.found("GPT-4o-mini"), ["a:gpt-4o-mini"]);

    let ollama = over(include_str!("../fixtures/ollama.json")).await;
    let expected = [
        "deepseek-r1:7b",
        "gpt-oss:120b-cloud",
        "llama3.2:latest",
        "nomic-embed-text:latest",
        "qwen2.5vl:7b",
    ];
    assert_eq!((ollama.ids(), ollama.health(0)), (expected.map(str::to_owned).to_vec(), Health::Up));
    assert_eq!(ollama.found("llama3.2"), ["a:llama3.2:latest"]);
    let embedder = Arc::clone(&ollama.catalog.snapshot().find("nomic-embed-text")[0]);
    assert_eq!((embedder.kind, embedder.created), (ModelKind::Other, Some(1_791_160_003)));
    assert_eq!(
        &*embedder.upstream_id, "nomic-embed-text:latest",
        "the backend's own name is what it is sent"
    );

    let vllm = over(include_str!("../fixtures/vllm.json")).await;
    assert_eq!((vllm.ids().len(), vllm.health(0)), (2, Health::Up));
    let context = |name: &str| vllm.catalog.snapshot().find(name)[0].context;
    assert_eq!(context("meta-llama/Llama-3.1-8B-Instruct"), Some(Tokens(32_768)));
    assert_eq!(context("finance-lora"), None, "null is unknown");

    let openrouter = over(include_str!("../fixtures/openrouter.json")).await;
    assert_eq!(openrouter.health(0), Health::Up);
    let claude = Arc::clone(&openrouter.catalog.snapshot().find("anthropic/claude-sonnet-4.5")[0]);
    let price = Price { input: 3_000_000, output: 15_000_000, cached_input: Some(300_000) };
    assert_eq!((claude.context, claude.price), (Some(Tokens(1_000_000)), Some(price)));
}

/// Ollama without a model writes `null` (an empty slice in Go).
#[tokio::test]
async fn a_backend_without_models_is_up() {
    for body in [r#"{"object":"list","data":null}"#, r#"{"object":"list","data":[]}"#] {
        let f = over(body).await;
        assert_eq!((f.ids(), f.health(0)), (vec![], Health::Up), "{body}");
    }
}

#[tokio::test]
async fn an_odd_entry_or_figure_costs_only_itself() {
    let f = over(
        r#"{"data":[{"id":"good","context_length":8192},{"id":7},{"name":"nobody"},null,"text",
            {"id":"float","context_length":8192.0},{"id":"text","max_model_len":"a lot"},
            {"id":"numbers","pricing":{"prompt":0.000001,"completion":0.000002}},
            {"id":"shapes","pricing":[1],"created":"2026"},
            {"id":"infinite","pricing":{"prompt":"NaN","completion":"inf"}}]}"#,
    )
    .await;
    assert_eq!(f.health(0), Health::Up);
    assert_eq!(f.ids(), ["float", "good", "infinite", "numbers", "shapes", "text"]);
    let snapshot = f.catalog.snapshot();
    let known = |name: &str| {
        let spec = &snapshot.find(name)[0];
        // own infrastructure: what it says of prices is not believed, and tokens have none
        let origin = spec.about.origins.get(Fact::Price).map(Origin::as_str);
        (spec.context, origin, spec.created)
    };
    let own = Some("own_infrastructure");
    assert_eq!(known("good"), (Some(Tokens(8192)), own, None));
    assert_eq!(known("float"), (Some(Tokens(8192)), own, None));
    for name in ["text", "numbers", "shapes", "infinite"] {
        assert_eq!(known(name), (None, own, None), "{name}");
    }
}

#[tokio::test]
async fn ten_thousand_models_and_ids_that_come_twice() {
    let entries: Vec<String> =
        (0..20_000).map(|i| format!(r#"{{"id":"m{}","context_length":{}}}"#, i % 10_000, i + 1)).collect();
    let list = http("200 OK", "", &format!(r#"{{"data":[{}]}}"#, entries.join(",")));
    let lister = Lister::start(list).await;
    let f = Fixture::with(vec![backend("a", &lister.url)], |settings| {
        settings.max_list_bytes = 10 << 20;
        settings.timeout = Duration::from_secs(30);
    })
    .await;
    assert_eq!((f.ids().len(), f.health(0)), (10_000, Health::Up));
    assert_eq!(f.catalog.snapshot().find("m7")[0].context, Some(Tokens(8)), "the first of two");
}

/// `Fixture` reads up to 10 000 bytes.
#[tokio::test]
async fn the_longest_list_is_read_and_one_byte_more_is_not() {
    let list = r#"{"data":[{"id":"m"}]}"#;
    let padded = |length: usize| format!("{list}{}", " ".repeat(length - list.len()));
    let f = over(&padded(10_000)).await;
    assert_eq!((f.ids(), f.health(0)), (vec!["m".to_owned()], Health::Up));
    let f = over(&padded(10_001)).await;
    let Health::Degraded { error } = f.health(0) else { panic!("{:?}", f.health(0)) };
    assert!(error.contains("10000 bytes"), "{error}");
}

/// What is wrong goes to logs and to the admin page: it must not carry what the backend wrote, which may hold
/// the key that it was sent.
#[tokio::test]
async fn what_is_wrong_is_said_without_the_answer() {
    let echo = "no such key sk-secret ".repeat(300);
    for body in [format!("{{\"data\":\"{echo}\"}}"), format!("\"{echo}\""), echo] {
        let f = over(&body).await;
        let Health::Degraded { error } = f.health(0) else { panic!("{:?}", f.health(0)) };
        assert!(!error.contains("sk-secret") && error.len() < 200, "{} bytes: {error:.300}", error.len());
    }
}

#[tokio::test]
async fn a_model_listed_twice_is_one() {
    let f = over(r#"{"data":[{"id":"m"},{"id":"m"}]}"#).await;
    assert_eq!(f.found("m"), ["a:m"]);
    assert_eq!((f.ids().len(), f.catalog.snapshot().backends()[0].models), (1, 1));
}

#[tokio::test]
async fn two_names_for_one_upstream_model_are_both_filled() {
    let lister = Lister::start(http("200 OK", "", r#"{"data":[{"id":"up","created":5}]}"#)).await;
    let mut configured = backend("a", &lister.url);
    configured.models = vec![stated("fast", "up"), stated("cheap", "up")];
    let f = Fixture::over(vec![configured], NEVER).await;
    assert_eq!(f.ids(), ["fast", "cheap"]);
    let created: Vec<_> = f.catalog.snapshot().models().iter().map(|m| m.created).collect();
    assert_eq!(created, [Some(5), Some(5)]);
    assert_eq!(f.found("up"), ["a:fast", "a:cheap"]);
}

/// A configuration says `llama3.1` where Ollama lists `llama3.1:latest`: one model, not two.
#[tokio::test]
async fn a_configured_model_is_the_latest_that_is_listed() {
    let lister = Lister::start(http("200 OK", "", r#"{"data":[{"id":"up:latest","created":5}]}"#)).await;
    let mut configured = backend("a", &lister.url);
    configured.models = vec![stated("mine", "up")];
    let f = Fixture::over(vec![configured], NEVER).await;
    assert_eq!(f.ids(), ["mine"]);
    assert_eq!(f.catalog.snapshot().find("mine")[0].created, Some(5));
    for name in ["up", "up:latest", "a/mine", "UP:Latest"] {
        assert_eq!(f.found(name), ["a:mine"], "{name}");
    }
}

/// An id outranks an alias, and both outrank a name in another case; names in other cases keep the order of
/// the models.
#[tokio::test]
async fn the_order_of_what_is_found_is_that_of_the_configuration() {
    let mut backends = Vec::new();
    let names = ["Model-X", "model-x", "MODEL-X", "modeL-x", "mOdel-x"];
    for (i, name) in names.iter().enumerate() {
        let mut one = backend(&format!("b{i}"), "http://127.0.0.1:9/v1");
        one.discover = false;
        let spec = stated(name, name);
        one.models = vec![ModelSpec { backend: one.endpoint.id.clone(), aliases: vec!["x".into()], ..spec }];
        backends.push(one);
    }
    let f = Fixture::over(backends, NEVER).await;
    assert_eq!(f.found("model-x"), ["b1:model-x"]);
    assert_eq!(f.found("x").len(), 5);
    let all: Vec<String> = names.iter().enumerate().map(|(i, n)| format!("b{i}:{n}")).collect();
    assert_eq!(f.found("mODEL-x"), all);
    assert_eq!(f.found("X"), all);
}
