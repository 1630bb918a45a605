//! The engine over scripted backends, without HTTP in front of it.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::{collections::BTreeMap, time::Duration};

use pointsman_catalog::{CatalogBackend, CatalogSettings};
use pointsman_classifier::ClassifierSettings;
use pointsman_decide::Policy;
use pointsman_engine::{
    Caller, DispatcherSettings, Engine, EngineError, EngineSettings, FeedbackError, LearningSettings,
    SessionSettings,
};
use pointsman_latency::LatencySettings;
use pointsman_testkit::{Behaviour, Upstream, chat};
use pointsman_types::{BackendKind, Endpoint, ModelForm, RouteReason, Settled};
use pointsman_upstream::{
    BreakerSettings, HedgeSettings, LoadSettings, RetrySettings, Timeouts, UpstreamSettings, WireDialect,
};
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
            max_waiting: 16,
            dialect: WireDialect::OpenAi,
            lenient_streams: false,
            own_keys: false,
            endpoint,
            api_key: None,
            timeouts: Timeouts::default(),
            max_concurrency: 2,
            max_answer_bytes: 1 << 20,
            max_event_bytes: 1 << 20,
        }],
        policy: Policy::default(),
        aliases: BTreeMap::from([("mine".to_owned(), vec![ModelForm::Auto])]),
        industries: BTreeMap::from([("legal".to_owned(), vec!["m".to_owned()])]),
        sessions: SessionSettings::default(),
        outcomes: Vec::new(),
        learning: LearningSettings::default(),
        dispatchers: DispatcherSettings::default(),
        request_timeout: Duration::from_secs(5),
        retries: RetrySettings { max_attempts: 3, ..RetrySettings::default() },
        breaker: BreakerSettings::default(),
        hedge: HedgeSettings::default(),
        load: LoadSettings { queue: Duration::from_millis(50), ..LoadSettings::default() },
        ready_models: 1,
    }
}

async fn engine(settings: EngineSettings) -> Engine {
    let engine = Engine::start(settings).await.unwrap();
    engine.sync_catalog(Instant::now() + Duration::from_secs(5)).await.unwrap();
    engine
}

async fn reason(engine: &Engine, body: &str) -> RouteReason {
    engine
        .decide(&engine.request_id(), body.as_bytes(), &Caller::default(), None)
        .await
        .unwrap()
        .decision
        .reason
        .clone()
}

#[tokio::test]
async fn a_late_classifier_costs_the_classification_and_not_the_answer() {
    let upstream = Upstream::start(&["m"]).await;
    let mut late = settings(&upstream);
    late.classifier.deadline = Duration::ZERO;
    let engine = engine(late).await;
    let body = chat("auto", "write a function", false);
    let routed =
        engine.decide(&engine.request_id(), body.as_bytes(), &Caller::default(), None).await.unwrap();
    assert_eq!(routed.decision.reason, RouteReason::AutoUnclassified);
    assert!(routed.decision.notes[0].contains("no answer by the deadline"), "{:?}", routed.decision.notes);
    let reply = engine.chat(&engine.request_id(), body.as_bytes(), &Caller::default()).await.unwrap();
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
    let unknown = engine
        .decide(&engine.request_id(), chat("n", "hi", false).as_bytes(), &Caller::default(), None)
        .await;
    assert!(matches!(unknown, Err(EngineError::NoRoute(_))));
}

