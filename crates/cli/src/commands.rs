//! One file for each command.

pub(crate) mod check;
pub(crate) mod classify;
pub(crate) mod models;
pub(crate) mod route;
pub(crate) mod serve;
