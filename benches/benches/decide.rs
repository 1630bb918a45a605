//! `decide` over catalogs of growing size.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_decide::{Candidate, Policy, Pool, Question, Signals, decide};
use pointsman_types::{
    Capabilities, Capability, Health, LatencyView, ModelForm, ModelKind, ModelSpec, Price, Quality,
    RequestFeatures, RouteOptions, RouteRequest, Task, Tokens,
};

/// As the binary does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn candidates(n: usize) -> Vec<Candidate> {
    let spec = |i: usize| ModelSpec {
        id: format!("model-{i}").as_str().into(),
        backend: format!("backend-{}", i % 7).as_str().into(),
        upstream_id: format!("model-{i}").into(),
        aliases: Vec::new(),
        kind: ModelKind::Chat,
        local: i.is_multiple_of(3),
        simulated: false,
        context: Some(Tokens(8_000 + 1_000 * (i as u64 % 100))),
        max_output: None,
        price: Price::per_million(i as f64 % 17.0, i as f64 % 23.0),
        capabilities: Capabilities::exactly(&[Capability::Tools]),
        quality: Quality::stated(&[(Task::Code, i as f32 % 100.0 / 100.0)]),
        created: None,
        about: pointsman_types::About::default(),
    };
    (0..n).map(|i| Candidate::new(Arc::new(spec(i)), LatencyView::default(), &Health::Unknown)).collect()
}

fn bench(c: &mut Criterion) {
    let features = RequestFeatures { input_tokens: Tokens(60), turns: 1, ..RequestFeatures::default() };
    let (signals, policy) = (Signals::default(), Policy::default());
    for form in ["auto", "strategy:cost"] {
        let forms = vec![ModelForm::parse(form).unwrap_or(ModelForm::Auto)];
        let request = RouteRequest { forms, options: RouteOptions::default(), features: features.clone() };
        for n in [1, 10, 50, 1000] {
            let pool = Pool::of(candidates(n));
            let question = Question {
                request: &request,
                signals: &signals,
                pool: &pool,
                policy: &policy,
                session: None,
                now: 0,
                seed: 0,
            };
            c.bench_function(&format!("decide/{form}/{n} candidates"), |b| {
                b.iter(|| decide(black_box(&question)));
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
