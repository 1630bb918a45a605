//! The routing brain: a pure function from a request, what is known of it and the candidates to an ordered
//! plan with its reasons.
//!
//! No clock, no I/O, no async, no randomness but that of the seed it is given: same inputs, same decision. In the
//! order of the steps: what is asked for (`entry`, `rules`), who can (`filter`), how well (`tasks`, `score`, `aim`),
//! in which order (`order`), and what would have to change for another (`why_not`). A named model goes the same way:
//! its candidates are the backends that serve it. The constants are in [`Policy`].

mod aim;
mod entry;
mod evidence;
mod filter;
mod follow_up;
mod order;
mod policy;
mod pool;
mod rules;
mod score;
mod tasks;
mod why_not;

use std::sync::Arc;

use pointsman_types::{
    BackendId, Classification, Decision, ModelId, NoRoute, Ranked, Removal, Removed, RouteReason,
    RouteRequest, Settled, Tokens,
};

use entry::Entry;
use filter::{Filter, Verdict};
use order::UNLISTED;
use score::Scorer;

pub use entry::is_open;
pub use evidence::{Estimate, Evidence};
pub use follow_up::{follow_up_share, may_follow_up};
pub use policy::{ClassRoute, Policy};
pub use pool::{Candidate, Lists, Pool};
pub use rules::{Rule, When, problems as rule_problems, sort as sort_rules, texts as rule_texts};
pub use why_not::{Change, Standing, WhyNot, why_not};

/// What was found out about the request beside its own facts.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// What the classifier said; `None` where it was not asked or did not answer.
    pub classification: Option<Arc<Classification>>,
    /// Why there is no classification, in a few words.
    pub unclassified: Option<String>,
    /// For each rule of the policy whether the prompt's text is as it asks ([`rule_texts`]).
    pub texts: Vec<bool>,
}

/// What is remembered of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The model that answered last.
    pub model: ModelId,
    /// Where.
    pub backend: BackendId,
    /// How much of its input the provider's prompt cache should hold.
    pub cached: Tokens,
}

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The request.
    pub request: &'a RouteRequest,
    /// What was found out about it.
    pub signals: &'a Signals,
    /// Who may take it.
    pub pool: &'a Pool,
    /// The constants.
    pub policy: &'a Policy,
    /// The conversation that it goes on with.
    pub session: Option<&'a Session>,
    /// Unix time.
    pub now: u64,
    /// Where chance has a say, this is all of it.
    pub seed: u64,
}

/// Decides who takes the request: an ordered, never empty plan, or why there is none.
pub fn decide(question: &Question<'_>) -> Result<Decision, NoRoute> {
    let Question { request, signals, pool, policy, .. } = *question;
    if pool.candidates.is_empty() {
        return Err(NoRoute::EmptyCatalog);
    }
    let tasks = tasks::weigh(request, signals, policy);
    let resolved = entry::resolve(question, &tasks)?;
    let scorer = Scorer::new(question, &tasks);
    let mut plan = Plan::new(pool, resolved.notes);
    for (number, entry) in resolved.entries.iter().enumerate() {
        plan.add(number, entry, question, &scorer);
    }
    let Some(reason) = plan.reason.take() else {
        return Err(NoRoute::Nothing { request: Box::new(request.clone()), removed: plan.removed(pool) });
    };
    if reason != RouteReason::Alias {
        plan.notes.extend(tasks.note.clone());
    }
    Ok(Decision {
        reason,
        settled: plan.settled,
        rule: resolved.rule.map(|rule| rule.name.as_str().into()),
        propensity: plan.propensity,
        removed: plan.removed(pool),
        candidates: plan.ranked,
        classification: signals.classification.clone(),
        notes: plan.notes,
    })
}

/// The plan as it grows, entry by entry.
struct Plan {
    ranked: Vec<Ranked>,
    taken: Vec<bool>,
    /// Constraints that candidates broke, entry by entry.
    why: Vec<(u32, Removal)>,
    /// Of the first entry that has a candidate.
    reason: Option<RouteReason>,
    settled: Settled,
    propensity: Option<f64>,
    notes: Vec<String>,
}

impl Plan {
    fn new(pool: &Pool, notes: Vec<String>) -> Self {
        let n = pool.candidates.len();
        Self {
            ranked: Vec::with_capacity(n),
            taken: vec![false; n],
            why: Vec::new(),
            reason: None,
            settled: Settled::Score,
            propensity: None,
            notes,
        }
    }

