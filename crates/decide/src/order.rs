//! The order of those that are left: by place of a list, by score; then what outranks the score.

use std::cmp::Ordering;

use pointsman_types::{ModelSpec, Settled, Terms, Tokens};

use crate::{Candidate, Policy, Question, aim::Aim, entry::Entry, score::Scorer};

/// One candidate of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    pub(crate) candidate: u32,
    pub(crate) terms: Terms,
    /// Place in the list, or among the models that a class prefers.
    pub(crate) place: u32,
}

/// Not in any list.
pub(crate) const UNLISTED: u32 = u32::MAX;

/// The candidates of an entry with their scores, and the order in which they are to be tried.
pub(crate) struct Order {
    pub(crate) scored: Vec<Scored>,
    /// Places in `scored`, the best first.
    pub(crate) places: Vec<u32>,
}

impl Order {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The one at a place of the order.
    pub(crate) fn at(&self, place: usize) -> &Scored {
        &self.scored[self.places[place] as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Scored> {
        self.places.iter().map(|n| &self.scored[*n as usize])
    }

    fn put_first(&mut self, place: usize) {
        self.places[..=place].rotate_right(1);
    }
}

/// Scores and sorts.
pub(crate) fn order(
    kept: &[(u32, u32)],
    entry: &Entry<'_>,
    question: &Question<'_>,
    scorer: &Scorer<'_>,
) -> Order {
    let (candidates, policy) = (question.pool.candidates.as_slice(), question.policy);
    let current = current_of(kept.iter().map(|(n, _)| *n), question);
    let cached = |candidate| match (current, question.session) {
        (Some(own), Some(session)) if own == candidate => session.cached,
        _ => Tokens(0),
    };
    let stay = current.map(|own| scorer.terms(&candidates[own as usize], Tokens(0)).quality);
    let score = |&(candidate, place): &(u32, u32)| {
        let mut terms = scorer.terms(&candidates[candidate as usize], cached(candidate));
        if let (Some(quality), false) = (stay, Some(candidate) == current) {
            // upward moves are what a conversation that got harder needs
            let upward = terms.quality - quality > policy.upward_gain;
            terms.switch_cost = if upward { 0.0 } else { policy.switch_cost };
        }
        let sure = terms.quality - policy.caution * terms.sigma;
        terms.clears_bar = entry.aim.bar().map(|bar| sure >= bar);
        terms.utility = entry.aim.utility(&terms, scorer, policy);
        Scored { candidate, terms, place }
    };
    let scored: Vec<Scored> = kept.iter().map(score).collect();
    let places = sort(&scored, entry, candidates);
    Order { scored, places }
}

/// Sorts whole numbers that stand for rank and score; what they leave equal is told apart afterwards.
fn sort(scored: &[Scored], entry: &Entry<'_>, candidates: &[Candidate]) -> Vec<u32> {
    let key = |(n, s): (usize, &Scored)| (rank(s, entry, candidates), !ordered(s.terms.utility), n as u32);
    let mut keys: Vec<(u64, u64, u32)> = scored.iter().enumerate().map(key).collect();
    keys.sort_unstable_by_key(|(_, score, _)| *score);
    // by rank only where ranks differ, which is rare; stable, so that scores stay in order
    if keys.windows(2).any(|pair| pair[0].0 != pair[1].0) {
        keys.sort_by_key(|(rank, ..)| *rank);
    }
    for same in keys.chunk_by_mut(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|same| same.len() > 1) {
        same.sort_unstable_by(|(.., a), (.., b)| {
            let (a, b) = (&scored[*a as usize], &scored[*b as usize]);
            let specs = (&candidates[a.candidate as usize].spec, &candidates[b.candidate as usize].spec);
            ties(&a.terms, &b.terms, entry.aim).then_with(|| by_name(specs.0, specs.1))
        });
    }
    keys.into_iter().map(|(.., n)| n).collect()
}

/// A number of the same order: larger for larger values. Scores are never not-a-number.
fn ordered(value: f64) -> u64 {
    // -0 and 0 are equal
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// What comes before the score, smaller first: reachable, place, clearing the bar.
fn rank(scored: &Scored, entry: &Entry<'_>, candidates: &[Candidate]) -> u64 {
    let candidate = &candidates[scored.candidate as usize];
    // who rests may be back at any moment, who cannot be reached was not there at the last look
    let away = u64::from(candidate.unreachable) << 1 | u64::from(candidate.resting);
    let place = match scored.place {
        UNLISTED => u64::from(UNLISTED),
        _ if !entry.list_order => 0,
        place => u64::from(place),
    };
    let below = u64::from(scored.terms.clears_bar == Some(false));
    away << 40 | place << 1 | below
}

/// Equal scores are told apart by the exact figures that the scales flatten.
fn ties(a: &Terms, b: &Terms, aim: Aim) -> Ordering {
    let number = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    let usd = |t: &Terms| t.cost_usd.unwrap_or(f64::INFINITY);
    let (cost, ttft) = (number(usd(a), usd(b)), number(a.ttft_ms, b.ttft_ms));
    if matches!(aim, Aim::Latency { .. }) { ttft.then(cost) } else { cost.then(ttft) }
}

pub(crate) fn by_name(a: &ModelSpec, b: &ModelSpec) -> Ordering {
    a.id.cmp(&b.id).then_with(|| a.backend.cmp(&b.backend))
}

fn current_of(mut kept: impl Iterator<Item = u32>, question: &Question<'_>) -> Option<u32> {
    let session = question.session?;
    let is_it =
        |c: &Candidate| c.spec.id == session.model && c.spec.backend == session.backend && c.is_there();
    kept.find(|n| is_it(&question.pool.candidates[*n as usize]))
}

/// Moves to the front what outranks the score, and says what that was: a tool loop, the conversation, the default
/// model, chance. The last comes with its probability.
pub(crate) fn settle(
    order: &mut Order,
    entry: &Entry<'_>,
    question: &Question<'_>,
) -> (Settled, Option<f64>) {
    if entry.named || order.len() < 2 {
        return (Settled::Score, None);
    }
    let current = current_of(order.scored.iter().map(|s| s.candidate), question);
    let current = current.and_then(|own| order.iter().position(|s| s.candidate == own));
    if let Some(at) = current {
        if question.request.features.in_tool_loop {
            order.put_first(at);
            return (if at == 0 { Settled::Score } else { Settled::ToolLoop }, None);
        }
        let held = at == 0 && order.iter().skip(1).any(|s| would_win(s, order.at(0)));
        return (if held { Settled::Session } else { Settled::Score }, None);
    }
    if !matches!(entry.aim, Aim::Balanced(_)) || entry.list.is_some() || entry.class.is_some() {
        return (Settled::Score, None);
    }
    let stays = default_at(order, question).filter(|at| *at > 0);
    if let Some(at) = stays.filter(|at| !leaves(&order.at(*at).terms, &order.at(0).terms, question.policy)) {
        order.put_first(at);
        return (Settled::Default, None);
    }
    explore(order, question)
}

fn would_win(other: &Scored, current: &Scored) -> bool {
    other.place == current.place
        && other.terms.clears_bar == current.terms.clears_bar
        && other.terms.utility + other.terms.switch_cost > current.terms.utility
}

fn default_at(order: &Order, question: &Question<'_>) -> Option<usize> {
    let name = question.policy.default_model.as_ref()?;
    let pool = question.pool;
    let members = pool.find(name)?;
    let first = &pool.candidates[order.at(0).candidate as usize];
    let fits = |s: &Scored| {
        let candidate = &pool.candidates[s.candidate as usize];
        members.contains(&s.candidate) && candidate.is_there() == first.is_there()
    };
    order.iter().position(fits)
}

/// Whether to leave the default for another: a gain beyond the noise, or a lower price without a loss beyond it.
/// The noise is z times the pooled deviation of both.
fn leaves(default: &Terms, other: &Terms, policy: &Policy) -> bool {
    let pooled = f64::midpoint(default.sigma * default.sigma, other.sigma * other.sigma).sqrt();
    let (noise, gain) = (policy.guard_z * pooled, other.quality - default.quality);
    gain > noise || (other.cost < default.cost && gain >= -noise)
}

/// With the probability of the policy, and on turns where a mistake costs little, another than the best goes first:
/// one whose score is near. Both the choice and its probability are kept, so that outcomes can be weighed by them.
fn explore(order: &mut Order, question: &Question<'_>) -> (Settled, Option<f64>) {
    let (policy, features) = (question.policy, &question.request.features);
    let sure = question.signals.classification.as_ref().is_some_and(|c| !c.abstained);
    let safe = sure
        && question.session.is_none()
        && !features.has_tools
        && !features.has_images
        && features.turns <= 1;
    if policy.explore <= 0.0 || !safe {
        return (Settled::Score, None);
    }
    let best = order.at(0);
    let reachable = |s: &Scored| question.pool.candidates[s.candidate as usize].is_there();
    let near = |s: &&Scored| s.terms.utility >= best.terms.utility - policy.explore_margin && reachable(s);
    let arms = order.iter().take(MOST_ARMS).take_while(near).count();
    if arms < 2 {
        return (Settled::Score, None);
    }
    let others = (arms - 1) as f64;
    let drawn = uniform(question.seed);
    if drawn >= policy.explore {
        return (Settled::Score, Some(1.0 - policy.explore));
    }
    let at = 1 + ((drawn / policy.explore * others) as usize).min(arms - 2);
    order.put_first(at);
    (Settled::Explored, Some(policy.explore / others))
}

/// The most that chance chooses among.
const MOST_ARMS: usize = 8;

/// 0..1, the same for the same seed (the finaliser of Steele et al. 2014, "`SplitMix`").
fn uniform(seed: u64) -> f64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
