//! What travels to an actor: a message, its permit, and the port for the answer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

/// A place in a bounded mailbox, given back on drop.
#[derive(Debug)]
pub struct Permit {
    /// `None` for what an actor sends to itself.
    place: Option<(OwnedSemaphorePermit, Arc<AtomicU64>)>,
}

impl Permit {
    pub(crate) fn new(place: OwnedSemaphorePermit, handled: Arc<AtomicU64>) -> Self {
        Self { place: Some((place, handled)) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((_, handled)) = &self.place {
            handled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A message in a bounded mailbox.
#[derive(Debug)]
pub struct Envelope<M> {
    message: M,
    permit: Permit,
}

impl<M> Envelope<M> {
    pub(crate) fn new(message: M, permit: Permit) -> Self {
        Self { message, permit }
    }

    /// What an actor sends to itself, a timer's tick or the result of its own task: it takes no place in the
    /// mailbox, so an actor must bound such messages by itself.
    pub const fn to_self(message: M) -> Self {
        Self { message, permit: Permit { place: None } }
    }

    /// Message and permit. Hold the permit for as long as the message occupies the actor; a message that is
    /// only handed on can take it along.
    pub fn open(self) -> (M, Permit) {
        (self.message, self.permit)
    }
}

/// The port for the answer to one ask.
#[derive(Debug)]
pub struct Reply<R> {
    port: oneshot::Sender<R>,
    deadline: Instant,
}

impl<R> Reply<R> {
    pub(crate) fn new(deadline: Instant) -> (Self, oneshot::Receiver<R>) {
        let (port, answer) = oneshot::channel();
        (Self { port, deadline }, answer)
    }

    /// Answers. Nothing happens where nobody waits any more.
    pub fn send(self, answer: R) {
        // the asker may have given up: that is its right and no error here
        let _ = self.port.send(answer);
    }

    /// When the asker gives up.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether nobody waits any more: the asker is gone or its deadline is past. Ask before working.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.port.is_closed() || now >= self.deadline
    }
}