    fn add(&mut self, number: usize, entry: &Entry<'_>, question: &Question<'_>, scorer: &Scorer<'_>) {
        let pool = question.pool;
        let kept = self.filter(entry, question, scorer);
        if kept.is_empty() {
            return;
        }
        let mut order = order::order(&kept, entry, question, scorer);
        if self.reason.is_none() {
            (self.settled, self.propensity) = order::settle(&mut order, entry, question);
            self.reason = Some(self.first_reason(entry, order.at(0), pool));
            if order.at(0).terms.clears_bar == Some(false) {
                let bar = question.policy.bar;
                self.notes
                    .push(format!("nobody clears the quality bar of {bar:.2}: the strongest comes first"));
            }
        }
        for one in order.iter() {
            let at = one.candidate as usize;
            self.taken[at] = true;
            self.ranked.push(Ranked {
                spec: Arc::clone(&pool.candidates[at].spec),
                entry: number,
                listed: (entry.list.is_some() && one.place != UNLISTED).then_some(one.place as usize),
                terms: one.terms,
            });
        }
    }

    fn first_reason(&mut self, entry: &Entry<'_>, first: &order::Scored, pool: &Pool) -> RouteReason {
        let reachable = pool.candidates[first.candidate as usize].is_there();
        match (&entry.reason_else, entry.list) {
            (Some(other), Some(list)) if first.place == UNLISTED => {
                let none = if list.is_empty() {
                    "none of its models is in the catalog"
                } else {
                    "none of its models can take this request"
                };
                self.notes.push(format!("{}: {none}, the best of all others comes first", entry.reason));
                other.clone()
            }
            _ => {
                if !reachable {
                    self.notes.push(
                        "no backend of those that fit is well at the moment: this is the last resort"
                            .to_owned(),
                    );
                }
                entry.reason.clone()
            }
        }
    }

    /// The candidates of an entry that fit and are not in the plan, each with its place.
    fn filter(&mut self, entry: &Entry<'_>, question: &Question<'_>, scorer: &Scorer<'_>) -> Vec<(u32, u32)> {
        let Question { request, pool, policy, .. } = *question;
        let filter = Filter::new(request, policy, scorer, entry);
        let places = self.places(entry, pool);
        let (mut kept, mut unsure) = (Vec::with_capacity(pool.candidates.len()), Vec::new());
        let mut judge = |n: u32| {
            let at = n as usize;
            if self.taken[at] {
                return;
            }
            let place = places.as_ref().map_or(UNLISTED, |places| places[at]);
            match filter.judge(&pool.candidates[at]) {
                Verdict::Fits => kept.push((n, place)),
                Verdict::May(missing) => unsure.push((n, place, missing)),
                Verdict::No(why) => self.why.push((n, why)),
            }
        };
        match entry.members {
            Some(members) => members.iter().copied().for_each(&mut judge),
            None => (0..pool.candidates.len() as u32).for_each(&mut judge),
        }
        let missing = unsure.iter().map(|(.., missing)| *missing).min();
        if let (true, Some(missing)) = (kept.is_empty(), missing) {
            // nobody is known to fit: better a model that may than none
            self.notes.push(format!("no candidate is known to have {missing}: trying those that may"));
            kept.extend(unsure.into_iter().map(|(n, place, _)| (n, place)));
        } else {
            let why = |missing| Removal::Capability { missing, known: false };
            self.why.extend(unsure.into_iter().map(|(n, _, missing)| (n, why(missing))));
        }
        kept
    }

    /// The place of each candidate in the list of a trade or of a class, where there is one.
    fn places(&self, entry: &Entry<'_>, pool: &Pool) -> Option<Vec<u32>> {
        if let Some(class) = entry.class.filter(|class| !class.prefer.is_empty()) {
            return Some(pool.candidates.iter().map(|c| class.place(c)).collect());
        }
        let list = entry.list?;
        let mut places = vec![UNLISTED; self.taken.len()];
        for &(place, n) in list.iter().rev() {
            if let Some(slot) = places.get_mut(n as usize) {
                *slot = place;
            }
        }
        Some(places)
    }

    /// Those that are not in the plan, with the first constraint that kept each out.
    fn removed(&mut self, pool: &Pool) -> Vec<Removed> {
        let mut why = std::mem::take(&mut self.why);
        why.retain(|(n, _)| !self.taken[*n as usize]);
        // stable: the first that was noted stays in front
        why.sort_by_key(|(n, _)| *n);
        why.dedup_by_key(|(n, _)| *n);
        let spec = |n: u32| Arc::clone(&pool.candidates[n as usize].spec);
        let mut removed: Vec<Removed> =
            why.into_iter().map(|(n, why)| Removed { spec: spec(n), why }).collect();
        removed.sort_by(|a, b| order::by_name(&a.spec, &b.spec));
        removed
    }
}
