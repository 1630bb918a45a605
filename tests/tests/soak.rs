//! Many requests over failing backends, with actors killed and the configuration reloaded meanwhile: each gets exactly
//! one outcome, none hangs, none gets another's answer, and memory stays flat.
//!
//! `SOAK_REQUESTS=200000 POINTSMAN_BIN=target/release/pointsman cargo test --release -p pointsman-tests --test soak -- --nocapture`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "a test that meets an error has failed"
)]

#[path = "e2e/gateway.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod gateway;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gateway::Gateway;
use pointsman_testkit::{Behaviour, Recorded, Upstream, event, last_events};
use serde_json::Value;
use tokio::time::{Instant, timeout};

/// Requests in CI; `SOAK_REQUESTS` overrides.
const REQUESTS: usize = 4000;
const CLIENTS: usize = 48;
/// One in so many requests meets a fault, at each backend.
const FAULT_EVERY: u64 = 6;
/// One in so many clients leaves early.
const LEAVE_EVERY: usize = 40;

/// Spreads numbers (the finaliser of `SplitMix64`).
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The name of a request, as it stands in its prompt.
fn name_of(request: &Recorded) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body["messages"][0]["content"].as_str().unwrap_or_default().to_owned()
}

/// An echo, or one of many faults.
fn behaviour(backend: u64, request: &Recorded, calls: &AtomicUsize) -> Behaviour {
    let name = name_of(request);
    let n = calls.fetch_add(1, Ordering::Relaxed) as u64;
    let chance = mix(n.wrapping_mul(31) ^ (backend << 40));
    let says = Behaviour::says("m", &format!("<{name}>"));
    if !chance.is_multiple_of(FAULT_EVERY) {
        return says;
    }
    let begun = event("m", &format!("<{name}"));
    let [last, done] = last_events("m");
    match (chance >> 32) % 12 {
        0 => Behaviour::error(500, "boom"),
        1 => Behaviour::error(503, "busy"),
        2 => Behaviour::Answer(429, vec![("retry-after", "0.05".to_owned())], String::new()),
        3 => Behaviour::Reset,
        4 => Behaviour::Close,
        5 => Behaviour::Hang,
        6 => Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"cho".to_vec()),
        7 => Behaviour::After(Duration::from_millis(60), Box::new(says)),
        8 => Behaviour::Either(
            Box::new(Behaviour::error(502, "x")),
            Box::new(Behaviour::StreamThenClose(vec![begun])),
        ),
        9 => Behaviour::Either(Box::new(Behaviour::Close), Box::new(Behaviour::Stream(vec![begun, done]))),
        10 => Behaviour::Either(
            Box::new(Behaviour::error(400, "no")),
            Box::new(Behaviour::Stream(vec![begun, last])),
        ),
        _ => Behaviour::Either(Box::new(Behaviour::Close), Box::new(Behaviour::StreamThenHang(vec![begun]))),
    }
}

/// How a request ended, as its client saw it.
fn outcome(name: &str, status: u16, stream: bool, text: &str) -> String {
    let whole = format!("<{name}>");
    if status != 200 {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let told = body["error"]["message"].is_string() && body["error"]["type"].is_string();
        let code = body["error"]["code"].as_str().unwrap_or("-");
        return if told { format!("error {status} {code}") } else { format!("WRONG {status}: {text:.200}") };
    }
    if !stream {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let said = body["choices"][0]["message"]["content"] == whole.as_str();
        return if said { "answer".to_owned() } else { format!("WRONG answer: {text:.200}") };
    }
    let (mut said, mut error, mut done) = (String::new(), false, false);
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if done || error {
            return format!("WRONG: more behind the end: {text:.300}");
        }
        done = data == "[DONE]";
        let chunk: Value = serde_json::from_str(data).unwrap_or_default();
        error = chunk["error"]["message"].is_string();
        said += chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
    }
    match (done, error) {
        (true, false) if said == whole => "stream".to_owned(),
        // after the keep-alive an error may come before any content
        (false, true) if whole.starts_with(&said) => "stream, then an error".to_owned(),
        _ => format!("WRONG stream: {text:.300}"),
    }
}

async fn one(gateway: &Gateway, n: usize) -> String {
    let (name, stream) = (format!("request {n}"), n.is_multiple_of(2));
    let model = ["\"model\":\"m\"", "\"model\":\"auto\"", "\"models\":[\"nobody\",\"m\",\"auto\"]"][n % 3];
    let body = format!(
        "{{{model},\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{name}\"}}]}}"
    );
    let post = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).body(body).send();
    if n % LEAVE_EVERY == 7 {
        let _ = timeout(Duration::from_millis(3), post).await;
        return "left".to_owned();
    }
    let Ok(response) = timeout(Duration::from_secs(20), post).await else { return "HUNG".to_owned() };
    let response = match response {
        Ok(response) => response,
        Err(error) => return format!("LOST: {error}"),
    };
    let status = response.status().as_u16();
    match timeout(Duration::from_secs(20), response.text()).await {
        Ok(Ok(text)) => outcome(&name, status, stream, &text),
        Ok(Err(error)) => format!("LOST in the middle: {error}"),
        Err(_) => "HUNG in the middle".to_owned(),
    }
}

/// Resident memory of a process in kilobytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The sum of a counter over all its labels that contain `with`.
fn sum(metrics: &str, counter: &str, with: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(counter) && line.contains(with));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

async fn metrics(gateway: &Gateway) -> String {
    gateway.client.get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap()
}

