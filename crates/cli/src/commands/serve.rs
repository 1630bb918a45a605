//! `pointsman serve`.

use std::{net::SocketAddr, process::ExitCode};

use pointsman_config::{Config, Sources};
use pointsman_demo::Pace;
use pointsman_engine::Engine;
use pointsman_server::Server;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use crate::{
    args::Serve,
    reload::{self, Reloader},
    setup::{self, FIRST_SYNC, say},
    table,
};

pub(crate) fn run(args: Serve) -> anyhow::Result<ExitCode> {
    crate::log::start("warn,pointsman_server=info,pointsman_catalog=info,pointsman_actors=info");
    crate::log::panics();
    let config = setup::config(&args.config, args.listen.clone())?;
    if config.backends.is_empty() && !args.demo {
        anyhow::bail!(
            "no backend is configured. Name one in the environment (OLLAMA_BASE_URL, VLLM_BASE_URL, \
             LITELLM_BASE_URL, OPENAI_API_KEY, OPENROUTER_API_KEY) or in pointsman.toml, or try `serve --demo`"
        );
    }
    setup::runtime()?.block_on(serve(args, config))
}

async fn serve(args: Serve, mut config: Config) -> anyhow::Result<ExitCode> {
    // from here on a signal ends the start as well as the server
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let pace = if args.demo_instant { Pace::Instant } else { Pace::Lifelike };
    let sources = Sources::of_process(args.config.config.clone(), args.listen.clone());
    let demo = if args.demo { Some(setup::start_demo(&mut config, pace).await?) } else { None };
    let engine = setup::engine(&config, FIRST_SYNC).await?;
    let (ask, asked) = mpsc::channel(1);
    let settings = reload::server_settings(&config);
    let server = Server::bind(config.listen, settings, reload::keys(&config), engine.clone()).await?;
    let server = server.with_admin_key(config.admin_key.as_ref()).with_reload(ask);
    reload::warn_if_open(&config, server.address());
    banner(&engine, server.address(), args.json);
    let handle = server.handle();
    let reloader = Reloader::new(sources, config, demo, handle.clone(), asked, server.address())?;
    let asked = async {
        tokio::select! {
            _ = terminate.recv() => ExitCode::SUCCESS,
            _ = interrupt.recv() => ExitCode::SUCCESS,
            () = Box::pin(reloader.run()) => ExitCode::SUCCESS,
            () = engine.given_up() => {
                tracing::error!("an actor has failed too often: ending, so that this process is replaced");
                ExitCode::from(BROKEN)
            }
        }
    };
    let mut code = ExitCode::SUCCESS;
    let cut = server.run(async { code = asked.await }).await;
    let killed = handle.engine().stop(Instant::now() + settings.grace).await;
    if cut > 0 || !killed.is_empty() {
        tracing::warn!(cut, ?killed, "stopped before everything had ended");
    }
    Ok(code)
}

/// `EX_SOFTWARE` of sysexits.h: an internal error.
const BROKEN: u8 = 70;

fn banner(engine: &Engine, address: SocketAddr, as_json: bool) {
    let (catalog, embedders, url) = (engine.catalog(), engine.embedders(), format!("http://{address}/v1"));
    if as_json {
        let models: Vec<_> = catalog.models().iter().map(|m| &m.id).collect();
        say(&json!({ "url": url, "backends": catalog.backends(), "models": models, "embedders": embedders })
            .to_string());
        return;
    }
    say(&format!("pointsman {}", env!("CARGO_PKG_VERSION")));
    let mut backends = table::table(["backend", "state", "models", "where", "url"]);
    for state in catalog.backends() {
        let e = &state.endpoint;
        let place = table::place(e.local, e.simulated);
        let models = state.models.to_string();
        backends.add_row([e.id.as_str(), state.health.as_str(), &models, place, &e.base_url]);
    }
    say(&backends.to_string());
    let names: Vec<_> = catalog.models().iter().take(12).map(|m| m.id.as_str()).collect();
    let more = catalog.models().len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    say(&format!("models    auto, {}{more}", names.join(", ")));
    for e in &embedders {
        let megabytes = e.bytes as f64 / 1e6;
        say(&format!("embedder  {} ({} dims, {megabytes:.1} MB, {})", e.id, e.dims, e.source));
    }
    say(&format!("listening {url}"));
    say(&format!(
        "try       curl {url}/chat/completions -H 'content-type: application/json' \\\n            -d '{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"Write a haiku about switches\"}}]}}'"
    ));
}
