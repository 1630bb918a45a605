//! The tiers together: the fast one reads every prompt, the deep one those of which the fast one is not sure;
//! what they say together is the answer.

use std::sync::Arc;

use pointsman_types::Classification;

use crate::{ArtifactSource, Classifier, ClassifierError, ClassifierSettings, EmbedderInfo, Mode};

/// Loaded tiers.
#[derive(Debug, Clone)]
pub struct Cascade {
    pub(crate) first: Arc<Classifier>,
    pub(crate) deep: Option<Arc<Classifier>>,
}

impl Cascade {
    /// Loads and checks what `settings.mode` needs.
    pub fn load(settings: &ClassifierSettings) -> Result<Self, ClassifierError> {
        let load = |source: &ArtifactSource| Classifier::load_on(source, settings.device).map(Arc::new);
        let (first, deep) = match settings.mode {
            Mode::Fast => (&settings.artifact, None),
            Mode::Deep => (&settings.deep, None),
            Mode::Cascade => (&settings.artifact, Some(&settings.deep)),
        };
        let mut first = Classifier::load_on(first, settings.device)?;
        first.learn(&settings.classes);
        first.keep_features(settings.keep_features);
        Ok(Self { first: Arc::new(first), deep: deep.map(load).transpose()? })
    }

    /// One artifact alone.
    pub fn only(classifier: Classifier) -> Self {
        Self { first: Arc::new(classifier), deep: None }
    }

    /// Classifies one text, with the deep tier where the fast one is not sure; no deadline.
    pub fn classify(&self, text: &str) -> Classification {
        let first = self.first.classify(text);
        match &self.deep {
            Some(deep) if self.first.wants_deep(&first) => deep.with_fast(&first, &deep.classify(text)),
            _ => first,
        }
    }

    /// The features of the tier that reads every prompt; `None` where nothing in the text can be read.
    pub fn features(&self, text: &str) -> Option<Vec<f32>> {
        self.first.embed(text)
    }

    /// What is loaded, the tier that is asked first in front.
    pub fn info(&self) -> Vec<EmbedderInfo> {
        [Some(&self.first), self.deep.as_ref()].into_iter().flatten().map(|c| c.info().clone()).collect()
    }
}
