//! The real binary against scripted backends, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "a test that meets an error has failed"
)]

mod bad_input;
mod chat;
mod cli;
mod dialects;
mod embedder;
mod faults;
mod forms;
mod gateway;
mod healing;
mod lifecycle;
mod limits;
mod litellm;
mod matrix;
mod words;
