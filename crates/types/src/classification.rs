//! What the classifier says of a prompt.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{Industry, Task};

/// Probabilities over a closed set of labels, in the order of the set. They sum to 1 (within rounding).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution<const N: usize>(pub [f32; N]);

impl<const N: usize> Distribution<N> {
    /// Index and probability of the likeliest label; the first one on a tie.
    pub fn top(&self) -> (usize, f32) {
        let mut best = (0, f32::MIN);
        for (i, &p) in self.0.iter().enumerate() {
            if p > best.1 {
                best = (i, p);
            }
        }
        best
    }

    fn mixed(&self, other: &Self, share: f32) -> Self {
        Self(std::array::from_fn(|i| (1.0 - share) * self.0[i] + share * other.0[i]))
    }

    /// The gap between the likeliest and the second likeliest label.
    pub fn margin(&self) -> f32 {
        let (first, p) = self.top();
        let second = self.0.iter().enumerate().filter(|(i, _)| *i != first).map(|(_, p)| *p);
        p - second.fold(0.0, f32::max)
    }
}

/// Which tier of the classifier answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Static embeddings: tens of microseconds.
    Fast,
    /// A transformer.
    Deep,
}

/// Full, calibrated distributions over the labels of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Over [`Task::ALL`].
    pub task: Distribution<{ Task::COUNT }>,
    /// Over [`Industry::ALL`].
    pub industry: Distribution<{ Industry::COUNT }>,
    /// A user's own classes and how likely the prompt belongs to each, 0..1; they do not exclude each other.
    pub classes: Vec<(Arc<str>, f32)>,
    /// The task confidence is below the calibrated threshold: treat the prompt as general.
    pub abstained: bool,
    /// Which tier answered.
    pub tier: Tier,
    /// Name and revision of the embedder.
    pub embedder: Arc<str>,
    /// The words are not of a language that the fast tier's vocabulary knows: its word counts little.
    pub unfamiliar: bool,
    /// Why the deep tier, which should have looked at this prompt, did not answer: this is the fast tier's word.
    pub deep_missed: Option<&'static str>,
    /// The share that the user turn before had in this answer: above 0 where this turn is a short follow-up.
    pub previous_share: f32,
    /// What the fast tier's heads stand on, where it was asked to keep it: for estimates from recorded outcomes.
    pub features: Option<Arc<[f32]>>,
    /// Compute time for this prompt (a batch's time divided by its rows), without queueing.
    pub elapsed: Duration,
}

impl Classification {
    /// The likeliest task and its probability.
    pub fn top_task(&self) -> (Task, f32) {
        let (i, p) = self.task.top();
        (Task::ALL[i], p)
    }

    /// The likeliest industry and its probability.
    pub fn top_industry(&self) -> (Industry, f32) {
        let (i, p) = self.industry.top();
        (Industry::ALL[i], p)
    }

    /// The answer for a short follow-up: `share` of what was said of the turn before, the rest of what is said
    /// of this one.
    #[must_use]
    pub fn following(mut self, previous: &Self, share: f32) -> Self {
        let share = share.clamp(0.0, 1.0);
        self.task = self.task.mixed(&previous.task, share);
        self.industry = self.industry.mixed(&previous.industry, share);
        for ((_, p), (_, before)) in self.classes.iter_mut().zip(&previous.classes) {
            *p = (1.0 - share) * *p + share * before;
        }
        self.abstained = if share > 0.5 { previous.abstained } else { self.abstained };
        self.previous_share = share;
        self.elapsed += previous.elapsed;
        self
    }
}

/// `{"task": {label: p, ..}, "industry": {label: p, ..}}`.
struct Probabilities<'a>(&'a Classification);

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Labelled<I>(I);
        impl<I: Iterator<Item = (&'static str, f32)> + Clone> Serialize for Labelled<I> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.clone())
            }
        }
        let task = Task::ALL.iter().map(|t| t.as_str()).zip(self.0.task.0);
        let industry = Industry::ALL.iter().map(|t| t.as_str()).zip(self.0.industry.0);
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("task", &Labelled(task))?;
        map.serialize_entry("industry", &Labelled(industry))?;
        map.end()
    }
}

/// `{name: p, ..}`.
struct Owned<'a>(&'a [(Arc<str>, f32)]);

impl Serialize for Owned<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, p)| (&**name, p)))
    }
}

impl Serialize for Classification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (task, task_confidence) = self.top_task();
        let (industry, industry_confidence) = self.top_industry();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("task", &task)?;
        map.serialize_entry("task_confidence", &task_confidence)?;
        map.serialize_entry("industry", &industry)?;
        map.serialize_entry("industry_confidence", &industry_confidence)?;
        map.serialize_entry("abstained", &self.abstained)?;
        map.serialize_entry("probs", &Probabilities(self))?;
        if !self.classes.is_empty() {
            map.serialize_entry("classes", &Owned(&self.classes))?;
        }
        map.serialize_entry("tier", &self.tier)?;
        if self.previous_share > 0.0 {
            map.serialize_entry("previous_share", &self.previous_share)?;
        }
        if self.unfamiliar {
            map.serialize_entry("unfamiliar", &true)?;
        }
        if let Some(why) = self.deep_missed {
            map.serialize_entry("deep_missed", why)?;
        }
        map.serialize_entry("embedder", &self.embedder)?;
        map.serialize_entry("elapsed_us", &(self.elapsed.as_nanos() as f64 / 1e3))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_and_margin() {
        let d = Distribution([0.1, 0.6, 0.3]);
        assert_eq!(d.top(), (1, 0.6));
        assert!((d.margin() - 0.3).abs() < 1e-6);
    }
}
