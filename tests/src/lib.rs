//! End-to-end tests against the real binary; the architecture test.
