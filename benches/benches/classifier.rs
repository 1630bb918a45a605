//! The fast tier, tokenising included.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_classifier::{ArtifactSource, Classifier};

#[expect(clippy::expect_used, reason = "a bench without its artifact has failed")]
fn bench(c: &mut Criterion) {
    let classifier = Classifier::load(&ArtifactSource::BuiltIn).expect("the built-in artifact loads");
    let sentence = "Explain what could cause a nightly job to run four times longer than it did last week. ";
    for (name, text) in [
        ("12 tokens", "Write a haiku about the switches of a railway yard".to_owned()),
        ("64 tokens", sentence.repeat(3) + "Please answer in a table with two columns"),
        ("1 MB", "word ".repeat(200_000)),
    ] {
        c.bench_function(&format!("classify/{name}"), |b| b.iter(|| classifier.classify(black_box(&text))));
    }
    c.bench_function("load", |b| b.iter(|| Classifier::load(&ArtifactSource::BuiltIn)));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50);
    targets = bench
}
criterion_main!(benches);
