//! Neighbours by the words and pairs of words that prompts share: hashed, weighted by how rare they are (Salton and
//! Buckley 1988, sublinear tf-idf).

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::neighbours::{Neighbour, keep};

const BUCKETS: usize = 1 << 14;

/// The rows by the words in them.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    idf: Vec<f32>,
    /// For each bucket the rows that have it, with their weights.
    rows: Vec<Vec<(u32, f32)>>,
    len: usize,
}

fn counts(text: &str) -> HashMap<usize, f32> {
    let mut counts = HashMap::new();
    let mut add = |words: &[&str]| {
        // a hasher with fixed keys: the same bucket in every process
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        *counts.entry(hasher.finish() as usize % BUCKETS).or_insert(0.0) += 1.0;
    };
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() > 1).collect();
    for word in &words {
        add(&[word]);
    }
    words.windows(2).for_each(add);
    counts
}

impl Words {
    pub(crate) fn fit<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let counted: Vec<HashMap<usize, f32>> = texts.map(counts).collect();
        let mut seen = vec![0.0_f32; BUCKETS];
        for counts in &counted {
            for bucket in counts.keys() {
                seen[*bucket] += 1.0;
            }
        }
        let n = counted.len() as f32;
        let idf = seen.iter().map(|seen| ((1.0 + n) / (1.0 + seen)).ln() + 1.0).collect();
        let mut words = Self { idf, rows: vec![Vec::new(); BUCKETS], len: counted.len() };
        for (row, counts) in counted.iter().enumerate() {
            for (bucket, weight) in words.weights(counts) {
                words.rows[bucket].push((row as u32, weight));
            }
        }
        words
    }

    /// Of length one.
    fn weights(&self, counts: &HashMap<usize, f32>) -> Vec<(usize, f32)> {
        let mut weights: Vec<(usize, f32)> =
            counts.iter().map(|(bucket, n)| (*bucket, (1.0 + n.ln()) * self.idf[*bucket])).collect();
        // the order of a hash map must not decide how sums are rounded
        weights.sort_unstable_by_key(|(bucket, _)| *bucket);
        let length = weights.iter().map(|(_, w)| w * w).sum::<f32>().sqrt().max(1e-9);
        for (_, weight) in &mut weights {
            *weight /= length;
        }
        weights
    }

    /// The `k` rows that share most with a text.
    pub(crate) fn nearest(&self, text: &str, k: usize) -> Vec<Neighbour> {
        let mut likeness = vec![0.0_f32; self.len];
        for (bucket, weight) in self.weights(&counts(text)) {
            for (row, other) in &self.rows[bucket] {
                likeness[*row as usize] += weight * other;
            }
        }
        let mut all: Vec<Neighbour> =
            likeness.into_iter().enumerate().map(|(n, w)| (n as u32, w.max(1e-6))).collect();
        keep(&mut all, k);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_words_make_neighbours() {
        let words = Words::fit(["the cat sat", "stocks fell today", "a cat on the mat"].into_iter());
        let near = words.nearest("stocks rose today", 1);
        assert_eq!(near[0].0, 1);
        assert_eq!(words.nearest("", 2).len(), 2);
    }
}
