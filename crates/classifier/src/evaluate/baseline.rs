//! What a classifier has to beat: the commonest label, keyword rules, TF-IDF with logistic regression.

use std::collections::HashMap;

use pointsman_types::{Industry, Task};

use crate::{heads::softmax_in_place, train::Example};

/// A baseline that is fitted.
#[derive(Debug)]
pub enum Baseline {
    /// Says the shares of the labels in the training rows, whatever the text.
    Majority(Vec<f32>, Vec<f32>),
    /// Rules on words, as gateways without a model use them.
    Keywords,
    /// Words and word pairs, weighted by rarity, under a linear model for each label set.
    TfIdf(Box<TfIdf>),
}

impl Baseline {
    /// The commonest labels of `rows`.
    pub fn majority(rows: &[Example]) -> Self {
        let shares = |labels: Vec<Option<usize>>, n: usize| {
            let mut counts = vec![1e-6_f32; n];
            labels.into_iter().flatten().for_each(|i| counts[i] += 1.0);
            let sum: f32 = counts.iter().sum();
            counts.into_iter().map(|c| c / sum).collect()
        };
        Self::Majority(
            shares(rows.iter().map(|r| r.task.map(Task::index)).collect(), Task::COUNT),
            shares(rows.iter().map(|r| r.industry.map(Industry::index)).collect(), Industry::COUNT),
        )
    }

    /// TF-IDF fitted on `rows`.
    pub fn tf_idf(rows: &[Example]) -> Self {
        Self::TfIdf(Box::new(TfIdf::fit(rows)))
    }

    /// Probabilities of the tasks and of the industries.
    pub fn classify(&self, text: &str) -> (Vec<f32>, Vec<f32>) {
        match self {
            Self::Majority(task, industry) => (task.clone(), industry.clone()),
            Self::Keywords => (by_words(text, &TASK_WORDS, 10), by_words(text, &INDUSTRY_WORDS, 9)),
            Self::TfIdf(model) => model.classify(text),
        }
    }
}

/// Words of each task, in the order of [`Task::ALL`].
const TASK_WORDS: [&[&str]; Task::COUNT] = [
    &[
        "code",
        "function",
        "python",
        "bug",
        "javascript",
        "rust",
        "class",
        "regex",
        "script",
        "compile",
        "api",
    ],
    &[
        "calculate",
        "solve",
        "equation",
        "integral",
        "sum",
        "probability",
        "prove",
        "percent",
        "how many",
        "how much",
    ],
    &[
        "why",
        "puzzle",
        "logic",
        "therefore",
        "plan",
        "decide",
        "premise",
        "conclusion",
        "should i",
        "trade-off",
    ],
    &["what is", "who", "when", "explain", "which of the following", "define", "how does", "capital"],
    &["story", "poem", "lyrics", "slogan", "imagine", "haiku", "roleplay", "speech", "novel"],
    &["summarize", "summarise", "summary", "tl;dr", "key points", "shorten", "bullet points"],
    &[
        "translate",
        "translation",
        "into french",
        "into german",
        "into english",
        "into spanish",
        "auf deutsch",
    ],
    &["extract", "classify", "sentiment", "label", "passage", "fields", "according to the text", "json"],
    &["sql", "table", "spreadsheet", "excel", "dataframe", "query", "chart", "column", "csv"],
    &["schedule", "book", "send", "remind", "calendar", "turn on", "weather", "order me", "email to"],
    &["hello", "hi", "thanks", "how are you", "feel", "lol", "good morning", "you are"],
];

/// Words of each industry, in the order of [`Industry::ALL`].
const INDUSTRY_WORDS: [&[&str]; Industry::COUNT] = [
    &["contract", "court", "law", "clause", "plaintiff", "statute", "liability", "legal"],
    &["patient", "doctor", "disease", "symptom", "dose", "clinical", "therapy", "medical"],
    &["bank", "tax", "stock", "invest", "interest", "loan", "accounting", "inflation", "revenue"],
    &["code", "function", "python", "software", "bug", "server", "javascript", "git"],
    &["story", "poem", "novel", "song", "brand", "script", "character"],
    &["refund", "order", "my account", "card", "delivery", "support", "cancel", "subscription"],
    &["customer", "marketing", "lead", "sales", "campaign", "pricing", "crm"],
    &["sql", "query", "dataset", "analytics", "dashboard", "database", "table"],
    &["student", "lesson", "teacher", "homework", "essay", "grade", "exam", "class"],
    &[],
];

/// Softmax of the number of words of each label that occur; `general` where none does.
fn by_words(text: &str, words: &[&[&str]], general: usize) -> Vec<f32> {
    let lower = text.to_lowercase();
    let words_of = lower.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|w| !w.is_empty());
    // whole words only: there is a "hi" in "this"
    let text = format!(" {} ", words_of.collect::<Vec<_>>().join(" "));
    let hits = |list: &&[&str]| list.iter().filter(|word| text.contains(&format!(" {word} "))).count() as f32;
    let mut scores: Vec<f32> = words.iter().map(hits).collect();
    if let Some(score) = scores.get_mut(general.min(words.len() - 1)) {
        *score += 0.5;
    }
    softmax_in_place(&mut scores, 0.5);
    scores
}

