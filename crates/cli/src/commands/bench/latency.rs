//! `pointsman bench latency`: the decision path, in process: from the body of a request to its plan.

use std::process::ExitCode;

use pointsman_demo::Pace;
use pointsman_engine::{Caller, Engine};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    args::BenchLatency,
    setup::{self, ONE_SYNC, say},
    table,
};

/// Prompts of which the fast tier is sure, and some of which it is not.
const PROMPTS: [&str; 6] = [
    "Write a Python function that reverses a linked list and add unit tests.",
    "What is 17 * 23 + 144 / 12? Show the calculation.",
    "Write a SQL query that counts orders per customer in the last month.",
    "make it rhyme less and count the stanzas",
    "Which of these three offers should we take, and why?",
    "Translate into French: I would like a table for two, please.",
];

/// Microseconds of one form of request.
#[derive(Serialize)]
struct Measured {
    form: &'static str,
    requests: usize,
    p50_us: f64,
    p95_us: f64,
    p99_us: f64,
    max_us: f64,
}

pub(crate) fn run(args: &BenchLatency) -> anyhow::Result<ExitCode> {
    crate::log::start("error");
    let mut config = setup::config(&args.config, None)?;
    setup::runtime()?.block_on(async {
        let demo = config.backends.is_empty();
        let _demo = if demo { Some(setup::start_demo(&mut config, Pace::Instant).await?) } else { None };
        let engine = setup::engine(&config, ONE_SYNC).await?;
        let mut results = Vec::new();
        for form in ["auto", "strategy:cost", "strategy:quality", "strategy:latency", "industry:general"] {
            results.push(measure(&engine, form, args.requests).await?);
        }
        if args.json {
            say(&serde_json::to_string_pretty(&results)?);
            return Ok(ExitCode::SUCCESS);
        }
        let models = engine.catalog().models().len();
        let said = if demo { " (the simulated ones: no backend is configured)" } else { "" };
        say(&format!("from the body to the plan, {models} models{said}, one request at a time"));
        let mut table = table::table(["form", "requests", "p50 us", "p95 us", "p99 us", "max us"]);
        for m in &results {
            let f = |v: f64| format!("{v:.0}");
            let figures = [f(m.p50_us), f(m.p95_us), f(m.p99_us), f(m.max_us)];
            table.add_row([m.form.to_owned(), m.requests.to_string()].into_iter().chain(figures));
        }
        say(&table.to_string());
        Ok(ExitCode::SUCCESS)
    })
}

async fn measure(engine: &Engine, form: &'static str, requests: usize) -> anyhow::Result<Measured> {
    let body = |n: usize| {
        let text = format!("{} ({n})", PROMPTS[n % PROMPTS.len()]);
        json!({ "model": form, "messages": [{ "role": "user", "content": text }] }).to_string()
    };
    let mut times = Vec::with_capacity(requests);
    // the first requests load what is cold
    for n in 0..requests + PROMPTS.len() {
        let (body, id) = (body(n), engine.request_id());
        let started = Instant::now();
        engine.decide(&id, body.as_bytes(), &Caller::default(), None).await?;
        if n >= PROMPTS.len() {
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    Ok(Measured { form, requests, p50_us: at(0.5), p95_us: at(0.95), p99_us: at(0.99), max_us: at(1.0) })
}
