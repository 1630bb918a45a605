//! One training run: folds, calibration, the final fit, the artifact.

use std::{collections::BTreeSet, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use pointsman_types::Task;
use rayon::prelude::*;

use super::{
    Example, TrainReport, TrainSettings,
    base::Base,
    fit::{self, FitSettings, Sample},
    report::{Calibration, Fold},
    write::write,
};
use crate::{ClassifierError, heads::Logits};

/// What a run tells of itself on the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress<'a> {
    /// Texts are read by the embedder.
    Embedding {
        /// So many.
        done: usize,
        /// Of so many.
        of: usize,
    },
    /// One source was left out.
    Fold {
        /// The source.
        source: &'a str,
        /// Task accuracy on its rows.
        accuracy: f64,
        /// Folds that are done.
        done: usize,
        /// Of so many.
        of: usize,
    },
    /// The fit on everything has begun.
    FinalFit,
    /// A pass of the fit on everything is over.
    Epoch {
        /// The pass, from 1.
        epoch: usize,
        /// At most so many.
        of: usize,
        /// The loss on the rows that were set aside, where some were.
        loss: Option<f32>,
    },
}

/// Validates on each source in turn, calibrates on what that predicts, fits on everything, and writes the
/// artifact. `exemplars` train in every fold; `say` hears of the progress.
pub fn train(
    data: &[Example],
    exemplars: &[Example],
    settings: &TrainSettings,
    say: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<TrainReport, ClassifierError> {
    let base = Base::load(settings)?;
    let (done, of) = (AtomicUsize::new(0), data.len() + exemplars.len());
    let balance = balance(data.iter().chain(exemplars), settings.balance);
    let sample = |examples: &[Example], weight: f32| -> Vec<Sample> {
        let one = |(i, example): (usize, &Example)| {
            let weight = weight * example.task.map_or(1.0, |task| balance[task.index()]);
            let sample = base.sample(example, weight, settings, i as u64);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(256) || done == of {
                say(Progress::Embedding { done, of });
            }
            sample
        };
        examples.par_iter().enumerate().map(one).collect()
    };
    let (rows, extra) = (sample(data, 1.0), sample(exemplars, settings.exemplar_weight));
    let fit = fit_settings(settings);
    let groups: BTreeSet<&str> = if settings.leave_one_source_out {
        data.iter().map(Example::group).collect()
    } else {
        BTreeSet::new()
    };
    let finished = AtomicUsize::new(0);
    let folds: Vec<Fold> = groups
        .par_iter()
        .map(|group| {
            let fold = fold(&base, &fit, group, (data, &rows), &extra);
            let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
            say(Progress::Fold { source: group, accuracy: fold.accuracy(), done, of: groups.len() });
            fold
        })
        .collect();
    let calibration = Calibration::of(&folds);
    let everything: Vec<Sample> = rows.into_iter().chain(extra).collect();
    say(Progress::FinalFit);
    let tell = |epoch, loss| say(Progress::Epoch { epoch, of: settings.epochs, loss });
    let fitted = fit::fit(&everything, base.width(), base.table(), &fit, &tell).quantised();
    write(settings, &base, &calibration, &fitted)?;
    Ok(calibration.report(&folds, everything.len()))
}

fn fit_settings(settings: &TrainSettings) -> FitSettings {
    FitSettings {
        hidden: settings.hidden,
        epochs: settings.epochs,
        table_rate: settings.table_rate,
        dense_rate: 2e-3,
        batch: 32,
        row_dropout: settings.row_dropout,
        hidden_dropout: 0.3,
        smoothing: 0.05,
        weight_decay: settings.weight_decay,
        patience: settings.patience,
        seed: settings.seed,
    }
}

/// How much a row of each task counts.
fn balance<'a>(examples: impl Iterator<Item = &'a Example>, balance: bool) -> Vec<f32> {
    let mut counts = vec![0_usize; Task::COUNT];
    for task in examples.filter_map(|e| e.task) {
        counts[task.index()] += 1;
    }
    let mean = counts.iter().sum::<usize>() as f32 / Task::COUNT as f32;
    let weight = |n: usize| if balance && n > 0 { (mean / n as f32).sqrt().clamp(0.5, 2.0) } else { 1.0 };
    counts.into_iter().map(weight).collect()
}

/// Fits without the rows of `group`, and keeps what that says of them.
fn fold(
    base: &Base,
    fit: &FitSettings,
    group: &str,
    (data, rows): (&[Example], &[Sample]),
    extra: &[Sample],
) -> Fold {
    let of = |inside: bool| {
        let kept = data.iter().zip(rows).filter(move |(e, _)| (e.group() == group) == inside);
        kept.map(|(_, s)| s.clone())
    };
    let training: Vec<Sample> = of(false).chain(extra.iter().cloned()).collect();
    let test: Vec<Sample> = of(true).collect();
    let fitted = fit::fit(&training, base.width(), base.table(), fit, &|_, _| ()).quantised();
    let logits = fit::logits(&fitted, &test);
    let labelled = |truth: fn(&Sample) -> Option<usize>, head: fn(&Logits) -> &Vec<f32>| {
        test.iter().zip(&logits).filter_map(|(s, l)| Some((head(l).clone(), truth(s)?))).collect()
    };
    Fold {
        source: group.to_owned(),
        task: labelled(|s| s.task, |l| &l.task),
        industry: labelled(|s| s.industry, |l| &l.industry),
    }
}