/// Columns of the hashed vocabulary.
const COLUMNS: usize = 1 << 17;
const EPOCHS: usize = 12;

/// TF-IDF over hashed words and word pairs, and two multinomial logistic regressions.
#[derive(Debug)]
pub struct TfIdf {
    rarity: Vec<f32>,
    /// For each column the weights of all tasks, then of all industries.
    weights: Vec<f32>,
}

const LABELS: usize = Task::COUNT + Industry::COUNT;

impl TfIdf {
    fn fit(rows: &[Example]) -> Self {
        let counts: Vec<_> = rows.iter().map(|row| counts(&row.text)).collect();
        let mut documents = vec![0_u32; COLUMNS];
        counts.iter().flat_map(HashMap::keys).for_each(|column| documents[*column] += 1);
        let n = rows.len() as f32;
        // smoothed inverse document frequency: ln((1 + n) / (1 + df)) + 1
        let rarity = documents.into_iter().map(|d| ((1.0 + n) / (1.0 + d as f32)).ln() + 1.0).collect();
        let mut model = Self { rarity, weights: vec![0.0; COLUMNS * LABELS] };
        let vectors: Vec<_> = counts.iter().map(|counts| model.vector(counts)).collect();
        for epoch in 0..EPOCHS {
            let rate = 4.0 * (1.0 - epoch as f32 / EPOCHS as f32);
            // a step that shares no factor with the number of rows visits each row once
            let step = (rows.len() / 3) | 1;
            for i in 0..rows.len() {
                let i = (i * step + epoch) % rows.len();
                let (task, industry) = (rows[i].task.map(Task::index), rows[i].industry.map(Industry::index));
                model.step(&vectors[i], task, industry, rate);
            }
        }
        model
    }

    fn vector(&self, counts: &HashMap<usize, f32>) -> Vec<(usize, f32)> {
        let weigh = |(column, count): (&usize, &f32)| (*column, (1.0 + count.ln()) * self.rarity[*column]);
        let mut vector: Vec<(usize, f32)> = counts.iter().map(weigh).collect();
        vector.sort_unstable_by_key(|(column, _)| *column);
        let length = vector.iter().map(|(_, v)| v * v).sum::<f32>().sqrt().max(1e-9);
        for (_, v) in &mut vector {
            *v /= length;
        }
        vector
    }

    fn probabilities(&self, vector: &[(usize, f32)]) -> (Vec<f32>, Vec<f32>) {
        let mut scores = vec![0.0; LABELS];
        for (column, value) in vector {
            let weights = &self.weights[column * LABELS..(column + 1) * LABELS];
            scores.iter_mut().zip(weights).for_each(|(s, w)| *s += w * value);
        }
        let mut industry = scores.split_off(Task::COUNT);
        softmax_in_place(&mut scores, 1.0);
        softmax_in_place(&mut industry, 1.0);
        (scores, industry)
    }

    fn step(&mut self, vector: &[(usize, f32)], task: Option<usize>, industry: Option<usize>, rate: f32) {
        let (p, q) = self.probabilities(vector);
        for (probabilities, truth, at) in [(p, task, 0), (q, industry, Task::COUNT)] {
            let Some(truth) = truth else { continue };
            for (label, p) in probabilities.into_iter().enumerate() {
                let gradient = p - if label == truth { 1.0 } else { 0.0 };
                for (column, value) in vector {
                    self.weights[column * LABELS + at + label] -= rate * gradient * value;
                }
            }
        }
    }

    fn classify(&self, text: &str) -> (Vec<f32>, Vec<f32>) {
        self.probabilities(&self.vector(&counts(text)))
    }
}

/// How often each word and each pair of words occurs, by hashed column.
fn counts(text: &str) -> HashMap<usize, f32> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let mut counts = HashMap::new();
    let pairs = words.windows(2).map(|w| hash(w[0]).rotate_left(21) ^ hash(w[1]));
    for key in words.iter().map(|w| hash(w)).chain(pairs) {
        *counts.entry((key >> 40) as usize % COLUMNS).or_insert(0.0) += 1.0;
    }
    counts
}

/// FNV-1a, spread by a multiplication.
fn hash(word: &str) -> u64 {
    let fnv =
        word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    fnv.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, task: Task) -> Example {
        Example { text: text.to_owned(), task: Some(task), industry: None, source: "test".to_owned() }
    }

    #[test]
    fn baselines_learn_what_they_can() {
        let rows: Vec<Example> = (0..30)
            .map(|i| match i % 3 {
                0 => row(&format!("please translate sentence {i}"), Task::Translation),
                1 => row(&format!("fix bug {i} in my code"), Task::Code),
                _ => row(&format!("debug the code {i}"), Task::Code),
            })
            .collect();
        let top = |b: &Baseline, text: &str| {
            let (task, _) = b.classify(text);
            assert!((task.iter().sum::<f32>() - 1.0).abs() < 1e-3);
            Task::ALL[(0..Task::COUNT).max_by(|a, b| task[*a].total_cmp(&task[*b])).unwrap()]
        };
        assert_eq!(top(&Baseline::majority(&rows), "translate"), Task::Code);
        assert_eq!(top(&Baseline::tf_idf(&rows), "translate this"), Task::Translation);
        assert_eq!(top(&Baseline::Keywords, "Summarize this article"), Task::Summarization);
    }
}
