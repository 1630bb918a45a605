//! Overload, crashes, restarts and stops of a small counting actor.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets an error has failed, and actors here are made to crash"
)]

mod counter;
mod crashes;
mod queues;
