use std::{sync::Arc, time::Duration};

use pointsman_decide::{Candidate, Policy, Signals};
use pointsman_types::{
    Capabilities, LatencyView, MicroUsd, ModelForm, ModelKind, Price, RequestFeatures, RouteOptions,
    RouteRequest, Task, Tokens,
};
use proptest::prelude::*;

use crate::build::{decide, says, spec};

fn tri() -> impl Strategy<Value = Option<bool>> {
    proptest::option::of(any::<bool>())
}

prop_compose! {
    fn capabilities()(vision in tri(), tools in tri(), json in tri(), reasoning in tri()) -> Capabilities {
        Capabilities { vision, tools, json, reasoning }
    }
}

prop_compose! {
    fn latency()(ttft in proptest::option::of(0_u64..90_000), tpot in proptest::option::of(0_u64..900),
                 attempts in 0_u64..500, failed in 0_u64..500) -> LatencyView {
        LatencyView {
            ttft_p50: ttft.map(Duration::from_millis), tpot_p50: tpot.map(Duration::from_millis),
            attempts, failures: failed.min(attempts), ..LatencyView::default()
        }
    }
}

prop_compose! {
    fn a_candidate()(n in 0..40, backend in 0..3, q in 0.0_f32..1.0, price in proptest::option::of(0.0_f64..200.0),
                   local in any::<bool>(), chat in prop::bool::weighted(0.9), context in proptest::option::of(1_u64..300_000),
                   capabilities in capabilities(), latency in latency(), unreachable in prop::bool::weighted(0.1)) -> Candidate {
        let mut s = spec(&format!("m{n}"), q, price);
        s.backend = format!("b{backend}").as_str().into();
        s.local = local;
        s.kind = if chat { ModelKind::Chat } else { ModelKind::Other };
        s.context = context.map(Tokens);
        s.capabilities = capabilities;
        Candidate { spec: Arc::new(s), latency, unreachable, resting: unreachable, evidence: None, estimate: None }
    }
}

/// Distinct by name and backend, as the catalog's are.
fn pool() -> impl Strategy<Value = Vec<Candidate>> {
    proptest::collection::vec(a_candidate(), 0..25).prop_map(|mut pool| {
        pool.sort_by(|a, b| (&a.spec.id, &a.spec.backend).cmp(&(&b.spec.id, &b.spec.backend)));
        pool.dedup_by(|a, b| a.spec.id == b.spec.id && a.spec.backend == b.spec.backend);
        pool
    })
}

/// A name, or what leaves the choice open, or a chain of those.
fn forms() -> impl Strategy<Value = Vec<ModelForm>> {
    let open = ["auto", "strategy:cost", "strategy:quality", "strategy:latency", "strategy:local"];
    let open = proptest::sample::select(open.to_vec()).prop_map(|text| ModelForm::parse(text).unwrap());
    let chain = proptest::collection::vec(open, 1..4);
    prop_oneof![Just(vec![ModelForm::Alias("m1".into())]), chain]
}

prop_compose! {
    fn a_request()(forms in forms(), input in 0_u64..400_000, max_output in proptest::option::of(0_u64..10_000),
                 has_images in any::<bool>(), has_tools in any::<bool>(), in_tool_loop in any::<bool>(), wants_json in any::<bool>(),
                 local_only in prop::bool::weighted(0.3), tradeoff in proptest::option::of(0.0_f64..=1.0),
                 max_cost in proptest::option::of(0_u64..100_000), ignore in 0..40) -> RouteRequest {
        RouteRequest {
            forms,
            options: RouteOptions { local_only, tradeoff, max_cost: max_cost.map(MicroUsd),
                ignore: vec![format!("m{ignore}")], ..RouteOptions::default() },
            features: RequestFeatures { input_tokens: Tokens(input), max_output: max_output.map(Tokens), has_images, has_tools,
                in_tool_loop, wants_json, stream: false, turns: 1 },
        }
    }
}

prop_compose! {
    fn signals()(task in 0..Task::COUNT, p in 0.1_f32..1.0, abstained in any::<bool>(), asked in any::<bool>()) -> Signals {
        if asked { says(Task::ALL[task], p, abstained) } else { Signals::default() }
    }
}

