//! What ractor lacks: bounded mailboxes, asks with a deadline, supervised restart, state cells.
//!
//! An actor implements ractor's own `Actor` with `Msg = Envelope<M>` and `Arguments = ()`, and is started by
//! [`Supervisor::spawn`] from a factory. Callers hold an [`ActorHandle`]: it outlives restarts.
//! Invariants: a message holds a permit of its mailbox until it has been handled or dropped, so a mailbox is
//! bounded and a crash returns every permit; overload is a value, never a panic; every ask ends by its deadline;
//! a child that fails is restarted with a growing delay until it fails too often, and then says so.

mod cell;
mod handle;
mod mailbox;
mod supervisor;

pub use cell::Cell;
pub use handle::{ActorHandle, CallError, QueueStats, Status};
pub use mailbox::{Envelope, Permit, Reply};
pub use supervisor::{ActorError, RestartSettings, Supervisor};