/// Kills actors, one after the other and none so often that it is given up, and reloads the configuration.
async fn trouble(gateway: Arc<Gateway>, config: String, over: Arc<AtomicBool>) -> (usize, usize) {
    let actors = [
        "dispatcher:0",
        "latency:a",
        "classifier",
        "dispatcher:1",
        "catalog",
        "latency:b",
        "classifier-deep",
        "latency:c",
    ];
    let (mut kills, mut reloads) = (0, 0);
    let post =
        |path: String| gateway.client.post(format!("{}{path}", gateway.url)).bearer_auth("admin").send();
    while !over.load(Ordering::Relaxed) {
        let name = actors[kills % actors.len()];
        let killed = post(format!("/admin/v1/actors/{name}/restart")).await.unwrap();
        assert!(killed.status().is_success(), "{name}: {}", killed.status());
        kills += 1;
        tokio::time::sleep(Duration::from_millis(900)).await;
        if kills.is_multiple_of(3) {
            reloads += 1;
            gateway.write_config(&format!("{config}\n[aliases]\nround-{reloads} = \"auto\"\n"));
            let reloaded = post("/admin/v1/reload".to_owned()).await.unwrap();
            assert!(reloaded.status().is_success(), "{}", reloaded.text().await.unwrap());
        }
    }
    (kills, reloads)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_gets_exactly_one_outcome() {
    let requests = std::env::var("SOAK_REQUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(REQUESTS);
    let mut upstreams = Vec::new();
    let mut config =
        String::from("[breakers]\nopen = \"100ms\"\nlongest_open = \"1s\"\nslow_start = \"1s\"\n");
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let upstream = Upstream::start(&["m"]).await;
        upstream.forget();
        let calls = AtomicUsize::new(0);
        upstream.script([Behaviour::by(move |request| behaviour(number as u64, request, &calls))]);
        config += &format!(
            "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{}\"\n\
             timeouts = {{ connect = \"1s\", first_byte = \"300ms\", idle = \"300ms\", total = \"10s\" }}\n",
            upstream.url()
        );
        upstreams.push(upstream);
    }
    let gateway = Arc::new(Gateway::with_environment(&config, &[("POINTSMAN_ADMIN_KEY", "admin")]).await);
    let pid = gateway.child.id().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let troubles = tokio::spawn(trouble(Arc::clone(&gateway), config, Arc::clone(&over)));
    let next = Arc::new(AtomicUsize::new(0));
    let outcomes: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let warm = Arc::new(Mutex::new(None));
    let started = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (gateway, next, outcomes, warm) =
                (Arc::clone(&gateway), Arc::clone(&next), Arc::clone(&outcomes), Arc::clone(&warm));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= requests {
                        return;
                    }
                    if n.is_multiple_of(requests / 20) {
                        println!("{n:>8}  {} kB resident", resident(pid));
                    }
                    if n == requests / 4 {
                        *warm.lock().unwrap() = Some(resident(pid));
                    }
                    let outcome = one(&gateway, n).await;
                    *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let took = started.elapsed();
    over.store(true, Ordering::Relaxed);
    let (kills, reloads) = troubles.await.unwrap();
    // streams that nobody reads any more end with their connection
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, after) = (warm.lock().unwrap().unwrap(), resident(pid));
    let text = metrics(&gateway).await;
    let outcomes = outcomes.lock().unwrap().clone();
    let opened = gateway.log().matches("breaker opened").count();
    println!(
        "{requests} requests in {took:.1?}, {kills} kills, {reloads} reloads, breakers opened {opened} times"
    );
    for (outcome, n) in &outcomes {
        println!("{n:>8}  {outcome}");
    }
    let growth = after as f64 / before as f64 - 1.0;
    println!("resident: {before} kB after a quarter, {after} kB at the end ({:+.1}%)", growth * 100.0);

    let wrong: Vec<_> = outcomes
        .keys()
        .filter(|o| o.chars().next().is_some_and(char::is_uppercase) || o.contains("WRONG"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(outcomes.values().sum::<usize>(), requests);
    // who left before the gateway had read the request was never counted there
    let left = outcomes.get("left").copied().unwrap_or(0) as u64;
    let counted = sum(&text, "pointsman_requests_total", "route=\"chat\"");
    println!("counted by the gateway: {counted}, {left} clients left early");
    assert!(counted <= requests as u64 && counted + left >= requests as u64, "{counted} of {requests}");
    let attempts = sum(&text, "pointsman_attempts_total", "");
    let cancelled = sum(&text, "pointsman_attempts_total", "outcome=\"cancelled\"")
        + sum(&text, "pointsman_attempts_total", "outcome=\"superseded\"");
    let received: u64 = upstreams.iter().map(|upstream| upstream.posts() as u64).sum();
    println!("attempts {attempts}, received by backends {received}, cancelled or superseded {cancelled}");
    assert!(received <= attempts && attempts - received <= cancelled, "each attempt is recorded once");
    let good = ["answer", "stream"].iter().filter_map(|o| outcomes.get(*o)).sum::<usize>();
    println!("answered: {:.2}%", good as f64 / (requests as f64 - left as f64) * 100.0);
    assert_eq!(sum(&text, "pointsman_panics_total", ""), 0);
    assert_eq!(sum(&text, "pointsman_backend_in_flight", ""), 0, "every place was given back");
    assert_eq!(sum(&text, "pointsman_in_flight", ""), 0);
    if requests >= 100_000 {
        assert!(growth < 0.05, "memory grew by {growth:.3}");
    }
}
