//! What is remembered of conversations: who answered last. Bounded, forgotten when idle, kept when an actor restarts.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use pointsman_decide::Session;
use pointsman_protocol::ChatRequest;
use pointsman_types::{ModelSpec, RouteOptions, Tokens};
use tokio::time::Instant;

/// Providers keep a prompt cache for about five minutes after its last use.
const CACHE_KEPT: Duration = Duration::from_mins(5);

/// Settings of the session memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// Whether conversations are remembered at all.
    pub enabled: bool,
    /// Conversations that are remembered; the one that was quiet for longest makes room.
    pub capacity: usize,
    /// A conversation that is quiet for this long is forgotten.
    pub idle: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { enabled: true, capacity: 20_000, idle: Duration::from_mins(30) }
    }
}

/// The key of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey(pub(crate) u64);

#[derive(Debug)]
struct Remembered {
    session: Session,
    used: Instant,
    /// The prompt that was answered last.
    prompt: u64,
}

/// All conversations. One lock, held for a lookup.
#[derive(Debug)]
pub(crate) struct Sessions {
    settings: SessionSettings,
    hasher: RandomState,
    memory: Mutex<LruCache<SessionKey, Remembered>>,
}

impl Sessions {
    pub(crate) fn new(settings: SessionSettings) -> Arc<Self> {
        let capacity = NonZeroUsize::new(settings.capacity).unwrap_or(NonZeroUsize::MIN);
        Arc::new(Self { settings, hasher: RandomState::new(), memory: Mutex::new(LruCache::new(capacity)) })
    }

    /// The key of the conversation that a request belongs to: the session it names, else how it begins.
    pub(crate) fn key(
        &self,
        header: Option<&str>,
        options: &RouteOptions,
        request: &ChatRequest<'_>,
    ) -> SessionKey {
        let named = header.or(options.session_id.as_deref());
        SessionKey(match named {
            Some(name) => self.hasher.hash_one(("session", name)),
            None => self.hasher.hash_one(("head", request.head())),
        })
    }

    /// A digest of a prompt, to know it again.
    pub(crate) fn digest(&self, prompt: &str) -> u64 {
        self.hasher.hash_one(prompt)
    }

    /// What is remembered of a conversation.
    pub(crate) fn recall(&self, key: SessionKey) -> Option<Session> {
        if !self.settings.enabled {
            return None;
        }
        let now = Instant::now();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = memory.peek(&key)?;
        let quiet = now - remembered.used;
        if quiet >= self.settings.idle {
            memory.pop(&key);
            return None;
        }
        let warm = quiet < CACHE_KEPT;
        let session = &remembered.session;
        Some(Session { cached: if warm { session.cached } else { Tokens(0) }, ..session.clone() })
    }

    /// `spec` has answered. The model that answered this very prompt before, if any: then the prompt was asked again.
    pub(crate) fn answered(
        &self,
        key: SessionKey,
        spec: &ModelSpec,
        input: Tokens,
        prompt: u64,
    ) -> Option<Session> {
        if !self.settings.enabled {
            return None;
        }
        let session = Session { model: spec.id.clone(), backend: spec.backend.clone(), cached: input };
        let now = Instant::now();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        while memory.peek_lru().is_some_and(|(_, oldest)| now - oldest.used >= self.settings.idle) {
            memory.pop_lru();
        }
        let before = memory.put(key, Remembered { session, used: now, prompt });
        before.filter(|before| before.prompt == prompt).map(|before| before.session)
    }

    /// How many conversations are remembered.
    pub(crate) fn len(&self) -> usize {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use pointsman_types::{About, Capabilities, ModelKind, Quality};

    use super::*;

    fn spec(id: &str, backend: &str) -> ModelSpec {
        ModelSpec {
            id: id.into(),
            backend: backend.into(),
            upstream_id: id.into(),
            aliases: vec![],
            kind: ModelKind::Chat,
            local: false,
            simulated: false,
            context: None,
            max_output: None,
            price: None,
            capabilities: Capabilities::default(),
            quality: Quality::UNKNOWN,
            created: None,
            about: About::default(),
        }
    }

    fn sessions(capacity: usize) -> Arc<Sessions> {
        Sessions::new(SessionSettings { capacity, ..SessionSettings::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn remembered_until_idle_and_no_more_than_fit() {
        let sessions = sessions(2);
        let key = SessionKey;
        assert_eq!(sessions.recall(key(1)), None);
        assert_eq!(sessions.answered(key(1), &spec("a", "b"), Tokens(70), 5), None);
        assert_eq!(sessions.recall(key(1)).unwrap().cached, Tokens(70));
        tokio::time::advance(Duration::from_mins(6)).await;
        let cold = sessions.recall(key(1)).unwrap();
        assert_eq!((cold.model.as_str(), cold.cached), ("a", Tokens(0)), "the prompt cache is gone first");
        tokio::time::advance(Duration::from_mins(25)).await;
        assert_eq!(sessions.recall(key(1)), None, "then the conversation");
        for n in 2..9 {
            sessions.answered(key(n), &spec("a", "b"), Tokens(1), n);
        }
        assert_eq!(sessions.len(), 2);
        assert!(sessions.recall(key(8)).is_some() && sessions.recall(key(2)).is_none());
        let again = sessions.answered(key(8), &spec("c", "b"), Tokens(1), 8).unwrap();
        assert_eq!(again.model.as_str(), "a", "who answered the same prompt before");
    }
}
