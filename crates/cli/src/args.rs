//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// An OpenAI-compatible LLM router: the model field is the steering wheel.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway.
    Serve(Serve),
    /// Decide where a prompt would go, and say why. Nothing is sent to a backend.
    Route(Route),
    /// Classify prompts by task and industry.
    Classify(Classify),
    /// List the models that can be routed to.
    Models(Models),
    /// Check the configuration and report every problem at once.
    Check(Check),
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: $POINTSMAN_CONFIG, else ./pointsman.toml if it exists].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Address to listen on; port 0 takes a free one [default: $POINTSMAN_LISTEN, else 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Add three simulated backends: no keys, no network, no download.
    #[arg(long)]
    pub(crate) demo: bool,
    /// With --demo: simulated backends answer at once instead of at a lifelike pace.
    #[arg(long, requires = "demo")]
    pub(crate) demo_instant: bool,
    /// Print the banner as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Route {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The model field of the request.
    #[arg(long, default_value = "auto", value_name = "MODEL")]
    pub(crate) model: String,
    /// Use the three simulated backends; also what happens where no backend is configured.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Print the decision record as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The prompt; `-` reads standard input.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Classify {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Read rows with a `text` field from a JSON Lines file, gzipped or not; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "prompts")]
    pub(crate) jsonl: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The prompts; a single `-` reads one from standard input.
    #[arg(value_name = "PROMPT", required_unless_present = "jsonl")]
    pub(crate) prompts: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Use the three simulated backends.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
