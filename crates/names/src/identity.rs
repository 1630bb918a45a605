//! From a name to what it says.

use std::fmt;

use crate::{
    brands::{self, House, Join, PLAIN, PUBLISHERS},
    order, quantisation, shapes,
    spelling::{Spelling, spelling},
};

/// What a name says of a model. Nothing in it is guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// One id for all spellings: line, size and variant, joined by `-`.
    pub canonical: String,
    /// The brand of the weights, lower case; `None` where no brand is known.
    pub family: Option<String>,
    /// The family with its version and speciality: `qwen2.5-coder`.
    pub line: String,
    /// The parameter count as published: `7b`, `235b-a22b`.
    pub size: Option<String>,
    /// What it was trained for.
    pub variant: Option<Variant>,
    /// How its weights are stored, lower case: `q4_k_m`.
    pub quantisation: Option<String>,
    /// The date or number of a release, as written.
    pub snapshot: Option<String>,
    /// The organisation or provider in front of the name, lower case.
    pub organisation: Option<String>,
    /// Somebody's own tuning of it.
    pub fine_tuned: bool,
    /// It leaves the size open although the line comes in several: `llama3.1`.
    pub ambiguous: bool,
}

/// What a model of a line was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// Reads images.
    Vision,
    /// Always thinks first.
    Thinking,
    /// Reasons.
    Reasoning,
    /// Follows instructions.
    Instruct,
    /// Completes text.
    Base,
    /// Not final.
    Preview,
    /// A trial.
    Experimental,
}

