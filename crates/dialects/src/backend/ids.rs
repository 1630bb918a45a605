//! Ids where the provider gives none. Histories hold the calls of many turns side by side, so an id must not come
//! again in a later turn; it is a hash of what the turn is made of, and so needs no randomness.

use std::hash::{DefaultHasher, Hasher};

/// What the ids of calls begin with that this gateway made up.
const INVENTED: &str = "call_pm_";

/// What the ids of one answer come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u64);

impl Seed {
    /// Of the bytes that make this answer differ from every other.
    pub(crate) fn of(bytes: &[u8], model: &str, created: u64) -> Self {
        Self(created).with(model.as_bytes()).with(bytes)
    }

    pub(crate) fn with(self, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher.write(bytes);
        Self(hasher.finish())
    }

    /// The id of a completion.
    pub(crate) fn completion(self) -> String {
        format!("chatcmpl-{:016x}", self.with(b"completion").0)
    }

    /// The id of the call of this number in the answer.
    pub(crate) fn call(self, number: usize) -> String {
        format!("{INVENTED}{:016x}", self.with(&number.to_le_bytes()).0)
    }
}

/// The id of a call whose id was lost or never was, by its place in the history.
pub(crate) fn of_place(at: usize) -> String {
    format!("{INVENTED}at_{at}")
}

/// Whether no provider knows this id.
pub(crate) fn is_invented(id: &str) -> bool {
    id.is_empty() || id.starts_with(INVENTED)
}
