//! Test support: a scripted upstream provider with faults, builders.
