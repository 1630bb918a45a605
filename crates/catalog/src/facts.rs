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
use quality::{Line, Qualities};

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
    /// Of a line: parameter counts as published.
    sizes: Vec<String>,
    /// Of a family: nobody but its vendor has the weights.
    hosted: bool,
    document: Option<Arc<Document>>,
}

/// What one provider offers.
#[derive(Debug, Clone)]
struct Offer {
    price: Option<Price>,
    context: Option<u64>,
    max_output: Option<u64>,
    capabilities: Option<Vec<String>>,
    origin: Origin,
}

/// All facts. Immutable.
#[derive(Debug, Default)]
pub struct Facts {
    families: HashMap<String, Stated>,
    lines: HashMap<String, Stated>,
    /// By match key: the canonical id without `instruct`.
    models: HashMap<String, Stated>,
    /// By provider and match key.
    offers: HashMap<(String, String), Offer>,
    /// What is known of a model wherever it runs, by match key: the smallest window that anybody offers is safe.
    anywhere: HashMap<String, Offer>,
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
        [self.families.len(), self.lines.len(), self.offers.len(), self.qualities.len()]
    }

    fn add_prices(&mut self, path: &Path) -> Result<(), CatalogError> {
        let wrong = |why: String| CatalogError::Facts { file: path.display().to_string(), why };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        let table = prices::read(&text).map_err(wrong)?;
        let origin = Origin::Refreshed(Arc::new(table.document));
        self.add_offers(table.rows, &origin);
        Ok(())
    }

    fn add_offers(&mut self, rows: Vec<PriceRow>, origin: &Origin) {
        for row in rows {
            let (provider, key) = row.key();
            let offer = Offer {
                price: row.price(),
                context: row.context,
                max_output: row.max_output,
                capabilities: row.capabilities,
                origin: origin.clone(),
            };
            match self.anywhere.get_mut(&key) {
                None => drop(self.anywhere.insert(key.clone(), Offer { price: None, ..offer.clone() })),
                Some(known) => {
                    let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
                    known.context = least(known.context, offer.context);
                    known.max_output = least(known.max_output, offer.max_output);
                    if let (Some(own), Some(theirs)) = (&mut known.capabilities, &offer.capabilities) {
                        own.retain(|capability| theirs.contains(capability));
                    }
                }
            }
            self.offers.insert((provider, key), offer);
        }
    }

    /// The published size of a line that is nearest to a parameter count which a server reports: 7.6B is a `7b`.
    pub(crate) fn published_size(&self, line: &str, reported: &str) -> Option<String> {
        let billions = |size: &str| identify(&format!("x-{size}")).billions();
        let wanted = billions(&reported.trim().to_lowercase())?;
        let sizes = &self.lines.get(line)?.sizes;
        let off = |size: &String| billions(size).map_or(f64::MAX, |b| (b / wanted).ln().abs());
        // sizes of one line are further apart than what rounding and embeddings make of them
        sizes.iter().filter(|size| off(size) < 0.25).min_by(|a, b| off(a).total_cmp(&off(b))).cloned()
    }

    /// Whether a file states anything of this very line or model.
    #[cfg(test)]
    pub(crate) fn knows(&self, identity: &Identity) -> bool {
        self.lines.contains_key(&identity.line) || self.models.contains_key(&identity.key())
    }

    /// What is known of a model of this name, run by `provider`.
    pub(crate) fn of(&self, identity: &Identity, provider: Option<&str>) -> Known {
        let key = identity.key();
        let family = identity.family.as_deref().and_then(|f| self.families.get(f));
        let levels =
            [(self.models.get(&key), false), (self.lines.get(&identity.line), false), (family, true)];
        let mut known = Known::default();
        let offer = provider.and_then(|p| self.offers.get(&(p.to_owned(), key.clone())));
        if let Some(offer) = offer {
            known.price = offer.price.map(|price| (price, offer.origin.clone()));
            known.offer(offer);
        }
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
        if let (None, Some(offer)) = (offer, self.anywhere.get(&key)) {
            known.offer(offer);
        }
        let line = Line {
            hosted: family.is_some_and(|family| family.hosted),
            reasons: known.capabilities.reasoning == Some(true),
            released: self.lines.get(&identity.line).and_then(|line| line.released.as_deref()),
        };
        known.quality = self.qualities.of(identity, &key, line);
        known
    }
}

impl Known {
    /// Fills what is open with what is offered.
    fn offer(&mut self, offer: &Offer) {
        fill(&mut self.context, offer.context.map(Tokens), &offer.origin);
        fill(&mut self.max_output, offer.max_output.map(Tokens), &offer.origin);
        if let (Some(list), None) = (&offer.capabilities, &self.capabilities_from) {
            // a list of flags says what is there; what it leaves out nobody checked
            self.capabilities = abilities(list, true);
            self.capabilities_from = Some(offer.origin.clone());
        }
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
