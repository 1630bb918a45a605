//! Closed sets of labels, with their wire names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A label that is not in its set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {set} `{given}`; valid: {valid}")]
pub struct ParseLabelError {
    /// The name of the set, for example `task`.
    pub set: &'static str,
    /// What was given.
    pub given: String,
    /// The valid names, separated by a comma.
    pub valid: String,
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident, $set:literal, $count:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every label, in the order of its index.
            pub const ALL: [Self; $count] = [$(Self::$variant),+];
            /// How many labels there are.
            pub const COUNT: usize = $count;

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ParseLabelError;
            fn from_str(text: &str) -> Result<Self, ParseLabelError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(ParseLabelError {
                        set: $set,
                        given: text.chars().take(64).collect(),
                        valid: [$($text),+].join(", "),
                    }),
                }
            }
        }
    };
}

labels! {
    /// What the prompt asks a model to do.
    Task, "task", 11, {
        /// Writing, explaining, reviewing or debugging program code.
        Code = "code",
        /// Calculation, algebra, proof.
        Math = "math",
        /// Logic, planning, trade-offs.
        Reasoning = "reasoning",
        /// Answers from factual or professional knowledge.
        Knowledge = "knowledge",
        /// Stories, names, slogans, speeches.
        Creative = "creative",
        /// Shortening a given text.
        Summarization = "summarization",
        /// From one language to another.
        Translation = "translation",
        /// Classifying, tagging, or answering strictly from a given passage.
        Extraction = "extraction",
        /// SQL, spreadsheets, dataframes, charts.
        Data = "data",
        /// Requests that an assistant fulfils by calling functions.
        ToolUse = "tool_use",
        /// Small talk.
        Chat = "chat",
    }
}

labels! {
    /// The trade that the prompt belongs to.
    Industry, "industry", 10, {
        /// Law.
        Legal = "legal",
        /// Medicine and care.
        Healthcare = "healthcare",
        /// Banking, accounting, economics, tax.
        Finance = "finance",
        /// Software.
        Code = "code",
        /// Fiction, brand, media.
        Creative = "creative",
        /// A customer writing to a company, or the answer.
        Support = "support",
        /// Marketing, leads, outreach, pricing.
        Sales = "sales",
        /// SQL, analytics, business intelligence.
        Data = "data",
        /// Tutoring, lessons, grading.
        Education = "education",
        /// None of these.
        General = "general",
    }
}

labels! {
    /// What a `strategy:` form asks the router to favour.
    Strategy, "strategy", 4, {
        /// The cheapest model that clears the quality bar.
        Cost = "cost",
        /// The strongest model.
        Quality = "quality",
        /// The lowest predicted time to first token.
        Latency = "latency",
        /// Only own infrastructure.
        Local = "local",
    }
}

labels! {
    /// What a model must be able to do for a request.
    Capability, "capability", 4, {
        /// Reads images.
        Vision = "vision",
        /// Calls functions.
        Tools = "tools",
        /// Answers in JSON on request.
        Json = "json",
        /// Thinks before it answers.
        Reasoning = "reasoning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_indexes_match() {
        for (i, task) in Task::ALL.into_iter().enumerate() {
            assert_eq!(task.index(), i);
            assert_eq!(task.as_str().parse::<Task>(), Ok(task));
            assert_eq!(serde_json::to_string(&task).unwrap(), format!("\"{task}\""));
        }
        assert!("Legal".parse::<Industry>().unwrap_err().to_string().contains("valid: legal, healthcare"));
    }
}