impl Variant {
    /// The word in a canonical id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Thinking => "thinking",
            Self::Reasoning => "reasoning",
            Self::Instruct => "instruct",
            Self::Base => "base",
            Self::Preview => "preview",
            Self::Experimental => "experimental",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Identity {
    /// What facts are looked up by: the canonical id without `instruct`, which many names leave out.
    pub fn key(&self) -> String {
        let size = self.size.as_deref();
        let variant = self.variant.filter(|v| *v != Variant::Instruct).map(Variant::as_str);
        joined(&self.line, size, variant)
    }

    /// Completes an open size from what a server says of the weights, such as Ollama's `7.6B`: the figure as it
    /// is, since the rounded one of the publisher is not known here.
    #[must_use]
    pub fn with_size(mut self, parameters: &str) -> Self {
        let size = parameters.trim().to_lowercase();
        if self.size.is_none() && shapes::is_size(&size, false) {
            self.size = Some(size);
            self.ambiguous = false;
            self.canonical = joined(&self.line, self.size.as_deref(), self.variant.map(Variant::as_str));
        }
        self
    }

    /// Billions of parameters in total, where the name says: `8x7b` counts as 56, `235b-a22b` as 235.
    pub fn billions(&self) -> Option<f64> {
        let size = self.size.as_deref()?;
        let first = size.split('-').next().unwrap_or(size);
        let (number, scale) = match first.strip_suffix('b') {
            Some(number) => (number, 1.0),
            None => match first.strip_suffix('m') {
                Some(number) => (number, 1e-3),
                None => (first.strip_suffix('t')?, 1e3),
            },
        };
        let number = number.trim_start_matches(['a', 'e']);
        let count = match number.split_once('x') {
            Some((experts, each)) => experts.parse::<f64>().ok()? * each.parse::<f64>().ok()?,
            None => number.parse().ok()?,
        };
        Some(count * scale)
    }
}

fn joined(line: &str, size: Option<&str>, variant: Option<&str>) -> String {
    [Some(line), size, variant]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// The parts of a name while it is read.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) words: Vec<String>,
    pub(crate) sizes: Vec<String>,
    pub(crate) variants: Vec<Variant>,
    pub(crate) quantisation: Vec<String>,
    pub(crate) snapshot: Option<String>,
}

/// Reads a name. Total: any text has an identity, if only its own words.
pub fn identify(name: &str) -> Identity {
    let spelled = spelling(name);
    let mut parts = Parts { snapshot: spelled.snapshot.clone(), ..Parts::default() };
    let mut words = split(&spelled, &mut parts.quantisation);
    order::base_models_last(&mut words);
    let plain = drop_publishers(&mut words);
    let found = order::brand(&mut words);
    let (line_start, family, join, house) = match (found, plain) {
        (Some(f), _) => (f.line, Some(f.family), f.join, f.house),
        (None, Some((line, family))) => (line, Some(family), Join::Apart, House::Single),
        (None, None) => (String::new(), None, Join::Apart, House::Single),
    };
    let known = family.is_some();
    // `qwen3-embedding-0-6b`
    while let Some(at) =
        words.windows(2).position(|w| matches!(w, [a, b] if a == "0" && shapes::is_size(b, false)))
    {
        words.splice(at..=at + 1, words.get(at + 1).map(|size| format!("0.{size}")));
    }
    order::sort_words(&words, &mut parts, house, known);
    order::by_family(family.as_deref(), &line_start, &mut parts);
    order::drop_services(family.as_deref(), house, &mut parts);
    let line = order::line(&line_start, join, &parts.words);
    let size = (!parts.sizes.is_empty()).then(|| parts.sizes.join("-"));
    let variant = parts.variants.iter().min().copied();
    let canonical = joined(&line, size.as_deref(), variant.map(Variant::as_str));
    let sized = parts.words.iter().any(|w| SIZE_WORDS.contains(&w.as_str()));
    Identity {
        ambiguous: house == House::Sizes && known && spelled.bare && size.is_none() && !sized,
        canonical,
        family,
        line,
        size,
        variant,
        quantisation: quantisation::most_specific(&parts.quantisation),
        snapshot: parts.snapshot,
        organisation: spelled.organisation,
        fine_tuned: spelled.fine_tuned,
    }
}

const SIZE_WORDS: [&str; 9] = ["mini", "small", "medium", "large", "lite", "nano", "tiny", "micro", "xl"];

/// The words of body and tag, without those that say how weights are stored.
fn split(spelled: &Spelling, stored: &mut Vec<String>) -> Vec<String> {
    let mut words = Vec::new();
    for (text, is_tag) in [(&spelled.body, false), (&spelled.tag, true)] {
        for piece in text.split(['-', ' ', ':']).filter(|piece| !piece.is_empty()) {
            let (word, storage) = apart(piece);
            stored.extend(storage);
            if is_tag && word == "text" {
                words.push("base".to_owned());
            } else {
                words.extend(spaced(&word));
            }
        }
    }
    // `unsloth-bnb-4bit` names a maker of quantised weights, `-fp8-fast` a service
    if !stored.is_empty() {
        if words.iter().any(|w| w == "ud") {
            stored.insert(0, "ud".to_owned());
        }
        words.retain(|w| !matches!(w.as_str(), "unsloth" | "fast" | "ud"));
    }
    words
}

/// A piece and what in it says how weights are stored: `chat.q4_k_m`, `instruct_q8_0`.
fn apart(piece: &str) -> (String, Option<String>) {
    if quantisation::is_quantisation(piece) {
        return (String::new(), Some(piece.to_owned()));
    }
    for (at, _) in piece.match_indices(['.', '_']) {
        if let (Some(word), Some(rest)) = (piece.get(..at), piece.get(at + 1..))
            && quantisation::is_quantisation(rest)
        {
            return (word.to_owned(), Some(rest.to_owned()));
        }
    }
    (piece.to_owned(), None)
}

/// `_` and `p` between digits are points, other `_` part words, and so does a point behind a word: `flux.1`.
fn spaced(piece: &str) -> Vec<String> {
    let (piece, rest) = brands::apart(piece);
    if let Some(rest) = rest {
        return [spaced(piece), spaced(rest)].concat();
    }
    let chars: Vec<char> = piece.chars().collect();
    let digit = |i: Option<usize>| i.and_then(|i| chars.get(i)).is_some_and(char::is_ascii_digit);
    let letter = |i: Option<usize>| i.and_then(|i| chars.get(i)).is_some_and(char::is_ascii_alphabetic);
    let mut words = vec![String::new()];
    for (i, c) in chars.iter().enumerate() {
        let between = digit(i.checked_sub(1)) && digit(Some(i + 1));
        match c {
            '_' | 'p' if between => words.last_mut().into_iter().for_each(|w| w.push('.')),
            '_' => words.push(String::new()),
            '.' if letter(i.checked_sub(1)) && digit(Some(i + 1)) && !letter(Some(i + 2)) => {
                words.push(String::new());
            }
            c => words.last_mut().into_iter().for_each(|w| w.push(*c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Takes a publisher's word off where a brand follows. Takes a plain brand off too, and gives its word as written
/// and the family.
fn drop_publishers(words: &mut Vec<String>) -> Option<(String, String)> {
    let plain = |words: &[String]| {
        let first = words.first()?;
        PLAIN.iter().find_map(|brand| {
            brands::version_after(first, brand).map(|rest| ((*brand).to_owned(), rest.to_owned()))
        })
    };
    loop {
        let publisher = words.first().is_some_and(|w| PUBLISHERS.contains(&w.as_str()));
        let follows = |n: usize| {
            let rest = words.get(n..).unwrap_or_default();
            brands::find(rest).is_some() || plain(rest).is_some()
        };
        let again =
            |n: usize| words.get(n).is_some_and(|w| PUBLISHERS.contains(&w.as_str())) && words.len() > n + 1;
        let known = brands::find(words).is_some_and(|(brand, ..)| brand.words != ["doubao"]);
        let open = words.first().is_some_and(|w| w == "open") && follows(1);
        let twice = matches!(words.as_slice(), [a, b, ..] if a == "gemini" && b.starts_with("gemma") || a == "qwen" && b.starts_with("qwq"));
        if twice || open || publisher && !known && (follows(1) || again(1)) {
            words.remove(0);
        } else {
            break;
        }
    }
    if brands::find(words).is_some() {
        return None;
    }
    let (brand, rest) = plain(words)?;
    words.remove(0);
    // a version is written close by the publisher, as far as anybody knows
    Some((format!("{brand}{rest}"), brand))
}
