//! What would have to change for another model to win. Every change that is named was tried: the decision was taken
//! again with it, and the model came first.

use std::{sync::Arc, time::Duration};

use pointsman_types::{
    Decision, MicroUsd, ModelForm, ModelSpec, NoRoute, Price, Ranked, Removal, RouteRequest, Strategy,
};
use serde::Serialize;

use crate::{Candidate, Pool, Question, decide};

/// Where a model stands in a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// It comes first.
    Chosen,
    /// Others come before it.
    Behind {
        /// Its place, from 1.
        place: usize,
        /// The score of the first, less its own.
        gap: f64,
    },
    /// It cannot take the request.
    Removed {
        /// The constraint that it breaks.
        why: Removal,
    },
    /// The request does not ask for it at all.
    NotAsked,
}

/// One change that makes it win.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What changes: `tradeoff`, `strategy`, `price`, `quality`, `ttft`, `session`, `rule`, or the name of a constraint.
    pub what: &'static str,
    /// In words.
    pub text: String,
}

/// Why a model did not win, and what would have to change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhyNot {
    /// The model.
    pub model: String,
    /// Its backend.
    pub backend: String,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// What would make it win, each by itself; empty where nothing that was tried does.
    pub changes: Vec<Change>,
}

/// Steps of each search for a figure.
const STEPS: u32 = 14;

/// Why none of the candidates `asked` won, seen from the best placed of them. `None` where the pool has none.
pub fn why_not(
    question: &Question<'_>,
    decided: &Result<Decision, NoRoute>,
    asked: &dyn Fn(&ModelSpec) -> bool,
) -> Option<WhyNot> {
    let (spec, standing) = standing(question, decided, asked)?;
    let changes = match &standing {
        Standing::Chosen => Vec::new(),
        Standing::Removed { why } => Trial { question, spec: &spec }.lifted(why),
        Standing::Behind { .. } | Standing::NotAsked => Trial { question, spec: &spec }.moved(),
    };
    Some(WhyNot { model: spec.id.to_string(), backend: spec.backend.to_string(), standing, changes })
}

fn standing(
    question: &Question<'_>,
    decided: &Result<Decision, NoRoute>,
    asked: &dyn Fn(&ModelSpec) -> bool,
) -> Option<(Arc<ModelSpec>, Standing)> {
    let removed = match decided {
        Ok(decision) => {
            let placed = decision.candidates.iter().position(|ranked| asked(&ranked.spec));
            if let Some(at) = placed {
                let (first, own) = (&decision.candidates[0], &decision.candidates[at]);
                let gap = first.terms.utility - own.terms.utility;
                let standing =
                    if at == 0 { Standing::Chosen } else { Standing::Behind { place: at + 1, gap } };
                return Some((Arc::clone(&own.spec), standing));
            }
            &decision.removed
        }
        Err(NoRoute::Nothing { removed, .. }) => removed,
        Err(_) => return None,
    };
    if let Some(out) = removed.iter().find(|removed| asked(&removed.spec)) {
        return Some((Arc::clone(&out.spec), Standing::Removed { why: out.why.clone() }));
    }
    let spec = question.pool.candidates.iter().map(|c| &c.spec).find(|spec| asked(spec))?;
    Some((Arc::clone(spec), Standing::NotAsked))
}

/// Decisions taken again, a little different.
struct Trial<'a> {
    question: &'a Question<'a>,
    spec: &'a Arc<ModelSpec>,
}

