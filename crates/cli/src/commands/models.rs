//! `pointsman models`.

use std::process::ExitCode;

use pointsman_demo::Pace;
use serde_json::json;

use pointsman_engine::Engine;
use pointsman_types::{Fact, ModelSpec, Origin};

use crate::{
    args::{ListModels, Models, ModelsAction},
    setup::{self, ONE_SYNC, say},
    table,
};

pub(crate) fn run(args: &Models) -> anyhow::Result<ExitCode> {
    crate::log::start("warn");
    match &args.action {
        None => with_engine(&args.list, |engine| list(engine, &args.list)),
        Some(ModelsAction::Show(show)) => {
            with_engine(&show.list, |engine| one(engine, &show.id, show.list.json))
        }
    }
}

/// Syncs once with all backends, then shows.
fn with_engine(
    args: &ListModels,
    show: impl FnOnce(&Engine) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let mut config = setup::config(&args.config, None)?;
    if config.backends.is_empty() && !args.demo {
        anyhow::bail!("no backend is configured; `models --demo` shows the simulated ones");
    }
    setup::runtime()?.block_on(async {
        let _demo = if args.demo { Some(setup::start_demo(&mut config, Pace::Instant).await?) } else { None };
        let engine = setup::engine(&config, ONE_SYNC).await?;
        show(&engine)
    })
}

fn list(engine: &Engine, args: &ListModels) -> anyhow::Result<ExitCode> {
    let catalog = engine.catalog();
    if args.json {
        let all = json!({ "backends": catalog.backends(), "models": catalog.models() });
        say(&serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut models = table::table([
        "model",
        "backend",
        "where",
        "family",
        "context",
        "$ in / out per M",
        "can",
        "quality",
        "ttft p50",
    ]);
    for spec in catalog.models() {
        let latency = engine.latency().view(&spec.backend, &spec.id);
        let stale = if spec.about.stale_since.is_some() { " (stale)" } else { "" };
        models.add_row([
            format!("{}{stale}", spec.id),
            spec.backend.to_string(),
            table::place(spec.local, spec.simulated).to_owned(),
            spec.about.family.as_deref().unwrap_or("unknown").to_owned(),
            spec.context.map_or_else(|| "unknown".to_owned(), |t| t.to_string()),
            table::price(spec.price),
            table::capabilities(spec),
            quality(spec),
            table::millis(latency.ttft_p50),
        ]);
    }
    say(&models.to_string());
    for state in catalog.backends() {
        use pointsman_types::Health::{Degraded, Unreachable};
        if let Unreachable { error } | Degraded { error } = &state.health {
            say(&format!("{} is {}: {error}", state.endpoint.id, state.health.as_str()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn quality(spec: &ModelSpec) -> String {
    let known = spec.about.origins.get(Fact::Quality).is_some();
    if known { format!("{:.2}", spec.quality.mean()) } else { "unknown".to_owned() }
}

/// Every fact of the models of one name, and who says so.
fn one(engine: &Engine, id: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let catalog = engine.catalog();
    let found = catalog.find(id);
    if found.is_empty() {
        anyhow::bail!("{}", unknown(engine, id));
    }
    if as_json {
        say(&serde_json::to_string_pretty(found)?);
        return Ok(ExitCode::SUCCESS);
    }
    for spec in found {
        let state = catalog.backends().iter().find(|state| state.endpoint.id == spec.backend);
        let answered = state.and_then(|state| state.answered_at);
        let open = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        let mut facts = table::table(["fact", "value", "from", "as of"]);
        let about = &spec.about;
        for (name, value) in [
            ("id", spec.id.to_string()),
            ("backend", format!("{} ({})", spec.backend, table::place(spec.local, spec.simulated))),
            ("name there", spec.upstream_id.to_string()),
            ("canonical id", open(about.canonical.as_deref())),
            ("family", open(about.family.as_deref())),
            ("provider", open(about.provider.as_deref())),
            (
                "size",
                if about.ambiguous {
                    "left open by its name".to_owned()
                } else {
                    open(about.size.as_deref())
                },
            ),
            ("quantisation", open(about.quantisation.as_deref())),
        ] {
            facts.add_row([name.to_owned(), value, "its name and backend".to_owned(), String::new()]);
        }
        for fact in Fact::ALL {
            let (from, as_of) = said(about.origins.get(fact), answered);
            facts.add_row([fact.as_str().to_owned(), value(spec, fact), from, as_of]);
        }
        let latency = engine.latency().view(&spec.backend, &spec.id);
        let observed = format!("{} p95 {}", table::millis(latency.ttft_p50), table::millis(latency.ttft_p95));
        facts.add_row(["ttft p50".to_owned(), observed, "observed".to_owned(), "this process".to_owned()]);
        say(&facts.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(engine: &Engine, id: &str) -> String {
    use pointsman_types::NoRoute::{AmbiguousModel, UnknownModel};
    match engine.unknown_model(id) {
        UnknownModel { nearest, .. } if !nearest.is_empty() => {
            format!("there is no model `{id}`; did you mean {}?", nearest.join(", "))
        }
        AmbiguousModel { candidates, .. } => format!("`{id}` may be {}", candidates.join(", ")),
        _ => format!("there is no model `{id}`"),
    }
}

/// Who says a fact, and as of when.
fn said(origin: Option<&Origin>, answered: Option<u64>) -> (String, String) {
    let Some(origin) = origin else { return ("nobody".to_owned(), String::new()) };
    match origin.document() {
        Some(document) => (format!("{}: {}", origin.as_str(), document.source), document.as_of.clone()),
        None if *origin == Origin::Backend => {
            let age = answered.map(|at| std::time::UNIX_EPOCH + std::time::Duration::from_secs(at));
            let at = age.map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default();
            ("backend".to_owned(), at)
        }
        None => (origin.as_str().to_owned(), String::new()),
    }
}

fn value(spec: &ModelSpec, fact: Fact) -> String {
    let yes = |has: Option<bool>| has.map_or("unknown", |has| if has { "yes" } else { "no" }).to_owned();
    let tokens =
        |t: Option<pointsman_types::Tokens>| t.map_or_else(|| "unknown".to_owned(), |t| t.to_string());
    match fact {
        Fact::Context => tokens(spec.context),
        Fact::MaxOutput => tokens(spec.max_output),
        Fact::Price => {
            let cached = spec.price.and_then(|p| p.cached_input);
            let cached = cached.map(|pico| format!(", cached ${}", pico as f64 / 1e6)).unwrap_or_default();
            format!("{}{cached}", table::price(spec.price))
        }
        Fact::Vision => yes(spec.capabilities.vision),
        Fact::Tools => yes(spec.capabilities.tools),
        Fact::Json => yes(spec.capabilities.json),
        Fact::Reasoning => yes(spec.capabilities.reasoning),
        Fact::Kind => if spec.kind == pointsman_types::ModelKind::Chat { "chat" } else { "other" }.to_owned(),
        Fact::Quality => {
            let tasks = pointsman_types::Task::ALL.iter().zip(spec.quality.mu);
            tasks.map(|(task, mu)| format!("{task} {mu:.2}")).collect::<Vec<_>>().join(", ")
        }
    }
}
