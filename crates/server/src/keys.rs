//! Gateway keys: who may ask, and how many streams at once.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderMap, HeaderName, StatusCode, header};
use pointsman_protocol::{ErrorBody, ErrorType};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors::HttpError;

/// The header for a gateway key where `Authorization` is for the backend.
const OWN_HEADER: HeaderName = HeaderName::from_static("x-pointsman-key");
/// What clients of Anthropic's API send.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One key, known by its hash alone.
#[derive(Clone)]
pub struct KeySettings {
    /// What it is called.
    pub name: Arc<str>,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// Streams that may be open at once under it.
    pub max_streams: Option<usize>,
}

/// All keys.
#[derive(Default)]
pub(crate) struct Keys {
    /// `None`: everybody may ask. An empty list: nobody.
    keys: Option<Vec<Key>>,
}

struct Key {
    settings: KeySettings,
    streams: Option<Arc<Semaphore>>,
}

/// Who asks.
pub(crate) struct Holder {
    pub(crate) name: Arc<str>,
    streams: Option<Arc<Semaphore>>,
}

/// The key of the admin routes, known by its hash alone.
#[derive(Clone)]
pub(crate) struct AdminKey([u8; 32]);

impl AdminKey {
    pub(crate) fn new(key: &SecretString) -> Self {
        Self(Sha256::digest(key.expose_secret().as_bytes()).into())
    }

    /// Whether it is this one, in a time that tells neither how long it is nor how much of it is right.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let hash: [u8; 32] = Sha256::digest(given).into();
        hash.ct_eq(&self.0).into()
    }

    /// Whether a request carries it, as `Authorization: Bearer`.
    pub(crate) fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|v| bearer(v.to_str().ok()?));
        given.is_some_and(|given| self.is(given.as_bytes()))
    }
}

impl Keys {
    /// The counts of open streams go on where a key was there `before`.
    pub(crate) fn new(settings: Option<Vec<KeySettings>>, before: Option<&Self>) -> Self {
        let known: HashMap<[u8; 32], &Key> =
            before.iter().flat_map(|keys| keys.known()).map(|key| (key.settings.sha256, key)).collect();
        let key = |settings: KeySettings| {
            let same =
                known.get(&settings.sha256).filter(|key| key.settings.max_streams == settings.max_streams);
            let streams = match same {
                Some(key) => key.streams.clone(),
                None => settings.max_streams.map(|most| Arc::new(Semaphore::new(most))),
            };
            Key { settings, streams }
        };
        Self { keys: settings.map(|settings| settings.into_iter().map(key).collect()) }
    }

    fn known(&self) -> &[Key] {
        self.keys.as_deref().unwrap_or_default()
    }

    /// Who asks; `None` where nobody needs a key.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Option<Holder>, HttpError> {
        if self.keys.is_none() {
            return Ok(None);
        }
        let mut given = false;
        // one of them may be ours and another the backend's
        for header in [OWN_HEADER, API_KEY, header::AUTHORIZATION] {
            let text = headers.get(&header).and_then(|v| v.to_str().ok());
            let key =
                if header == header::AUTHORIZATION { text.and_then(bearer) } else { text.map(str::trim) };
            let Some(key) = key else { continue };
            given = true;
            if let Some(key) = self.find(key.as_bytes()) {
                let (name, streams) = (Arc::clone(&key.settings.name), key.streams.clone());
                return Ok(Some(Holder { name, streams }));
            }
        }
        Err(if given {
            refused("invalid_api_key", "this key is not known")
        } else {
            refused("missing_api_key", "no key: send one as `Authorization: Bearer`")
        })
    }

    /// Whether there is any.
    pub(crate) fn are_there(&self) -> bool {
        !self.known().is_empty()
    }

    /// Whether this is one of the keys.
    pub(crate) fn knows(&self, given: &[u8]) -> bool {
        self.find(given).is_some()
    }

    /// Compares with every key, so that the time tells neither which one nor how much of it is right.
    fn find(&self, given: &[u8]) -> Option<&Key> {
        let hash: [u8; 32] = Sha256::digest(given).into();
        let mut found = u64::MAX;
        for (at, key) in self.known().iter().enumerate() {
            let equal: Choice = hash.ct_eq(&key.settings.sha256);
            found.conditional_assign(&(at as u64), equal);
        }
        self.known().get(usize::try_from(found).ok()?)
    }
}

