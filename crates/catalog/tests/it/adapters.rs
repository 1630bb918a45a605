//! Each kind of server by its recorded answers.

use super::*;

/// One backend of this kind that answers these paths, with the shipped facts.
async fn over(kind: BackendKind, local: bool, routes: &[(&'static str, &str)]) -> (Fixture, Lister) {
    let lister = Lister::routes(routes).await;
    let mut asked = backend("a", &lister.url);
    (asked.endpoint.kind, asked.endpoint.local) = (kind, local);
    let facts = pointsman_catalog::Facts::shipped();
    let fixture = Fixture::with(vec![asked], |settings| {
        settings.facts = facts;
        settings.max_list_bytes = 1 << 20;
    });
    (fixture.await, lister)
}

fn one(f: &Fixture, name: &str) -> Arc<ModelSpec> {
    Arc::clone(f.catalog.snapshot().find(name).first().unwrap_or_else(|| panic!("no {name}: {:?}", f.ids())))
}

fn origin(spec: &ModelSpec, fact: Fact) -> &'static str {
    spec.about.origins.get(fact).map_or("nobody", Origin::as_str)
}

#[tokio::test]
async fn litellm_tells_prices_limits_and_what_is_behind_a_group() {
    let info = include_str!("../fixtures/litellm_model_info.json");
    let (f, _lister) = over(BackendKind::LiteLlm, false, &[("/model/info", info)]).await;
    assert_eq!((f.health(0), f.ids().len()), (Health::Up, 25));
    let mini = one(&f, "gpt-4o-mini");
    assert_eq!((mini.price.unwrap().input, mini.price.unwrap().cached_input), (150_000, Some(75_000)));
    assert_eq!((mini.context, mini.max_output), (Some(Tokens(128_000)), Some(Tokens(16_384))));
    assert_eq!((origin(&mini, Fact::Price), mini.about.provider.as_deref()), ("backend", Some("openai")));
    // two deployments at two prices: no price
    let llama = one(&f, "llama-3.3-70b");
    assert_eq!(llama.about.family.as_deref(), Some("llama"));
    assert_ne!(origin(&llama, Fact::Price), "backend");
    // the name of the group says nothing, the deployment does
    let opaque = one(&f, "err-429");
    assert_eq!(opaque.about.canonical.as_deref(), Some("gpt-4o-mini"));
    assert_eq!(one(&f, "text-embedding-3-small").kind, ModelKind::Other);
    let dead = one(&f, "dead-upstream");
    assert_eq!((dead.price, origin(&dead, Fact::Price)), (None, "nobody"), "unknown is unknown");
}

/// A key that may call models but not read about them still lists names.
#[tokio::test]
async fn litellm_without_model_info_lists_names() {
    let list = include_str!("../fixtures/litellm.json");
    let (f, _lister) = over(BackendKind::LiteLlm, false, &[("/v1/models", list)]).await;
    assert_eq!(f.health(0), Health::Up);
    assert!(f.ids().len() > 20);
}

#[tokio::test]
async fn ollama_tells_what_its_models_can_and_which_window_is_in_force() {
    let (f, _lister) = over(
        BackendKind::Ollama,
        true,
        &[
            ("/api/tags", include_str!("../fixtures/ollama_tags.json")),
            ("/api/ps", include_str!("../fixtures/ollama_ps.json")),
        ],
    )
    .await;
    assert_eq!(f.health(0), Health::Up);
    let llama = one(&f, "llama3.2");
    assert_eq!(llama.context, Some(Tokens(4096)), "the loaded window, not the largest");
    assert_eq!((llama.capabilities.tools, llama.capabilities.vision), (Some(true), Some(false)));
    assert_eq!((llama.local, origin(&llama, Fact::Price)), (true, "own_infrastructure"));
    assert_eq!(llama.about.quantisation.as_deref(), Some("q4_k_m"));
    assert_eq!(one(&f, "qwen2.5vl:7b").capabilities.vision, Some(true));
    assert_eq!(one(&f, "nomic-embed-text").kind, ModelKind::Other);
    let cloud = one(&f, "gpt-oss:120b-cloud");
    assert!(!cloud.local, "forwarded to somebody else's infrastructure: not local");
    assert_eq!(cloud.about.family.as_deref(), Some("gpt-oss"));
}

#[tokio::test]
async fn an_older_ollama_is_asked_about_each_model() {
    let show = include_str!("../fixtures/ollama_show.json");
    let tags = include_str!("../fixtures/ollama_tags_old.json");
    let (f, lister) = over(BackendKind::Ollama, true, &[("/api/tags", tags), ("/api/show", show)]).await;
    let llama = one(&f, "llama3.2");
    assert_eq!((llama.context, llama.capabilities.tools), (Some(Tokens(131_072)), Some(true)));
    let asked = lister.seen.lock().unwrap().iter().filter(|r| r.starts_with("POST /api/show")).count();
    // the round at the start and the one that the fixture asks for
    assert_eq!(asked, 2 * f.ids().len());
}

#[tokio::test]
async fn vllm_tells_how_busy_it_is() {
    let (f, _lister) = over(
        BackendKind::Vllm,
        true,
        &[
            ("/v1/models", include_str!("../fixtures/vllm.json")),
            ("/metrics", include_str!("../fixtures/vllm_metrics.txt")),
        ],
    )
    .await;
    let load = f.catalog.snapshot().backends()[0].load.unwrap();
    assert!((load.running - 8.0).abs() < 1e-9 && (load.waiting - 2.0).abs() < 1e-9);
    let llama = one(&f, "meta-llama/Llama-3.1-8B-Instruct");
    assert_eq!(
        (llama.context, llama.about.canonical.as_deref()),
        (Some(Tokens(32_768)), Some("llama-3.1-8b-instruct"))
    );
    assert_eq!(origin(&llama, Fact::Quality), "shipped");
    let lora = one(&f, "finance-lora");
    assert_eq!(lora.about.canonical.as_deref(), Some("llama-3.1-8b-instruct"), "its parent says what it is");
}

#[tokio::test]
async fn llama_cpp_tells_the_window_in_force() {
    let list = r#"{"object":"list","data":[{"id":"models/Qwen2.5-Coder-7B-Instruct-Q4_K_M.gguf","object":"model",
        "owned_by":"llamacpp","created":1795390000,"meta":{"n_ctx_train":131072,"n_params":7615616512}}]}"#;
    let props = r#"{"default_generation_settings":{"n_ctx":8192},"modalities":{"vision":false}}"#;
    let (f, _lister) = over(BackendKind::LlamaCpp, true, &[("/v1/models", list), ("/props", props)]).await;
    let qwen = one(&f, "qwen2.5-coder-7b");
    assert_eq!((qwen.context, qwen.capabilities.vision), (Some(Tokens(8192)), Some(false)));
    assert_eq!(
        (qwen.about.size.as_deref(), qwen.about.quantisation.as_deref()),
        (Some("7b"), Some("q4_k_m"))
    );
}

