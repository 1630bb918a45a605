//! What a choice aims at: the score of each strategy.

use pointsman_types::{Strategy, Terms};

use crate::{Policy, score::Scorer};

/// The weights of the balanced utility.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weights {
    pub(crate) quality: f64,
    pub(crate) cost: f64,
    pub(crate) latency: f64,
}

/// What is favoured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// `U = w_Q (Q - k sigma) - w_C c - w_L l`.
    Balanced(Weights),
    /// The strongest: `U = Q - k sigma`.
    Quality,
    /// The cheapest whose `Q - k sigma` reaches the bar: `U = -c`.
    Cost { bar: f64 },
    /// The lowest time to first token whose `Q - k sigma` reaches the bar: `U = -l(TTFT)`.
    Latency { bar: f64 },
}

impl Aim {
    /// The aim of a strategy, or the balance where none is asked for.
    pub(crate) fn of(strategy: Option<Strategy>, tradeoff: Option<f64>, policy: &Policy) -> Self {
        match strategy {
            Some(Strategy::Quality) => Self::Quality,
            Some(Strategy::Cost) => Self::Cost { bar: policy.bar },
            Some(Strategy::Latency) => Self::Latency { bar: policy.bar },
            Some(Strategy::Local) | None => Self::Balanced(balance(policy, tradeoff)),
        }
    }

    pub(crate) fn bar(&self) -> Option<f64> {
        match self {
            Self::Cost { bar } | Self::Latency { bar } => Some(*bar),
            Self::Balanced(_) | Self::Quality => None,
        }
    }

    /// The score of these terms; failures count against every aim, and so does a change of model.
    pub(crate) fn utility(&self, terms: &Terms, scorer: &Scorer<'_>, policy: &Policy) -> f64 {
        let sure = terms.quality - policy.caution * terms.sigma;
        let aimed = match self {
            Self::Balanced(w) => w.quality * sure - w.cost * terms.cost - w.latency * terms.latency,
            Self::Quality => sure,
            Self::Cost { bar } | Self::Latency { bar } if sure < *bar => sure - bar,
            Self::Cost { .. } => -terms.cost,
            Self::Latency { .. } => -scorer.place_ms(terms.ttft_ms),
        };
        aimed - policy.errors * terms.error_rate - terms.switch_cost
    }
}

/// The policy's weights, or those of `tradeoff`: 0 looks almost only at the price, 1 almost only at quality.
fn balance(policy: &Policy, tradeoff: Option<f64>) -> Weights {
    let Some(t) = tradeoff else {
        return Weights { quality: policy.quality, cost: policy.cost, latency: policy.latency };
    };
    let between = |cheap: f64, best: f64| cheap + (best - cheap) * t;
    Weights { quality: between(0.10, 0.95), cost: between(0.80, 0.02), latency: between(0.10, 0.03) }
}
