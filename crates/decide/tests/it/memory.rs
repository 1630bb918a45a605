//! What outranks the score: a conversation, a tool loop, the default model, chance.

use std::sync::Arc;

use pointsman_decide::{Candidate, Estimate, Evidence, Policy, Pool, Question, Session};
use pointsman_types::{Decision, Price, RouteRequest, Settled, Task, Tokens};

use crate::build::{candidate, request, says, spec};

fn three() -> Vec<Candidate> {
    vec![
        candidate(spec("a", 0.70, Some(1.0))),
        candidate(spec("b", 0.68, Some(1.0))),
        candidate(spec("much-better", 0.95, Some(1.2))),
    ]
}

fn session(model: &str) -> Session {
    Session { model: model.into(), backend: "b".into(), cached: Tokens(0) }
}

fn decide(
    request: &RouteRequest,
    candidates: Vec<Candidate>,
    policy: &Policy,
    session: Option<&Session>,
    seed: u64,
) -> Decision {
    let (pool, signals) = (Pool::of(candidates), says(Task::Chat, 0.9, false));
    pointsman_decide::decide(&Question {
        request,
        signals: &signals,
        pool: &pool,
        policy,
        session,
        now: 0,
        seed,
    })
    .unwrap()
}

fn first(decision: &Decision) -> (&str, Settled) {
    (decision.candidates[0].spec.id.as_str(), decision.settled)
}

#[test]
fn a_conversation_stays_unless_the_gain_pays() {
    let (auto, policy) = (request("auto"), Policy::default());
    let two = || three().into_iter().take(2).collect::<Vec<_>>();
    assert_eq!(first(&decide(&auto, two(), &policy, None, 0)), ("a", Settled::Score));
    assert_eq!(first(&decide(&auto, two(), &policy, Some(&session("b")), 0)), ("b", Settled::Session));
    assert_eq!(first(&decide(&auto, two(), &policy, Some(&session("a")), 0)), ("a", Settled::Score));
    let upward = decide(&auto, three(), &policy, Some(&session("b")), 0);
    assert_eq!(first(&upward), ("much-better", Settled::Score), "an upward move costs nothing");
    assert_eq!(first(&decide(&auto, two(), &policy, Some(&session("gone")), 0)), ("a", Settled::Score));
    let mut offline = two();
    offline[1].unreachable = true;
    assert_eq!(first(&decide(&auto, offline, &policy, Some(&session("b")), 0)), ("a", Settled::Score));
}

#[test]
fn the_prompt_cache_is_part_of_the_price_of_leaving() {
    let policy = Policy { switch_cost: 0.0, upward_gain: 2.0, cost: 1.0, latency: 0.0, ..Policy::default() };
    let mut long = request("auto");
    long.features.input_tokens = Tokens(20_000);
    let pair = || {
        let mut pair = vec![candidate(spec("a", 0.5, Some(1.0))), candidate(spec("b", 0.5, Some(1.5)))];
        let dear = Price { cached_input: Some(150_000), ..Price::per_million(1.5, 1.5).unwrap() };
        Arc::make_mut(&mut pair[1].spec).price = Some(dear);
        pair
    };
    assert_eq!(first(&decide(&long, pair(), &policy, Some(&session("b")), 0)).0, "a");
    let warm = Session { cached: Tokens(19_000), ..session("b") };
    assert_eq!(first(&decide(&long, pair(), &policy, Some(&warm), 0)).0, "b");
}

#[test]
fn a_tool_loop_ends_where_it_began() {
    let (mut looping, policy) = (request("auto"), Policy::default());
    looping.features.in_tool_loop = true;
    let decision = decide(&looping, three(), &policy, Some(&session("b")), 0);
    assert_eq!(
        (first(&decision), decision.why().as_str()),
        (("b", Settled::ToolLoop), "auto:tool_use:request+tool_loop")
    );
    assert_eq!(first(&decide(&looping, three(), &policy, None, 0)).0, "much-better");
}

