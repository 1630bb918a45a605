//! Where values come from, and who wins.

use std::{fs, time::Duration};

use insta::assert_snapshot;
use pointsman_config::{
    Config, ConfigError, Environment, LearningConfig, ServerConfig, SessionConfig, Sources,
};
use pointsman_types::{BackendKind, Capability, ModelForm, Price, Strategy, Task, Tokens};
use secrecy::ExposeSecret;

use crate::{example, from_environment, load};

fn summary(config: &Config) -> String {
    let line = |b: &pointsman_config::BackendConfig| {
        let e = &b.endpoint;
        let key = b.api_key.as_ref().map_or("-", |k| k.expose_secret());
        format!("{} {:?} {} local={} key={key} discover={}", e.id, e.kind, e.base_url, e.local, b.discover)
    };
    config.backends.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Policies hold patterns, which have no equality of their own.
fn shown(policy: &pointsman_decide::Policy) -> String {
    format!("{policy:?}")
}

#[test]
fn without_anything_there_are_defaults() {
    let config = from_environment(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(config.backends.is_empty() && config.aliases.is_empty());
    assert!(config.notes.is_empty() && config.warnings.is_empty());
    assert_eq!(shown(&config.policy()), shown(&pointsman_decide::Policy::default()));
    assert_eq!(config.classifier_settings(), pointsman_classifier::ClassifierSettings::default());
    assert_eq!(config.latency_settings(), pointsman_latency::LatencySettings::default());
    assert_eq!(config.server, ServerConfig::default());
    assert_eq!(config.server.body_limit_bytes, 32 * 1024 * 1024);
    assert_eq!(config.server.grace, Duration::from_secs(30));
}

#[test]
fn the_environment_alone_is_enough() {
    let config = from_environment(&[
        ("OLLAMA_BASE_URL", "http://127.0.0.1:11434"),
        ("VLLM_BASE_URL", "http://gpu:8000/"),
        ("LITELLM_BASE_URL", "http://proxy:4000"),
        ("LITELLM_API_KEY", "k-litellm"),
        ("OPENAI_API_KEY", " k-openai\n"),
        ("ANTHROPIC_API_KEY", "k"),
        ("OPENROUTER_API_KEY", "k-openrouter"),
        ("POINTSMAN_LISTEN", "0.0.0.0:9000"),
    ])
    .unwrap();
    assert_snapshot!(summary(&config), @r"
    ollama Ollama http://127.0.0.1:11434/v1 local=true key=- discover=true
    vllm Vllm http://gpu:8000/v1 local=true key=- discover=true
    litellm LiteLlm http://proxy:4000/v1 local=false key=k-litellm discover=true
    openai OpenAi https://api.openai.com/v1 local=false key=k-openai discover=true
    anthropic Anthropic https://api.anthropic.com/v1 local=false key=k discover=true
    openrouter OpenRouter https://openrouter.ai/api/v1 local=false key=k-openrouter discover=true
    ");
    assert_snapshot!(config.notes.join("\n"), @r"
    backend `ollama` at http://127.0.0.1:11434/v1 found from OLLAMA_BASE_URL
    backend `vllm` at http://gpu:8000/v1 found from VLLM_BASE_URL
    backend `litellm` at http://proxy:4000/v1 found from LITELLM_BASE_URL
    backend `openai` at https://api.openai.com/v1 found from OPENAI_API_KEY
    backend `anthropic` at https://api.anthropic.com/v1 found from ANTHROPIC_API_KEY
    backend `openrouter` at https://openrouter.ai/api/v1 found from OPENROUTER_API_KEY
    ");
    assert_eq!(config.listen.to_string(), "0.0.0.0:9000");
    assert!(config.warnings.is_empty());
}

#[test]
fn variables_that_change_nothing_are_warned_about_and_bad_ones_are_errors() {
    let config = from_environment(&[("OPENAI_BASE_URL", "http://host"), ("LITELLM_API_KEY", "k")]).unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_snapshot!(warnings.join("\n"), @r"
    environment: LITELLM_API_KEY: warning: has no effect without LITELLM_BASE_URL
    environment: OPENAI_BASE_URL: warning: has no effect without OPENAI_API_KEY; a server without keys goes into the file
    ");
    assert!(config.backends.is_empty());

    let error = from_environment(&[
        ("OLLAMA_BASE_URL", "localhost:11434"),
        ("OPENAI_API_KEY", "k\u{7}"),
        ("OPENROUTER_API_KEY", "k"),
        ("POINTSMAN_LISTEN", "nowhere"),
    ])
    .unwrap_err();
    assert_snapshot!(error, @r"
    environment: OLLAMA_BASE_URL: a base URL starts with http:// or https://
    environment: OPENAI_API_KEY: holds characters that cannot be sent in a header
    environment: POINTSMAN_LISTEN: `nowhere` is not an address and a port, for example 127.0.0.1:8080
    ");
    assert_eq!(error.kind(), "invalid");
}

#[test]
fn the_file_wins_over_a_backend_of_the_environment() {
    let variables = [
        ("OLLAMA_BASE_URL", "http://there:11434"),
        ("VLLM_BASE_URL", "http://gpu:8000"),
        ("OPENAI_API_KEY", "k-openai"),
    ];
    let by_name =
        load("[[backends]]\nname = 'ollama'\nkind = 'ollama'\nbase_url = 'http://here:11434'\n", &variables);
    assert_snapshot!(summary(&by_name.unwrap()), @r"
    ollama Ollama http://here:11434/v1 local=false key=- discover=true
    vllm Vllm http://gpu:8000/v1 local=true key=- discover=true
    openai OpenAi https://api.openai.com/v1 local=false key=k-openai discover=true
    ");
    let by_address =
        load("[[backends]]\nname = 'gpu'\nkind = 'vllm'\nbase_url = 'http://gpu:8000/v1/'\n", &variables);
    assert_snapshot!(summary(&by_address.unwrap()), @r"
    gpu Vllm http://gpu:8000/v1 local=false key=- discover=true
    ollama Ollama http://there:11434/v1 local=true key=- discover=true
    openai OpenAi https://api.openai.com/v1 local=false key=k-openai discover=true
    ");
    // a key that the file gives to one address is not sent to another
    let by_key = load(
        "[[backends]]\nname = 'p'\nkind = 'openai'\nbase_url = 'http://proxy'\napi_key_env = 'OPENAI_API_KEY'\n",
        &variables,
    )
    .unwrap();
    assert_snapshot!(summary(&by_key), @r"
    p OpenAi http://proxy/v1 local=false key=k-openai discover=true
    ollama Ollama http://there:11434/v1 local=true key=- discover=true
    vllm Vllm http://gpu:8000/v1 local=true key=- discover=true
    ");
    assert_snapshot!(by_key.notes.join("\n"), @r"
    backend `ollama` at http://there:11434/v1 found from OLLAMA_BASE_URL
    backend `vllm` at http://gpu:8000/v1 found from VLLM_BASE_URL
    backend `p` of the file wins over OPENAI_API_KEY
    ");
}

#[test]
fn listen_comes_from_the_most_trusted_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.toml");
    fs::write(&file, "listen = '127.0.0.1:1'").unwrap();
    let load = |environment: &[(&str, &str)], listen: Option<&str>| {
        let environment: Environment = environment.iter().copied().collect();
        let listen = listen.map(str::to_owned);
        Config::load(&Sources { file: Some(file.clone()), environment, listen, ..Sources::default() })
    };
    let port = |config: Config| config.listen.port();
    assert_eq!(port(load(&[], None).unwrap()), 1);
    assert_eq!(port(load(&[("POINTSMAN_LISTEN", "localhost:2")], None).unwrap()), 2);
    assert_eq!(port(load(&[("POINTSMAN_LISTEN", ":2")], Some("[::1]:3")).unwrap()), 3);
    assert_snapshot!(load(&[], Some("here")).unwrap_err(), 
        @"command line: --listen: `here` is not an address and a port, for example 127.0.0.1:8080");
}

#[test]
fn the_file_is_found_by_option_then_variable_then_default() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, port: u16| {
        let path = folder.path().join(name);
        fs::write(&path, format!("listen = ':{port}'")).unwrap();
        path
    };
    let [option, variable, default] = [("a", 1), ("b", 2), ("pointsman.toml", 3)].map(|(n, p)| write(n, p));
    let mut sources = Sources {
        file: Some(option),
        default_file: Some(default),
        environment: [("POINTSMAN_CONFIG", variable.to_str().unwrap())].into_iter().collect(),
        listen: None,
    };
    let port = |sources: &Sources| Config::load(sources).unwrap().listen.port();
    assert_eq!(port(&sources), 1);
    sources.file = None;
    assert_eq!(port(&sources), 2);
    sources.environment = Environment::default();
    assert_eq!(port(&sources), 3);
    sources.default_file = Some(folder.path().join("absent"));
    assert_eq!(port(&sources), 8080, "a default file need not exist");
    sources.file = Some(folder.path().join("absent"));
    assert_eq!(Config::load(&sources).unwrap_err().kind(), "read", "a named one must");
}

#[test]
fn the_example_loads_and_says_what_it_shows() {
    let environment = [("LAB_KEY", "k")].into_iter().collect();
    let config = Config::load(&Sources { file: Some(example()), environment, ..Sources::default() }).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(
        (&*config.classifier.classes[0].name, config.policy.classes[0].name.as_str()),
        ("wine", "wine")
    );
    // for the rest the example states the defaults, so that reading it is knowing them
    let names: Vec<&str> = config.policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["secrets", "night", "coders"], "by priority");
    assert!(config.policy.rules[0].when.text_matches("my PASSWORD is x"));
    assert_eq!(config.policy.rules[1].when.hours, Some((22 * 60, 6 * 60)));
    assert_eq!(config.industries["legal"], ["llama3.1"]);
    assert_eq!(config.industries["mining"].len(), 2);
    assert_eq!((config.sessions, &config.learning), (SessionConfig::default(), &LearningConfig::default()));
    let shadow = config.policy.shadow.as_ref().unwrap();
    assert!((shadow.cost - 0.6).abs() < 1e-9 && shadow.rules.len() == 3, "the rest is as in the live one");
    let policy =
        pointsman_decide::Policy { classes: Vec::new(), rules: Vec::new(), shadow: None, ..config.policy };
    assert_eq!(shown(&policy), shown(&pointsman_decide::Policy::default()));
    let classifier = pointsman_classifier::ClassifierSettings { classes: Vec::new(), ..config.classifier };
    assert_eq!(classifier, pointsman_classifier::ClassifierSettings::default());
    assert_eq!(config.server, ServerConfig::default());
    assert_eq!(config.catalog, pointsman_config::CatalogConfig::default());
    assert_eq!(config.backends[0].timeouts, pointsman_upstream::Timeouts::default());

    let model = &config.backends[0].models[0];
    assert_eq!((model.id.as_str(), &*model.upstream_id), ("llama3.1", "llama-3.1-8b-instruct"));
    assert_eq!(model.price, Some(Price { input: 50_000, output: 80_000, cached_input: Some(25_000) }));
    assert_eq!((model.context, model.max_output), (Some(Tokens(131_072)), Some(Tokens(8192))));
    assert_eq!(model.capabilities.get(Capability::Tools), Some(true));
    assert_eq!(model.capabilities.get(Capability::Vision), Some(false));
    assert!((model.quality.mu[Task::Code.index()] - 0.6).abs() < 1e-6);
    assert_eq!(config.aliases["fast"], [ModelForm::Strategy(Strategy::Latency)]);
    assert_eq!(config.aliases["assistant"], [ModelForm::Auto], "aliases of aliases are followed");
    let own = ModelForm::Alias("llama3.1".to_owned());
    assert_eq!(config.aliases["careful"], [own, ModelForm::Auto]);
    assert_eq!(config.backends[1].endpoint.kind, BackendKind::Vllm);
}

#[test]
fn settings_carry_what_was_stated_and_a_demo_backend_can_be_added() {
    let text = "[[backends]]\nname = 'a'\nkind = 'vllm'\nbase_url = 'http://gpu:8000'\nlocal = true\n\
                accept = ['ft:*']\nmax_concurrency = 7\ntimeouts.idle = '5s'\nmodels = [{ id = 'm' }]\n\
                [catalog]\nrefresh = '2m'\n";
    let mut config = load(text, &[]).unwrap();
    let catalog = config.catalog_settings();
    assert_eq!(catalog.refresh, Duration::from_mins(2));
    assert_eq!(catalog.backends[0].accept, ["ft:*"]);
    assert!(catalog.backends[0].models[0].local && catalog.backends[0].models[0].price.is_none());
    let upstream = config.upstream_settings();
    assert_eq!((upstream[0].max_concurrency, upstream[0].timeouts.idle), (7, Duration::from_secs(5)));

    let mut endpoint = config.backends[0].endpoint.clone();
    let models = config.backends[0].models.clone();
    assert_eq!(config.add_backend(endpoint.clone(), models.clone()).unwrap_err().kind(), "backend_exists");
    endpoint.id = "demo-small".into();
    endpoint.simulated = true;
    config.add_backend(endpoint, models).unwrap();
    let added = &config.catalog_settings().backends[1];
    assert!(added.endpoint.simulated && added.discover && added.models.len() == 1);
}

/// A file on disk that is loaded again and again.
struct Served {
    file: std::path::PathBuf,
    sources: Sources,
    _folder: tempfile::TempDir,
}

impl Served {
    fn new(text: &str) -> (Self, Config) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pointsman.toml");
        let sources = Sources { default_file: Some(file.clone()), ..Sources::default() };
        fs::write(&file, text).unwrap();
        let config = Config::load(&sources).unwrap();
        (Self { file, sources, _folder: folder }, config)
    }

    fn again(&self, served: &Config, text: &str) -> Result<Config, ConfigError> {
        fs::write(&self.file, text).unwrap();
        served.load_again(&self.sources)
    }
}

const KEY: &str = "[[keys]]\nname = \"a\"\nhash = \"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"\n";

#[test]
fn a_file_that_vanishes_or_says_nothing_is_no_configuration_to_go_on_with() {
    let (disk, served) = Served::new("listen = \":1\"\n");
    for blank in ["", "\n \n", "# a comment is nothing\n"] {
        assert!(matches!(disk.again(&served, blank), Err(ConfigError::Blank(_))), "{blank:?}");
    }
    assert_eq!(disk.again(&served, "listen = \":2\"\n").unwrap().listen.port(), 2);
    fs::remove_file(&disk.file).unwrap();
    assert!(matches!(served.load_again(&disk.sources), Err(ConfigError::Read { .. })));
    // at a start the same sources are fine, and who began with nothing may go on with nothing
    assert!(Config::load(&disk.sources).unwrap().blank);
    let (disk, served) = Served::new("");
    assert!(disk.again(&served, "# still nothing\n").is_ok());
}

#[test]
fn keys_do_not_vanish_without_a_restart() {
    let (disk, served) = Served::new(KEY);
    assert!(matches!(disk.again(&served, "listen = \":1\"\n"), Err(ConfigError::Opens)));
    assert!(disk.again(&served, &KEY.replace("\"a\"", "\"b\"")).is_ok());
    let (disk, served) = Served::new("listen = \":1\"\n");
    assert!(disk.again(&served, KEY).unwrap().asks_for_keys());
}

#[test]
fn files_are_stamped_before_they_are_read() {
    let (disk, served) = Served::new("");
    let keys = disk.file.with_file_name("keys.txt");
    fs::write(&keys, "").unwrap();
    assert_eq!(served.stamps().len(), 1);
    let again = disk.again(&served, "[server]\nkeys_file = \"keys.txt\"\n").unwrap();
    let stamps = again.stamps();
    assert_eq!(stamps.len(), 2);
    assert!(stamps.iter().all(|stamp| stamp.again() == *stamp));
    fs::write(&keys, "# changed").unwrap();
    assert!(stamps[0].again() == stamps[0] && stamps[1].again() != stamps[1]);
}

#[test]
fn limits_of_bodies_streams_and_metrics_are_read() {
    let text = "[server]\nbody_timeout = \"5s\"\nbody_limit_bytes = 2048\nmax_buffered_bytes = 4096\n\
        max_streams_per_key = 3\nopen_metrics = false\n";
    let server = load(text, &[]).unwrap().server;
    assert_eq!((server.body_timeout, server.max_buffered_bytes), (Duration::from_secs(5), 4096));
    assert_eq!((server.max_streams_per_key, server.open_metrics), (Some(3), false));
    let default = ServerConfig::default();
    assert_eq!((default.max_streams_per_key, default.open_metrics), (None, true));
}
