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
    /// List the models that can be routed to, or show one.
    Models(Models),
    /// What is known of models beyond what backends say: refresh prices from a public list.
    Catalog(Catalog),
    /// Fit heads for an embedder from labelled prompts, and write an artifact.
    Train(Box<Train>),
    /// Measure: the classifier on labelled prompts, against baselines.
    Bench(Bench),
    /// Embedders: list them, fetch one from a model hub, use one.
    Embedder(Embedder),
    /// Check the configuration and report every problem at once.
    Check(Check),
    /// Gateway keys: make one, list them, take one back.
    Keys(Keys),
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
    /// The model field of the request; several make a chain.
    #[arg(long, default_value = "auto", value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// The route object of the request, as JSON: `{"tradeoff": 0.2, "local_only": true}`.
    #[arg(long = "route", value_name = "JSON")]
    pub(crate) options: Option<String>,
    /// Say what would have to change for this model to win.
    #[arg(long, value_name = "MODEL")]
    pub(crate) why_not: Option<String>,
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
pub(crate) struct Catalog {
    #[command(subcommand)]
    pub(crate) action: CatalogAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogAction {
    /// Read prices from LiteLLM's table or OpenRouter's list, and write them to a file for `[catalog] prices`.
    Refresh(Refresh),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Refresh {
    /// A file, or an http(s) URL, with LiteLLM's `model_prices_and_context_window.json` or OpenRouter's
    /// `/api/v1/models`.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) from: String,
    /// Where the prices go.
    #[arg(long, value_name = "FILE", default_value = "prices.toml")]
    pub(crate) out: PathBuf,
    /// Only these providers, as the list names them [default: all].
    #[arg(long, value_name = "PROVIDER", num_args = 1..)]
    pub(crate) provider: Vec<String>,
    /// What to write down as the source [default: where it was read from].
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Models {
    #[command(subcommand)]
    pub(crate) action: Option<ModelsAction>,
    #[command(flatten)]
    pub(crate) list: ListModels,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsAction {
    /// Everything that is known of one model, and who says so.
    Show(ShowModel),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ShowModel {
    /// Its name, in any spelling.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) list: ListModels,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListModels {
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

#[derive(Debug, ClapArgs)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) what: KeysWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysWhat {
    /// Make a key and print it, once: the file keeps its hash.
    Create {
        /// What the key is called in logs, metrics and rules.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        file: KeysFile,
    },
    /// The names in the file.
    List {
        #[command(flatten)]
        file: KeysFile,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a key back; a running server follows within two seconds.
    Revoke {
        /// The name of the key.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        file: KeysFile,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KeysFile {
    /// The hash file that `[server] keys_file` names.
    #[arg(long, value_name = "FILE", default_value = "keys.txt")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Train {
    /// Labelled rows (`text`, `task`, `industry`, `source`), JSON Lines, .gz or not.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "exemplars")]
    pub(crate) data: Vec<PathBuf>,
    /// A folder of exemplars, *.jsonl: they train in every fold; one in eight is held out and never trains.
    #[arg(long, value_name = "DIR")]
    pub(crate) exemplars: Option<PathBuf>,
    /// A hub model that was pulled (`org/name[@revision]`), a folder with one, or `static`: a table of token
    /// embeddings that is fitted too.
    #[arg(long, default_value = "static", value_name = "EMBEDDER")]
    pub(crate) embedder: String,
    /// Where the artifact goes.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Name of the artifact [default: the name of the folder].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What the encoder wants in front of every text, such as "query: ".
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// How the vectors of an encoder's tokens become one [default: as the model says, else mean].
    #[arg(long, value_parser = ["mean", "cls"])]
    pub(crate) pooling: Option<String>,
    /// For `static`: the tokenizer.
    #[arg(long, value_name = "FILE", default_value = "models/default/tokenizer.json")]
    pub(crate) tokenizer: PathBuf,
    /// For `static`: start of the token table, from `scripts/distill_static.py`.
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
    /// For `static`: width of the table.
    #[arg(long, default_value_t = 256)]
    pub(crate) dims: usize,
    /// For `static`: rows for hashed pairs of tokens.
    #[arg(long, default_value_t = 16384)]
    pub(crate) pairs: u32,
    /// Width of the hidden layer of the heads.
    #[arg(long, default_value_t = 192)]
    pub(crate) hidden: usize,
    /// Passes over the data.
    #[arg(long, default_value_t = 8)]
    pub(crate) epochs: usize,
    /// Stop after so many passes without a better loss on a twentieth of the rows that is set aside; 0 trains on
    /// everything to the end.
    #[arg(long, default_value_t = 2)]
    pub(crate) patience: usize,
    /// Variations of each text; encoders read each of them once.
    #[arg(long, default_value_t = 4)]
    pub(crate) views: usize,
    /// How much an exemplar counts beside a row of the data.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) exemplar_weight: f32,
    /// Count rows of rare tasks more.
    #[arg(long)]
    pub(crate) balance: bool,
    /// Skip leaving out each source in turn: quicker, and not calibrated.
    #[arg(long)]
    pub(crate) no_folds: bool,
    /// Below this task confidence the deep tier is asked; 0 for a tier that answers alone.
    #[arg(long, default_value_t = 0.8)]
    pub(crate) deep_below: f32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) what: BenchWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchWhat {
    /// Accuracy, macro-F1, confusion, calibration, robustness and speed on labelled prompts.
    Classifier(BenchClassifier),
    /// What routing policies would have earned on recorded outcomes, against baselines.
    Routing(BenchRouting),
    /// The decision path in process: from the body of a request to its plan.
    Latency(BenchLatency),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchLatency {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Requests of each form.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) requests: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchRouting {
    /// Recorded outcomes (`text`, `scores`, `cost_usd` or `out_chars`, `split`), JSON Lines, .gz or not.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// What reads the prompts: `deep`, `fast`, or an artifact folder.
    #[arg(long, value_name = "EMBEDDER", default_value = "deep")]
    pub(crate) embedder: String,
    /// Parts into which the training rows are divided to pick and to cross-validate.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=20))]
    pub(crate) folds: u64,
    /// Read so many rows of each file.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Also write the quality-cost curves as a page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BenchClassifier {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Labelled rows, JSON Lines, .gz or not.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// `fast`, `deep`, `cascade`, or an artifact folder; several side by side [default: as configured].
    #[arg(long, value_name = "EMBEDDER", num_args = 1..)]
    pub(crate) embedder: Vec<String>,
    /// Baselines beside them.
    #[arg(long, num_args = 1.., value_parser = ["majority", "keywords", "tfidf"])]
    pub(crate) baseline: Vec<String>,
    /// Rows on which baselines are fitted.
    #[arg(long, value_name = "FILE", num_args = 1.., required_if_eq_any([("baseline", "majority"), ("baseline", "tfidf")]))]
    pub(crate) train: Vec<PathBuf>,
    /// Only the rows that never train (of exemplars: one in eight).
    #[arg(long)]
    pub(crate) held_out: bool,
    /// Rows of each set that are perturbed, for the flip rate; 0 skips it.
    #[arg(long, default_value_t = 300)]
    pub(crate) flips: usize,
    /// Also write a report with confusion matrices and reliability plots.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Embedder {
    #[command(subcommand)]
    pub(crate) what: EmbedderWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmbedderWhat {
    /// The built-in ones, and the hub models in the cache.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from the hub (`$HF_ENDPOINT`) into the cache (`$HF_HOME`), and check it.
    Pull {
        /// `org/name`, or `org/name@revision` for a pinned one.
        #[arg(value_name = "ID")]
        id: String,
        /// Use the cache only.
        #[arg(long)]
        offline: bool,
        /// The sha256 that model.safetensors must have.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put an artifact into the configuration: a server uses it from its next start.
    Use {
        /// An artifact folder, as `train` writes it, or `default`.
        #[arg(value_name = "ARTIFACT")]
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}
