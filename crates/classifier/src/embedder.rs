//! The embedders: text to a vector of fixed width. One kind, one variant.

use std::sync::Arc;

use crate::{
    encoder::{Buffers, Pooling, Transformer},
    ids::{TokenIds, cut},
    table::Table,
    tokens::Tokens,
};

/// A loaded embedder.
#[derive(Debug)]
pub(crate) enum Embedder {
    /// Token and token-pair embeddings, pooled.
    Static(Box<StaticEmbedder>),
    /// A transformer.
    Encoder(Box<EncoderEmbedder>),
}

#[derive(Debug)]
pub(crate) struct StaticEmbedder {
    pub(crate) tokens: Tokens,
    pub(crate) table: Table,
}

#[derive(Debug)]
pub(crate) struct EncoderEmbedder {
    pub(crate) ids: Arc<TokenIds>,
    /// Special tokens in front of and behind a text.
    pub(crate) around: (Vec<u32>, Vec<u32>),
    /// What the model wants to be told first, such as `query: `.
    pub(crate) prefix: String,
    pub(crate) head: usize,
    pub(crate) tail: usize,
    pub(crate) pooling: Pooling,
    pub(crate) encoder: Transformer,
    /// The same weights on a GPU.
    #[cfg(feature = "cuda")]
    pub(crate) batched: Option<crate::batched::Batched>,
}

/// Memory that one text leaves for the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) hidden: Vec<f32>,
    buffers: Buffers,
}

impl Embedder {
    /// The features of `text`, of the embedder's width; `None` where nothing in it can be read.
    pub(crate) fn features(&self, text: &str, scratch: &mut Scratch) -> Option<Vec<f32>> {
        match self {
            Self::Static(embedder) => {
                let rows = embedder.tokens.rows(text);
                (!rows.tokens.is_empty()).then(|| embedder.table.pool(&rows))
            }
            Self::Encoder(embedder) => {
                let ids = embedder.ids(text)?;
                Some(embedder.encoder.forward(&ids, embedder.pooling, &mut scratch.buffers))
            }
        }
    }
}

impl Embedder {
    /// Whether many texts at once are cheaper than one after the other.
    #[cfg_attr(not(feature = "cuda"), expect(clippy::unused_self, reason = "only a GPU has batches"))]
    pub(crate) fn is_batched(&self) -> bool {
        #[cfg(feature = "cuda")]
        if let Self::Encoder(embedder) = self {
            return embedder.batched.is_some();
        }
        false
    }

    /// The features of texts, in order.
    pub(crate) fn features_of_all<T: AsRef<str>>(
        &self,
        texts: &[T],
        scratch: &mut Scratch,
    ) -> Vec<Option<Vec<f32>>> {
        #[cfg(feature = "cuda")]
        if let Self::Encoder(embedder) = self
            && let Some(features) = embedder.on_device(texts)
        {
            return features;
        }
        texts.iter().map(|text| self.features(text.as_ref(), scratch)).collect()
    }
}

#[cfg(feature = "cuda")]
impl EncoderEmbedder {
    /// By the device; `None` where there is none or it fails, which the log says: then the CPU does it.
    fn on_device<T: AsRef<str>>(&self, texts: &[T]) -> Option<Vec<Option<Vec<f32>>>> {
        let batched = self.batched.as_ref()?;
        let ids: Vec<Option<Vec<u32>>> = texts.iter().map(|text| self.ids(text.as_ref())).collect();
        let readable: Vec<Vec<u32>> = ids.iter().flatten().cloned().collect();
        match batched.forward(&readable, self.pooling) {
            Ok(features) => {
                let mut features = features.into_iter();
                Some(ids.into_iter().map(|ids| ids.and_then(|_| features.next())).collect())
            }
            Err(error) => {
                tracing::warn!(%error, "the GPU failed: classifying on the CPU");
                None
            }
        }
    }
}

/// More pieces a word than this are another language than the vocabulary's: 95 of 100 English prompts are below, 90 of
/// 100 in other languages above.
const FAMILIAR: f32 = 1.4;

impl Embedder {
    /// Whether the words of a text are of another language than a small table can know. A transformer makes sense of
    /// pieces.
    pub(crate) fn is_unfamiliar(&self, text: &str) -> bool {
        match self {
            Self::Static(embedder) => embedder.tokens.pieces_per_word(text) > FAMILIAR,
            Self::Encoder(_) => false,
        }
    }
}

impl EncoderEmbedder {
    /// The ids of a text with the special tokens around them.
    pub(crate) fn ids(&self, text: &str) -> Option<Vec<u32>> {
        let mut body = if self.prefix.is_empty() {
            self.ids.of(text)
        } else {
            self.ids.of(&format!("{}{text}", self.prefix))
        };
        if body.is_empty() {
            return None;
        }
        cut(&mut body, self.head, self.tail);
        Some([&self.around.0[..], &body, &self.around.1].concat())
    }
}
