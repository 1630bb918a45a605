//! Resolve, gather, decide, execute, record: the dispatcher actor and the supervision tree.
