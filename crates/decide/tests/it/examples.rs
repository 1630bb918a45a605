use std::{sync::Arc, time::Duration};

use pointsman_decide::{Candidate, Policy, Signals};
use pointsman_types::{
    Capabilities, Capability, LatencyView, MicroUsd, ModelKind, NoRoute, Removal, RouteReason, RouteRequest,
    Task, Tokens,
};

use crate::build::{candidate, decide, request, says, spec};

/// A strong coder, a strong reasoner with vision, and a free local model.
fn three() -> Vec<Candidate> {
    let mut coder = spec("coder", 0.6, Some(4.0));
    coder.quality.mu[Task::Code.index()] = 0.95;
    let mut seer = spec("seer", 0.85, Some(15.0));
    seer.capabilities.vision = Some(true);
    let mut local = spec("local", 0.5, Some(0.0));
    local.local = true;
    local.quality.mu[Task::Chat.index()] = 0.8;
    local.capabilities = Capabilities::default();
    vec![candidate(coder), candidate(seer), candidate(local)]
}

fn winner(request: &RouteRequest, signals: &Signals) -> String {
    let decision = decide(request, signals, three(), &Policy::default()).unwrap();
    format!("{} ({})", decision.candidates[0].spec.id, decision.reason)
}

#[test]
fn the_task_moves_the_choice() {
    let auto = request("auto");
    assert_eq!(winner(&auto, &says(Task::Code, 0.95, false)), "coder (auto:code)");
    assert_eq!(winner(&auto, &says(Task::Chat, 0.95, false)), "local (auto:chat)");
}

#[test]
fn facts_outrank_the_classifier() {
    let mut auto = request("auto");
    auto.features.has_images = true;
    assert_eq!(winner(&auto, &says(Task::Chat, 0.95, false)), "seer (auto:chat)");
    let mut auto = request("auto");
    auto.features.in_tool_loop = true;
    let (_, reason) = winner(&auto, &says(Task::Chat, 0.9, false))
        .split_once(' ')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(reason, "(auto:tool_use:request)");
    auto.options.task = Some(Task::Code);
    assert_eq!(winner(&auto, &says(Task::Chat, 0.9, false)), "coder (auto:code:stated)");
}

#[test]
fn no_answer_from_the_classifier_is_said() {
    let signals = Signals {
        classification: None,
        unclassified: Some("the classifier was late".into()),
        ..Signals::default()
    };
    let decision = decide(&request("auto"), &signals, three(), &Policy::default()).unwrap();
    assert_eq!(decision.reason, RouteReason::AutoUnclassified);
    assert_eq!(decision.notes, ["the classifier was late: balanced over all tasks"]);
    let decision =
        decide(&request("auto"), &says(Task::Code, 0.3, true), three(), &Policy::default()).unwrap();
    assert_eq!(decision.reason, RouteReason::AutoAbstained);
    assert!(decision.notes[0].contains("code 0.30"));
}

#[test]
fn the_tradeoff_moves_the_choice() {
    let mut auto = request("auto");
    let reasoning = says(Task::Reasoning, 0.9, false);
    auto.options.tradeoff = Some(1.0);
    assert_eq!(winner(&auto, &reasoning), "seer (auto:reasoning)");
    auto.options.tradeoff = Some(0.0);
    assert_eq!(winner(&auto, &reasoning), "local (auto:reasoning)");
}

#[test]
fn a_named_model_goes_to_the_backend_that_does_best() {
    let twin = |backend: &str, ms: u64, failures: u64| {
        let mut c = candidate(spec("m", 0.5, None));
        Arc::make_mut(&mut c.spec).backend = backend.into();
        c.latency =
            LatencyView { ttft_p50: Some(Duration::from_millis(ms)), attempts: 50, failures, ..c.latency };
        c
    };
    let order = |candidates| {
        let decision = decide(&request("m"), &Signals::default(), candidates, &Policy::default()).unwrap();
        assert_eq!((decision.reason, decision.notes.len()), (RouteReason::Alias, 0));
        decision.candidates.iter().map(|c| c.spec.backend.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(vec![twin("slow", 900, 0), twin("fast", 100, 0)]), ["fast", "slow"]);
    assert_eq!(order(vec![twin("slow", 900, 0), twin("broken", 100, 40)]), ["slow", "broken"]);
    let mut gone = twin("gone", 1, 0);
    gone.unreachable = true;
    assert_eq!(order(vec![gone, twin("slow", 900, 30)]), ["slow", "gone"]);
}

#[test]
fn an_empty_pool_names_each_constraint() {
    let mut auto = request("auto");
    auto.features.has_images = true;
    auto.features.input_tokens = Tokens(100_000);
    let mut pool = three();
    let mut embedder = spec("embedder", 0.5, None);
    embedder.kind = ModelKind::Other;
    pool.push(candidate(embedder));
    let Err(NoRoute::Nothing { removed, .. }) = decide(&auto, &Signals::default(), pool, &Policy::default())
    else {
        panic!("a plan for what fits nowhere")
    };
    let report: Vec<_> = removed.iter().map(|r| format!("{}: {}", r.spec.id, r.why)).collect();
    let expected = [
        "coder: lacks vision",
        "embedder: not a chat model",
        "local: needs 110001 tokens of context, has 32000",
        "seer: needs 110001 tokens of context, has 32000",
    ];
    assert_eq!(report, expected);
    assert_eq!(decide(&auto, &Signals::default(), vec![], &Policy::default()), Err(NoRoute::EmptyCatalog));
}

#[test]
fn unknown_abilities_are_a_last_resort_and_unknown_prices_never_free() {
    let mut auto = request("auto");
    auto.features.has_tools = true;
    let unknown = || {
        let mut s = spec("unknown", 0.99, Some(0.0));
        s.capabilities = Capabilities::default();
        candidate(s)
    };
    let known = || candidate(spec("known", 0.3, Some(50.0)));
    let decision = decide(&auto, &Signals::default(), vec![unknown(), known()], &Policy::default()).unwrap();
    assert_eq!(decision.candidates[0].spec.id.as_str(), "known");
    assert_eq!(decision.removed[0].why, Removal::Capability { missing: Capability::Tools, known: false });
    let decision = decide(&auto, &Signals::default(), vec![unknown()], &Policy::default()).unwrap();
    assert!(decision.notes[0].contains("no candidate is known to have tools"), "{:?}", decision.notes);

    let mut auto = request("auto");
    let pool = || vec![candidate(spec("free", 0.5, Some(0.0))), candidate(spec("mystery", 0.5, None))];
    let decision = decide(&auto, &Signals::default(), pool(), &Policy::default()).unwrap();
    assert_eq!(decision.candidates[0].spec.id.as_str(), "free");
    assert_eq!(decision.candidates[1].terms.cost_usd, None);
    auto.options.max_cost = Some(MicroUsd(1_000_000));
    let decision = decide(&auto, &Signals::default(), pool(), &Policy::default()).unwrap();
    assert_eq!(decision.removed[0].why, Removal::PriceUnknown);
}
