//! The catalog at 3,000 models: a read on the request path, a sync, and what they weigh.

use std::{fs, hint::black_box, io::Write, net::TcpListener, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_actors::{RestartSettings, Supervisor};
use pointsman_catalog::{CatalogBackend, CatalogHandle, CatalogSettings, Facts};
use pointsman_types::{BackendKind, Endpoint};
use tokio::time::Instant;

const MODELS: usize = 3000;

/// A list as OpenRouter writes it, at each request with one other price, so that no sync is without news.
fn list(round: usize) -> String {
    let names = ["qwen/qwen3-{}b", "meta-llama/llama-3.1-{}b-instruct", "openai/gpt-{}-mini", "lab/model-{}"];
    let models = (0..MODELS).map(|i| {
        let id = names[i % names.len()].replace("{}", &(i + 1).to_string());
        let price = if i == 0 { round } else { i };
        format!(
            r#"{{"id":"{id}","created":1790000000,"context_length":131072,"architecture":{{"input_modalities":["text","image"],
            "output_modalities":["text"]}},"pricing":{{"prompt":"0.0000{price:04}","completion":"0.000015"}},
            "top_provider":{{"max_completion_tokens":8192}},"supported_parameters":["tools","response_format"]}}"#
        )
    });
    format!(r#"{{"data":[{}]}}"#, models.collect::<Vec<_>>().join(","))
}

#[expect(clippy::expect_used, reason = "a bench that cannot start has failed")]
/// Answers each connection with the next of a few lists, in a thread of its own.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let answers: Vec<String> = (0..4)
        .map(|round| {
            let body = list(round);
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        })
        .collect();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = stream.write_all(answers[n % answers.len()].as_bytes());
        }
    });
    url
}

/// CPU seconds and resident megabytes of this process.
fn usage() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<f64>().ok());
    ((ticks(11) + ticks(12)) / 100.0, rss.unwrap_or_default() / 1024.0)
}

#[expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints, and one that cannot start has failed"
)]
fn bench(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let url = serve();
    let facts = Facts::shipped();
    let endpoint = Endpoint {
        id: "a".into(),
        kind: BackendKind::OpenRouter,
        base_url: url.as_str().into(),
        local: false,
        simulated: true,
    };
    let settings = |backends| CatalogSettings {
        backends,
        refresh: Duration::from_hours(1),
        probe: None,
        grace: Duration::from_mins(10),
        timeout: Duration::from_secs(10),
        max_list_bytes: 64 << 20,
        facts: Arc::clone(&facts),
    };
    let backend =
        CatalogBackend { endpoint, api_key: None, discover: true, models: Vec::new(), accept: Vec::new() };
    let supervisor = runtime.block_on(Supervisor::start(RestartSettings::default())).expect("a supervisor");
    let (_, before) = usage();
    let catalog =
        runtime.block_on(CatalogHandle::start(&supervisor, settings(vec![backend]))).expect("an actor");
    let sync =
        || runtime.block_on(catalog.sync_now(Instant::now() + Duration::from_secs(30))).expect("a sync");
    sync();
    assert_eq!(catalog.snapshot().models().len(), MODELS);
    println!("memory for {MODELS} models: {:.1} MB more than without", usage().1 - before);
    let (start, n) = (usage().0, 20);
    for _ in 0..n {
        sync();
    }
    println!(
        "a sync of {MODELS} models: {:.0} ms of CPU, parsing and facts included",
        (usage().0 - start) / f64::from(n) * 1e3
    );
    c.bench_function("catalog/snapshot", |b| b.iter(|| black_box(catalog.snapshot()).generation()));
    let snapshot = catalog.snapshot();
    c.bench_function("catalog/find an id", |b| b.iter(|| snapshot.find(black_box("qwen/qwen3-1501b")).len()));
    c.bench_function("catalog/find a spelling", |b| b.iter(|| snapshot.find(black_box("qwen3:1501b")).len()));
    c.bench_function("catalog/identify", |b| {
        b.iter(|| {
            pointsman_names::identify(black_box("hf.co/bartowski/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M"))
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = bench
}
criterion_main!(benches);
