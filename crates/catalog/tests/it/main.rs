//! The catalog over scripted backends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets an error has failed")]

mod adapters;
mod lists;
mod rounds;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pointsman_actors::{RestartSettings, Supervisor};
use pointsman_catalog::{CatalogBackend, CatalogHandle, CatalogSettings, ChangeKind};
use pointsman_types::{
    BackendKind, Capabilities, Endpoint, Fact, Health, ModelKind, ModelSpec, Origin, Price, Quality, Tokens,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

/// Answers every request with what is set, and closes. Remembers the requests.
struct Lister {
    url: String,
    answer: Arc<Mutex<String>>,
    routes: Arc<Mutex<Vec<(&'static str, String)>>>,
    seen: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Lister {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn listing(ids: &[&str]) -> String {
    let data: Vec<String> =
        ids.iter().map(|id| format!("{{\"id\":\"{id}\",\"object\":\"model\"}}")).collect();
    http("200 OK", "", &format!("{{\"object\":\"list\",\"data\":[{}]}}", data.join(",")))
}

impl Lister {
    async fn start(answer: String) -> Self {
        Self::over(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    fn over(listener: TcpListener, answer: String) -> Self {
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (answer, seen) = (Arc::new(Mutex::new(answer)), Arc::default());
        let (set, all): (Arc<Mutex<String>>, Arc<Mutex<Vec<String>>>) =
            (Arc::clone(&answer), Arc::clone(&seen));
        let routes = Arc::<Mutex<Vec<(&'static str, String)>>>::default();
        let routed = Arc::clone(&routes);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let n = stream.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..n]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                all.lock().unwrap().push(text);
                let route = routed.lock().unwrap().iter().find(|(known, _)| *known == path).cloned();
                let answer = route.map_or_else(|| set.lock().unwrap().clone(), |(_, answer)| answer);
                if answer.is_empty() {
                    // says nothing until the client gives up
                    let _ = stream.read(&mut request).await;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, answer, routes, seen, serving }
    }

    /// Answers each path with its body, anything else with 404.
    async fn routes(routes: &[(&'static str, &str)]) -> Self {
        let lister = Self::start(http("404 Not Found", "", "")).await;
        *lister.routes.lock().unwrap() =
            routes.iter().map(|(path, body)| (*path, http("200 OK", "", body))).collect();
        lister
    }

    fn answers(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn backend(name: &str, url: &str) -> CatalogBackend {
    let endpoint = Endpoint {
        id: name.into(),
        kind: BackendKind::OpenAi,
        base_url: url.into(),
        local: true,
        simulated: false,
    };
    CatalogBackend { endpoint, api_key: None, discover: true, models: vec![], accept: vec![] }
}

fn stated(id: &str, upstream: &str) -> ModelSpec {
    ModelSpec {
        id: id.into(),
        backend: "a".into(),
        upstream_id: upstream.into(),
        aliases: vec![],
        kind: ModelKind::Chat,
        local: true,
        simulated: false,
        context: Some(Tokens(7)),
        max_output: None,
        price: Price::per_million(1.0, 2.0),
        capabilities: Capabilities::default(),
        quality: Quality::UNKNOWN,
        created: None,
        about: pointsman_types::About::default(),
    }
}

struct Fixture {
    _supervisor: Supervisor,
    catalog: CatalogHandle,
}

impl Fixture {
    async fn over(backends: Vec<CatalogBackend>, refresh: Duration) -> Self {
        Self::with(backends, |settings| settings.refresh = refresh).await
    }

    async fn with(backends: Vec<CatalogBackend>, change: impl FnOnce(&mut CatalogSettings)) -> Self {
        let supervisor = Supervisor::start(RestartSettings::default()).await.unwrap();
        let mut settings = CatalogSettings {
            backends,
            refresh: NEVER,
            timeout: Duration::from_millis(300),
            max_list_bytes: 10_000,
            probe: None,
            grace: Duration::from_mins(10),
            facts: Arc::default(),
        };
        change(&mut settings);
        let catalog = CatalogHandle::start(&supervisor, settings).await.unwrap();
        let fixture = Self { _supervisor: supervisor, catalog };
        fixture.sync().await;
        fixture
    }

    async fn sync(&self) {
        self.catalog.sync_now(Instant::now() + Duration::from_secs(10)).await.unwrap();
    }

    fn ids(&self) -> Vec<String> {
        self.catalog.snapshot().models().iter().map(|m| m.id.to_string()).collect()
    }

    /// Appeared, returned, changed, vanished, left.
    fn change_counts(&self) -> [u64; 5] {
        ChangeKind::ALL.map(|kind| self.catalog.changes().get(kind))
    }

    fn health(&self, i: usize) -> Health {
        self.catalog.snapshot().backends()[i].health.clone()
    }

    fn found(&self, name: &str) -> Vec<String> {
        self.catalog.snapshot().find(name).iter().map(|m| format!("{}:{}", m.backend, m.id)).collect()
    }
}

const NEVER: Duration = Duration::from_hours(1);

#[tokio::test]
async fn names_lead_to_models() {
    let a =
        Lister::start(listing(&["llama3.1:latest", "shared", "Qwen/Qwen2.5-7B", "text-embedding-3-small"]))
            .await;
    let b = Lister::start(listing(&["shared"])).await;
    let mut second = backend("b", &b.url);
    second.accept = vec!["ft:*".to_owned()];
    let f = Fixture::over(vec![backend("a", &a.url), second], NEVER).await;
    assert_eq!(f.found("shared"), ["a:shared", "b:shared"]);
    assert_eq!(f.found("b/shared"), ["b:shared"]);
    assert_eq!(f.found("llama3.1"), ["a:llama3.1:latest"]);
    assert_eq!(f.found("qwen/qwen2.5-7b"), ["a:Qwen/Qwen2.5-7B"]);
    assert!(f.found("nobody").is_empty());
    let snapshot = f.catalog.snapshot();
    assert_eq!(snapshot.find("text-embedding-3-small")[0].kind, ModelKind::Other);
    assert_eq!(snapshot.accepting("ft:mine")[0].backend.as_str(), "b");
    assert!(snapshot.accepting("mine").is_empty());
}

#[tokio::test]
async fn the_configuration_outranks_the_list_and_is_there_without_it() {
    let a =
        Lister::start(http("200 OK", "", r#"{"data":[{"id":"up","max_model_len":9,"created":5}]}"#)).await;
    let mut configured = backend("a", &a.url);
    configured.models = vec![stated("mine", "up"), stated("other", "other")];
    let f = Fixture::over(vec![configured], NEVER).await;
    assert_eq!(f.ids(), ["mine", "other"]);
    let mine = Arc::clone(&f.catalog.snapshot().find("mine")[0]);
    assert_eq!((mine.context, mine.created), (Some(Tokens(7)), Some(5)));
    assert_eq!(f.found("up"), ["a:mine"]);
}

#[tokio::test]
async fn what_is_no_list_changes_nothing() {
    let a = Lister::start(listing(&["m"])).await;
    let f = Fixture::over(vec![backend("a", &a.url)], NEVER).await;
    let redirect = format!("location: {}/elsewhere\r\n", a.url);
    for bad in [
        http("200 OK", "", "<html>"),
        http("200 OK", "", "{\"models\":[]}"),
        http("200 OK", "", "{\"data\":[{\"name\":\"m\"}]}"),
        http("200 OK", "", "{\"data\":\"m\"}"),
        http("204 Nothing", "", ""),
        http("500 Oops", "", ""),
        http("401 No", "", "{}"),
        http("307 Elsewhere", &redirect, ""),
        http("200 OK", "", &"x".repeat(20_000)),
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"da".to_owned(),
    ] {
        a.answers(bad.clone());
        f.sync().await;
        assert!(matches!(f.health(0), Health::Degraded { .. }), "{bad:.60}: {:?}", f.health(0));
        assert_eq!(f.ids(), ["m"], "{bad:.60}");
        a.answers(listing(&["m"]));
        f.sync().await;
        assert_eq!(f.health(0), Health::Up);
    }
}

#[tokio::test]
async fn a_backend_that_is_gone_keeps_its_models_and_comes_back() {
    let a = Lister::start(listing(&["m"])).await;
    let dead = Lister::start(String::new()).await;
    let f = Fixture::over(vec![backend("a", &a.url), backend("slow", &dead.url)], NEVER).await;
    assert_eq!((f.ids(), f.health(0)), (vec!["m".to_owned()], Health::Up));
    assert!(matches!(f.health(1), Health::Unreachable { .. }), "{:?}", f.health(1));
    dead.answers(listing(&["late"]));
    a.answers(String::new());
    f.sync().await;
    assert!(matches!(f.health(0), Health::Unreachable { .. }));
    assert_eq!((f.ids(), f.health(1)), (vec!["m".to_owned(), "late".to_owned()], Health::Up));
}

#[tokio::test]
async fn the_timer_finds_new_models() {
    let a = Lister::start(listing(&["old"])).await;
    let f = Fixture::over(vec![backend("a", &a.url)], Duration::from_millis(50)).await;
    let before = f.catalog.snapshot().generation();
    a.answers(listing(&["old", "new"]));
    let deadline = Instant::now() + Duration::from_secs(10);
    while f.found("new").is_empty() {
        assert!(Instant::now() < deadline, "never found");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(f.catalog.snapshot().generation() > before && f.catalog.snapshot().synced_at().is_some());
}

#[tokio::test]
async fn the_key_goes_to_the_backend_and_nowhere_else() {
    let a = Lister::start(listing(&["m"])).await;
    let mut keyed = backend("a", &a.url);
    keyed.api_key = Some("sk-secret".to_owned().into());
    assert!(!format!("{keyed:?}").contains("sk-secret"));
    let f = Fixture::over(vec![keyed], NEVER).await;
    let seen = a.seen.lock().unwrap().concat().to_lowercase();
    assert!(seen.starts_with("get /v1/models http/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nauthorization: bearer sk-secret\r\n"), "{seen}");
    assert!(!format!("{:?} {:?}", f.catalog.snapshot(), f.catalog).contains("sk-secret"));
}
