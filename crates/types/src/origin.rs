//! Where the facts about a model come from.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeMap};

/// A fact of a model that has an origin of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Input and output tokens together.
    Context,
    /// Tokens of one answer.
    MaxOutput,
    /// What tokens cost.
    Price,
    /// Reads images.
    Vision,
    /// Calls functions.
    Tools,
    /// JSON mode.
    Json,
    /// Thinks before it answers.
    Reasoning,
    /// How well it does each task.
    Quality,
    /// What it is served for.
    Kind,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Kind,
        Self::Context,
        Self::MaxOutput,
        Self::Price,
        Self::Vision,
        Self::Tools,
        Self::Json,
        Self::Reasoning,
        Self::Quality,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::MaxOutput => "max_output",
            Self::Price => "price",
            Self::Vision => "vision",
            Self::Tools => "tools",
            Self::Json => "json",
            Self::Reasoning => "reasoning",
            Self::Quality => "quality",
            Self::Kind => "kind",
        }
    }
}

/// A document or a measurement that facts were taken from, and its date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Document {
    /// What it is.
    pub source: String,
    /// As of which day or month, ISO 8601.
    pub as_of: String,
}

/// Who says so, the most trusted first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration.
    Config,
    /// The backend itself, at its last sync.
    Backend,
    /// It runs on own infrastructure, where tokens have no price.
    OwnInfrastructure,
    /// A price table that was refreshed.
    Refreshed(Arc<Document>),
    /// Facts shipped for this model.
    Shipped(Arc<Document>),
    /// Facts shipped for its line or family, or fitted from its size.
    Family(Arc<Document>),
    /// The words of its name.
    Name,
}

impl Origin {
    /// Its kind, in one word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Backend => "backend",
            Self::OwnInfrastructure => "own_infrastructure",
            Self::Refreshed(_) => "refreshed",
            Self::Shipped(_) => "shipped",
            Self::Family(_) => "family",
            Self::Name => "name",
        }
    }

    /// The document behind it, where there is one.
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Refreshed(document) | Self::Shipped(document) | Self::Family(document) => Some(document),
            _ => None,
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", self.as_str())?;
        if let Some(document) = self.document() {
            map.serialize_entry("source", &document.source)?;
            map.serialize_entry("as_of", &document.as_of)?;
        }
        map.end()
    }
}

/// The origins of a model's facts. A fact without one is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<(Fact, Origin)>);

impl Origins {
    /// Who says so.
    pub fn get(&self, fact: Fact) -> Option<&Origin> {
        self.0.iter().find(|(known, _)| *known == fact).map(|(_, origin)| origin)
    }

    /// States the origin of a fact, which had none.
    pub fn insert(&mut self, fact: Fact, origin: Origin) {
        if self.get(fact).is_none() {
            self.0.push((fact, origin));
        }
    }
}

impl Serialize for Origins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(fact, origin)| (fact.as_str(), origin)))
    }
}

/// Who a model is, and how we know what we know of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// One id for all spellings of its name.
    pub canonical: Option<Arc<str>>,
    /// The brand of its weights.
    pub family: Option<Arc<str>>,
    /// Who runs it: the organisation in its name, or what its backend says.
    pub provider: Option<Arc<str>>,
    /// Its parameter count as published.
    pub size: Option<Arc<str>>,
    /// How its weights are stored.
    pub quantisation: Option<Arc<str>>,
    /// Its name leaves the size open although there are several, and nobody else says.
    pub ambiguous: bool,
    /// Unix time since which its backend no longer lists it.
    pub stale_since: Option<u64>,
    /// The origins of its facts.
    pub origins: Origins,
}
