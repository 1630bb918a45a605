//! From text to rows of the embedding table: its tokens, then its pairs of neighbours.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::{
    ClassifierError,
    wordpiece::{Span, WordPiece, spans},
};

/// The tokenizer and how its tokens become rows.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    /// The same for plain words, where the tokenizer is of a kind that it knows.
    fast: Option<WordPiece>,
    /// Rows `0..vocab` are tokens, the `pairs` rows after them are hashed pairs.
    vocab: u32,
    pairs: u32,
    head: usize,
    tail: usize,
}

/// How many pools a text is read into: the whole, its start, its end. Instructions stand at either end; in
/// the mean of a long text they would drown.
pub(crate) const POOLS: usize = 3;
/// Tokens of the start and of the end that have a pool of their own.
const START: usize = 24;
const END: usize = 16;

/// The rows of one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) tokens: Vec<u32>,
    pub(crate) pairs: Vec<u32>,
}

impl Rows {
    /// Tokens and pairs of each pool.
    pub(crate) fn pools(&self) -> [[&[u32]; 2]; POOLS] {
        let both = [self.tokens.as_slice(), self.pairs.as_slice()];
        [
            both,
            both.map(|rows| &rows[..rows.len().min(START)]),
            both.map(|rows| &rows[rows.len().saturating_sub(END)..]),
        ]
    }
}

impl Tokens {
    /// `json` is a `tokenizer.json` with at most `vocab` tokens. Of a long text the first `head` and the last
    /// `tail` tokens are read.
    pub(crate) fn load(
        json: &[u8],
        path: &Path,
        (vocab, pairs): (u32, u32),
        (head, tail): (usize, usize),
    ) -> Result<Self, ClassifierError> {
        let content = |why: String| ClassifierError::Content { path: path.to_owned(), why };
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| content(e.to_string()))?;
        // limits of its own would pad short texts and cut long ones in the wrong place
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| content(e.to_string()))?;
        let size = tokenizer.get_vocab_size(true);
        if size > vocab as usize {
            return Err(content(format!("{size} tokens, and the configuration has room for {vocab}")));
        }
        Ok(Self { tokenizer, fast: WordPiece::load(json), vocab, pairs, head, tail })
    }

    /// The rows of `text`; none where it has no tokens.
    pub(crate) fn rows(&self, text: &str) -> Rows {
        let mut tokens = self.ids(text);
        if tokens.len() > self.head + self.tail {
            tokens.drain(self.head..tokens.len() - self.tail);
        }
        tokens.retain(|id| *id < self.vocab);
        let pairs = tokens.windows(2).map(|w| self.pair(w[0], w[1])).collect();
        Rows { tokens, pairs }
    }

    fn ids(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 8);
        let Some(fast) = self.fast.as_ref().filter(|fast| !fast.has_added(text)) else {
            self.slow(text, &mut ids);
            return ids;
        };
        for span in spans(text) {
            match span {
                Span::Ascii(word) => fast.push(word, &mut ids),
                Span::Other(words) => self.slow(words, &mut ids),
            }
        }
        ids
    }

    fn slow(&self, text: &str, ids: &mut Vec<u32>) {
        // a text that cannot be tokenised says nothing
        if let Ok(encoding) = self.tokenizer.encode_fast(text, false) {
            ids.extend_from_slice(encoding.get_ids());
        }
    }

    /// The row of a pair: a multiplicative hash of both ids.
    pub(crate) fn pair(&self, a: u32, b: u32) -> u32 {
        let key = (u64::from(a) << 32) | u64::from(b);
        let hash = (key ^ (key >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.vocab + ((hash >> 40) % u64::from(self.pairs.max(1))) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shipped() -> Tokens {
        let json = include_bytes!("../../../models/default/tokenizer.json");
        Tokens::load(json, Path::new("tokenizer.json"), (30_522, 16), (1000, 1000)).unwrap()
    }

    fn assert_same(tokens: &Tokens, text: &str) {
        let mut slow = Vec::new();
        tokens.slow(text, &mut slow);
        assert_eq!(tokens.ids(text), slow, "{text:?}");
    }

    #[test]
    fn the_fast_path_agrees_with_tokenizers() {
        let tokens = shipped();
        assert!(tokens.fast.is_some());
        let long = "a".repeat(100) + " " + &"b".repeat(101) + " " + &"c".repeat(300) + "!x";
        for text in [
            "",
            " ",
            "Write a SQL query that finds duplicate orders",
            "can't   STOP-gap\t(x)->y;{z}\r\n## [UNK] [SEP]",
            "don[SEP]e [PAD [CLS]",
            "a\u{0}b\u{7f}c \u{1f} d\u{b}e\u{c}f",
            "prix élevé: 20 € — “naïve” Straße ΣΑΣ",
            "你好，请翻译 this into English, danke schön",
            "e\u{301}a \u{301}b \u{a0}c\u{2009}d\u{feff}e\u{200d}f \u{fffd}g",
            "supercalifragilisticexpialidocious qwrtzpxyz _ __ ``` $^+|~<=>",
            long.as_str(),
        ] {
            assert_same(&tokens, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_agrees_with_tokenizers(text in "(?s)([ -~\\t\\n]{0,12}|\\PC{0,6}|.{0,4}|\\[(SEP|UNK)\\]|[a-zé ]{0,20}){0,8}") {
            thread_local!(static TOKENS: Tokens = shipped());
            TOKENS.with(|tokens| assert_same(tokens, &text));
        }
    }
}
