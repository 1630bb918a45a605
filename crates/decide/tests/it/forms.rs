//! Strategies, lists of trades, chains, rules, and why another model did not win.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pointsman_decide::{
    Candidate, Lists, Policy, Pool, Question, Rule, Signals, Standing, When, WhyNot, rule_texts, why_not,
};
use pointsman_types::{
    Capability, Decision, MicroUsd, ModelForm, NoRoute, Price, Removal, RouteRequest, Task, Tokens,
};

use crate::build::{candidate, request, says, spec};

/// Strong and dear, middling, cheap and weak, own and weak; the middling one is the fastest.
fn candidates() -> Vec<Candidate> {
    let with_ttft = |mut c: Candidate, ms: u64| {
        c.latency.ttft_p50 = Some(Duration::from_millis(ms));
        c.latency.attempts = 1000;
        c
    };
    let mut own = spec("own", 0.55, Some(0.0));
    own.local = true;
    vec![
        with_ttft(candidate(spec("strong", 0.9, Some(15.0))), 900),
        with_ttft(candidate(spec("middling", 0.7, Some(1.0))), 150),
        with_ttft(candidate(spec("weak", 0.3, Some(0.1))), 300),
        with_ttft(candidate(own), 600),
    ]
}

fn pool() -> Pool {
    let names = ["strong", "middling", "weak", "own"];
    let names = names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), vec![n as u32])).collect();
    let industries =
        HashMap::from([("legal".to_owned(), vec![(0, 2), (1, 0)]), ("mining".to_owned(), vec![])]);
    Pool { candidates: candidates(), lists: Arc::new(Lists { names, industries }), names: HashMap::new() }
}

fn ask<'a>(
    request: &'a RouteRequest,
    signals: &'a Signals,
    pool: &'a Pool,
    policy: &'a Policy,
) -> Question<'a> {
    Question { request, signals, pool, policy, session: None, now: 0, seed: 0 }
}

fn chain(forms: &[&str]) -> RouteRequest {
    let forms = forms.iter().map(|form| ModelForm::parse(form).unwrap()).collect();
    RouteRequest { forms, ..request("auto") }
}

fn decided(request: &RouteRequest, signals: &Signals, policy: &Policy) -> Result<Decision, NoRoute> {
    pointsman_decide::decide(&ask(request, signals, &pool(), policy))
}

/// The order of the plan and its reason.
fn plan(request: &RouteRequest) -> (Vec<String>, String) {
    let decision = decided(request, &says(Task::Code, 0.9, false), &Policy::default()).unwrap();
    (decision.candidates.iter().map(|c| c.spec.id.to_string()).collect(), decision.why())
}

#[test]
fn each_strategy_has_its_order() {
    let order = |form| plan(&request(form));
    // the weak one does not clear the bar
    assert_eq!(order("strategy:cost").0, ["own", "middling", "strong", "weak"]);
    assert_eq!(order("strategy:quality").0, ["strong", "middling", "own", "weak"]);
    assert_eq!(order("strategy:latency").0, ["middling", "own", "strong", "weak"]);
    assert_eq!(order("strategy:local"), (vec!["own".to_owned()], "strategy:local".to_owned()));
    let mut auto = request("auto");
    auto.options.strategy = Some(pointsman_types::Strategy::Quality);
    assert_eq!(plan(&auto).1, "strategy:quality");
    let high = Policy { bar: 0.95, ..Policy::default() };
    let decision = decided(&request("strategy:cost"), &Signals::default(), &high).unwrap();
    assert_eq!(decision.candidates[0].spec.id.as_str(), "strong");
    assert!(decision.notes[0].contains("nobody clears the quality bar of 0.95"), "{:?}", decision.notes);
}

