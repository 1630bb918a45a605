//! The forms of the `model` field.

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{ParseLabelError, Strategy};

/// One entry of `model` or `models`, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelForm {
    /// A concrete model id or alias.
    Alias(String),
    /// `industry:T`: the curated list of a trade, one of the ten or a user's own.
    Industry(String),
    /// `strategy:S`: one policy over all models.
    Strategy(Strategy),
    /// `auto`: the classifier reads the prompt.
    Auto,
}

/// Why a `model` field is no form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormError {
    /// Nothing but white space.
    #[error("model is empty")]
    Empty,
    /// Over [`ModelForm::MAX_LEN`] bytes.
    #[error("model is longer than {} bytes", ModelForm::MAX_LEN)]
    TooLong,
    /// Line breaks and other control characters never belong in a model name.
    #[error("model contains a control character")]
    ControlCharacter,
    /// `industry:` with what cannot be a tag.
    #[error("`industry:` is followed by a tag of up to 64 small letters, digits, `-` and `_`")]
    Tag,
    /// `strategy:` with a label that is not in the set.
    #[error(transparent)]
    Label(#[from] ParseLabelError),
}

impl ModelForm {
    /// The longest model name that is read, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Reads one entry of the `model` field. Surrounding white space is ignored.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FormError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(FormError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(FormError::ControlCharacter);
        }
        if text == "auto" {
            Ok(Self::Auto)
        } else if let Some(tag) = text.strip_prefix("industry:") {
            is_tag(tag).then(|| Self::Industry(tag.to_owned())).ok_or(FormError::Tag)
        } else if let Some(tag) = text.strip_prefix("strategy:") {
            Ok(Self::Strategy(tag.parse()?))
        } else {
            Ok(Self::Alias(text.to_owned()))
        }
    }

    /// The kind of form, as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Alias(_) => "alias",
            Self::Industry(_) => "industry",
            Self::Strategy(_) => "strategy",
            Self::Auto => "auto",
        }
    }
}

/// Whether this can be the tag of an industry: 1 to 64 small letters, digits, `-` and `_`.
pub fn is_tag(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

impl std::fmt::Display for ModelForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alias(name) => f.write_str(name),
            Self::Industry(tag) => write!(f, "industry:{tag}"),
            Self::Strategy(tag) => write!(f, "strategy:{tag}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl Serialize for ModelForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_round_trips_and_others_are_refused() {
        for text in ["gpt-4o", "openai/gpt-4o", "qwen2.5-coder:7b", "industry:legal", "strategy:cost", "auto"]
        {
            assert_eq!(ModelForm::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ModelForm::parse(" auto "), Ok(ModelForm::Auto));
        assert_eq!(ModelForm::parse(" \t"), Err(FormError::Empty));
        assert_eq!(ModelForm::parse("gpt\r\nx-evil: 1"), Err(FormError::ControlCharacter));
        assert_eq!(ModelForm::parse(&"m".repeat(257)), Err(FormError::TooLong));
        assert_eq!(ModelForm::parse("industry:Big Oil"), Err(FormError::Tag));
        let unknown = ModelForm::parse("strategy:best").unwrap_err().to_string();
        assert!(unknown.contains("cost, quality"), "{unknown}");
    }
}