impl Holder {
    /// A place among the streams of this key.
    pub(crate) fn stream(&self) -> Result<Option<OwnedSemaphorePermit>, HttpError> {
        let Some(streams) = &self.streams else { return Ok(None) };
        Arc::clone(streams).try_acquire_owned().map(Some).map_err(|_| {
            let message = "this key has as many streams open as it may have";
            let body = ErrorBody::new(ErrorType::RateLimitError, "too_many_streams", message);
            HttpError::new(StatusCode::TOO_MANY_REQUESTS, &body).retry_after_a_second()
        })
    }
}

/// The token of a bearer scheme, whose name is read in any case (RFC 7235, 2.1).
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn refused(code: &'static str, message: &str) -> HttpError {
    let body = ErrorBody::new(ErrorType::AuthenticationError, code, message);
    HttpError::new(StatusCode::UNAUTHORIZED, &body)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn keys() -> Keys {
        let key = |name: &str, key: &str, max_streams| KeySettings {
            name: name.into(),
            sha256: Sha256::digest(key.as_bytes()).into(),
            max_streams,
        };
        Keys::new(Some(vec![key("a", "secret-a", None), key("b", "secret-b", Some(1))]), None)
    }

    fn ask(name: &'static str, value: &str) -> Result<Option<Holder>, HttpError> {
        keys().check(&HeaderMap::from_iter([(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )]))
    }

    #[test]
    fn a_key_is_known_wherever_clients_put_it() {
        for (name, value, holder) in [
            ("authorization", "Bearer secret-a", "a"),
            ("authorization", "bearer  secret-b ", "b"),
            ("x-api-key", "secret-b", "b"),
            ("x-pointsman-key", "secret-a", "a"),
        ] {
            assert_eq!(&*ask(name, value).unwrap().unwrap().name, holder, "{name}");
        }
        for (name, value) in [
            ("authorization", "Bearer secret-c"),
            ("authorization", "Basic secret-a"),
            ("authorization", "secret-a"),
            ("x-api-key", ""),
            ("cookie", "secret-a"),
        ] {
            assert!(ask(name, value).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn a_key_beside_one_of_the_backend_is_found() {
        let headers = HeaderMap::from_iter([
            (API_KEY, HeaderValue::from_static("of-the-backend")),
            (header::AUTHORIZATION, HeaderValue::from_static("Bearer secret-a")),
        ]);
        assert_eq!(&*keys().check(&headers).unwrap().unwrap().name, "a");
        assert!(keys().knows(b"secret-a") && !keys().knows(b"secret-") && !keys().knows(b""));
    }

    #[test]
    fn the_admin_key_is_known_whatever_the_case_of_its_scheme() {
        let admin = AdminKey::new(&SecretString::from("root"));
        let opens = |value: &'static str| {
            admin.opens(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]))
        };
        assert!(opens("Bearer root") && opens("bearer root") && opens("BEARER  root "));
        assert!(!opens("root") && !opens("Basic root") && !opens("Bearer roo") && !opens("Bearer rootroot"));
    }

    #[test]
    fn a_list_that_was_emptied_opens_to_nobody() {
        assert!(Keys::new(None, None).check(&HeaderMap::new()).unwrap().is_none());
        assert!(Keys::new(Some(Vec::new()), None).check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn streams_are_counted_by_key_and_over_a_reload() {
        let keys = keys();
        let headers =
            HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret-b"))]);
        let holder = keys.check(&headers).unwrap().unwrap();
        let open = holder.stream().unwrap();
        assert!(holder.stream().is_err());
        let settings = keys.known().iter().map(|key| key.settings.clone()).collect();
        let reloaded = Keys::new(Some(settings), Some(&keys));
        assert!(reloaded.check(&headers).unwrap().unwrap().stream().is_err());
        drop(open);
        assert!(reloaded.check(&headers).unwrap().unwrap().stream().is_ok());
    }
}
