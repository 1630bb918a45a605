//! Which words are size, variant, date or window, and in which order the rest makes the line.

use crate::{
    brands::{self, House, Join},
    identity::{Parts, Variant},
    shapes,
};

/// A brand as found at the start of a name.
pub(crate) struct Found {
    pub(crate) line: String,
    pub(crate) family: String,
    pub(crate) join: Join,
    pub(crate) house: House,
}

/// Brands that stand behind the name of their base model.
const ANYWHERE: [&str; 4] = ["hermes", "openhermes", "dolphin", "euryale"];

/// Where a brand stands behind the name of its base model, that goes: only its sizes stay.
pub(crate) fn base_models_last(words: &mut Vec<String>) {
    let later = words.iter().position(|w| ANYWHERE.iter().any(|b| brands::version_after(w, b).is_some()));
    if let Some(at) = later {
        let mut base: Vec<String> = words.drain(..at).collect();
        base.retain(|w| shapes::is_size(w, false));
        words.extend(base);
    }
}

/// Takes the brand off the words; what was written close to it stays in front.
pub(crate) fn brand(words: &mut Vec<String>) -> Option<Found> {
    let nemotron = words.iter().any(|w| brands::version_after(w, "nemotron").is_some());
    let (found, n, rest) = brands::find(words)?;
    let (version, word) = brands::apart(rest);
    let rest: Vec<String> =
        [Some(version), word].into_iter().flatten().filter(|w| !w.is_empty()).map(str::to_owned).collect();
    words.splice(..n, rest);
    let family = if nemotron { "nemotron" } else { found.family };
    Some(Found {
        line: found.line.to_owned(),
        family: family.to_owned(),
        join: found.join,
        house: found.house,
    })
}

/// Sorts words into sizes, variants, snapshot and what is left.
pub(crate) fn sort_words(words: &[String], parts: &mut Parts, house: House, known: bool) {
    let sized = words.iter().any(|w| shapes::is_size(w, false));
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let rest = words.get(i..).unwrap_or_default();
        i += 1;
        let variant = shapes::variant(word).filter(|v| {
            known
                && (house != House::Hosted || sized || matches!(v, Variant::Preview | Variant::Experimental))
        });
        if shapes::is_size(word, !parts.sizes.is_empty()) {
            parts.sizes.push(word.clone());
        } else if shapes::is_window(word) && (known || i > 1) {
        } else if let Some(n) = shapes::date(rest).filter(|_| i > 1 || known) {
            parts.snapshot = Some(rest.get(..n).unwrap_or_default().join("-"));
            i += n - 1;
        } else if let Some(variant) = variant {
            parts.variants.push(variant);
        } else if matches!(word.as_str(), "latest" | "maas" | "tee" | "versatile" | "hf" | "rope") {
        } else {
            parts.words.push(shapes::marked_version(word).filter(|_| known).unwrap_or_else(|| word.clone()));
        }
    }
}

fn remove(words: &mut Vec<String>, gone: &[&str]) {
    words.retain(|w| !gone.contains(&w.as_str()));
}

/// What single families do differently.
pub(crate) fn by_family(family: Option<&str>, start: &str, parts: &mut Parts) {
    join_versions(&mut parts.words, start);
    let words = &mut parts.words;
    match family.unwrap_or_default() {
        "gpt" | "qwen" => split_two_digits(words),
        "claude" => claude(words),
        "gemini" | "granite" => {
            version_first(words);
            release_number(parts);
        }
        "imagen" | "veo" | "palm" => release_number(parts),
        "nova" | "jurassic" | "palmyra" | "titan" => remove(words, &["v1"]),
        "command" => remove(words, &["v01"]),
        "grok" => remove(words, &["beta"]),
        "o-series" => remove(words, &["high", "low"]),
        "ernie" => {
            remove(words, &["paddle", "pt"]);
            parts.variants.retain(|v| *v != Variant::Base);
        }
        "mistral" if start == "mixtral" => remove(words, &["v0.1"]),
        "deepseek" => deepseek(parts),
        "hermes" | "dolphin" => {
            let base = ["llama", "mistral", "mixtral", "yi", "qwen", "phi"];
            words.retain(|w| base.iter().all(|b| brands::version_after(w, b).is_none()));
            one_version(words);
        }
        "embed" => {
            if start == "cohere-embed"
                && let Some(version) = take_version(words)
            {
                words.push(version);
            }
            // `base` tells their sizes, `instruct` how they want to be asked
            for variant in std::mem::take(&mut parts.variants) {
                if variant == Variant::Base {
                    insert_before_version(words, "base");
                } else {
                    parts.variants.push(variant);
                }
            }
        }
        _ => {}
    }
}

