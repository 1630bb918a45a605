//! Keys that a backend may repeat in its errors: they are taken out before anybody reads them.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use crate::AttemptError;

/// What stands in the place of a key.
const HIDDEN: &str = "***";
/// What is shorter is no secret, and would be found in any text.
const SHORTEST: usize = 6;

/// The keys that one attempt was made with. Cheap to clone: every request does.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    keys: Arc<Vec<SecretString>>,
}

impl Secrets {
    pub(crate) fn add(&mut self, key: &str) {
        if key.len() >= SHORTEST {
            Arc::make_mut(&mut self.keys).push(SecretString::from(key));
        }
    }

    /// The failure without them.
    pub(crate) fn hide(&self, error: AttemptError) -> AttemptError {
        if self.keys.is_empty() {
            return error;
        }
        let body = error.body.map(|body| match std::str::from_utf8(&body) {
            Ok(text) if self.is_in(text) => Bytes::from(self.without(text)),
            Ok(_) => body,
            // nobody can say what is in there
            Err(_) => Bytes::new(),
        });
        AttemptError { message: self.without(&error.message), body, ..error }
    }

    fn is_in(&self, text: &str) -> bool {
        self.keys.iter().any(|key| text.contains(key.expose_secret()))
    }

    fn without(&self, text: &str) -> String {
        self.keys.iter().fold(text.to_owned(), |text, key| text.replace(key.expose_secret(), HIDDEN))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use pointsman_types::Outcome;

    use super::*;

    #[test]
    fn a_key_is_in_no_error() {
        let mut secrets = Secrets::default();
        secrets.add("sk-live-123");
        secrets.add("a");
        let error = AttemptError::new(Outcome::Rejected, "a wrong key: sk-live-123")
            .with_body(Some(Bytes::from_static(b"{\"error\":\"sk-live-123 and sk-live-123\"}")));
        let hidden = secrets.hide(error);
        assert_eq!(hidden.message, "a wrong key: ***");
        assert_eq!(hidden.body.as_deref(), Some(b"{\"error\":\"*** and ***\"}".as_slice()));
        assert!(!format!("{secrets:?}").contains("live"));
    }
}
