//! What a training run reports, and the calibration that comes out of it.

use serde::Serialize;

use super::calibrate::{self, Labelled};
use crate::evaluate::{Report, report};

/// Figures of one source that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct FoldReport {
    /// The source.
    pub source: String,
    /// Task head on it.
    pub task: Report,
    /// Industry head on it.
    pub industry: Report,
}

/// What came out.
#[derive(Debug, Clone, Serialize)]
pub struct TrainReport {
    /// Each source left out in turn.
    pub folds: Vec<FoldReport>,
    /// All left-out rows together, calibrated.
    pub unseen_task: Report,
    /// All left-out rows together, calibrated.
    pub unseen_industry: Report,
    /// The mean over sources of the task accuracy: a large source counts as much as a small one.
    pub unseen_task_by_source: f64,
    /// The mean over sources of the industry accuracy.
    pub unseen_industry_by_source: f64,
    /// Calibration.
    pub temperature: (f32, f32),
    /// Abstain threshold of the task head.
    pub threshold: f32,
    /// Rows of the final fit.
    pub rows: usize,
}

/// The share of prompts from unseen sources on which the task head abstains: the least sure of them.
const ABSTAINS: f64 = 0.15;

/// Logits of the rows of one source by a model that has not seen it.
pub(crate) struct Fold {
    pub(crate) source: String,
    pub(crate) task: Vec<Labelled>,
    pub(crate) industry: Vec<Labelled>,
}

impl Fold {
    pub(crate) fn accuracy(&self) -> f64 {
        report(&calibrate::predictions(&self.task, 1.0), 0.0).accuracy
    }
}

/// Fitted on what was left out.
pub(crate) struct Calibration {
    pub(crate) task: f32,
    pub(crate) industry: f32,
    pub(crate) threshold: f32,
}

impl Calibration {
    pub(crate) fn of(folds: &[Fold]) -> Self {
        let all = |head: fn(&Fold) -> &Vec<Labelled>| -> Vec<Labelled> {
            folds.iter().flat_map(|f| head(f).clone()).collect()
        };
        let task_rows = all(|f| &f.task);
        let task = calibrate::temperature(&task_rows);
        let threshold = calibrate::threshold(&calibrate::predictions(&task_rows, task), ABSTAINS);
        Self { task, industry: calibrate::temperature(&all(|f| &f.industry)), threshold }
    }

    pub(crate) fn report(&self, folds: &[Fold], rows: usize) -> TrainReport {
        let figures = |labelled: &[Labelled], temperature| {
            report(&calibrate::predictions(labelled, temperature), self.threshold)
        };
        let all = |head: fn(&Fold) -> &Vec<Labelled>| -> Vec<Labelled> {
            folds.iter().flat_map(|f| head(f).clone()).collect()
        };
        let folds_reported: Vec<FoldReport> = folds
            .iter()
            .map(|f| FoldReport {
                source: f.source.clone(),
                task: figures(&f.task, self.task),
                industry: figures(&f.industry, self.industry),
            })
            .collect();
        let mean = |head: fn(&FoldReport) -> &Report| {
            let scored: Vec<f64> =
                folds_reported.iter().map(head).filter(|r| r.n > 0).map(|r| r.accuracy).collect();
            scored.iter().sum::<f64>() / scored.len().max(1) as f64
        };
        TrainReport {
            unseen_task: figures(&all(|f| &f.task), self.task),
            unseen_industry: figures(&all(|f| &f.industry), self.industry),
            unseen_task_by_source: mean(|f| &f.task),
            unseen_industry_by_source: mean(|f| &f.industry),
            temperature: (self.task, self.industry),
            threshold: self.threshold,
            rows,
            folds: folds_reported,
        }
    }
}
