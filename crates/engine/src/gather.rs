//! The pool of a request: the candidates of the moment, and what names and lists mean among them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use pointsman_catalog::{CatalogHandle, CatalogSnapshot, Industries};
use pointsman_decide::{Candidate, Lists, Policy, Pool, is_open};
use pointsman_latency::LatencyRegistry;
use pointsman_types::{Health, ModelForm, ModelSpec, NoRoute, RouteRequest};
use pointsman_upstream::BreakerSettings;

use crate::{
    breakers::Breakers,
    circuit::Standing,
    learning::Learned,
    outcomes::{self, Estimates},
    resolve::unknown_model,
};

/// What candidates are made of. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Gatherer {
    pub(crate) catalog: CatalogHandle,
    pub(crate) latency: LatencyRegistry,
    pub(crate) policy: Arc<Policy>,
    pub(crate) industries: Arc<Industries>,
    pub(crate) aliases: Arc<BTreeMap<String, Vec<ModelForm>>>,
    pub(crate) learned: Learned,
    pub(crate) breakers: Breakers,
    pub(crate) breaker: BreakerSettings,
}

/// The policy's names and lists, resolved against one catalog.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    generation: Option<u64>,
    lists: Arc<Lists>,
}

impl Gatherer {
    /// All that may be chosen for this request. A name that nobody has is an error where it stands alone.
    pub(crate) fn pool(
        &self,
        request: &RouteRequest,
        estimates: Option<&Estimates>,
        roster: &mut Roster,
    ) -> Result<Pool, NoRoute> {
        let snapshot = self.catalog.snapshot();
        let names = request.forms.iter().filter_map(|form| match form {
            ModelForm::Alias(name) => Some(name.as_str()),
            _ => None,
        });
        if !is_open(request)
            && let Some(name) = names.clone().next()
        {
            let candidates = self.named(&snapshot, name);
            if candidates.is_empty() {
                return Err(self.unknown(name, &snapshot));
            }
            return Ok(Pool::named(name, candidates));
        }
        let mut candidates: Vec<Candidate> =
            snapshot.models().iter().map(|spec| self.candidate(&snapshot, spec)).collect();
        if let Some(estimates) = estimates {
            for candidate in &mut candidates {
                candidate.estimate = outcomes::of(estimates, &candidate.spec);
            }
        }
        let lists = roster.of(&snapshot, self);
        let mut meant = HashMap::new();
        let places = if names.clone().next().is_some() { snapshot.places() } else { HashMap::new() };
        for name in names {
            let mut places: Vec<u32> = snapshot
                .find(name)
                .iter()
                .filter_map(|spec| places.get(&Arc::as_ptr(spec)).copied())
                .collect();
            if places.is_empty() {
                for spec in snapshot.accepting(name) {
                    places.push(candidates.len() as u32);
                    candidates.push(self.candidate(&snapshot, &spec));
                }
            }
            if !places.is_empty() {
                meant.insert(name.to_owned(), places);
            }
        }
        Ok(Pool { candidates, lists, names: meant })
    }

    /// The error for a name that nobody has.
    pub(crate) fn unknown(&self, name: &str, snapshot: &CatalogSnapshot) -> NoRoute {
        unknown_model(name, snapshot, &self.aliases)
    }

    /// Those that list the name, else those that take any name of its shape.
    fn named(&self, snapshot: &CatalogSnapshot, name: &str) -> Vec<Candidate> {
        let listed = snapshot.find(name);
        if listed.is_empty() {
            snapshot.accepting(name).iter().map(|spec| self.candidate(snapshot, spec)).collect()
        } else {
            listed.iter().map(|spec| self.candidate(snapshot, spec)).collect()
        }
    }

    fn candidate(&self, snapshot: &CatalogSnapshot, spec: &Arc<ModelSpec>) -> Candidate {
        let state = snapshot.backends().iter().find(|b| b.endpoint.id == spec.backend);
        let health = state.map_or(&Health::Unknown, |b| &b.health);
        let latency = self.latency.view(&spec.backend, &spec.id);
        let resting = self.breakers.standing(spec, &self.breaker) != Standing::Free;
        let evidence = self.learned.of(spec);
        Candidate { evidence, resting, ..Candidate::new(Arc::clone(spec), latency, health) }
    }
}

impl Roster {
    fn of(&mut self, snapshot: &CatalogSnapshot, gatherer: &Gatherer) -> Arc<Lists> {
        if self.generation != Some(snapshot.generation()) {
            self.lists = Arc::new(lists(snapshot, &gatherer.policy, &gatherer.industries));
            self.generation = Some(snapshot.generation());
        }
        Arc::clone(&self.lists)
    }
}

fn lists(snapshot: &CatalogSnapshot, policy: &Policy, industries: &Industries) -> Lists {
    let places = snapshot.places();
    let in_rules = policy.rules.iter().flat_map(|rule| &rule.forms).filter_map(|form| match form {
        ModelForm::Alias(name) => Some(name),
        _ => None,
    });
    let names =
        in_rules.chain(&policy.default_model).map(|name| (name.clone(), snapshot.all_of(name, &places)));
    let list = |(tag, list): (&String, &Vec<String>)| {
        let numbered = list.iter().enumerate();
        let of = |(place, name): (usize, &String)| {
            snapshot.all_of(name, &places).into_iter().map(move |n| (place as u32, n)).collect::<Vec<_>>()
        };
        (tag.clone(), numbered.flat_map(of).collect())
    };
    Lists {
        names: names.filter(|(_, places)| !places.is_empty()).collect(),
        industries: industries.iter().map(list).collect(),
    }
}
