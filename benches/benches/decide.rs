//! `decide` over catalogs of growing size.

mod decisions;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_decide::{Policy, Question, Signals, decide};

use decisions::{pool, request};

/// As the binary does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn bench(c: &mut Criterion) {
    let (signals, policy) = (Signals::default(), Policy::default());
    for form in ["auto", "strategy:cost"] {
        let request = request(form);
        for n in [1, 10, 50, 1000] {
            let pool = pool(n);
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
