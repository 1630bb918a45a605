//! Builders: a model, a request, a classification, in a few words.

use std::{sync::Arc, time::Duration};

use pointsman_decide::{Candidate, Policy, Pool, Question, Signals};
use pointsman_types::{
    Capabilities, Capability, Classification, Decision, Distribution, Health, Industry, LatencyView,
    ModelForm, ModelKind, ModelSpec, NoRoute, Price, Quality, RequestFeatures, RouteOptions, RouteRequest,
    Task, Tier, Tokens,
};

/// A chat model of quality `q` at every task, `price` dollars per million tokens in and out.
pub(crate) fn spec(id: &str, q: f32, price: Option<f64>) -> ModelSpec {
    ModelSpec {
        id: id.into(),
        backend: "b".into(),
        upstream_id: id.into(),
        aliases: vec![],
        kind: ModelKind::Chat,
        local: false,
        simulated: false,
        context: Some(Tokens(32_000)),
        max_output: None,
        price: price.and_then(|p| Price::per_million(p, p)),
        capabilities: Capabilities::exactly(&[Capability::Tools, Capability::Json]),
        quality: Quality { mu: [q; Task::COUNT], sigma: [0.05; Task::COUNT] },
        created: None,
        about: pointsman_types::About::default(),
    }
}

pub(crate) fn candidate(spec: ModelSpec) -> Candidate {
    Candidate::new(Arc::new(spec), LatencyView::default(), &Health::Unknown)
}

pub(crate) fn request(form: &str) -> RouteRequest {
    let features = RequestFeatures { input_tokens: Tokens(100), turns: 1, ..RequestFeatures::default() };
    RouteRequest { forms: vec![ModelForm::parse(form).unwrap()], options: RouteOptions::default(), features }
}

/// The classifier says `task` with probability `p`.
pub(crate) fn says(task: Task, p: f32, abstained: bool) -> Signals {
    let rest = (1.0 - p) / (Task::COUNT - 1) as f32;
    let mut dist = [rest; Task::COUNT];
    dist[task.index()] = p;
    let classification = Classification {
        task: Distribution(dist),
        industry: Distribution([0.1; Industry::COUNT]),
        abstained,
        tier: Tier::Fast,
        embedder: "test".into(),
        unfamiliar: false,
        deep_missed: None,
        previous_share: 0.0,
        features: None,
        classes: Vec::new(),
        elapsed: Duration::from_micros(10),
    };
    Signals { classification: Some(Arc::new(classification)), ..Signals::default() }
}

/// All candidates; those of the name that the request asks for under that name.
pub(crate) fn pool(request: &RouteRequest, candidates: Vec<Candidate>) -> Pool {
    match request.forms.as_slice() {
        [ModelForm::Alias(name)] => Pool::named(name, candidates),
        _ => Pool::of(candidates),
    }
}

/// A question without a conversation, at no time, with no chance.
pub(crate) fn decide(
    request: &RouteRequest,
    signals: &Signals,
    candidates: Vec<Candidate>,
    policy: &Policy,
) -> Result<Decision, NoRoute> {
    let pool = pool(request, candidates);
    pointsman_decide::decide(&Question {
        request,
        signals,
        pool: &pool,
        policy,
        session: None,
        now: 0,
        seed: 0,
    })
}
