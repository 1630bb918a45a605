//! Decisions by example and by property.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "a test that meets an error has failed")]

mod build;
mod examples;
mod forms;
mod memory;
mod properties;
