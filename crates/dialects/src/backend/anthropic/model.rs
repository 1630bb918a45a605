//! What a model of Anthropic can be told, by the version in its name (docs.anthropic.com, "Adaptive thinking" and
//! "Effort"): with 4.6 came thinking by effort, with 4.7 went budgets of tokens and sampling parameters.

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// By a budget of tokens.
    Budget,
    /// Better by an effort; a budget is still taken.
    Either,
    /// By an effort only. It takes no sampling parameters either.
    Effort,
}

impl Manner {
    /// Of `claude-opus-4-6`, `claude-sonnet-4.5`, `claude-3-7-sonnet-20250219`, `claude-sonnet-5` and the like; what has
    /// no version is of the oldest manner, which most servers of this dialect know.
    pub(super) fn of(model: &str) -> Self {
        match version(model) {
            Some(version) if version >= (4, 7) => Self::Effort,
            Some((4, 6)) => Self::Either,
            _ => Self::Budget,
        }
    }
}

fn version(model: &str) -> Option<(u32, u32)> {
    let name = model.to_ascii_lowercase();
    let (_, name) = name.split_once("claude-")?;
    // a date has more than two digits, and is no version
    let number = |part: &str| part.parse::<u32>().ok().filter(|_| part.len() <= 2);
    let mut parts = name.split(['-', '.', '@', ':']).skip_while(|part| number(part).is_none());
    let major = number(parts.next()?)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_name() {
        for (model, expected) in [
            ("claude-opus-4-7", Some((4, 7))),
            ("claude-opus-4.6", Some((4, 6))),
            ("anthropic/claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-3-haiku-20240307", Some((3, 0))),
            ("claude-instant", None),
            ("kimi-k2", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
        assert_eq!(Manner::of("claude-opus-4-8"), Manner::Effort);
        assert_eq!(Manner::of("claude-sonnet-4-6"), Manner::Either);
        assert_eq!(Manner::of("glm-4.7"), Manner::Budget);
    }
}
