//! What can be wrong with a configuration, said so that it can be mended at once.

use std::{fmt, io, path::PathBuf, sync::Arc};

use thiserror::Error;

/// Where a problem was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In this file.
    File(Arc<str>),
    /// In an environment variable; the key is its name.
    Environment,
    /// In a command line option; the key is its name.
    CommandLine,
}

/// Whether a problem stops the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but hardly does what was meant.
    Warning,
}

/// One thing that is wrong, and where. `Display` gives one line: `file:line: key: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was found.
    pub origin: Origin,
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// Column in that line in characters, from 1.
    pub column: Option<usize>,
    /// Path of the key, for example `backends[0].kind`; empty where it concerns the whole file.
    pub key: String,
    /// What is wrong and what would be right. Never holds a secret.
    pub message: String,
    /// Whether it stops the start.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.line) {
            (Origin::File(name), Some(line)) => write!(f, "{name}:{line}: ")?,
            (Origin::File(name), None) => write!(f, "{name}: ")?,
            (Origin::Environment, _) => f.write_str("environment: ")?,
            (Origin::CommandLine, _) => f.write_str("command line: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Every problem that was found, warnings too, in the order of the file. At least one is an error.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// A file that said something says nothing any more.
    #[error("{} says nothing any more", .0.display())]
    Blank(PathBuf),
    /// Keys were asked for, and would not be any more.
    #[error("no gateway key is left, and everybody might ask: that needs a restart")]
    Opens,
    /// A backend of this name is there already.
    #[error("there is a backend named `{0}` already")]
    BackendExists(String),
}

impl ConfigError {
    /// The kind of error, as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Invalid(_) => "invalid",
            Self::Blank(_) => "blank",
            Self::Opens => "opens",
            Self::BackendExists(_) => "backend_exists",
        }
    }

    /// The problems of an [`ConfigError::Invalid`]; empty otherwise.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            _ => &[],
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
