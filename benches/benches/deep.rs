//! The deep tier, tokenising included, at the sizes that `scripts/onnx_deep.py` measures.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_classifier::{ArtifactSource, Classifier};

#[expect(clippy::expect_used, reason = "a bench without its artifact has failed")]
fn bench(c: &mut Criterion) {
    let deep = Classifier::load(&ArtifactSource::BuiltInDeep).expect("the built-in artifact loads");
    for tokens in [12_usize, 64, 128] {
        // every word is one token; two more are special
        let text = "the cat sat on a mat and saw ".repeat(tokens);
        let text: Vec<&str> = text.split_whitespace().take(tokens - 2).collect();
        let text = text.join(" ");
        c.bench_function(&format!("deep/{tokens} tokens"), |b| b.iter(|| deep.classify(black_box(&text))));
    }
    c.bench_function("deep/load", |b| b.iter(|| Classifier::load(&ArtifactSource::BuiltInDeep)));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = bench
}
criterion_main!(benches);
