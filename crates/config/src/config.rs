//! The checked configuration and how it is loaded.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use pointsman_catalog::{CatalogSettings, Facts, Industries};
use pointsman_classifier::ClassifierSettings;
use pointsman_decide::Policy;
use pointsman_latency::LatencySettings;
use pointsman_types::{Endpoint, ModelForm, ModelSpec};
use pointsman_upstream::{BreakerSettings, HedgeSettings, RetrySettings, UpstreamSettings};
use secrecy::{ExposeSecret, SecretString};
use toml::de::DeTable;

use crate::{
    aliases,
    backend::{self, BackendConfig, FromFile},
    classes, detect,
    environment::Environment,
    keys::{self, KeyConfig},
    memory::{self, LearningConfig, SessionConfig},
    policy,
    problem::{ConfigError, Origin, Problem, Severity},
    reader::Section,
    report::Report,
    resilience, rules,
    server::{self, ServerConfig},
    stamp::Stamp,
    tuning::{self, CatalogConfig},
};

/// The variable that holds what opens the admin routes.
const ADMIN_KEY: &str = "POINTSMAN_ADMIN_KEY";

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that the command line names. It must exist.
    pub file: Option<PathBuf>,
    /// The file that is read where neither the command line nor `POINTSMAN_CONFIG` names one, if it exists.
    pub default_file: Option<PathBuf>,
    /// The environment variables.
    pub environment: Environment,
    /// The address that the command line names.
    pub listen: Option<String>,
}