#[tokio::test]
async fn a_full_backend_makes_wait_then_refuses_and_recovers() {
    let upstream = Upstream::start(&["m"]).await;
    upstream.script([Behaviour::Hang, Behaviour::Hang, Behaviour::json("m", "hi")]);
    let engine = engine(settings(&upstream)).await;
    let body = chat("m", "hi", false);
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            let (engine, body) = (engine.clone(), body.clone());
            tokio::spawn(async move {
                engine.chat(&engine.request_id(), body.as_bytes(), &Caller::default()).await.map(|_| ())
            })
        })
        .collect();
    while upstream.chats().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = engine.chat(&engine.request_id(), body.as_bytes(), &Caller::default()).await;
    assert!(matches!(refused, Err(EngineError::Busy { .. })), "{refused:?}");
    for task in hanging {
        task.abort();
    }
    assert!(upstream.abandoned(2).await);
    assert!(engine.chat(&engine.request_id(), body.as_bytes(), &Caller::default()).await.is_ok());
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
    let late = engine.chat(&engine.request_id(), chat("m", "hi", false).as_bytes(), &Caller::default()).await;
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
    let refused = engine
        .decide(&engine.request_id(), chat("m", "hi", false).as_bytes(), &Caller::default(), None)
        .await;
    assert!(matches!(refused, Err(EngineError::Actor { actor: "dispatcher", .. })));
}

const TWO: [&str; 2] = ["m", "n"];

