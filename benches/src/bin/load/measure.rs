//! The measurements.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{
    client::{Connection, post},
    process::Gateway,
};

/// One line of the table.
pub(crate) struct Row {
    what: String,
    direct: String,
    gateway: String,
    difference: String,
    bar: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {} | {} | {} | {} | {} |",
            self.what, self.direct, self.gateway, self.difference, self.bar
        )
    }
}

/// The requests, ready to be written.
pub(crate) struct Bodies {
    pub(crate) tiny: Vec<u8>,
    pub(crate) small: Vec<u8>,
    /// Of this the fast tier is sure.
    pub(crate) auto: Vec<u8>,
    /// Of this it is not: the deep tier reads it.
    pub(crate) unsure: Vec<u8>,
    pub(crate) large: Vec<u8>,
    pub(crate) stream: Vec<u8>,
    pub(crate) slow: Vec<u8>,
}

impl Bodies {
    pub(crate) fn new() -> Self {
        let chat = |model: &str, text: &str, stream: bool| {
            post(&json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": text }] }).to_string())
        };
        // the fast tier has to be sure of it: after a training, see with `classifier.mode = "fast"` that it still is
        let sure = "Write a Python class for a doubly linked list with methods to push, pop, insert after a node and \
                    reverse in place. Add type hints and a docstring to every method, raise an IndexError on an empty \
                    list, and write unit tests with pytest for an empty list, for one node and for a thousand nodes.";
        let unsure = "Our nightly job joins two tables of orders and refunds and since last week it runs four times \
                     longer than before. Explain what could cause that in PostgreSQL, how I would find out which of \
                     these it is, and write the query that shows the worst plans of the last seven days.";
        let line = "The switchman sets the points before the train comes, \"never\" under it.\n";
        Self {
            tiny: chat("bench", "hello", false),
            small: chat("bench", &"one kilobyte of text ".repeat(46), false),
            auto: chat("auto", sure, false),
            unsure: chat("auto", unsure, false),
            large: chat("bench", &line.repeat(100 * 1024 / line.len()), false),
            stream: chat("bench", "hello", true),
            slow: chat("slow", "hello", true),
        }
    }
}

pub(crate) async fn warm_up(direct: SocketAddr, through: SocketAddr, bodies: &Bodies) -> anyhow::Result<()> {
    for address in [direct, through] {
        let mut connection = Connection::open(address).await?;
        for body in [&bodies.small, &bodies.large, &bodies.stream] {
            for _ in 0..100 {
                connection.send(body).await?;
            }
        }
    }
    let mut connection = Connection::open(through).await?;
    for _ in 0..100 {
        connection.send(&bodies.auto).await?;
    }
    Ok(())
}

/// Open loop: a request is due every 20 ms, direct and gateway in turn.
pub(crate) async fn added_latency(
    what: &str,
    bar_us: f64,
    direct: SocketAddr,
    through: SocketAddr,
    direct_body: &[u8],
    gateway_body: &[u8],
    seconds: u64,
) -> anyhow::Result<Row> {
    let mut connections = [Connection::open(direct).await?, Connection::open(through).await?];
    let bodies = [direct_body, gateway_body];
    let mut seen = [Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?];
    // 50 a second to each
    let mut due = interval(Duration::from_millis(10));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for i in 0..seconds * 100 {
        due.tick().await;
        let side = (i % 2) as usize;
        let started = Instant::now();
        connections[side].send(bodies[side]).await?;
        seen[side].record(started.elapsed().as_nanos() as u64)?;
    }
    let us = |side: usize, q: f64| seen[side].value_at_quantile(q) as f64 / 1e3;
    let (p50, p99) = (us(1, 0.5) - us(0, 0.5), us(1, 0.99) - us(0, 0.99));
    Ok(Row {
        what: what.to_owned(),
        direct: format!("p50 {:.0} us, p99 {:.0} us", us(0, 0.5), us(0, 0.99)),
        gateway: format!("p50 {:.0} us, p99 {:.0} us", us(1, 0.5), us(1, 0.99)),
        difference: format!("p50 +{p50:.0} us, p99 +{p99:.0} us"),
        bar: format!("p50 +{bar_us:.0} us"),
    })
}

/// Closed loop over `connections` for `time`: requests per second.
async fn rate(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let request: Arc<[u8]> = request.into();
    let count = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    let started = Instant::now();
    for _ in 0..connections {
        let (request, count) = (Arc::clone(&request), Arc::clone(&count));
        workers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            while started.elapsed() < time {
                connection.send(&request).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

pub(crate) async fn throughput(direct: SocketAddr, through: SocketAddr, body: &[u8]) -> anyhow::Result<Row> {
    let (mut bare, mut gateway) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        bare.push(rate(direct, body, 64, Duration::from_secs(4)).await?);
        gateway.push(rate(through, body, 64, Duration::from_secs(4)).await?);
    }
    let median = |list: &mut Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    };
    let (bare, gateway) = (median(&mut bare), median(&mut gateway));
    Ok(Row {
        what: "throughput, 64 connections, small JSON, all on the same cores".to_owned(),
        direct: format!("{bare:.0}/s"),
        gateway: format!("{gateway:.0}/s"),
        difference: format!("{:.0}% of bare", gateway / bare * 100.0),
        bar: "25%".to_owned(),
    })
}

/// `n` requests over eight connections.
async fn requests(address: SocketAddr, request: &[u8], n: usize) -> anyhow::Result<()> {
    let request: Arc<[u8]> = request.into();
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let request = Arc::clone(&request);
        workers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..n / 8 {
                connection.send(&request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

pub(crate) async fn cpu(
    what: &str,
    bar: f64,
    gateway: &Gateway,
    address: SocketAddr,
    body: &[u8],
    n: usize,
) -> anyhow::Result<Row> {
    let before = gateway.cpu_seconds()?;
    requests(address, body, n).await?;
    let used = (gateway.cpu_seconds()? - before) / n as f64 * 1e3;
    Ok(Row {
        what: what.to_owned(),
        direct: "-".to_owned(),
        gateway: format!("{used:.3} s"),
        difference: "-".to_owned(),
        bar: format!("{bar:.2} s"),
    })
}

pub(crate) async fn memory(gateway: &Gateway, address: SocketAddr, body: &[u8]) -> anyhow::Result<[Row; 2]> {
    let row = |what: &str, mb: f64, difference: String, bar: &str| Row {
        what: what.to_owned(),
        direct: "-".to_owned(),
        gateway: format!("{mb:.1} MB"),
        difference,
        bar: bar.to_owned(),
    };
    requests(address, body, 10_000).await?;
    let first = gateway.resident_mb()?;
    requests(address, body, 10_000).await?;
    let second = gateway.resident_mb()?;
    Ok([
        row("resident memory after 10,000 more requests", first, "-".to_owned(), "120 MB"),
        row(
            "resident memory after 20,000 more requests",
            second,
            format!("{:+.1} MB", second - first),
            "120 MB, flat",
        ),
    ])
}

/// 1,000 streams at once, a second long each.
pub(crate) async fn streams(gateway: &Gateway, address: SocketAddr, body: &[u8]) -> anyhow::Result<Row> {
    let request: Arc<[u8]> = body.into();
    let mut open = JoinSet::new();
    let started = Instant::now();
    for _ in 0..1000 {
        let request = Arc::clone(&request);
        open.spawn(async move { Connection::open(address).await?.send(&request).await });
    }
    sleep(Duration::from_millis(1500)).await;
    let peak = gateway.resident_mb()?;
    let mut complete = 0;
    while let Some(stream) = open.join_next().await {
        complete += usize::from(stream?.is_ok());
    }
    Ok(Row {
        what: "1,000 concurrent streams".to_owned(),
        direct: "-".to_owned(),
        gateway: format!("{complete} complete in {:.1} s", started.elapsed().as_secs_f64()),
        difference: format!("{peak:.0} MB while open"),
        bar: "all complete".to_owned(),
    })
}

/// From exec to a 200 of `/readyz`, demo mode: the median of five.
pub(crate) async fn start_to_ready(binary: &Path) -> anyhow::Result<Row> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let gateway = Gateway::with(binary, &["--demo"]).await?;
        let mut connection = Connection::open(gateway.address()).await?;
        connection.send(b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(Row {
        what: "from exec to ready, demo mode".to_owned(),
        direct: "-".to_owned(),
        gateway: format!("{:.0} ms", times[2].as_secs_f64() * 1e3),
        difference: "-".to_owned(),
        bar: "1,000 ms".to_owned(),
    })
}