#[test]
fn the_default_is_left_for_more_than_noise() {
    let auto = request("auto");
    let policy = |name: &str| Policy { default_model: Some(name.into()), ..Policy::default() };
    let decide = |name: &str, candidates: Vec<Candidate>| {
        let mut pool = Pool::of(candidates);
        pool.names.insert(name.to_owned(), vec![1]);
        let (signals, policy) = (says(Task::Chat, 0.9, false), policy(name));
        let question = Question {
            request: &auto,
            signals: &signals,
            pool: &pool,
            policy: &policy,
            session: None,
            now: 0,
            seed: 0,
        };
        let decision = pointsman_decide::decide(&question).unwrap();
        (decision.candidates[0].spec.id.to_string(), decision.settled)
    };
    let two = || three().into_iter().take(2).collect::<Vec<_>>();
    assert_eq!(decide("b", two()), ("b".to_owned(), Settled::Default), ".02 is noise where sigma is .05");
    assert_eq!(decide("b", three()), ("much-better".to_owned(), Settled::Score));
    let mut dear = two();
    Arc::make_mut(&mut dear[1].spec).price = Price::per_million(2.0, 2.0);
    assert_eq!(decide("b", dear), ("a".to_owned(), Settled::Score), "as good and cheaper");
}

#[test]
fn chance_has_its_share_and_no_more() {
    let policy = Policy { explore: 0.2, ..Policy::default() };
    let auto = request("auto");
    let four = || (0..4).map(|n| candidate(spec(&format!("m{n}"), 0.7, Some(1.0)))).collect::<Vec<_>>();
    let mut explored = 0.0;
    for seed in 0..4000 {
        let decision = decide(&auto, four(), &policy, None, seed);
        let p = decision.propensity.unwrap();
        match first(&decision) {
            ("m0", Settled::Score) => assert!((p - 0.8).abs() < 1e-9),
            (_, Settled::Explored) => {
                assert!((p - 0.2 / 3.0).abs() < 1e-9);
                explored += 1.0;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(decision, decide(&auto, four(), &policy, None, seed), "the seed is all of it");
    }
    assert!((explored / 4000.0_f64 - 0.2).abs() < 0.03, "{explored}");
    let mut tools = request("auto");
    tools.features.has_tools = true;
    assert_eq!(decide(&tools, four(), &policy, None, 1).propensity, None, "never where a mistake costs much");
    assert_eq!(decide(&request("strategy:cost"), four(), &policy, None, 1).propensity, None);
    assert_eq!(decide(&auto, four(), &policy, Some(&session("m1")), 1).propensity, None);
}

#[test]
fn recorded_outcomes_weigh_as_much_as_they_are_worth() {
    let (auto, policy) = (request("auto"), Policy::default());
    let mut pair = three();
    pair.truncate(2);
    let estimate = |effective| Some(Estimate { score: 0.2, effective });
    pair[0].estimate = estimate(50.0);
    let decision = decide(&auto, pair.clone(), &policy, None, 0);
    assert_eq!(first(&decision).0, "b");
    let worse = decision.candidates[1].terms;
    assert!((worse.quality - 0.45).abs() < 1e-6, "50 rows are worth half: {worse:?}");
    pair[0].estimate = estimate(0.0);
    assert_eq!(first(&decide(&auto, pair, &policy, None, 0)).0, "a", "none are worth nothing");
}

#[test]
fn what_was_learned_moves_the_choice() {
    let (auto, policy) = (request("auto"), Policy::default());
    let mut pair = three();
    pair.truncate(2);
    let mut evidence = Evidence::default();
    let mut chat = [0.0; Task::COUNT];
    chat[Task::Chat.index()] = 1.0;
    for _ in 0..200 {
        evidence.add(&chat, 0.1, 1.0);
    }
    pair[0].evidence = Some(Arc::new(evidence));
    let decision = decide(&auto, pair, &policy, None, 0);
    assert_eq!(first(&decision).0, "b");
    assert!(decision.candidates[1].terms.quality < 0.4, "{:?}", decision.candidates[1].terms);
}
