//! Parameters of a chat request that not every model takes, and what may be done about them.

use std::fmt;

use serde_json::value::RawValue;

use crate::{ChatRequest, request::Wire};

macro_rules! parameters {
    ($($variant:ident = $field:ident),+ $(,)?) => {
        /// A parameter that some models refuse.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Parameter {
            $(#[doc = concat!("`", stringify!($field), "`")] $variant),+
        }

        impl Parameter {
            /// Its name in the body.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field)),+ }
            }

            fn raw<'a>(self, wire: &Wire<'a>) -> Option<&'a RawValue> {
                match self { $(Self::$variant => wire.$field),+ }
            }
        }
    };
}

parameters! {
    MaxTokens = max_tokens,
    MaxCompletionTokens = max_completion_tokens,
    Temperature = temperature,
    TopP = top_p,
    PresencePenalty = presence_penalty,
    FrequencyPenalty = frequency_penalty,
    Logprobs = logprobs,
    TopLogprobs = top_logprobs,
    LogitBias = logit_bias,
    ReasoningEffort = reasoning_effort,
}

/// One change of a request for one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adaptation {
    /// It is left out.
    Drop(Parameter),
    /// It goes under another name.
    Rename(Parameter, Parameter),
    /// It is lowered to this.
    Cap(Parameter, u64),
}

impl Adaptation {
    /// The field of the client's request that it changes.
    pub const fn of(&self) -> &'static str {
        match self {
            Self::Drop(p) | Self::Rename(p, _) | Self::Cap(p, _) => p.as_str(),
        }
    }
}

impl fmt::Display for Adaptation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop(p) => write!(f, "dropped {}", p.as_str()),
            Self::Rename(from, to) => write!(f, "{} as {}", from.as_str(), to.as_str()),
            Self::Cap(p, limit) => write!(f, "{} capped at {limit}", p.as_str()),
        }
    }
}

impl ChatRequest<'_> {
    /// Whether the client set a parameter to something.
    pub fn has(&self, parameter: Parameter) -> bool {
        parameter.raw(&self.wire).is_some_and(|raw| raw.get() != "null")
    }

    /// The value of a parameter that is a count.
    pub fn limit(&self, parameter: Parameter) -> Option<u64> {
        parameter.raw(&self.wire)?.get().parse().ok()
    }
}
