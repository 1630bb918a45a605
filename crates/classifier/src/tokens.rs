//! From text to rows of the static embedder's table: its tokens, then its pairs of neighbours.

use std::{path::Path, sync::Arc};

use crate::{
    ClassifierError,
    ids::{TokenIds, cut},
};

/// The tokenizer and how its tokens become rows.
#[derive(Debug)]
pub(crate) struct Tokens {
    ids: Arc<TokenIds>,
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
        Ok(Self { ids: TokenIds::load(json, path, vocab)?, vocab, pairs, head, tail })
    }

    /// How well the vocabulary knows the language of a text, see [`TokenIds::pieces_per_word`].
    pub(crate) fn pieces_per_word(&self, text: &str) -> f32 {
        self.ids.pieces_per_word(text)
    }

    /// The rows of `text`; none where it has no tokens.
    pub(crate) fn rows(&self, text: &str) -> Rows {
        let mut tokens = self.ids.of(text);
        cut(&mut tokens, self.head, self.tail);
        let pairs = tokens.windows(2).map(|w| self.pair(w[0], w[1])).collect();
        Rows { tokens, pairs }
    }

    /// The row of a pair: a multiplicative hash of both ids.
    pub(crate) fn pair(&self, a: u32, b: u32) -> u32 {
        let key = (u64::from(a) << 32) | u64::from(b);
        let hash = (key ^ (key >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.vocab + ((hash >> 40) % u64::from(self.pairs.max(1))) as u32
    }
}