#[test]
fn the_list_of_a_trade_comes_before_all_others() {
    let (order, why) = plan(&request("industry:legal"));
    assert_eq!((order[0].as_str(), order[1].as_str(), why.as_str()), ("weak", "strong", "industry:legal"));
    let mut auto = request("auto");
    auto.options.industry = Some("legal".into());
    assert_eq!(plan(&auto).0[0], "weak");
    auto.options.strategy = Some(pointsman_types::Strategy::Quality);
    assert_eq!(plan(&auto).0[..2], ["strong", "weak"], "a strategy orders those of the list");

    let (order, why) = plan(&request("industry:mining"));
    assert_eq!((order.len(), why.as_str()), (4, "industry:mining:general"));
    let mut long = request("industry:legal");
    long.options.ignore = vec!["weak".into(), "strong".into()];
    let decision = decided(&long, &Signals::default(), &Policy::default()).unwrap();
    assert_eq!(decision.why(), "industry:legal:general");
    assert!(decision.notes[0].contains("none of its models can take this request"), "{:?}", decision.notes);
    let unknown = decided(&request("industry:space"), &Signals::default(), &Policy::default());
    let Err(NoRoute::UnknownIndustry { valid, .. }) = unknown else { panic!("{unknown:?}") };
    assert_eq!(valid, "legal, mining");

    let mut offline = pool();
    offline.candidates[2].unreachable = true;
    let (request, signals, policy) = (request("industry:legal"), Signals::default(), Policy::default());
    let decision = pointsman_decide::decide(&ask(&request, &signals, &offline, &policy)).unwrap();
    assert_eq!(decision.candidates[0].spec.id.as_str(), "strong", "who is offline is passed over");
}

#[test]
fn a_chain_is_tried_in_order_and_each_model_once() {
    let (order, why) = plan(&chain(&["weak", "strategy:quality"]));
    assert_eq!(
        (order, why.as_str()),
        (vec!["weak".into(), "strong".into(), "middling".into(), "own".into()], "alias")
    );
    let (order, _) = plan(&chain(&["strategy:local", "strong"]));
    assert_eq!(order, ["own", "strong"], "who names more than local allows more");
    let decision = decided(&chain(&["nobody", "own"]), &Signals::default(), &Policy::default()).unwrap();
    assert!(decision.notes[0].contains("`nobody` is not in the catalog"), "{:?}", decision.notes);
    let none = decided(&chain(&["nobody", "no-one"]), &Signals::default(), &Policy::default());
    assert!(matches!(none, Err(NoRoute::UnknownModel { name, .. }) if name == "nobody"));
    // what the first cannot do, the second does
    let mut seeing = chain(&["weak", "auto"]);
    seeing.options.max_cost = Some(MicroUsd(0));
    assert_eq!(plan(&seeing), (vec!["own".to_owned()], "auto:code".to_owned()));
}

#[test]
fn contradictions_name_the_constraint() {
    let mut local = request("strategy:local");
    local.options.ignore = vec!["own".into()];
    let Err(NoRoute::Nothing { removed, .. }) = decided(&local, &Signals::default(), &Policy::default())
    else {
        panic!("somebody took it")
    };
    assert_eq!(removed.iter().filter(|r| r.why == Removal::Locality).count(), 3);
}

fn rule(name: &str, when: When, forms: &[&str]) -> Rule {
    let forms = forms.iter().map(|form| ModelForm::parse(form).unwrap()).collect();
    Rule { name: name.into(), priority: 0, when, forms, pool: vec![], max_input_cost: None }
}

