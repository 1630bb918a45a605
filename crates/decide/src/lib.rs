//! The routing brain, pure: filter, score, order, explain.

mod policy;

pub use policy::Policy;
