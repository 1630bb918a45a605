//! `decide` over catalogs of growing size.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_decide::{Candidate, Policy, Signals, decide};
use pointsman_types::{
    Capabilities, Capability, LatencyView, ModelForm, ModelKind, ModelSpec, Price, Quality, RequestFeatures,
    RouteOptions, RouteRequest, Task, Tokens,
};

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
    (0..n)
        .map(|i| Candidate { spec: Arc::new(spec(i)), latency: LatencyView::default(), unreachable: false })
        .collect()
}

fn bench(c: &mut Criterion) {
    let features = RequestFeatures { input_tokens: Tokens(60), turns: 1, ..RequestFeatures::default() };
    let request = RouteRequest { form: ModelForm::Auto, options: RouteOptions::default(), features };
    let (signals, policy) = (Signals::default(), Policy::default());
    for n in [1, 10, 100, 1000] {
        let pool = candidates(n);
        c.bench_function(&format!("decide/{n} candidates"), |b| {
            b.iter(|| decide(black_box(&request), &signals, pool.clone(), &policy));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
