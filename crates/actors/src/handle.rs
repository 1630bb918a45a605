//! What callers hold of an actor: it stays the same over restarts.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use ractor::{ActorRef, MessagingErr};
use thiserror::Error;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

use crate::mailbox::{Envelope, Permit, Reply};

/// Why a message was not handled, or not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The mailbox is full.
    #[error("overloaded: its mailbox is full")]
    Overloaded,
    /// The actor has stopped, or failed too often to be restarted; a cast also meets this while it restarts.
    #[error("unavailable")]
    Unavailable,
    /// No answer by the deadline.
    #[error("no answer by the deadline")]
    Deadline,
    /// The actor ended, or dropped the question, without an answer.
    #[error("ended without an answer")]
    Dropped,
}

impl CallError {
    /// The error as a metric label.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Deadline => "deadline",
            Self::Dropped => "dropped",
        }
    }
}

/// Where an actor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It takes messages.
    Running,
    /// It failed and will be back.
    Restarting,
    /// It was told to stop.
    Stopped,
    /// It failed too often.
    Failed,
}

/// Counters of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStats {
    /// Name of the actor.
    pub name: Arc<str>,
    /// Places in the mailbox.
    pub capacity: usize,
    /// Messages waiting or being handled.
    pub depth: usize,
    /// Messages that left the mailbox, handled or lost in a crash.
    pub handled: u64,
    /// Messages refused because the mailbox was full.
    pub rejected: u64,
    /// Restarts after a failure.
    pub restarts: u64,
}

/// Sends to one actor. Cheap to clone.
pub struct ActorHandle<M> {
    shared: Arc<Shared<M>>,
}

pub(crate) struct Shared<M> {
    name: Arc<str>,
    id: u64,
    capacity: usize,
    places: Arc<Semaphore>,
    actor: ArcSwapOption<ActorRef<Envelope<M>>>,
    status: watch::Sender<Status>,
    handled: Arc<AtomicU64>,
    rejected: AtomicU64,
    restarts: AtomicU64,
}

impl<M: Send + 'static> ActorHandle<M> {
    pub(crate) fn new(name: &str, id: u64, capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        let shared = Shared {
            name: name.into(),
            id,
            capacity,
            places: Arc::new(Semaphore::new(capacity)),
            actor: ArcSwapOption::empty(),
            status: watch::Sender::new(Status::Restarting),
            handled: Arc::default(),
            rejected: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sends without waiting for anything.
    pub fn cast(&self, message: M) -> Result<(), CallError> {
        let permit = self.permit()?;
        self.send(Envelope::new(message, permit)).map_err(|_| CallError::Unavailable)
    }

    /// Sends the message that `make` builds around a reply port, and waits for the answer until `deadline`.
    /// While the actor restarts, the message waits too.
    pub async fn ask<R>(&self, deadline: Instant, make: impl FnOnce(Reply<R>) -> M) -> Result<R, CallError> {
        let permit = self.permit()?;
        let (reply, answer) = Reply::new(deadline);
        let envelope = Envelope::new(make(reply), permit);
        if let Err(returned) = self.send(envelope) {
            self.send_when_running(*returned, deadline).await?;
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            // an actor drops questions that have gone stale: that is lateness, not loss
            Ok(Err(_)) if Instant::now() < deadline => Err(CallError::Dropped),
            Ok(Err(_)) | Err(_) => Err(CallError::Deadline),
        }
    }

    /// The counters of this moment.
    pub fn stats(&self) -> QueueStats {
        let shared = &self.shared;
        QueueStats {
            name: Arc::clone(&shared.name),
            capacity: shared.capacity,
            depth: shared.capacity.saturating_sub(shared.places.available_permits()),
            handled: shared.handled.load(Ordering::Relaxed),
            rejected: shared.rejected.load(Ordering::Relaxed),
            restarts: shared.restarts.load(Ordering::Relaxed),
        }
    }

    /// Its number among the children of its supervisor; a new one for each that is started, the same over restarts.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Where the actor is in its life.
    pub fn status(&self) -> Status {
        *self.shared.status.borrow()
    }

    fn permit(&self) -> Result<Permit, CallError> {
        if let Ok(place) = Arc::clone(&self.shared.places).try_acquire_owned() {
            Ok(Permit::new(place, Arc::clone(&self.shared.handled)))
        } else {
            self.shared.rejected.fetch_add(1, Ordering::Relaxed);
            Err(CallError::Overloaded)
        }
    }

    /// Gives the envelope back where there is no actor to take it.
    fn send(&self, envelope: Envelope<M>) -> Result<(), Box<Envelope<M>>> {
        let actor = self.shared.actor.load();
        let Some(actor) = actor.as_ref() else { return Err(Box::new(envelope)) };
        match actor.send_message(envelope) {
            Err(MessagingErr::SendErr(envelope)) => Err(Box::new(envelope)),
            // the two other errors cannot happen to a local actor of this very message type; if they did,
            // the reply port would be dropped with the envelope and the asker told so
            _ => Ok(()),
        }
    }

    async fn send_when_running(&self, mut envelope: Envelope<M>, deadline: Instant) -> Result<(), CallError> {
        let mut status = self.shared.status.subscribe();
        loop {
            match *status.borrow_and_update() {
                Status::Stopped | Status::Failed => return Err(CallError::Unavailable),
                Status::Running => match self.send(envelope) {
                    Ok(()) => return Ok(()),
                    // it died and its supervisor does not know yet: the next status tells
                    Err(returned) => envelope = *returned,
                },
                Status::Restarting => {}
            }
            match timeout_at(deadline, status.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(CallError::Unavailable),
                Err(_) => return Err(CallError::Deadline),
            }
        }
    }

    pub(crate) fn started(&self, actor: ActorRef<Envelope<M>>) {
        self.shared.actor.store(Some(Arc::new(actor)));
        self.shared.status.send_replace(Status::Running);
    }

    pub(crate) fn ended(&self, status: Status) {
        self.shared.actor.store(None);
        if status == Status::Restarting {
            self.shared.restarts.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.status.send_replace(status);
    }
}

impl<M> Clone for ActorHandle<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for ActorHandle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorHandle").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
