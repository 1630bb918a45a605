//! What failures cost those who are not at fault: a failover, a client that leaves, a backend that hangs.
//!
//! `scripts/resilience.sh` measures with a release build and holds the figures to their bars; here, on whatever is
//! built and however busy the machine, they may be several times as large.

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
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gateway::Gateway;
use pointsman_testkit::{Behaviour, Upstream, chat, event};
use tokio::{net::TcpListener, time::Instant};

const FIRST_BYTE: Duration = Duration::from_millis(100);

/// How much larger than its bar a figure may be.
fn slack() -> f64 {
    if std::env::var_os("RESILIENCE_STRICT").is_some() { 1.0 } else { 5.0 }
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn timed(gateway: &Gateway, body: &str) -> Duration {
    let started = Instant::now();
    let (status, answer) = gateway.chat(body.to_owned()).await;
    assert_eq!(status, 200, "{answer}");
    started.elapsed()
}

/// A backend that serves one model and is never asked for its list.
fn fixed(name: &str, url: &str) -> String {
    format!(
        "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{url}\"\ndiscover = false\n\
         models = [{{ id = \"{name}\" }}]\n\
         timeouts = {{ connect = \"1s\", first_byte = \"{}ms\", idle = \"2s\", total = \"20s\" }}\n",
        FIRST_BYTE.as_millis()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_costs_what_the_failure_took() {
    let (good, hanging) = (Upstream::start(&["good"]).await, Upstream::start(&["hangs"]).await);
    hanging.script([Behaviour::Hang]);
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refuses = format!("http://{}/v1", unused.local_addr().unwrap());
    drop(unused);
    let config = fixed("good", &good.url()) + &fixed("hangs", &hanging.url()) + &fixed("refuses", &refuses);
    // without breakers every request meets the failure
    let config = config + "[breakers]\nenabled = false\n[retries]\nmin_per_second = 10000.0\n";
    let gateway = Gateway::with_environment(&config, &[]).await;
    let chain = |first: &str| {
        chat("x", "hi", false).replace("\"model\":\"x\"", &format!("\"models\":[\"{first}\",\"good\"]"))
    };
    let (direct, refused, late) = (chat("good", "hi", false), chain("refuses"), chain("hangs"));
    assert!(refused.contains("models"), "{refused}");
    let (mut plain, mut over, mut waited) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..300 {
        plain.push(timed(&gateway, &direct).await);
        over.push(timed(&gateway, &refused).await);
        if n % 5 == 0 {
            waited.push(timed(&gateway, &late).await);
        }
    }
    for times in [&mut plain, &mut over, &mut waited] {
        times.sort();
    }
    let refused = at(&over, 0.5).saturating_sub(at(&plain, 0.5));
    let late = at(&waited, 0.5).saturating_sub(at(&plain, 0.5) + FIRST_BYTE);
    println!("direct, p50: {:.2} ms", ms(at(&plain, 0.5)));
    println!(
        "failover from a refused connection, p50: +{:.2} ms (bar 2), p99: {:.2} ms in all",
        ms(refused),
        ms(at(&over, 0.99))
    );
    println!(
        "failover from a first-byte timeout, p50: +{} ms and +{:.2} ms (bar 2)",
        FIRST_BYTE.as_millis(),
        ms(late)
    );
    assert!(ms(refused) < 2.0 * slack() && ms(late) < 2.0 * slack());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_noticed() {
    let backend = Upstream::start(&["m"]).await;
    let gateway = Gateway::over(&[("backend", &backend)], "[breakers]\nenabled = false\n").await;
    backend.script([Behaviour::Either(
        Box::new(Behaviour::Hang),
        Box::new(Behaviour::StreamThenHang(vec![event("m", "one")])),
    )]);
    let mut times = Vec::new();
    for n in 1..=40 {
        let stream = n % 2 == 0;
        let mut ask = Box::pin(gateway.post("/v1/chat/completions", chat("m", "hi", stream)));
        if stream {
            let mut response = ask.await;
            response.chunk().await.unwrap();
            let left = Instant::now();
            drop(response);
            assert!(backend.abandoned(n).await);
            times.push(left.elapsed());
        } else {
            let _ = tokio::time::timeout(Duration::from_millis(50), &mut ask).await;
            let left = Instant::now();
            drop(ask);
            assert!(backend.abandoned(n).await);
            times.push(left.elapsed());
        }
    }
    times.sort();
    println!(
        "from a client that leaves to its backend's call cancelled: p50 {:.1} ms, most {:.1} ms (bar 100)",
        ms(at(&times, 0.5)),
        ms(times[times.len() - 1])
    );
    assert!(ms(times[times.len() - 1]) < 100.0 * slack());
}

/// Sorted times of so many requests by 24 clients.
async fn load(gateway: &Arc<Gateway>, requests: usize) -> Vec<Duration> {
    let (next, times) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::with_capacity(requests))));
    let client = |_| {
        let (gateway, next, times) = (Arc::clone(gateway), Arc::clone(&next), Arc::clone(&times));
        tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < requests {
                let time = timed(&gateway, &chat("m", "hi", false)).await;
                times.lock().unwrap().push(time);
            }
        })
    };
    for client in (0..24).map(client).collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort();
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_hangs_slows_nobody_else_down() {
    let healthy = || Behaviour::After(Duration::from_millis(20), Box::new(Behaviour::says("m", "fine")));
    let (a, b, c) =
        (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    let mut config = String::new();
    for (name, upstream) in [("a", &a), ("b", &b), ("c", &c)] {
        upstream.forget();
        upstream.script([healthy()]);
        config += &format!(
            "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{}\"\n",
            upstream.url()
        );
        config += "timeouts = { connect = \"1s\", first_byte = \"3s\", idle = \"3s\", total = \"20s\" }\n";
    }
    let gateway = Arc::new(Gateway::with_environment(&config, &[]).await);
    load(&gateway, 1000).await;
    let before = [&a, &b, &c].map(Upstream::posts);
    let good = load(&gateway, 6000).await;
    let share = [&a, &b, &c].map(Upstream::posts);
    // the one that was asked most
    let hangs = (0..3).max_by_key(|n| share[*n] - before[*n]).unwrap();
    [&a, &b, &c][hangs].script([Behaviour::Hang]);
    let one_hangs = load(&gateway, 6000).await;
    let met = [&a, &b, &c][hangs].posts() - share[hangs];
    for (what, times) in [("all healthy", &good), ("one of three hangs", &one_hangs)] {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| ms(at(times, share)));
        println!(
            "{what}: p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, most {:.1} ms",
            ms(times[times.len() - 1])
        );
    }
    let ratio = ms(at(&one_hangs, 0.99)) / ms(at(&good, 0.99));
    println!(
        "p99 with one that hangs to p99 without: {ratio:.2} (bar 1.5); {met} of 6000 requests met it, none failed"
    );
    assert!(ratio < 1.5 * slack());
}
