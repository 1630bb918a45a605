//! Variations of a prompt that do not change its labels: what real traffic wraps around, leaves out, mistypes.

use super::random::Random;

/// What people and harnesses append.
const SUFFIXES: [&str; 12] = [
    "Answer with only the letter.",
    "Please keep it short.",
    "Think step by step.",
    "Give your answer in JSON.",
    "Respond in one sentence.",
    "Output only the final answer.",
    "thanks!",
    "Let me know if anything is unclear.",
    "Put your final answer in a box.",
    "Answer:",
    "Return nothing else.",
    "asap pls",
];

/// What people and harnesses put in front.
const PREFIXES: [&str; 12] = [
    "You are a helpful assistant.",
    "Hi,",
    "hey, quick one:",
    "Please help me with the following.",
    "User:",
    "Instruction:",
    "Question:",
    "### Instruction\n",
    "I need your help.",
    "Could you do this for me?",
    "You are an expert. Read carefully.",
    "Task:",
];

/// A variation of `text`; often the text itself.
pub(crate) fn vary(text: &str, random: &mut Random) -> String {
    let mut out = text.to_owned();
    if random.chance(0.12) {
        out = format!("{} {out}", PREFIXES[random.below(PREFIXES.len())]);
    }
    if random.chance(0.12) {
        out = format!("{out} {}", SUFFIXES[random.below(SUFFIXES.len())]);
    }
    if random.chance(0.10) {
        out = typos(&out, random);
    }
    if random.chance(0.10) {
        out = without_punctuation(&out);
    }
    if random.chance(0.15) {
        out = excerpt(&out, random);
    }
    out
}

pub(crate) fn typos(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..(chars.len() / 40 + 1).min(12) {
        let i = random.below(chars.len().max(1));
        if i + 1 < chars.len() && chars[i].is_alphabetic() && chars[i + 1].is_alphabetic() {
            if random.chance(0.5) {
                chars.swap(i, i + 1);
            } else {
                chars.remove(i);
            }
        }
    }
    chars.into_iter().collect()
}

fn without_punctuation(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '.' | ',' | '?' | '!' | ';' | '"' | '\'')).collect()
}

/// The first part of a long text: how it starts mostly tells what it is.
fn excerpt(text: &str, random: &mut Random) -> String {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    if words.len() < 30 {
        return text.to_owned();
    }
    words[..words.len() / 2 + random.below(words.len() / 2)].concat()
}