#[test]
fn the_first_rule_that_matches_decides_for_auto_only() {
    let rules = vec![
        rule("secrets", When { keywords: vec!["password".into()], ..When::default() }, &["strategy:local"]),
        rule("coders", When { tasks: vec![Task::Code], ..When::default() }, &["weak", "strategy:quality"]),
        rule("long", When { tokens: Some((1000, u64::MAX)), ..When::default() }, &["strategy:cost"]),
        rule("hard", When { needs: vec![Capability::Reasoning], ..When::default() }, &["strong"]),
    ];
    let policy = Policy { rules, ..Policy::default() };
    let why = |request: &RouteRequest, task, prompt: &str| {
        let signals = Signals { texts: rule_texts(&policy.rules, prompt), ..says(task, 0.9, false) };
        decided(request, &signals, &policy).unwrap().why()
    };
    let auto = request("auto");
    assert_eq!(why(&auto, Task::Chat, "my Password is"), "rule:secrets>strategy:local");
    assert_eq!(why(&auto, Task::Code, "x"), "rule:coders>alias");
    assert_eq!(why(&auto, Task::Math, "x"), "rule:hard>alias");
    assert_eq!(why(&auto, Task::Chat, "x"), "auto:chat");
    let mut long = request("auto");
    long.features.input_tokens = Tokens(1000);
    assert_eq!(why(&long, Task::Chat, "x"), "rule:long>strategy:cost");
    assert_eq!(
        why(&request("strategy:quality"), Task::Code, "x"),
        "strategy:quality",
        "an explicit form stands"
    );
}

#[test]
fn a_rule_may_narrow_the_pool_and_cap_the_price_of_the_prompt() {
    let mut narrow = rule("narrow", When::default(), &["auto"]);
    narrow.pool = vec!["strong".into(), "weak".into()];
    narrow.max_input_cost = Some(100.0 * 2.0 / 1e6);
    let policy = Policy { rules: vec![narrow], ..Policy::default() };
    let decision = decided(&request("auto"), &Signals::default(), &policy).unwrap();
    assert_eq!(decision.candidates.len(), 1);
    let why = |id: &str| decision.removed.iter().find(|r| r.spec.id.as_str() == id).unwrap().why.constraint();
    assert_eq!((why("middling"), why("strong")), ("not_in_pool", "input_cost"));
}

fn ask_why(request: &RouteRequest, id: &str) -> WhyNot {
    let (pool, signals, policy) = (pool(), says(Task::Code, 0.9, false), Policy::default());
    let question = ask(request, &signals, &pool, &policy);
    let decided = pointsman_decide::decide(&question);
    why_not(&question, &decided, &|spec| spec.id.as_str() == id).unwrap()
}

#[test]
fn what_would_have_to_change_is_said_and_true() {
    let asked = ask_why(&request("auto"), "middling");
    let Standing::Behind { place, gap } = asked.standing else { panic!("{asked:?}") };
    assert!(place > 1 && gap > 0.0);
    let said: Vec<&str> = asked.changes.iter().map(|change| change.what).collect();
    for what in ["strategy", "price", "quality"] {
        assert!(said.contains(&what), "{asked:?}");
    }
    let own = ask_why(&request("auto"), "own");
    assert!(own.changes[0].text.starts_with("route.tradeoff of 0.00 to"), "{own:?}");
    // the price that it names is true
    let text = &asked.changes.iter().find(|change| change.what == "price").unwrap().text;
    let usd: f64 = text.split('$').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let mut cheaper = pool();
    Arc::make_mut(&mut cheaper.candidates[1].spec).price = Price::per_million(usd * 0.99, usd * 0.99);
    let (request_, signals, policy) = (request("auto"), says(Task::Code, 0.9, false), Policy::default());
    let decision = pointsman_decide::decide(&ask(&request_, &signals, &cheaper, &policy)).unwrap();
    assert_eq!(decision.candidates[0].spec.id.as_str(), "middling");

    let mut local = request("auto");
    local.options.local_only = true;
    let asked = ask_why(&local, "middling");
    assert_eq!(asked.standing, Standing::Removed { why: Removal::Locality });
    assert_eq!(asked.changes[0].what, "locality");
    assert_eq!(ask_why(&local, "own").standing, Standing::Chosen);
    assert_eq!(ask_why(&request("own"), "strong").standing, Standing::NotAsked);
}
