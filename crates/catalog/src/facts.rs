//! Facts shipped with the binary (`models/catalog`) and prices that were refreshed: what is known of models beyond
//! what their backends say.
//!
//! Trust, from the narrow to the wide: facts of one model, of its line, the defaults of its family. Quality is per
//! task; a model without figures gets a fitted one from its size and age (`models/catalog/QUALITY.md`).

mod files;
mod prices;
mod quality;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, LazyLock},
};

use pointsman_names::{Identity, identify};
use pointsman_types::{Capabilities, Capability, Document, ModelKind, Origin, Price, Quality, Tokens};

pub(crate) use prices::{PriceRow, write as write_prices};

use crate::CatalogError;
use quality::Qualities;

/// What facts say of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) kind: Option<(ModelKind, Origin)>,
    pub(crate) context: Option<(Tokens, Origin)>,
    pub(crate) max_output: Option<(Tokens, Origin)>,
    pub(crate) price: Option<(Price, Origin)>,
    pub(crate) capabilities: Capabilities,
    pub(crate) capabilities_from: Option<Origin>,
    pub(crate) quality: Option<(Quality, Origin)>,
}

/// A family, a line of it, or one model: what a file states at that level.
#[derive(Debug, Clone, Default)]
struct Stated {
    kind: Option<ModelKind>,
    context: Option<u64>,
    max_output: Option<u64>,
    capabilities: Option<Vec<String>>,
    released: Option<String>,
    document: Option<Arc<Document>>,
}

/// All facts. Immutable.
#[derive(Debug, Default)]
pub struct Facts {
    families: HashMap<String, Stated>,
    lines: HashMap<String, Stated>,
    /// By match key: the canonical id without `instruct`.
    models: HashMap<String, Stated>,
    /// By provider and match key.
    prices: HashMap<(String, String), (Price, Origin)>,
    qualities: Qualities,
}

impl Facts {
    /// The facts in the binary. Empty, with a line in the log, where they cannot be read: a test reads them.
    pub fn shipped() -> Arc<Self> {
        static SHIPPED: LazyLock<Arc<Facts>> = LazyLock::new(|| {
            let facts = files::shipped().unwrap_or_else(|error| {
                tracing::error!(%error, "the shipped facts cannot be read");
                Facts::default()
            });
            Arc::new(facts)
        });
        Arc::clone(&SHIPPED)
    }

    /// The shipped facts with a refreshed price table over their prices.
    pub fn with_prices(path: &Path) -> Result<Arc<Self>, CatalogError> {
        let mut facts = files::shipped()?;
        facts.add_prices(path)?;
        Ok(Arc::new(facts))
    }

    /// How many families, lines, prices and models with a quality there are.
    pub fn counts(&self) -> [usize; 4] {
        [self.families.len(), self.lines.len(), self.prices.len(), self.qualities.len()]
    }

    fn add_prices(&mut self, path: &Path) -> Result<(), CatalogError> {
        let wrong = |why: String| CatalogError::Facts { file: path.display().to_string(), why };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        let table = prices::read(&text).map_err(wrong)?;
        let origin = Origin::Refreshed(Arc::new(table.document));
        for row in table.rows {
            let (key, price) = (row.key(), row.price());
            if let Some(price) = price {
                self.prices.insert(key, (price, origin.clone()));
            }
        }
        Ok(())
    }

    /// What is known of a model of this name, run by `provider`.
    pub(crate) fn of(&self, identity: &Identity, provider: Option<&str>) -> Known {
        let key = identity.key();
        let family = identity.family.as_deref().and_then(|f| self.families.get(f));
        let levels =
            [(self.models.get(&key), false), (self.lines.get(&identity.line), false), (family, true)];
        let mut known = Known::default();
        for (stated, wide) in levels.into_iter().filter_map(|(s, wide)| Some((s?, wide))) {
            let Some(document) = &stated.document else { continue };
            let origin = if wide {
                Origin::Family(Arc::clone(document))
            } else {
                Origin::Shipped(Arc::clone(document))
            };
            fill(&mut known.kind, stated.kind, &origin);
            fill(&mut known.context, stated.context.map(Tokens), &origin);
            fill(&mut known.max_output, stated.max_output.map(Tokens), &origin);
            if let (Some(list), None) = (&stated.capabilities, &known.capabilities_from) {
                known.capabilities = abilities(list, wide);
                known.capabilities_from = Some(origin);
            }
        }
        known.price = provider.and_then(|p| self.prices.get(&(p.to_owned(), key.clone()))).cloned();
        let released = self.lines.get(&identity.line).and_then(|line| line.released.as_deref());
        known.quality = self.qualities.of(identity, &key, released);
        known
    }
}

fn fill<T: Copy>(slot: &mut Option<(T, Origin)>, value: Option<T>, origin: &Origin) {
    if slot.is_none() {
        *slot = value.map(|value| (value, origin.clone()));
    }
}

/// A list of a line is complete: what is not in it is missing. One of a whole family only says what is there.
fn abilities(list: &[String], wide: bool) -> Capabilities {
    let parsed: Vec<Capability> = list.iter().filter_map(|c| c.parse().ok()).collect();
    let all = Capabilities::exactly(&parsed);
    if !wide {
        return all;
    }
    let only_true = |c: Option<bool>| c.filter(|has| *has);
    Capabilities {
        vision: only_true(all.vision),
        tools: only_true(all.tools),
        json: only_true(all.json),
        reasoning: only_true(all.reasoning),
    }
}

/// The match key of a name in a file of facts.
fn key_of(name: &str) -> String {
    identify(name).key()
}
