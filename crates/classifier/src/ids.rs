//! From text to token ids.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokenizers::Tokenizer;

use crate::{
    ClassifierError,
    artifact::sha256,
    wordpiece::{Span, WordPiece, spans},
};

/// Characters and words that tell whether a vocabulary knows the language of a text.
const READ_CHARS: usize = 400;
const READ_WORDS: usize = 48;

/// A tokenizer without limits of its own.
#[derive(Debug)]
pub(crate) struct TokenIds {
    tokenizer: Tokenizer,
    /// The same for plain words, where the tokenizer is of a kind that it knows.
    fast: Option<WordPiece>,
}

impl TokenIds {
    /// `json` is a `tokenizer.json` whose ids are below `vocab`.
    pub(crate) fn load(json: &[u8], path: &Path, vocab: u32) -> Result<Arc<Self>, ClassifierError> {
        // two tiers with one tokenizer share it: it takes more memory than the fast tier's table
        static LIVE: Mutex<Vec<(String, u32, Weak<TokenIds>)>> = Mutex::new(Vec::new());
        let content = |why: String| ClassifierError::Content { path: path.to_owned(), why };
        let hash = sha256(json);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|(.., ids)| ids.strong_count() > 0);
        let same = live.iter().find(|(h, v, _)| (h, *v) == (&hash, vocab));
        if let Some(ids) = same.and_then(|(.., ids)| ids.upgrade()) {
            return Ok(ids);
        }
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| content(e.to_string()))?;
        // limits of its own would pad short texts and cut long ones in the wrong place
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| content(e.to_string()))?;
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if largest >= vocab {
            let why = format!(
                "its largest id is {largest}, and the embedder has {vocab} rows: it is from another model"
            );
            return Err(content(why));
        }
        let ids = Arc::new(Self { tokenizer, fast: WordPiece::load(json) });
        live.push((hash, vocab, Arc::downgrade(&ids)));
        Ok(ids)
    }

    /// The ids of `text`, without special tokens around them; none where it has no tokens.
    pub(crate) fn of(&self, text: &str) -> Vec<u32> {
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

    /// Pieces that a word of `text` falls into on average, over its first words: near 1 where the vocabulary is that of
    /// its language, 1.5 and more where it is not. Letters beyond ASCII count as three pieces a word, since the
    /// vocabularies in question know few of them. 0 for kinds of tokenizers that have no fast path.
    pub(crate) fn pieces_per_word(&self, text: &str) -> f32 {
        let Some(fast) = &self.fast else { return 0.0 };
        let end = text.char_indices().nth(READ_CHARS).map_or(text.len(), |(at, _)| at);
        let (mut words, mut pieces, mut ids) = (0_usize, 0_usize, Vec::with_capacity(8));
        for word in
            text[..end].split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(READ_WORDS)
        {
            words += 1;
            if word.is_ascii() {
                ids.clear();
                fast.push(word.as_bytes(), &mut ids);
                pieces += ids.len();
            } else {
                pieces += 3;
            }
        }
        pieces as f32 / words.max(1) as f32
    }

    fn slow(&self, text: &str, ids: &mut Vec<u32>) {
        // a text that cannot be tokenised says nothing
        if let Ok(encoding) = self.tokenizer.encode_fast(text, false) {
            ids.extend_from_slice(encoding.get_ids());
        }
    }

    /// The special tokens that the model wants before and after a text, such as `[CLS]` and `[SEP]`.
    pub(crate) fn around(&self) -> (Vec<u32>, Vec<u32>) {
        let ids = self.tokenizer.encode_fast("", true).map(|e| e.get_ids().to_vec()).unwrap_or_default();
        let (before, after) = ids.split_at(ids.len() / 2);
        (before.to_vec(), after.to_vec())
    }
}

/// The first `head` and the last `tail` of what is longer than both.
pub(crate) fn cut(ids: &mut Vec<u32>, head: usize, tail: usize) {
    if ids.len() > head + tail {
        ids.drain(head..ids.len() - tail);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_tell_the_language() {
        let tokens = shipped();
        let pieces = |text: &str| tokens.pieces_per_word(text);
        for text in ["Write a Python function that reverses a linked list", "", "12 + 30 = ?", "what's up"] {
            assert!(pieces(text) < 1.4, "{text}: {}", pieces(text));
        }
        for text in [
            "Escribe una función que invierta una lista enlazada",
            "Schreibe eine kurze Zusammenfassung der Besprechung",
            "你好，请翻译这句话",
            "перепиши это письмо вежливее",
        ] {
            assert!(pieces(text) > 1.4, "{text}: {}", pieces(text));
        }
    }

    fn shipped() -> Arc<TokenIds> {
        let json = include_bytes!("../../../models/default/tokenizer.json");
        TokenIds::load(json, Path::new("tokenizer.json"), 30_522).unwrap()
    }

    fn assert_same(tokens: &TokenIds, text: &str) {
        let mut slow = Vec::new();
        tokens.slow(text, &mut slow);
        assert_eq!(tokens.of(text), slow, "{text:?}");
    }

    #[test]
    fn the_fast_path_agrees_with_tokenizers() {
        let tokens = shipped();
        assert!(tokens.fast.is_some());
        assert_eq!(tokens.around(), (vec![101], vec![102]));
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
        fn any_text_agrees_with_tokenizers(
            text in "(?s)([ -~\\t\\n]{0,12}|\\PC{0,6}|.{0,4}|\\[(SEP|UNK)\\]|[a-zé ]{0,20}){0,8}",
        ) {
            thread_local!(static TOKENS: Arc<TokenIds> = shipped());
            TOKENS.with(|tokens| assert_same(tokens, &text));
        }
    }
}