impl Sources {
    /// The environment of this process, `./pointsman.toml`, and what the command line names.
    pub fn of_process(file: Option<PathBuf>, listen: Option<String>) -> Self {
        Self {
            file,
            default_file: Some(PathBuf::from("pointsman.toml")),
            environment: Environment::of_process(),
            listen,
        }
    }
}

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// How that file was before it was read.
    pub stamp: Option<Stamp>,
    /// The file says nothing, or there is none.
    pub blank: bool,
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The backends: those of the file in its order, then those of the environment.
    pub backends: Vec<BackendConfig>,
    /// A person's own names for models and chains of them, followed: no part of a value is itself a key.
    pub aliases: BTreeMap<String, Vec<ModelForm>>,
    /// The lists of models per trade.
    pub industries: Industries,
    /// The memory of conversations.
    pub sessions: SessionConfig,
    /// Files of recorded outcomes.
    pub outcomes: Vec<PathBuf>,
    /// Learning from outcomes.
    pub learning: LearningConfig,
    /// The constants of a decision.
    pub policy: Policy,
    /// The classifier.
    pub classifier: ClassifierSettings,
    /// The freshness of the catalog.
    pub catalog: CatalogConfig,
    /// The observation windows.
    pub latency: LatencySettings,
    /// Limits of the HTTP face.
    pub server: ServerConfig,
    /// Who may ask, where keys are asked for at all.
    pub keys: Vec<KeyConfig>,
    /// How often a request is tried.
    pub retries: RetrySettings,
    /// When a model is passed over.
    pub breakers: BreakerSettings,
    /// Second attempts beside slow first ones.
    pub hedging: HedgeSettings,
    /// What opens the admin routes: `POINTSMAN_ADMIN_KEY`. Without it they are closed.
    pub admin_key: Option<SecretString>,
    /// Facts worth a line in the log at the start.
    pub notes: Vec<String>,
    /// What hardly does what was meant. None is an error.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The address where nothing names one.
    pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

    /// Loads and checks. The error holds every problem that was found, not just the first.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        match file_of(sources) {
            Some((path, stamp, text)) => {
                let config = Self::parse(sources, Some(path), &text?)?;
                Ok(Self { stamp: Some(stamp), ..config })
            }
            None => Self::parse(sources, None, ""),
        }
    }

    /// Loads what is to take the place of this configuration while it is served. A file that is gone, or says nothing
    /// any more, is a mistake then: an editor may be about to write it, and without it everybody might ask.
    pub fn load_again(&self, sources: &Sources) -> Result<Self, ConfigError> {
        let file = self.file.clone().or_else(|| sources.file.clone());
        let again = Self::load(&Sources { file, ..sources.clone() })?;
        match &again.file {
            Some(file) if again.blank && !self.blank => Err(ConfigError::Blank(file.clone())),
            _ if self.asks_for_keys() && !again.asks_for_keys() => Err(ConfigError::Opens),
            _ => Ok(again),
        }
    }

    /// The files that were read, as they were before that.
    pub fn stamps(&self) -> Vec<Stamp> {
        self.stamp.iter().chain(&self.server.keys_stamp).cloned().collect()
    }

    /// Whether requests need a key: a hash file asks for keys even where it has none left.
    pub fn asks_for_keys(&self) -> bool {
        self.server.keys_file.is_some() || !self.keys.is_empty()
    }

    /// What the catalog actor is told.
    pub fn catalog_settings(&self) -> CatalogSettings {
        CatalogSettings {
            backends: self.backends.iter().map(BackendConfig::catalog).collect(),
            refresh: self.catalog.refresh,
            timeout: self.catalog.timeout,
            max_list_bytes: self.catalog.max_list_bytes,
            probe: Some(self.catalog.probe),
            grace: self.catalog.grace,
            // the file was read when the configuration was
            facts: self
                .catalog
                .prices
                .as_deref()
                .and_then(|path| Facts::with_prices(path).ok())
                .unwrap_or_else(Facts::shipped),
        }
    }

    /// What the transport is told of each backend.
    pub fn upstream_settings(&self) -> Vec<UpstreamSettings> {
        self.backends.iter().map(BackendConfig::upstream).collect()
    }

    /// What the latency actors are told.
    pub fn latency_settings(&self) -> LatencySettings {
        self.latency
    }

    /// What the classifier is told.
    pub fn classifier_settings(&self) -> ClassifierSettings {
        self.classifier.clone()
    }

    /// The constants of a decision.
    pub fn policy(&self) -> Policy {
        self.policy.clone()
    }

    /// Adds a backend whose models are described, such as one of the demo's.
    pub fn add_backend(&mut self, endpoint: Endpoint, models: Vec<ModelSpec>) -> Result<(), ConfigError> {
        if self.backends.iter().any(|backend| backend.endpoint.id == endpoint.id) {
            return Err(ConfigError::BackendExists(endpoint.id.to_string()));
        }
        self.backends.push(BackendConfig::with_models(endpoint, models));
        Ok(())
    }

    fn parse(sources: &Sources, file: Option<PathBuf>, text: &str) -> Result<Self, ConfigError> {
        let name = file.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let report = Report::new(&name, text);
        let (document, mistakes) = DeTable::parse_recoverable(text);
        for mistake in mistakes {
            report.syntax(&mistake.span().unwrap_or(0..0), mistake.message());
        }
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let mut config = Self::read(Section::root(&report, &document), sources, folder, &report);
        if let Some(listen) = outer_listen(sources, &report) {
            config.listen = listen;
        }
        config.refuse_shared_admin_key(&report);
        let (problems, notes, failed) = report.into_parts();
        if failed {
            return Err(ConfigError::Invalid(problems));
        }
        Ok(Self { file, blank: document.get_ref().is_empty(), notes, warnings: problems, ..config })
    }

    /// Who holds a gateway key could otherwise do what only an admin may.
    fn refuse_shared_admin_key(&self, report: &Report) {
        let Some(admin) = self.admin_key.as_ref().map(|key| keys::digest(key.expose_secret())) else {
            return;
        };
        for key in self.keys.iter().filter(|key| key.sha256 == admin) {
            let message =
                format!("it is the gateway key `{}` too: whoever holds that would be an admin", key.name);
            report.outside(Severity::Error, Origin::Environment, ADMIN_KEY, message);
        }
    }

    /// Everything but the notes and warnings, with defaults in the place of what is wrong.
    fn read(mut root: Section<'_>, sources: &Sources, folder: &Path, report: &Report) -> Self {
        let listen = root.get("listen").and_then(|value| {
            let text = value.text()?;
            address(text).map_err(|why| value.fail(why)).ok()
        });
        let stated = root.get("backends").map(|v| backend::read_all(&v, &sources.environment));
        let stated = stated.unwrap_or_default();
        let detected = detect::backends(&sources.environment, &stated, report);
        let industries = root.get("industries");
        let tags = memory::tags(industries.as_ref());
        let aliases = root.get("aliases").map(|v| aliases::read(&v, &tags)).unwrap_or_default();
        let policy = root.get("policy").map(|v| policy::read(&v)).unwrap_or_default();
        let industries = memory::read_industries(industries.as_ref(), &aliases);
        let sessions = root.get("sessions").map(|v| memory::read_sessions(&v)).unwrap_or_default();
        let outcomes = root.get("outcomes").map(|v| memory::read_outcomes(&v, folder)).unwrap_or_default();
        let learning = root.get("learning").map(|v| memory::read_learning(&v, folder)).unwrap_or_default();
        let classifier =
            root.get("classifier").map(|v| tuning::read_classifier(&v, folder)).unwrap_or_default();
        let catalog = root.get("catalog").map(|v| tuning::read_catalog(&v, folder)).unwrap_or_default();
        let server = root.get("server").map(|v| server::read(&v, folder)).unwrap_or_default();
        let mut keys = server.keys.clone();
        if let Some(value) = root.get("keys") {
            for key in keys::read(&value, &sources.environment) {
                if keys.iter().any(|known| known.name == key.name) {
                    value.fail(format!("the key `{}` is in the hash file too", key.name));
                }
                keys.push(key);
            }
        }
        let retries = root.get("retries").map(|v| resilience::read_retries(&v)).unwrap_or_default();
        let breakers = root.get("breakers").map(|v| resilience::read_breakers(&v)).unwrap_or_default();
        let hedging = root.get("hedging").map(|v| resilience::read_hedging(&v)).unwrap_or_default();
        let mut policy = policy;
        let mut classifier = classifier;
        if let Some(value) = root.get("classes") {
            (classifier.classes, policy.classes) = classes::read(&value);
        }
        let backends: Vec<BackendConfig> =
            stated.into_iter().map(|FromFile { config, .. }| config).chain(detected).collect();
        if let Some(value) = root.get("rules") {
            policy.rules = rules::read(&value, rules::Known { aliases: &aliases, tags: &tags }, &backends);
        }
        let meant = |name: &String| match aliases.get(name).map(Vec::as_slice) {
            Some([ModelForm::Alias(model)]) => model.clone(),
            _ => name.clone(),
        };
        policy.default_model = policy.default_model.as_ref().map(meant);
        if let Some(shadow) = &mut policy.shadow {
            shadow.default_model = shadow.default_model.as_ref().map(meant);
            shadow.rules.clone_from(&policy.rules);
            shadow.classes.clone_from(&policy.classes);
        }
        root.finish();
        Self {
            file: None,
            stamp: None,
            blank: true,
            admin_key: sources.environment.get(ADMIN_KEY).map(SecretString::from),
            listen: listen.unwrap_or(Self::DEFAULT_LISTEN),
            backends,
            aliases,
            industries,
            sessions,
            outcomes,
            learning,
            policy,
            classifier,
            catalog,
            latency: LatencySettings::default(),
            server,
            keys,
            retries,
            breakers,
            hedging,
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// The file to read, how it was before, and what reading it gave; none where none is named and the default one does not exist.
fn file_of(sources: &Sources) -> Option<(PathBuf, Stamp, Result<String, ConfigError>)> {
    let named =
        sources.file.clone().or_else(|| sources.environment.get("POINTSMAN_CONFIG").map(PathBuf::from));
    let (path, must_exist) = match named {
        Some(path) => (path, true),
        None => (sources.default_file.clone()?, false),
    };
    let stamp = Stamp::of(&path);
    match fs::read_to_string(&path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound && !must_exist => None,
        Err(source) => Some((path.clone(), stamp, Err(ConfigError::Read { path, source }))),
        Ok(text) => Some((path, stamp, Ok(text))),
    }
}

/// The address that the command line or the environment names; the command line outranks, both are checked.
fn outer_listen(sources: &Sources, report: &Report) -> Option<SocketAddr> {
    let read = |origin: Origin, key: &str, text: &str| {
        address(text).map_err(|why| report.outside(Severity::Error, origin, key, why)).ok()
    };
    let variable = "POINTSMAN_LISTEN";
    let environment =
        sources.environment.get(variable).and_then(|text| read(Origin::Environment, variable, text));
    let option = sources.listen.as_deref().and_then(|text| read(Origin::CommandLine, "--listen", text));
    option.or(environment)
}

/// `address:port`, where the address may be `localhost` or left out, which is the loopback one too: serving
/// every interface is asked for in full.
fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'));
    let parsed = match port {
        Some(port) => port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().ok(),
    };
    parsed.ok_or_else(|| format!("`{text}` is not an address and a port, for example 127.0.0.1:8080"))
}
