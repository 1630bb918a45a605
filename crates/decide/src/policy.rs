//! The constants of a decision. All of them, in one place.

use pointsman_types::{Classification, Industry, Task};

use crate::{Candidate, Rule, order::UNLISTED};

/// Weights, scales and priors of `decide`.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Weight of expected quality.
    pub quality: f64,
    /// Weight of cost.
    pub cost: f64,
    /// Weight of latency.
    pub latency: f64,
    /// Weight of the error rate.
    pub errors: f64,
    /// The quality, with caution, that `strategy:cost` and `strategy:latency` ask of a model, 0..=1.
    pub bar: f64,
    /// The model that `auto` leaves only for a gain beyond the noise, or a lower price without loss.
    pub default_model: Option<String>,
    /// The noise, in pooled standard deviations of quality.
    pub guard_z: f64,
    /// What is taken off the score of a model that would take over a conversation from another.
    pub switch_cost: f64,
    /// A model that is better by more than this takes a conversation over at no cost.
    pub upward_gain: f64,
    /// How often a model near the best goes first, to learn how it does, 0..=0.5. 0 is never.
    pub explore: f64,
    /// How near its score must be.
    pub explore_margin: f64,
    /// How many rows of recorded outcomes weigh as much as the catalog's quality.
    pub outcome_kappa: f64,
    /// How many standard deviations of quality are taken off: uncertain models must earn their place.
    pub caution: f64,
    /// The cost scale in US dollars per request: at or below the first it is 0, at the second it is 1.
    pub cost_scale_usd: (f64, f64),
    /// The latency scale in milliseconds for a whole answer: 0 at the first, 1 at the second.
    pub latency_scale_ms: (f64, f64),
    /// Estimated input tokens are multiplied by this before they are held against a context window: the
    /// first for a model that the client named (refuse only what surely does not fit), the second for `auto`.
    pub context_slack: (f64, f64),
    /// Place on the cost scale of an unknown price. Never free.
    pub unknown_cost: f64,
    /// Time to first token assumed where nothing was observed, in milliseconds.
    pub prior_ttft_ms: f64,
    /// Time per output token assumed where nothing was observed, in milliseconds.
    pub prior_tpot_ms: f64,
    /// How many observations the latency priors are worth.
    pub prior_samples: f64,
    /// Expected output tokens over [`Task::ALL`].
    pub expected_output: [u64; Task::COUNT],
    /// Where prompts of a user's own classes go; the first that applies.
    pub classes: Vec<ClassRoute>,
    /// What requests for `auto` ask for where they match, in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// A second policy, asked on every request and never followed.
    pub shadow: Option<Box<Self>>,
    /// Minutes by which the clock of the rules is ahead of UTC.
    pub utc_offset: i64,
}

/// Where the prompts of one class go.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassRoute {
    /// The class.
    pub name: String,
    /// The probability from which on it applies, 0..1.
    pub threshold: f32,
    /// The task that such a prompt counts as.
    pub task: Option<Task>,
    /// The industry that such a prompt counts as.
    pub industry: Option<Industry>,
    /// Models (ids, aliases or backend names) that are tried first, in this order, where they are eligible.
    pub prefer: Vec<String>,
}

impl ClassRoute {
    /// The place of a model among those to try first; after all of them where it is none.
    pub(crate) fn place(&self, candidate: &Candidate) -> u32 {
        let place = self.prefer.iter().position(|name| candidate.is_named(name));
        place.map_or(UNLISTED, |place| place as u32)
    }
}

impl Policy {
    /// The route of the first class that the prompt belongs to, and how likely it does.
    pub(crate) fn class_of(&self, classification: &Classification) -> Option<(&ClassRoute, f32)> {
        self.classes.iter().find_map(|route| {
            let (_, p) = classification.classes.iter().find(|(name, _)| **name == *route.name)?;
            (*p >= route.threshold).then_some((route, *p))
        })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quality: 0.55,
            cost: 0.25,
            latency: 0.20,
            errors: 1.0,
            bar: 0.5,
            default_model: None,
            guard_z: 1.0,
            switch_cost: 0.05,
            upward_gain: 0.1,
            explore: 0.0,
            explore_margin: 0.05,
            outcome_kappa: 50.0,
            caution: 0.5,
            cost_scale_usd: (1e-5, 1.0),
            latency_scale_ms: (100.0, 60_000.0),
            context_slack: (0.7, 1.1),
            unknown_cost: 0.6,
            prior_ttft_ms: 800.0,
            prior_tpot_ms: 20.0,
            prior_samples: 5.0,
            // code, math, reasoning, knowledge, creative, summarization, translation, extraction, data, tool_use, chat
            expected_output: [600, 500, 600, 300, 600, 200, 200, 100, 300, 100, 80],
            classes: Vec::new(),
            rules: Vec::new(),
            shadow: None,
            utc_offset: 0,
        }
    }
}
