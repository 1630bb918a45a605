//! The engine over scripted backends, without HTTP in front of it.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::{collections::BTreeMap, time::Duration};

use pointsman_catalog::{CatalogBackend, CatalogSettings};
use pointsman_classifier::ClassifierSettings;
use pointsman_decide::Policy;
use pointsman_engine::{DispatcherSettings, Engine, EngineError, EngineSettings};
use pointsman_latency::LatencySettings;
use pointsman_testkit::{Behaviour, Upstream, chat};
use pointsman_types::{BackendKind, Endpoint, ModelForm, RouteReason};
use pointsman_upstream::{Timeouts, UpstreamSettings};
use tokio::time::Instant;

fn settings(upstream: &Upstream) -> EngineSettings {
    let endpoint = Endpoint {
        id: "lab".into(),
        kind: BackendKind::OpenAi,
        base_url: upstream.url().into(),
        local: true,
        simulated: false,
    };
    EngineSettings {
        catalog: CatalogSettings {
            backends: vec![CatalogBackend {
                endpoint: endpoint.clone(),
                api_key: None,
                discover: true,
                models: vec![],
                accept: vec!["ft:*".to_owned()],
            }],
            refresh: Duration::from_mins(1),
            timeout: Duration::from_secs(5),
            max_list_bytes: 1 << 20,
            probe: None,
            grace: Duration::from_mins(10),
            facts: std::sync::Arc::default(),
        },
        latency: LatencySettings::default(),
        classifier: ClassifierSettings { deadline: Duration::from_secs(5), ..ClassifierSettings::default() },
        upstreams: vec![UpstreamSettings {
            endpoint,
            api_key: None,
            timeouts: Timeouts::default(),
            max_concurrency: 2,
            max_answer_bytes: 1 << 20,
            max_event_bytes: 1 << 20,
        }],
        policy: Policy::default(),
        aliases: BTreeMap::from([("mine".to_owned(), ModelForm::Auto)]),
        dispatchers: DispatcherSettings::default(),
        request_timeout: Duration::from_secs(5),
        max_attempts: 3,
        ready_models: 1,
    }
}

async fn engine(settings: EngineSettings) -> Engine {
    let engine = Engine::start(settings).await.unwrap();
    engine.sync_catalog(Instant::now() + Duration::from_secs(5)).await.unwrap();
    engine
}

async fn reason(engine: &Engine, body: &str) -> RouteReason {
    engine.decide(&engine.request_id(), body.as_bytes(), None).await.unwrap().decision.reason
}

#[tokio::test]
async fn a_late_classifier_costs_the_classification_and_not_the_answer() {
    let upstream = Upstream::start(&["m"]).await;
    let mut late = settings(&upstream);
    late.classifier.deadline = Duration::ZERO;
    let engine = engine(late).await;
    let body = chat("auto", "write a function", false);
    let routed = engine.decide(&engine.request_id(), body.as_bytes(), None).await.unwrap();
    assert_eq!(routed.decision.reason, RouteReason::AutoUnclassified);
    assert!(routed.decision.notes[0].contains("no answer by the deadline"), "{:?}", routed.decision.notes);
    let reply = engine.chat(&engine.request_id(), body.as_bytes(), None).await.unwrap();
    assert_eq!(reply.meta.spec.id.as_str(), "m");
}

#[tokio::test]
async fn aliases_sessions_and_accepted_names() {
    let upstream = Upstream::start(&["m"]).await;
    let engine = engine(settings(&upstream)).await;
    assert!(matches!(
        reason(&engine, &chat("mine", "write a python function", false)).await,
        RouteReason::AutoTask(_)
    ));
    assert_eq!(reason(&engine, &chat("ft:anything", "hi", false)).await, RouteReason::Alias);
    let stated = r#"{"model":"auto","route":{"task":"math","session_id":"s"},"messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(reason(&engine, stated).await.to_string(), "auto:math:stated");
    let unknown = engine.decide(&engine.request_id(), chat("n", "hi", false).as_bytes(), None).await;
    assert!(matches!(unknown, Err(EngineError::NoRoute(_))));
}

#[tokio::test]
async fn a_full_backend_refuses_at_once_and_recovers() {
    let upstream = Upstream::start(&["m"]).await;
    upstream.script([Behaviour::Hang, Behaviour::Hang, Behaviour::json("m", "hi")]);
    let engine = engine(settings(&upstream)).await;
    let body = chat("m", "hi", false);
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            let (engine, body) = (engine.clone(), body.clone());
            tokio::spawn(
                async move { engine.chat(&engine.request_id(), body.as_bytes(), None).await.map(|_| ()) },
            )
        })
        .collect();
    while upstream.chats().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = engine.chat(&engine.request_id(), body.as_bytes(), None).await;
    assert!(matches!(refused, Err(EngineError::AllFailed { retry_after: Some(_), .. })), "{refused:?}");
    for task in hanging {
        task.abort();
    }
    assert!(upstream.abandoned(2).await);
    assert!(engine.chat(&engine.request_id(), body.as_bytes(), None).await.is_ok());
    let metrics = engine.metrics_text();
    assert!(
        metrics.contains(r#"outcome="cancelled"} 2"#) && metrics.contains(r#"outcome="ok"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_request_past_its_deadline_is_a_timeout_of_the_backend() {
    let upstream = Upstream::start(&["m"]).await;
    upstream.script([Behaviour::Hang]);
    let mut short = settings(&upstream);
    short.request_timeout = Duration::from_millis(200);
    let engine = engine(short).await;
    let late = engine.chat(&engine.request_id(), chat("m", "hi", false).as_bytes(), None).await;
    assert!(matches!(late, Err(EngineError::Deadline { .. })), "{late:?}");
    assert!(upstream.abandoned(1).await, "the call was cancelled");
    let metrics = engine.metrics_text();
    assert!(metrics.contains(r#"outcome="timeout"} 1"#) && !metrics.contains("cancelled"), "{metrics}");
}

#[tokio::test]
async fn a_stopped_engine_refuses() {
    let upstream = Upstream::start(&["m"]).await;
    let engine = engine(settings(&upstream)).await;
    assert!(engine.readiness().ready);
    assert_eq!(engine.stop(Instant::now() + Duration::from_secs(5)).await, Vec::<String>::new());
    let refused = engine.decide(&engine.request_id(), chat("m", "hi", false).as_bytes(), None).await;
    assert!(matches!(refused, Err(EngineError::Actor { actor: "dispatcher", .. })));
}
