//! Changes of the catalog: a line in the log and a count each.

use std::sync::atomic::{AtomicU64, Ordering};

use pointsman_types::BackendId;

/// What happened to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A backend lists it for the first time.
    Appeared,
    /// It is listed again.
    Returned,
    /// Its facts are others.
    Changed,
    /// It is no longer listed; it stays, stale, for the grace period.
    Vanished,
    /// The grace period is over.
    Left,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Appeared, Self::Returned, Self::Changed, Self::Vanished, Self::Left];

    /// The kind as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Returned => "returned",
            Self::Changed => "changed",
            Self::Vanished => "vanished",
            Self::Left => "left",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Appeared => 0,
            Self::Returned => 1,
            Self::Changed => 2,
            Self::Vanished => 3,
            Self::Left => 4,
        }
    }
}

/// One change of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) model: String,
}

impl Change {
    pub(crate) fn appeared(model: &str) -> Self {
        Self { kind: ChangeKind::Appeared, model: model.to_owned() }
    }

    pub(crate) fn returned(model: &str) -> Self {
        Self { kind: ChangeKind::Returned, model: model.to_owned() }
    }

    pub(crate) fn changed(model: &str) -> Self {
        Self { kind: ChangeKind::Changed, model: model.to_owned() }
    }

    pub(crate) fn vanished(model: &str) -> Self {
        Self { kind: ChangeKind::Vanished, model: model.to_owned() }
    }

    pub(crate) fn left(model: &str) -> Self {
        Self { kind: ChangeKind::Left, model: model.to_owned() }
    }
}

/// Counts since the start, over all backends.
#[derive(Debug, Default)]
pub struct ChangeCounts([AtomicU64; 5]);

impl ChangeCounts {
    /// How often this happened.
    pub fn get(&self, kind: ChangeKind) -> u64 {
        self.0[kind.index()].load(Ordering::Relaxed)
    }

    /// Counts and logs. A backend that lists thousands of models for the first time is one line, not thousands.
    pub(crate) fn record(&self, backend: &BackendId, changes: &[Change]) {
        const LINES: usize = 20;
        for change in changes {
            self.0[change.kind.index()].fetch_add(1, Ordering::Relaxed);
        }
        for change in changes.iter().take(LINES) {
            tracing::info!(%backend, model = %change.model, change = change.kind.as_str(), "catalog");
        }
        if changes.len() > LINES {
            tracing::info!(%backend, more = changes.len() - LINES, "further changes in the catalog");
        }
    }
}
