//! Requests and streams as clients and backends send them, and as they should not.

#![allow(clippy::unwrap_used, clippy::format_push_string, reason = "a test that meets an error has failed")]

mod requests;
mod streams;
