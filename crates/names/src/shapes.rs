//! What single words look like: sizes, windows, dates, versions, variants.

use crate::identity::Variant;

fn all_digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

/// Digits with at most one point inside.
fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    all_digits(whole) && all_digits(part)
}

/// A parameter count: `7b`, `0.5b`, `270m`, `8x7b`, `a22b`, `e4b`; `128e` is one behind another only.
pub(crate) fn is_size(word: &str, behind_size: bool) -> bool {
    if let Some(experts) = word.strip_suffix('e') {
        return behind_size && all_digits(experts);
    }
    if let Some(millions) = word.strip_suffix('m') {
        return millions.len() >= 2 && all_digits(millions);
    }
    let Some(count) = word.strip_suffix(['b', 't']) else { return false };
    let count = count.strip_prefix(['a', 'e']).unwrap_or(count);
    match count.split_once('x') {
        Some((experts, each)) => all_digits(experts) && is_decimal(each),
        None => is_decimal(count),
    }
}

/// The context window of a host: `32k`, `8192`.
pub(crate) fn is_window(word: &str) -> bool {
    let k = word.strip_suffix('k').is_some_and(|n| all_digits(n) && n.len() <= 4);
    k || matches!(word, "4096" | "8192" | "16384" | "32768" | "65536" | "131072" | "1m" | "2m")
}

/// A date at the start of `words`: how many words it takes.
pub(crate) fn date(words: &[String]) -> Option<usize> {
    let number = |i: usize, low: u32, high: u32, len: usize| {
        let word = words.get(i)?;
        (word.len() == len && all_digits(word) && (low..=high).contains(&word.parse().ok()?)).then_some(())
    };
    let year = |i| number(i, 2019, 2039, 4);
    let (month, day) = (|i| number(i, 1, 12, 2), |i| number(i, 1, 31, 2));
    if year(0).is_some() && month(1).is_some() && day(2).is_some() {
        return Some(3);
    }
    if (month(0).is_some() && (year(1).is_some() || day(1).is_some()))
        || (year(0).is_some() && month(1).is_some())
    {
        return Some(2);
    }
    let word = words.first()?;
    (all_digits(word) && matches!(word.len(), 4 | 6 | 8)).then_some(1)
}

/// `v0.2`, `v2`: the version without a trailing `.0`.
pub(crate) fn marked_version(word: &str) -> Option<String> {
    let version = word.strip_prefix('v')?;
    let short = version.strip_suffix(".0").unwrap_or(version);
    (is_decimal(version) || version.split('.').all(all_digits)).then(|| format!("v{short}"))
}

/// `3`, `2.5`, `4.20`, `3n`: how brands count.
pub(crate) fn is_version(word: &str) -> bool {
    is_decimal(word.strip_suffix(['n', 'o', 'v']).unwrap_or(word))
}

/// A whole number of one or two digits: half of a version that was written apart.
pub(crate) fn is_half_version(word: &str) -> bool {
    word.len() <= 2 && all_digits(word)
}

/// What a word makes of a model.
pub(crate) fn variant(word: &str) -> Option<Variant> {
    Some(match word {
        "vision" => Variant::Vision,
        "thinking" | "think" => Variant::Thinking,
        "reasoning" => Variant::Reasoning,
        "instruct" | "chat" | "it" => Variant::Instruct,
        "base" | "pt" => Variant::Base,
        "preview" => Variant::Preview,
        "experimental" | "exp" => Variant::Experimental,
        _ => return None,
    })
}