/// Hosts of open weights sell them as `-turbo` and `-fast` too; where a name has neither size nor version, such a
/// word is the product.
pub(crate) fn drop_services(family: Option<&str>, house: House, parts: &mut Parts) {
    let own = matches!(family, None | Some("whisper" | "stable-diffusion" | "flux" | "morph"));
    let versioned = |w: &String| w.bytes().any(|b| b.is_ascii_digit());
    if house != House::Hosted && !own && (!parts.sizes.is_empty() || parts.words.iter().any(versioned)) {
        remove(&mut parts.words, &["turbo", "fast", "instant"]);
    }
}

/// `3`, `1` is `3.1` where a host may not write points.
fn join_versions(words: &mut Vec<String>, start: &str) {
    let mut i = 0;
    while i + 1 < words.len() {
        let (Some(a), Some(b)) = (words.get(i), words.get(i + 1)) else { break };
        let bare = a.strip_prefix('v').unwrap_or(a);
        if shapes::is_half_version(bare) && shapes::is_half_version(b) && start != "minimax-text" {
            let joined = format!("{a}.{b}");
            words.splice(i..=i + 1, [joined]);
        }
        i += 1;
    }
    // `llama-v3p1`: brands that count without a v
    if matches!(start, "llama" | "qwen" | "yi") {
        for word in words.iter_mut().take(1) {
            if let Some(version) = word.strip_prefix('v').filter(|v| shapes::is_version(v)) {
                *word = version.to_owned();
            }
        }
    }
}

/// `gpt-35` and `qwen25` leave the point out.
fn split_two_digits(words: &mut [String]) {
    if let Some(word) = words.first_mut()
        && word.len() == 2
        && shapes::is_half_version(word)
        && !word.starts_with('1')
    {
        word.insert(1, '.');
    }
}

/// Google counts releases of one model: `-001`.
fn release_number(parts: &mut Parts) {
    let counts = |w: &String| w.len() == 3 && w.starts_with("00");
    if let Some(at) = parts.words.iter().position(counts) {
        parts.snapshot = Some(parts.words.remove(at));
    }
}

fn take_version(words: &mut Vec<String>) -> Option<String> {
    let at = words.iter().position(|w| shapes::is_version(w) || shapes::marked_version(w).is_some())?;
    Some(words.remove(at))
}

fn version_first(words: &mut Vec<String>) {
    if let Some(version) = take_version(words) {
        words.insert(0, version);
    }
}

fn insert_before_version(words: &mut Vec<String>, word: &str) {
    let at = words.iter().position(|w| shapes::is_version(w) || shapes::marked_version(w).is_some());
    // `bge-base-en-v1.5`: in front of the language
    let at = words.iter().position(|w| w == "en" || w == "zh").or(at).unwrap_or(words.len());
    words.insert(at, word.to_owned());
}

/// Up to 3 the version comes first, then the tier; from 4 on the other way round.
fn claude(words: &mut Vec<String>) {
    let Some(version) = take_version(words) else { return };
    let version = version.trim_start_matches('v').to_owned();
    let old =
        version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 4);
    let instant = words.iter().any(|w| w == "instant");
    if old && !instant {
        words.insert(0, version);
    } else {
        words.insert(words.len().min(1), version);
    }
}

/// `deepseek-chat-v3` is `deepseek-v3`; a distilled model says from which brand.
fn deepseek(parts: &mut Parts) {
    let counted = parts.words.iter().any(|w| w.starts_with('v') && shapes::marked_version(w).is_some());
    if parts.words.is_empty() && parts.variants.contains(&Variant::Instruct) && parts.sizes.is_empty() {
        parts.variants.clear();
        parts.words.push("chat".to_owned());
    } else if counted && !parts.words.iter().any(|w| w == "coder") {
        parts.variants.retain(|v| *v != Variant::Instruct);
    }
    let base = parts
        .words
        .iter()
        .position(|w| ["qwen", "llama"].iter().any(|b| brands::version_after(w, b).is_some()));
    if let Some(at) = base {
        let base = parts.words.remove(at);
        parts.words.retain(|w| w != "distill" && !shapes::is_version(w));
        parts.words.push("distill".to_owned());
        parts.words.push(base);
    }
}

/// The own version of a model that names its base model's too: the first.
fn one_version(words: &mut Vec<String>) {
    let mut seen = false;
    words.retain(|w| !shapes::is_version(w) || !std::mem::replace(&mut seen, true));
    for word in words.iter_mut() {
        if let Some(whole) = word.strip_suffix(".0") {
            *word = whole.to_owned();
        }
    }
}

/// The line: the brand, its version as the brand writes it, and the rest.
pub(crate) fn line(start: &str, join: Join, words: &[String]) -> String {
    let mut line = start.to_owned();
    for (i, word) in words.iter().enumerate() {
        let close = join == Join::Close
            && i == 0
            && (shapes::is_version(word) || shapes::marked_version(word).is_some());
        if !line.is_empty() && !close {
            line.push('-');
        }
        line.push_str(word);
    }
    line
}
