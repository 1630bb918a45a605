//! What recorded outcomes say of a prompt that nobody has answered yet.
//!
//! A row is a prompt with the score of every model that was tried on it. [`Estimator`] fits rows and predicts the score
//! and the cost of every model for a new prompt; [`choices`] turns predictions into choices at every trade-off;
//! [`earned`] says what those choices would have earned. Pure: vectors in, numbers out; who embeds the prompts is
//! somebody else.

mod choose;
mod estimator;
mod evaluate;
mod neighbours;
mod ridge;
mod surface;
mod words;

pub use choose::{Choice, Predicted, Rule, choices, curve_points, pick};
pub use estimator::{Blend, Estimator, Fitted};
pub use evaluate::{Earned, arena_score, best_single, earned, oracle};
pub use surface::{SURFACE, surface};

/// A prompt and what happened: parallel to the list of models.
#[derive(Debug, Clone)]
pub struct Row {
    /// The prompt.
    pub text: String,
    /// Its embedding.
    pub embedding: Vec<f32>,
    /// Score of each model, 0..=1, where it was tried.
    pub scores: Vec<Option<f32>>,
    /// What each answer cost, in US dollars, where it is known.
    pub costs: Vec<Option<f64>>,
}
