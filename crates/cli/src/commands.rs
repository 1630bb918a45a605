//! One file for each command.

pub(crate) mod bench;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod classify;
pub(crate) mod embedder;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod route;
pub(crate) mod serve;
pub(crate) mod train;
