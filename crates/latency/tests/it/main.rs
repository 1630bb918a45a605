//! Observations in, views out, under paused time.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::time::Duration;

use pointsman_actors::{RestartSettings, Supervisor};
use pointsman_latency::{LatencyRegistry, LatencySettings};
use pointsman_types::{BackendId, LatencyView, ModelId, Observation, Outcome, Tokens};

fn settings() -> LatencySettings {
    LatencySettings { window: Duration::from_mins(1), windows: 3, mailbox: 100 }
}

async fn registry() -> (Supervisor, LatencyRegistry) {
    let supervisor = Supervisor::start(RestartSettings::default()).await.unwrap();
    let registry = LatencyRegistry::start(&supervisor, [BackendId::from("b")], settings()).await.unwrap();
    (supervisor, registry)
}

fn seen(outcome: Outcome, ttft_ms: u64, total_ms: u64) -> Observation {
    Observation {
        backend: "b".into(),
        model: "m".into(),
        outcome,
        streamed: true,
        ttft: Some(Duration::from_millis(ttft_ms)),
        total: Duration::from_millis(total_ms),
        input_tokens: Some(Tokens(10)),
        output_tokens: Some(Tokens(101)),
        estimated: false,
    }
}

async fn view(registry: &LatencyRegistry) -> LatencyView {
    tokio::time::sleep(Duration::from_millis(100)).await;
    registry.view(&BackendId::from("b"), &ModelId::from("m"))
}

/// Within the two digits that the histograms keep.
fn about(value: Option<Duration>, ms: f64) -> bool {
    (value.unwrap().as_secs_f64() * 1e3 / ms - 1.0).abs() < 0.02
}

#[tokio::test(start_paused = true)]
async fn quantiles_of_what_was_observed() {
    let (_supervisor, registry) = registry().await;
    assert_eq!(view(&registry).await, LatencyView::default());
    for i in 1..=100 {
        registry.record(seen(Outcome::Ok, i, i + 1000));
        tokio::task::yield_now().await;
    }
    let v = view(&registry).await;
    assert!(about(v.ttft_p50, 50.0) && about(v.ttft_p95, 95.0), "{v:?}");
    assert!(about(v.tpot_p50, 10.0) && about(v.total_p50, 1050.0), "{v:?}");
    assert_eq!((v.attempts, v.failures), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn failures_count_as_failures_and_never_as_fast_answers() {
    let (_supervisor, registry) = registry().await;
    registry.record(seen(Outcome::Ok, 500, 900));
    for outcome in
        [Outcome::Connect, Outcome::ServerError, Outcome::Timeout, Outcome::Malformed, Outcome::RateLimited]
    {
        registry.record(seen(outcome, 1, 1));
    }
    registry.record(seen(Outcome::Cancelled, 1, 1));
    registry.record(seen(Outcome::ClientError, 1, 1));
    let v = view(&registry).await;
    assert_eq!((v.attempts, v.failures), (6, 5));
    assert!(about(v.ttft_p50, 500.0), "{v:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_not_streamed_has_no_first_token() {
    let (_supervisor, registry) = registry().await;
    registry.record(Observation { streamed: false, ..seen(Outcome::Ok, 5, 700) });
    let v = view(&registry).await;
    assert!(v.ttft_p50.is_none() && v.tpot_p50.is_none() && about(v.total_p50, 700.0));
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_all_windows_is_forgotten() {
    let (_supervisor, registry) = registry().await;
    registry.record(seen(Outcome::Ok, 500, 900));
    tokio::time::sleep(Duration::from_secs(100)).await;
    registry.record(seen(Outcome::Ok, 100, 900));
    assert_eq!(view(&registry).await.attempts, 2);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(view(&registry).await.attempts, 1);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(view(&registry).await, LatencyView::default());
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_and_an_unknown_backend_drop_and_count() {
    let (_supervisor, registry) = registry().await;
    for _ in 0..150 {
        registry.record(seen(Outcome::Ok, 1, 1));
    }
    assert_eq!(registry.dropped(), 50, "the actor had no chance to run in between");
    registry.record(Observation { backend: "other".into(), ..seen(Outcome::Ok, 1, 1) });
    assert_eq!(registry.dropped(), 51);
    assert_eq!(view(&registry).await.attempts, 100);
}
