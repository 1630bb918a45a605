//! Reading a request, rewriting it, cutting a stream.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pointsman_protocol::{ChatRequest, SseEvents};

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    for (name, size) in [("1 KB", 1 << 10), ("100 KB", 100 << 10)] {
        let text = "The switchman sets the points, \"never\" under the train.\n".repeat(size / 57);
        let body = serde_json::json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] })
            .to_string();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("parse and rewrite/{name}"), |b| {
            b.iter(|| {
                ChatRequest::parse(black_box(body.as_bytes()))
                    .map(|r| (r.features(), r.body_for("gpt-4o", &[])))
            });
        });
    }
    group.finish();
    let event = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"switch \"},\"finish_reason\":null}]}\n\n";
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Elements(50));
    group.bench_function("50 events", |b| {
        b.iter(|| {
            let mut events = SseEvents::new("m", 1 << 20);
            for _ in 0..50 {
                let _ = black_box(events.push(Bytes::from_static(event.as_bytes())));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