impl Trial<'_> {
    fn is_it(&self, spec: &ModelSpec) -> bool {
        spec.id == self.spec.id && spec.backend == self.spec.backend
    }

    fn wins(&self, question: &Question<'_>) -> bool {
        let first =
            |decision: Decision| decision.candidates.first().map(|Ranked { spec, .. }| self.is_it(spec));
        decide(question).ok().and_then(first).unwrap_or(false)
    }

    fn wins_asking(&self, change: impl FnOnce(&mut RouteRequest)) -> bool {
        let mut request = self.question.request.clone();
        change(&mut request);
        self.wins(&Question { request: &request, ..*self.question })
    }

    /// Whether it would win with another candidate in its place.
    fn wins_as(&self, change: impl FnOnce(&mut Candidate)) -> bool {
        let mut pool: Pool = self.question.pool.clone();
        if let Some(own) = pool.candidates.iter_mut().find(|c| self.is_it(&c.spec)) {
            change(own);
        }
        self.wins(&Question { pool: &pool, ..*self.question })
    }

    /// The figure nearest to `from` on the way to `to` with which it wins, if it does at `to`.
    fn nearest(from: f64, to: f64, wins: impl Fn(f64) -> bool) -> Option<f64> {
        if !wins(to) {
            return None;
        }
        let (mut loses, mut found) = (from, to);
        for _ in 0..STEPS {
            let middle = f64::midpoint(loses, found);
            if wins(middle) {
                found = middle;
            } else {
                loses = middle;
            }
        }
        Some(found)
    }

    /// What moves it to the front of those that can.
    fn moved(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut found = |what, text: Option<String>| changes.extend(text.map(|text| Change { what, text }));
        found("tradeoff", self.tradeoff());
        found("strategy", self.strategy());
        found("price", self.price());
        found("quality", self.quality());
        found("ttft", self.ttft());
        let fresh = Question { session: None, ..*self.question };
        if self.question.session.is_some() && self.wins(&fresh) {
            found("session", Some("a new conversation: this one stays with its model".to_owned()));
        }
        let policy = crate::Policy { rules: Vec::new(), ..self.question.policy.clone() };
        if !policy.rules.is_empty() || !self.question.policy.rules.is_empty() {
            let wins = self.wins(&Question { policy: &policy, ..*self.question });
            found("rule", wins.then(|| "without the rule that matched".to_owned()));
        }
        changes
    }

    fn tradeoff(&self) -> Option<String> {
        let wins = |t: f64| self.wins_asking(|request| request.options.tradeoff = Some(t));
        let steps: Vec<f64> = (0..=20).map(|n| f64::from(n) / 20.0).filter(|t| wins(*t)).collect();
        let (first, last) = (steps.first()?, steps.last()?);
        Some(format!("route.tradeoff of {first:.2} to {last:.2} (0 cheap, 1 best)"))
    }

    fn strategy(&self) -> Option<String> {
        let forms = &self.question.request.forms;
        let wins = |s: &Strategy| {
            let form = ModelForm::Strategy(*s);
            !forms.contains(&form) && self.wins_asking(|request| request.forms = vec![form])
        };
        let names: Vec<_> = Strategy::ALL.into_iter().filter(wins).map(|s| format!("strategy:{s}")).collect();
        (!names.is_empty()).then(|| format!("asking for {}", names.join(" or ")))
    }

    fn price(&self) -> Option<String> {
        let price = self.spec.price.filter(|price| !price.is_free())?;
        let scaled = |factor: f64| Price {
            input: (price.input as f64 * factor) as u64,
            output: (price.output as f64 * factor) as u64,
            cached_input: price.cached_input.map(|p| (p as f64 * factor) as u64),
        };
        let factor = Self::nearest(1.0, 0.0, |factor| {
            self.wins_as(|own| Arc::make_mut(&mut own.spec).price = Some(scaled(factor)))
        })?;
        let (now, then) = (price, scaled(factor));
        let usd = |pico: u64| pico as f64 / 1e6;
        Some(format!(
            "a price of ${:.3} / ${:.3} per million tokens in / out (now ${:.3} / ${:.3})",
            usd(then.input),
            usd(then.output),
            usd(now.input),
            usd(now.output)
        ))
    }

    fn quality(&self) -> Option<String> {
        let more = Self::nearest(0.0, 1.0, |more| {
            self.wins_as(|own| {
                let quality = &mut Arc::make_mut(&mut own.spec).quality;
                quality.mu = quality.mu.map(|mu| (mu + more as f32).min(1.0));
            })
        })?;
        Some(format!("an expected quality higher by {more:.3}"))
    }

    fn ttft(&self) -> Option<String> {
        let view = self.question.pool.candidates.iter().find(|c| self.is_it(&c.spec))?.latency;
        let now = view.ttft_p50.map_or(self.question.policy.prior_ttft_ms, |d| d.as_secs_f64() * 1e3);
        let ms = Self::nearest(now, 0.0, |ms| {
            self.wins_as(|own| {
                own.latency.ttft_p50 = Some(Duration::from_secs_f64(ms.max(0.0) / 1e3));
                // many observations, so that nothing is shrunk
                own.latency.attempts = own.latency.attempts.max(1_000_000);
            })
        })?;
        Some(format!("a time to first token of {ms:.0} ms (now {now:.0} ms)"))
    }

    /// What lifts the constraint that it breaks; the model may still not win then, and the text says so.
    fn lifted(&self, why: &Removal) -> Vec<Change> {
        let id = self.spec.id.to_string();
        let backend = self.spec.backend.to_string();
        let (text, wins) = match why {
            Removal::Locality => (
                "a request that may leave own infrastructure".to_owned(),
                self.wins_asking(|request| {
                    request.options.local_only = false;
                    request.forms = vec![ModelForm::Auto];
                    request.options.strategy = None;
                }),
            ),
            Removal::Ignored => (
                format!("route.ignore without `{id}` and `{backend}`"),
                self.wins_asking(|request| {
                    request.options.ignore.retain(|name| *name != id && *name != backend);
                }),
            ),
            Removal::NotInOnly => (
                format!("`{id}` in route.only"),
                self.wins_asking(|request| request.options.only.push(id.clone())),
            ),
            Removal::PriceCeiling { predicted, .. } => (
                format!("route.max_cost_usd of ${:.6} or more", predicted.dollars()),
                self.wins_asking(|request| request.options.max_cost = Some(MicroUsd(predicted.0 + 1))),
            ),
            Removal::PriceUnknown => (
                "a price for it in the configuration, or no price ceiling".to_owned(),
                self.wins_asking(|request| request.options.max_cost = None),
            ),
            Removal::LatencyCeiling { predicted_ms, .. } => (
                format!("route.max_latency_ms of {predicted_ms} or more"),
                self.wins_asking(|request| request.options.max_latency_ms = Some(predicted_ms + 1)),
            ),
            Removal::Context { needs, has } => (
                format!("a prompt that fits {has} tokens (this one needs {needs})"),
                self.wins_as(|own| Arc::make_mut(&mut own.spec).context = None),
            ),
            Removal::Capability { missing, .. } => (
                format!("the ability {missing}, or a request without it"),
                self.wins_as(|own| {
                    let abilities = &mut Arc::make_mut(&mut own.spec).capabilities;
                    (abilities.vision, abilities.tools) = (Some(true), Some(true));
                    (abilities.json, abilities.reasoning) = (Some(true), Some(true));
                }),
            ),
            Removal::NotInPool | Removal::InputCost { .. } => {
                let policy = crate::Policy { rules: Vec::new(), ..self.question.policy.clone() };
                let wins = self.wins(&Question { policy: &policy, ..*self.question });
                ("without the rule that matched".to_owned(), wins)
            }
            _ => return Vec::new(),
        };
        let text = if wins { text } else { format!("{text}; it would fit then, and not come first") };
        vec![Change { what: why.constraint(), text }]
    }
}
