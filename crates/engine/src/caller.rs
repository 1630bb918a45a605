//! Who asks: what a request brings beside its body.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use pointsman_types::Priority;

/// What the server knows of a request beside its body.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The conversation that the client names.
    pub session: Option<String>,
    /// Who waits for the answer.
    pub priority: Priority,
    /// The name of the gateway key.
    pub key: Option<Arc<str>>,
    /// The request came in another dialect, and may carry what only some backends know.
    pub extended: bool,
    /// Headers that go on to backends, already chosen by a list of what is allowed.
    pub headers: HeaderMap,
    /// The client's own key, for backends that take it: a value of `Authorization`.
    pub authorization: Option<HeaderValue>,
}
