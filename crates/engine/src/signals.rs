//! What is found out about a request before it is decided: its classification, and what recorded outcomes say.

use std::sync::Arc;

use pointsman_classifier::ClassifierError;
use pointsman_decide::{Signals, follow_up_share, may_follow_up, rule_texts};
use pointsman_protocol::ChatRequest;
use pointsman_types::{Classification, ModelForm, RouteRequest, Tokens};
use tokio::time::Instant;

use crate::{Engine, outcomes::Estimates};

impl Engine {
    /// What recorded outcomes say of a prompt that was classified; a millisecond or two for thousands of rows.
    pub(crate) async fn estimates(&self, request: &ChatRequest<'_>, signals: &Signals) -> Option<Estimates> {
        let outcomes = Arc::clone(self.inner.outcomes.as_ref()?);
        let features = signals.classification.as_ref()?.features.clone()?;
        let prompt = request.prompt().into_owned();
        tokio::task::spawn_blocking(move || outcomes.estimate(&prompt, &features)).await.ok()?
    }

    /// Asks the classifier where its answer matters. Whatever keeps it from answering is a reason, no error.
    pub(crate) async fn signals(
        &self,
        request: &ChatRequest<'_>,
        resolved: &RouteRequest,
        started: Instant,
    ) -> Signals {
        let inner = &self.inner;
        let rules = &inner.gatherer.policy.rules;
        let texts = if rules.is_empty() { Vec::new() } else { rule_texts(rules, &request.prompt()) };
        let named = |form: &ModelForm| matches!(form, ModelForm::Alias(_));
        if resolved.forms.iter().all(named) || resolved.options.task.is_some() {
            return Signals { texts, ..Signals::default() };
        }
        let asked = self.classify_turn(request, started + inner.limits.classify).await;
        inner.recorder.metrics.classified(started.elapsed().as_secs_f64());
        match asked {
            Ok(classification) => Signals { classification: Some(classification), unclassified: None, texts },
            Err(error) => {
                let unclassified = Some(format!("no classification ({error})"));
                Signals { classification: None, unclassified, texts }
            }
        }
    }

    /// Classifies the last user turn, a short one together with the turn that it follows up on.
    async fn classify_turn(
        &self,
        request: &ChatRequest<'_>,
        deadline: Instant,
    ) -> Result<Arc<Classification>, ClassifierError> {
        let classifier = &self.inner.classifier;
        let prompt = request.prompt();
        let length = Tokens::estimate(&prompt);
        let earlier = if may_follow_up(length) { request.earlier_prompt() } else { None };
        let Some(earlier) = earlier else { return classifier.classify(&prompt, deadline).await };
        let (own, earlier) =
            tokio::join!(classifier.classify(&prompt, deadline), classifier.classify(&earlier, deadline));
        let own = own?;
        // without the turn before, this one stands for itself
        let Ok(earlier) = earlier else { return Ok(own) };
        let share = follow_up_share(length, &own);
        Ok(Arc::new(Arc::unwrap_or_clone(own).following(&earlier, share)))
    }
}
