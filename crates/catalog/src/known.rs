//! What is known of one backend, and what an answer changes in it.

use std::{collections::HashMap, sync::Arc};

use pointsman_types::{Health, Load, ModelSpec};

use crate::{
    CatalogBackend,
    changes::Change,
    facts::Facts,
    merge::{self, Seen},
    source::{ListError, Listed, Listing},
};

/// What is known of one backend. Outlives the actor.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) seen: Vec<Seen>,
    pub(crate) health: Health,
    pub(crate) load: Option<Load>,
    /// Unix time of the last good answer.
    pub(crate) answered_at: Option<u64>,
    /// Answers in a row that were none.
    pub(crate) failures: u32,
    /// The models, merged with configuration and facts.
    pub(crate) models: Arc<[Arc<ModelSpec>]>,
}

impl Known {
    pub(crate) fn new(backend: &CatalogBackend, facts: &Facts) -> Self {
        Self {
            seen: Vec::new(),
            health: Health::Unknown,
            load: None,
            answered_at: None,
            failures: 0,
            models: merge::merge(backend, &[], facts).into(),
        }
    }

    /// Takes a list in. A model that is missing is stale for `grace` seconds, then gone. Gives what changed, and
    /// whether the models did.
    pub(crate) fn heard(&mut self, listing: Listing, now: u64, grace: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut before: HashMap<String, Seen> =
            self.seen.drain(..).map(|seen| (seen.listed.id.clone(), seen)).collect();
        for listed in distinct(listing.models) {
            match before.remove(&listed.id) {
                None if self.answered_at.is_some() => changes.push(Change::appeared(&listed.id)),
                Some(old) if old.stale_since.is_some() => changes.push(Change::returned(&listed.id)),
                Some(old) if old.listed != listed => changes.push(Change::changed(&listed.id)),
                _ => {}
            }
            self.seen.push(Seen { listed, stale_since: None });
        }
        let mut missing: Vec<Seen> = before.into_values().collect();
        missing.sort_by(|a, b| a.listed.id.cmp(&b.listed.id));
        for mut seen in missing {
            let since = *seen.stale_since.get_or_insert_with(|| {
                changes.push(Change::vanished(&seen.listed.id));
                now
            });
            if now.saturating_sub(since) >= grace {
                changes.push(Change::left(&seen.listed.id));
            } else {
                self.seen.push(seen);
            }
        }
        self.health = Health::Up;
        self.load = listing.load;
        self.answered_at = Some(now);
        self.failures = 0;
        changes
    }

    /// Takes a failure in: what it served before stays routable, it may be back before anybody asks.
    pub(crate) fn missed(&mut self, error: ListError) {
        self.failures = self.failures.saturating_add(1);
        self.load = None;
        self.health = match error {
            ListError::Unreachable(error) => Health::Unreachable { error },
            ListError::Bad(error) => Health::Degraded { error },
            ListError::Missing => Health::Degraded { error: "there is no such route".to_owned() },
        };
    }

    pub(crate) fn merge(&mut self, backend: &CatalogBackend, facts: &Facts) {
        self.models = merge::merge(backend, &self.seen, facts).into();
    }
}

/// The first of several entries of one id.
fn distinct(models: Vec<Listed>) -> impl Iterator<Item = Listed> {
    let mut ids = std::collections::HashSet::new();
    models.into_iter().filter(move |listed| ids.insert(listed.id.clone()))
}
