//! WordPiece for ASCII words, without allocating: what most prompts are made of. `tokenizers` stays the
//! definition; it gets every other word, and a test holds the two together.

use std::collections::HashMap;

use serde::Deserialize;

/// The vocabulary of an uncased BERT tokenizer.
#[derive(Debug)]
pub(crate) struct WordPiece {
    /// Pieces that begin a word.
    first: HashMap<Box<[u8]>, u32>,
    /// Pieces that go on, without their `##`.
    next: HashMap<Box<[u8]>, u32>,
    unknown: u32,
    longest_piece: usize,
    longest_word: usize,
    /// Tokens such as `[SEP]` that are found in the text before anything else.
    added: Vec<String>,
}

/// The part of a `tokenizer.json` that decides whether the fast path means the same.
#[derive(Deserialize)]
struct File {
    normalizer: Normalizer,
    pre_tokenizer: Typed,
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Normalizer {
    r#type: String,
    clean_text: bool,
    lowercase: bool,
}

#[derive(Deserialize)]
struct Typed {
    r#type: String,
}

#[derive(Deserialize)]
struct Model {
    r#type: String,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, u32>,
}

#[derive(Deserialize)]
struct Added {
    content: String,
}

/// A piece of text between blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span<'a> {
    /// A word that the fast path can take.
    Ascii(&'a [u8]),
    /// Neighbouring words with characters beyond ASCII.
    Other(&'a str),
}

impl WordPiece {
    /// `None` where the tokenizer is of another kind.
    pub(crate) fn load(json: &[u8]) -> Option<Self> {
        let File { normalizer, pre_tokenizer, model, added_tokens } = serde_json::from_slice(json).ok()?;
        let plain = normalizer.r#type == "BertNormalizer"
            && normalizer.clean_text
            && normalizer.lowercase
            && pre_tokenizer.r#type == "BertPreTokenizer"
            && model.r#type == "WordPiece"
            && !model.continuing_subword_prefix.is_empty();
        if !plain {
            return None;
        }
        let unknown = *model.vocab.get(&model.unk_token)?;
        let (mut first, mut next) = (HashMap::with_capacity(model.vocab.len()), HashMap::new());
        let mut longest_piece = 0;
        for (piece, id) in model.vocab {
            longest_piece = longest_piece.max(piece.len());
            if let Some(rest) = piece.strip_prefix(&model.continuing_subword_prefix) {
                next.insert(rest.as_bytes().into(), id);
            }
            // "##" alone is two words of one character, each looked up as a first piece
            first.insert(piece.into_bytes().into(), id);
        }
        let added = added_tokens.into_iter().map(|t| t.content).filter(|t| !t.is_empty()).collect();
        let longest_word = model.max_input_chars_per_word;
        Some(Self { first, next, unknown, longest_piece, longest_word, added })
    }

    /// Whether the text holds a token that is not made of words.
    pub(crate) fn has_added(&self, text: &str) -> bool {
        self.added.iter().any(|token| text.contains(token.as_str()))
    }

    /// Appends the tokens of one blank-free stretch of ASCII.
    pub(crate) fn push(&self, text: &[u8], ids: &mut Vec<u32>) {
        let mut word = [0_u8; 128];
        let mut len = 0;
        for byte in text {
            match byte {
                _ if byte.is_ascii_punctuation() => {
                    self.push_word(&word, len, ids);
                    len = 0;
                    self.push_word(&[*byte], 1, ids);
                }
                // control characters are dropped by the normaliser
                _ if byte.is_ascii_control() => {}
                _ => {
                    // what does not fit is too long to be known
                    if let Some(place) = word.get_mut(len) {
                        *place = byte.to_ascii_lowercase();
                    }
                    len += 1;
                }
            }
        }
        self.push_word(&word, len, ids);
    }

    /// Greedy, the longest piece first; a word with a part that is no piece is unknown as a whole.
    fn push_word(&self, buffer: &[u8], len: usize, ids: &mut Vec<u32>) {
        if len == 0 {
            return;
        }
        let before = ids.len();
        let Some(mut rest) = buffer.get(..len).filter(|_| len <= self.longest_word) else {
            ids.push(self.unknown);
            return;
        };
        let mut pieces = &self.first;
        while !rest.is_empty() {
            let longest = rest.len().min(self.longest_piece);
            let Some((n, id)) = (1..=longest).rev().find_map(|n| Some((n, *pieces.get(&rest[..n])?))) else {
                ids.truncate(before);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[n..];
            pieces = &self.next;
        }
    }
}

/// The spans of a text, in order. Blanks separate words in every script, so that spans can be tokenised apart.
pub(crate) fn spans(text: &str) -> impl Iterator<Item = Span<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_blank);
        if rest.is_empty() {
            return None;
        }
        let word = word_end(rest);
        let mut end = word;
        if rest[..word].is_ascii() {
            let span = Span::Ascii(&rest.as_bytes()[..word]);
            rest = &rest[word..];
            return Some(span);
        }
        // neighbours go together: a call for each word of a Russian text would cost more than it saves
        loop {
            let blank = rest[end..].len() - rest[end..].trim_start_matches(is_blank).len();
            let next = end + blank + word_end(&rest[end + blank..]);
            if next == end + blank || rest[end + blank..next].is_ascii() {
                break;
            }
            end = next;
        }
        let span = Span::Other(&rest[..end]);
        rest = &rest[end..];
        Some(span)
    })
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn word_end(text: &str) -> usize {
    text.find(is_blank).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_a_mixed_text() {
        let spans: Vec<_> = spans("  fix the\tprix élevé naïf now\n").collect();
        assert_eq!(
            spans,
            [
                Span::Ascii(b"fix"),
                Span::Ascii(b"the"),
                Span::Ascii(b"prix"),
                Span::Other("élevé naïf"),
                Span::Ascii(b"now")
            ]
        );
    }

    #[test]
    fn another_kind_of_tokenizer_has_no_fast_path() {
        assert!(WordPiece::load(br#"{"model":{"type":"BPE"}}"#).is_none());
    }
}
