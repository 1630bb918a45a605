//! `pointsman route`.

use std::process::ExitCode;

use anyhow::Context;
use pointsman_demo::Pace;
use pointsman_engine::{Caller, EngineError, Routed, Standing, WhyNot};
use pointsman_types::{Classification, NoRoute, Ranked};
use serde_json::json;

use crate::{
    args::Route,
    setup::{self, ONE_SYNC, complain, say},
    table,
};

pub(crate) fn run(args: &Route) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    let mut config = setup::config(&args.config, None)?;
    let prompt = setup::text_or_stdin(&args.prompt)?;
    let demo = args.demo || config.backends.is_empty();
    let mut body = json!({ "models": args.model, "messages": [{ "role": "user", "content": prompt }] });
    if let Some(options) = &args.options {
        body["route"] = serde_json::from_str(options).context("--route")?;
    }
    let body = body.to_string();
    setup::runtime()?.block_on(async {
        let _demo = if demo { Some(setup::start_demo(&mut config, Pace::Instant).await?) } else { None };
        let engine = setup::engine(&config, ONE_SYNC).await?;
        let id = engine.request_id();
        let routed =
            match engine.decide(&id, body.as_bytes(), &Caller::default(), args.why_not.as_deref()).await {
                Ok(routed) => routed,
                Err(error) => {
                    explain(&error);
                    return Ok(ExitCode::FAILURE);
                }
            };
        if args.json {
            say(&serde_json::to_string_pretty(&routed)?);
        } else {
            if demo && !args.demo {
                say("no backend is configured: these are the simulated ones of `serve --demo`");
            }
            show(&routed);
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn show(routed: &Routed) {
    let decision = &routed.decision;
    if let Some(first) = decision.candidates.first() {
        say(&format!(
            "{} on {}  ({}, decided in {} us)",
            first.spec.id,
            first.spec.backend,
            decision.why(),
            routed.elapsed_us
        ));
    }
    if let Some(classification) = &decision.classification {
        say(&summary(classification));
    }
    for note in &decision.notes {
        say(&format!("note: {note}"));
    }
    let mut kept = table::table(["#", "model", "where", "quality", "cost $", "latency", "errors", "utility"]);
    for (place, ranked) in decision.candidates.iter().enumerate() {
        kept.add_row(row(place + 1, ranked));
    }
    say(&kept.to_string());
    if !decision.removed.is_empty() {
        let mut removed = table::table(["left out", "because"]);
        for r in &decision.removed {
            removed.add_row([r.spec.id.to_string(), r.why.to_string()]);
        }
        say(&removed.to_string());
    }
    if let Some(why_not) = &routed.why_not {
        say_why_not(why_not);
    }
}

fn say_why_not(asked: &WhyNot) {
    let model = &asked.model;
    match &asked.standing {
        Standing::Chosen => return say(&format!("{model} is the choice")),
        Standing::Behind { place, gap } => {
            say(&format!("why not {model}: it is number {place}, {gap:.3} behind the first"));
        }
        Standing::Removed { why } => say(&format!("why not {model}: {why}")),
        Standing::NotAsked => say(&format!("why not {model}: the request does not ask for it")),
    }
    if asked.changes.is_empty() {
        say("nothing that was tried would make it win");
    } else {
        say("each of these would make it win:");
    }
    for change in &asked.changes {
        say(&format!("  {:<12} {}", change.what, change.text));
    }
}

fn row(place: usize, ranked: &Ranked) -> [String; 8] {
    let t = &ranked.terms;
    [
        place.to_string(),
        ranked.spec.id.to_string(),
        table::place(ranked.spec.local, ranked.spec.simulated).to_owned(),
        format!("{:.2} ± {:.2}", t.quality, t.sigma),
        t.cost_usd.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd:.6}")),
        format!("{:.0} ms", t.latency_ms),
        format!("{:.0}%", t.error_rate * 100.0),
        format!("{:+.3}", t.utility),
    ]
}

/// The likeliest labels of both heads.
pub(crate) fn summary(classification: &Classification) -> String {
    let (task, p) = classification.top_task();
    let (industry, q) = classification.top_industry();
    let abstained = if classification.abstained { ", abstained" } else { "" };
    format!("task {task} {p:.2}, industry {industry} {q:.2}{abstained}  [{}]", classification.embedder)
}

fn explain(error: &EngineError) {
    complain(&format!("error: {error}"));
    match error {
        EngineError::NoRoute(NoRoute::UnknownModel { nearest, .. }) if !nearest.is_empty() => {
            complain(&format!("did you mean {}?", nearest.join(", ")));
        }
        EngineError::NoRoute(NoRoute::AmbiguousModel { candidates, .. }) => {
            complain(&format!("it may be {}", candidates.join(", ")));
        }
        EngineError::NoRoute(NoRoute::Nothing { removed, .. }) => {
            for r in removed {
                complain(&format!("  {}: {}", r.spec.id, r.why));
            }
        }
        _ => {}
    }
}
