//! When backends are asked, and what a snapshot says about it.

use tokio::net::TcpSocket;

use super::*;

/// The port is bound but nobody listens: connections are refused, and nobody else can take it.
#[tokio::test]
async fn a_backend_that_starts_later_is_found_by_the_next_sync() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/v1", socket.local_addr().unwrap());
    let mut configured = backend("a", &url);
    configured.models = vec![stated("mine", "mine")];
    let f = Fixture::over(vec![configured], NEVER).await;
    let Health::Unreachable { error } = f.health(0) else { panic!("{:?}", f.health(0)) };
    assert!(!error.contains("127.0.0.1") || !error.contains("/v1"), "no URL in the error: {error}");
    assert_eq!(f.ids(), ["mine"]);
    assert!(f.catalog.snapshot().synced_at().is_none(), "nobody has answered");

    let _lister = Lister::over(socket.listen(16).unwrap(), listing(&["late"]));
    f.sync().await;
    assert_eq!((f.ids(), f.health(0)), (vec!["mine".to_owned(), "late".to_owned()], Health::Up));
    assert!(f.catalog.snapshot().synced_at().is_some());
}

#[tokio::test]
async fn models_of_the_configuration_are_there_before_any_answer() {
    let silent = Lister::start(String::new()).await;
    let mut configured = backend("a", &silent.url);
    configured.models = vec![stated("mine", "mine")];
    let supervisor = Supervisor::start(RestartSettings::default()).await.unwrap();
    let settings = CatalogSettings {
        backends: vec![configured],
        refresh: NEVER,
        timeout: NEVER,
        max_list_bytes: 10_000,
        probe: None,
        grace: Duration::from_mins(10),
        facts: Arc::default(),
    };
    let catalog = CatalogHandle::start(&supervisor, settings).await.unwrap();
    assert_eq!(catalog.snapshot().find("mine").len(), 1);
    assert_eq!(catalog.snapshot().backends()[0].health, Health::Unknown);
    let late = catalog.sync_now(Instant::now() + Duration::from_millis(50)).await;
    assert!(late.is_err(), "a sync that does not end is given up at its deadline");
    assert!(supervisor.stop(Instant::now() + Duration::from_secs(10)).await.is_empty(), "it stops meanwhile");
}

#[tokio::test]
async fn a_backend_without_discovery_is_not_asked() {
    let lister = Lister::start(listing(&["hidden"])).await;
    let mut quiet = backend("a", &lister.url);
    quiet.discover = false;
    quiet.models = vec![stated("mine", "mine")];
    let f = Fixture::over(vec![quiet], NEVER).await;
    f.sync().await;
    assert_eq!((f.ids(), f.health(0), lister.requests()), (vec!["mine".to_owned()], Health::Unknown, 0));
}

/// A redirect could take the key to another host.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Lister::start(listing(&["theirs"])).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let a = Lister::start(http(status, &format!("location: {}/models\r\n", other.url), "")).await;
        let f = Fixture::over(vec![backend("a", &a.url)], NEVER).await;
        let Health::Degraded { error } = f.health(0) else { panic!("{:?}", f.health(0)) };
        assert!(error.contains(&status[..3]), "{error}");
    }
    assert_eq!(other.requests(), 0);
}

/// The deadline covers the body too.
#[tokio::test]
async fn a_list_that_stops_half_way_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"da").await;
            open.push(stream);
        }
    });
    let f = Fixture::over(vec![backend("a", &url)], NEVER).await;
    let Health::Unreachable { error } = f.health(0) else { panic!("{:?}", f.health(0)) };
    assert!(error.contains("300ms"), "{error}");
    serving.abort();
}

/// Those who ask while a round is under way share the next one.
#[tokio::test]
async fn many_syncs_at_once_are_two_rounds() {
    let a = Lister::start(listing(&["m"])).await;
    let f = Fixture::over(vec![backend("a", &a.url)], NEVER).await;
    let before = a.requests();
    futures_util::future::join_all((0..20).map(|_| f.sync())).await;
    let rounds = a.requests() - before;
    assert!((1..=2).contains(&rounds), "{rounds} rounds for 20 syncs");
}

#[tokio::test]
async fn a_model_that_is_no_longer_listed_is_stale_for_a_while_and_then_gone() {
    let a = Lister::start(listing(&["old", "new"])).await;
    let f = Fixture::over(vec![backend("a", &a.url)], NEVER).await;
    a.answers(listing(&["new"]));
    f.sync().await;
    assert_eq!(f.ids(), ["new", "old"]);
    assert!(f.catalog.snapshot().find("old")[0].about.stale_since.is_some());
    assert_eq!(f.change_counts(), [0, 0, 0, 1, 0]);
    a.answers(listing(&["new", "old", "newer"]));
    f.sync().await;
    assert!(f.catalog.snapshot().models().iter().all(|m| m.about.stale_since.is_none()));
    assert_eq!(f.change_counts(), [1, 1, 0, 1, 0]);

    let f = Fixture::with(vec![backend("a", &a.url)], |settings| settings.grace = Duration::ZERO).await;
    a.answers(listing(&["new"]));
    f.sync().await;
    assert_eq!(f.ids(), ["new"]);
    assert!(f.found("old").is_empty() && f.found("a/old").is_empty());
    assert_eq!(f.change_counts(), [0, 0, 0, 2, 2]);
}

/// `answered_at` is when a backend last answered: a failure does not count.
#[tokio::test]
async fn the_time_of_the_last_answer_is_that_of_the_last_answer() {
    let a = Lister::start(listing(&["m"])).await;
    let f = Fixture::over(vec![backend("a", &a.url)], NEVER).await;
    let at = || f.catalog.snapshot().synced_at().unwrap();
    let first = at();
    a.answers(http("500 Oops", "", ""));
    // the clock counts seconds
    tokio::time::sleep(Duration::from_millis(1100)).await;
    f.sync().await;
    assert_eq!(at(), first, "nobody answered");
    a.answers(listing(&["m"]));
    f.sync().await;
    assert!(at() > first, "an answer without news counts");
}

/// Far sooner than the next round.
#[tokio::test]
async fn a_backend_that_failed_is_asked_again_soon() {
    let a = Lister::start(http("500 Oops", "", "")).await;
    let f = Fixture::over(vec![backend("a", &a.url)], NEVER).await;
    a.answers(listing(&["m"]));
    let deadline = Instant::now() + Duration::from_secs(10);
    while f.ids().is_empty() {
        assert!(Instant::now() < deadline, "it was never asked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(f.health(0), Health::Up);
}

/// Between two rounds a probe finds out that a backend is gone, and that it is back.
#[tokio::test]
async fn probes_see_a_backend_go_and_come_back() {
    let a = Lister::start(listing(&["m"])).await;
    let mut probed = backend("a", &a.url);
    probed.endpoint.kind = BackendKind::Vllm;
    let every = Some(Duration::from_millis(50));
    let f = Fixture::with(vec![probed], |settings| settings.probe = every).await;
    assert_eq!(f.health(0), Health::Up);
    let until = async |wanted: fn(&Health) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !wanted(&f.health(0)) {
            assert!(Instant::now() < deadline, "{:?}", f.health(0));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // silent: past the deadline of 300 ms
    a.answers(String::new());
    until(|health| matches!(health, Health::Unreachable { .. })).await;
    assert_eq!(f.ids(), ["m"], "what it served stays");
    a.answers(listing(&["m"]));
    until(|health| *health == Health::Up).await;
}
