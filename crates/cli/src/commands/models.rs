//! `pointsman models`.

use std::process::ExitCode;

use pointsman_demo::Pace;
use serde_json::json;

use crate::{
    args::Models,
    setup::{self, ONE_SYNC, say},
    table,
};

pub(crate) fn run(args: &Models) -> anyhow::Result<ExitCode> {
    setup::logs("warn");
    let mut config = setup::config(&args.config, None)?;
    if config.backends.is_empty() && !args.demo {
        anyhow::bail!("no backend is configured; `models --demo` shows the simulated ones");
    }
    setup::runtime()?.block_on(async {
        let _demo = if args.demo { Some(setup::add_demo(&mut config, Pace::Instant).await?) } else { None };
        let engine = setup::engine(&config, ONE_SYNC).await?;
        let catalog = engine.catalog();
        if args.json {
            say(&serde_json::to_string_pretty(
                &json!({ "backends": catalog.backends(), "models": catalog.models() }),
            )?);
            return Ok(ExitCode::SUCCESS);
        }
        let mut models =
            table::table(["model", "backend", "where", "context", "$ in / out per M", "can", "ttft p50"]);
        for spec in catalog.models() {
            let latency = engine.latency().view(&spec.backend, &spec.id);
            models.add_row([
                spec.id.to_string(),
                spec.backend.to_string(),
                table::place(spec.local, spec.simulated).to_owned(),
                spec.context.map_or_else(|| "unknown".to_owned(), |t| t.to_string()),
                table::price(spec.price),
                table::capabilities(spec),
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
    })
}
