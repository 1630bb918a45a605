//! What a model's name says: provider, brand, line, size, variant, quantisation, date.
//!
//! Owns no list of models. Providers, gateways, Ollama, hubs and GGUF files spell one model in many ways;
//! [`identify`] brings them to one canonical id by rules, so that a model that appears tomorrow is read as well as
//! yesterday's. Invariants: any text is read, in linear time; for known
//! brands the canonical id of a canonical id is itself. What a
//! name does not say is not guessed: a size that is left open stays open and is flagged. Not for facts about models.

mod brands;
mod identity;
mod order;
mod quantisation;
mod shapes;
mod spelling;

pub use identity::{Identity, Variant, identify};