proptest! {
    #[test]
    fn total_deterministic_and_independent_of_the_order(request in a_request(), signals in signals(), pool in pool(), turn in 0_usize..25) {
        let policy = Policy::default();
        let once = decide(&request, &signals, pool.clone(), &policy);
        prop_assert_eq!(&once, &decide(&request, &signals, pool.clone(), &policy));
        let mut turned = pool.clone();
        let by = turn % turned.len().max(1);
        turned.rotate_left(by);
        turned.reverse();
        prop_assert_eq!(&once, &decide(&request, &signals, turned, &policy));
        if let Ok(decision) = once {
            prop_assert!(!decision.candidates.is_empty());
            prop_assert_eq!(decision.candidates.len() + decision.removed.len(), pool.len(), "each candidate is accounted for");
            prop_assert!(decision.candidates.iter().all(|c| c.terms.utility.is_finite()));
        }
    }

    #[test]
    fn no_hard_constraint_is_ever_broken(request in a_request(), signals in signals(), pool in pool()) {
        let Ok(decision) = decide(&request, &signals, pool, &Policy::default()) else { return Ok(()) };
        for c in &decision.candidates {
            prop_assert!(!request.options.local_only || c.spec.local, "local never leaks");
            let local = ModelForm::Strategy(pointsman_types::Strategy::Local);
            prop_assert!(request.forms[c.entry] != local || c.spec.local, "nor does the strategy");
            prop_assert!(!request.options.ignore.contains(&c.spec.id.to_string()));
            prop_assert!(!request.features.has_images || c.spec.capabilities.vision != Some(false));
            prop_assert!(!request.features.has_tools || c.spec.capabilities.tools != Some(false));
            if !matches!(request.forms[0], ModelForm::Alias(_)) {
                prop_assert_eq!(c.spec.kind, ModelKind::Chat);
                prop_assert!(c.spec.context.is_none_or(|has| request.features.input_tokens <= has));
            }
            if let Some(ceiling) = request.options.max_cost {
                prop_assert!(c.terms.cost_usd.is_some_and(|usd| usd <= ceiling.dollars()));
            }
        }
    }

    #[test]
    fn a_strategy_is_monotone_whatever_the_pool(input in 0_u64..50_000, signals in signals(), pool in pool(), mut one in a_candidate(), factor in 0.0_f64..0.99) {
        let (policy, budget) = (Policy::default(), 12.0 + factor);
        let s = Arc::make_mut(&mut one.spec);
        s.id = "a-dearer-and-slower".into();
        s.price = Price::per_million(budget, budget);
        one.latency = LatencyView { ttft_p50: Some(Duration::from_millis(700)), attempts: 50, ..LatencyView::default() };
        let mut cheaper = one.clone();
        let t = Arc::make_mut(&mut cheaper.spec);
        t.id = "z-cheaper".into();
        t.price = Price::per_million(budget * factor, budget * factor);
        let mut faster = one.clone();
        Arc::make_mut(&mut faster.spec).id = "z-faster".into();
        faster.latency.ttft_p50 = Some(Duration::from_secs_f64(0.7 * factor));
        for (form, twin) in [("strategy:cost", cheaper), ("strategy:latency", faster)] {
            let mut request = crate::build::request(form);
            request.features.input_tokens = Tokens(input);
            let mut all = pool.clone();
            all.extend([one.clone(), twin.clone()]);
            let Ok(decision) = decide(&request, &signals, all, &policy) else { continue };
            let place = |id: &str| decision.candidates.iter().position(|c| c.spec.id.as_str() == id);
            if let (Some(worse), Some(better)) = (place("a-dearer-and-slower"), place(twin.spec.id.as_str())) {
                prop_assert!(better < worse, "{form}: {better} {worse}");
            }
        }
    }

    #[test]
    fn a_better_cheaper_or_faster_twin_never_loses(request in a_request(), signals in signals(), mut one in a_candidate(), which in 0..3) {
        let request = RouteRequest { options: RouteOptions::default(), forms: vec![ModelForm::Auto], features: RequestFeatures {
            has_images: false, has_tools: false, in_tool_loop: false, wants_json: false, max_output: None, input_tokens: Tokens(1), ..request.features } };
        let s = Arc::make_mut(&mut one.spec);
        s.kind = ModelKind::Chat;
        s.context = None;
        s.price = Price::per_million(20.0, 20.0);
        s.id = "a-worse".into();
        one.latency.ttft_p50 = Some(Duration::from_secs(1));
        let mut twin = one.clone();
        let t = Arc::make_mut(&mut twin.spec);
        t.id = "z-better".into();
        match which {
            0 => t.quality.mu = t.quality.mu.map(|q| q + 0.05),
            1 => t.price = Price::per_million(10.0, 10.0),
            _ => {
                one.latency.attempts = one.latency.attempts.max(1) + one.latency.failures;
                twin.latency = one.latency;
                twin.latency.ttft_p50 = Some(Duration::from_millis(200));
            }
        }
        let decision = decide(&request, &signals, vec![one, twin], &Policy::default()).unwrap();
        prop_assert_eq!(decision.candidates[0].spec.id.as_str(), "z-better");
    }
}