fn turn(model: &str, session: &str, text: &str) -> String {
    format!(
        r#"{{"model":"{model}","route":{{"session_id":"{session}"}},"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

#[tokio::test]
async fn a_conversation_stays_with_who_answered() {
    let upstream = Upstream::start(&["gpt-4o", "gpt-4.1"]).await;
    let mut patient = settings(&upstream);
    (patient.policy.latency, patient.policy.cost) = (0.0, 0.0);
    (patient.policy.switch_cost, patient.policy.upward_gain) = (0.5, 1.0);
    patient.catalog.facts = pointsman_catalog::Facts::shipped();
    let engine = engine(patient).await;
    let first = |body: String| {
        let engine = engine.clone();
        async move {
            let routed =
                engine.decide(&engine.request_id(), body.as_bytes(), &Caller::default(), None).await.unwrap();
            (routed.decision.candidates[0].spec.id.to_string(), routed.decision.settled)
        }
    };
    let (fresh, _) = first(turn("auto", "s", "hi")).await;
    let other = if fresh == "gpt-4o" { "gpt-4.1" } else { "gpt-4o" };
    // the other answers, because the first is ruled out once
    let once = turn("auto", "s", "hi")
        .replace("\"session_id\"", &format!("\"ignore\":[\"{fresh}\"],\"session_id\""));
    upstream.script([Behaviour::json(other, "hi")]);
    engine.chat(&engine.request_id(), once.as_bytes(), &Caller::default()).await.unwrap();
    assert_eq!(first(turn("auto", "s", "and now?")).await, (other.to_owned(), Settled::Session));
    assert_eq!(first(turn("auto", "t", "and now?")).await, (fresh.clone(), Settled::Score));
    assert!(engine.metrics_text().contains("pointsman_sessions 1"));
}

#[tokio::test]
async fn feedback_is_learned_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("learned.json");
    let upstream = Upstream::start(&TWO).await;
    let learning =
        || LearningSettings { enabled: true, file: Some(file.clone()), ..LearningSettings::default() };
    let with = |learning| EngineSettings {
        learning,
        sessions: SessionSettings { enabled: false, ..SessionSettings::default() },
        ..settings(&upstream)
    };
    let engine = engine(with(learning())).await;
    let chosen = || async {
        let body = chat("auto", "write a poem about the sea", false);
        let routed =
            engine.decide(&engine.request_id(), body.as_bytes(), &Caller::default(), None).await.unwrap();
        routed.decision.candidates[0].spec.id.to_string()
    };
    let first = chosen().await;
    for _ in 0..40 {
        upstream.script([Behaviour::json(&first, "hi")]);
        let id = engine.request_id();
        let reply = engine
            .chat(&id, chat("auto", "write a poem about the sea", false).as_bytes(), &Caller::default())
            .await
            .unwrap();
        if reply.meta.spec.id.as_str() != first {
            break;
        }
        assert_eq!(engine.feedback(id, 0.0).await.unwrap(), Ok(()));
    }
    assert_ne!(chosen().await, first, "a model that is always wrong is left");
    assert_eq!(engine.feedback(engine.request_id(), 1.0).await.unwrap(), Err(FeedbackError::Unknown));
    assert!(engine.stop(Instant::now() + Duration::from_secs(5)).await.is_empty());

    let again = Engine::start(with(learning())).await.unwrap();
    again.sync_catalog(Instant::now() + Duration::from_secs(5)).await.unwrap();
    let body = chat("auto", "write a poem about the sea", false);
    let routed = again.decide(&again.request_id(), body.as_bytes(), &Caller::default(), None).await.unwrap();
    assert_ne!(routed.decision.candidates[0].spec.id.as_str(), first, "also after a restart");

    std::fs::write(&file, "junk").unwrap();
    Engine::start(with(learning())).await.unwrap();
    assert!(folder.path().join("learned.unreadable").exists(), "what cannot be read is put aside");
    let off = Engine::start(settings(&upstream)).await.unwrap();
    assert_eq!(off.feedback(off.request_id(), 1.0).await.unwrap(), Err(FeedbackError::Off));
}

#[tokio::test]
async fn a_shadow_policy_is_asked_and_not_followed() {
    let upstream = Upstream::start(&TWO).await;
    let mut shadowed = settings(&upstream);
    let shadow = Policy { default_model: Some("n".to_owned()), guard_z: 50.0, ..Policy::default() };
    shadowed.policy.default_model = Some("m".to_owned());
    shadowed.policy.guard_z = 50.0;
    shadowed.policy.shadow = Some(Box::new(shadow));
    let engine = engine(shadowed).await;
    let body = chat("auto", "write a poem about the sea", false);
    let routed =
        engine.decide(&engine.request_id(), body.as_bytes(), &Caller::default(), Some("n")).await.unwrap();
    assert_eq!(routed.decision.candidates[0].spec.id.as_str(), "m");
    let asked = routed.why_not.unwrap();
    assert_eq!(asked.model, "n");
    // the dispatcher answers before it asks the shadow: its next answer comes after
    engine.decide(&engine.request_id(), body.as_bytes(), &Caller::default(), None).await.unwrap();
    let text = engine.metrics_text();
    assert!(
        text.contains("pointsman_shadow_decisions_total{choice=\"other\"}")
            || text.contains("pointsman_shadow_decisions_total{choice=\"same\"}"),
        "{text}"
    );
}

#[tokio::test]
async fn recorded_outcomes_move_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outcomes.jsonl");
    let topic = |n: usize| {
        if n.is_multiple_of(2) { "write a poem about the sea" } else { "fix this python function" }
    };
    let row = |n: usize| {
        let poem = u8::from(n.is_multiple_of(2));
        format!(r#"{{"text":"{} number {n}","scores":{{"m":{poem},"n":{}}}}}"#, topic(n), 1 - poem)
    };
    std::fs::write(&file, (0..400).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    let upstream = Upstream::start(&TWO).await;
    let recorded = EngineSettings { outcomes: vec![file.clone()], ..settings(&upstream) };
    let engine = engine(recorded).await;
    for (prompt, expected) in
        [("write a poem about the sea and a lighthouse", "m"), ("fix this python function for me", "n")]
    {
        let body = chat("auto", prompt, false);
        let routed =
            engine.decide(&engine.request_id(), body.as_bytes(), &Caller::default(), None).await.unwrap();
        let first = &routed.decision.candidates[0];
        assert_eq!(first.spec.id.as_str(), expected, "{prompt} {:?}", routed.decision.candidates);
    }
    std::fs::write(&file, "{}").unwrap();
    let broken = EngineSettings { outcomes: vec![file], ..settings(&upstream) };
    let error = Engine::start(broken).await.unwrap_err().to_string();
    assert!(error.contains("outcomes.jsonl:1"), "{error}");
}
