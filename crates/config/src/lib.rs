//! From `pointsman.toml`, the environment and the command line to one checked [`Config`], and from there to
//! the plain settings of each crate.
//!
//! Owns the names of the keys, their defaults and their checks. Invariants: every problem of a file is
//! reported in one go, each with its line and key; an unknown key is an error, never ignored; a value that
//! reaches a settings struct is inside its documented range; no secret is read from the file, and none is
//! ever part of a message. Trust, highest first: command line, environment, file, default.
//!
//! Not for: watching files, talking to backends, knowing which models exist.

mod aliases;
mod backend;
mod base_url;
mod classes;
mod config;
mod detect;
mod environment;
mod keys;
mod memory;
mod model;
mod policy;
mod problem;
mod reader;
mod report;
mod resilience;
mod rules;
mod server;
mod stamp;
mod tuning;

pub use backend::BackendConfig;
pub use config::{Config, Sources};
pub use environment::Environment;
pub use keys::{KeyConfig, digest, parse_file as parse_keys, written};
pub use memory::{LearningConfig, SessionConfig};
pub use problem::{ConfigError, Origin, Problem, Severity};
pub use server::ServerConfig;
pub use stamp::Stamp;
pub use tuning::CatalogConfig;