#[tokio::test]
async fn anthropic_is_read_page_by_page_with_its_own_headers() {
    let first = r#"{"data":[{"type":"model","id":"claude-sonnet-4-5-20250929","display_name":"Claude Sonnet 4.5"}],
        "has_more":true,"first_id":"x","last_id":"claude-sonnet-4-5-20250929"}"#;
    let second =
        r#"{"data":[{"type":"model","id":"claude-3-haiku-20240307"}],"has_more":false,"last_id":"y"}"#;
    let (f, lister) = over(
        BackendKind::Anthropic,
        false,
        &[
            ("/v1/models?limit=1000", first),
            ("/v1/models?limit=1000&after_id=claude-sonnet-4-5-20250929", second),
        ],
    )
    .await;
    assert_eq!(f.ids(), ["claude-3-haiku-20240307", "claude-sonnet-4-5-20250929"]);
    assert!(lister.seen.lock().unwrap().iter().all(|r| r.contains("anthropic-version: 2023-06-01")));
    let sonnet = one(&f, "claude-sonnet-4.5");
    assert_eq!((sonnet.price.unwrap().input, origin(&sonnet, Fact::Price)), (3_000_000, "shipped"));
}

#[tokio::test]
async fn gemini_is_read_page_by_page_and_only_chats_are_chats() {
    let first = r#"{"models":[
        {"name":"models/gemini-2.5-flash","version":"001","inputTokenLimit":1048576,"outputTokenLimit":65536,
         "supportedGenerationMethods":["generateContent","countTokens"]},
        {"name":"models/text-embedding-004","inputTokenLimit":2048,"supportedGenerationMethods":["embedContent"]}],
        "nextPageToken":"abc-1"}"#;
    let second =
        r#"{"models":[{"name":"models/gemini-2.5-pro","supportedGenerationMethods":["generateContent"]}]}"#;
    let routes = [("/v1/models?pageSize=1000", first), ("/v1/models?pageSize=1000&pageToken=abc-1", second)];
    let (f, _lister) = over(BackendKind::Gemini, false, &routes).await;
    assert_eq!((f.health(0), f.ids().len()), (Health::Up, 3));
    let flash = one(&f, "gemini-2.5-flash");
    assert_eq!((flash.context, flash.max_output), (Some(Tokens(1_048_576)), Some(Tokens(65_536))));
    assert_eq!(
        (flash.about.provider.as_deref(), flash.about.family.as_deref()),
        (Some("google"), Some("gemini"))
    );
    assert_eq!(one(&f, "text-embedding-004").kind, ModelKind::Other);
}

#[tokio::test]
async fn openrouter_tells_prices_abilities_and_what_depends() {
    let list = include_str!("../fixtures/openrouter.json");
    let (f, _lister) = over(BackendKind::OpenRouter, false, &[("/v1/models", list)]).await;
    let claude = one(&f, "claude-sonnet-4.5");
    assert_eq!(claude.id.as_str(), "anthropic/claude-sonnet-4.5");
    assert_eq!((claude.capabilities.vision, claude.max_output), (Some(true), Some(Tokens(64_000))));
    let auto = one(&f, "openrouter/auto");
    assert_eq!(auto.price, None, "-1 is no price");
    let free = one(&f, "deepseek/deepseek-chat-v3-0324:free");
    assert!(free.price.unwrap().is_free());
}

/// Two names for one model on two backends: either name finds both, the exact one first.
#[tokio::test]
async fn several_backends_may_serve_one_model() {
    let a = Lister::start(listing(&["gpt-4o", "llama3.1:8b", "llama3.1:70b"])).await;
    let b = Lister::start(listing(&["openai/gpt-4o", "gpt-4o-2024-08-06"])).await;
    let f = Fixture::over(vec![backend("a", &a.url), backend("b", &b.url)], NEVER).await;
    assert_eq!(f.found("gpt-4o"), ["a:gpt-4o", "b:openai/gpt-4o"]);
    assert_eq!(f.found("azure/gpt-4o").len(), 3);
    assert!(f.found("llama3.1").is_empty(), "which size?");
    let snapshot = f.catalog.snapshot();
    let pointsman_catalog::Match::Ambiguous(open) = snapshot.resolve("llama3.1") else { panic!("ambiguous") };
    assert_eq!(open.len(), 2);
    assert_eq!(f.found("meta-llama/Llama-3.1-8B-Instruct"), ["a:llama3.1:8b"]);
}
