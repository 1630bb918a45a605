//! Collects problems while the parts of a configuration are read; reading goes on after each of them.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    sync::Arc,
};

use crate::problem::{Origin, Problem, Severity};

/// The problems and notes of one load.
pub(crate) struct Report {
    file: Arc<str>,
    text: String,
    problems: RefCell<Vec<Problem>>,
    notes: RefCell<Vec<String>>,
    broken_syntax: Cell<bool>,
}

impl Report {
    /// For the file of this name (as it is shown) and text.
    pub(crate) fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.into(),
            text: text.to_owned(),
            problems: RefCell::default(),
            notes: RefCell::default(),
            broken_syntax: Cell::new(false),
        }
    }

    /// A problem of the file, at these bytes.
    pub(crate) fn file(
        &self,
        severity: Severity,
        span: &Range<usize>,
        key: &str,
        message: impl Into<String>,
    ) {
        let (line, column) = self.place(span.start);
        self.push(Problem {
            origin: Origin::File(Arc::clone(&self.file)),
            line: Some(line),
            column: Some(column),
            key: key.to_owned(),
            message: message.into(),
            severity,
        });
    }

    /// What is only a mistake where every line was understood: a missing key may be in a broken line, a
    /// strange one may belong to a section whose header is broken.
    pub(crate) fn unless_broken(&self, span: &Range<usize>, key: &str, message: impl Into<String>) {
        if !self.broken_syntax.get() {
            self.file(Severity::Error, span, key, message);
        }
    }

    /// A line that is no TOML.
    pub(crate) fn syntax(&self, span: &Range<usize>, message: &str) {
        self.broken_syntax.set(true);
        // keys are repeated, values never: an unquoted one may be a secret
        let key = (message == "duplicate key").then(|| self.text.get(span.clone())).flatten();
        let key = key.map(|key| format!(" `{key}`")).unwrap_or_default();
        self.file(Severity::Error, span, "", format!("{message}{key}"));
    }

    /// A problem outside the file.
    pub(crate) fn outside(&self, severity: Severity, origin: Origin, key: &str, message: impl Into<String>) {
        let (key, message) = (key.to_owned(), message.into());
        self.push(Problem { origin, line: None, column: None, key, message, severity });
    }

    /// Something that is worth a line in the log, not a problem.
    pub(crate) fn note(&self, note: String) {
        self.notes.borrow_mut().push(note);
    }

    /// The problems in the order of the file, then those outside; the notes; whether any problem is an error.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Vec<String>, bool) {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| {
            (&a.origin, a.line, a.column).cmp(&(&b.origin, b.line, b.column)).then_with(|| a.key.cmp(&b.key))
        });
        let failed = problems.iter().any(|p| p.severity == Severity::Error);
        (problems, self.notes.into_inner(), failed)
    }

    fn push(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        // what follows from a broken line is not a second problem
        let follows = problem.line.is_some()
            && !problem.key.is_empty()
            && problems.iter().any(|p| p.key.is_empty() && p.line == problem.line);
        if !follows {
            problems.push(problem);
        }
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_not_bytes() {
        let report = Report::new("f", "a = 1\nä = 2\n");
        assert_eq!(report.place(0), (1, 1));
        assert_eq!(report.place(8), (2, 2));
        assert_eq!(report.place(999), (3, 1));
    }
}
