//! A catalog to decide over, and what is asked of it.

use std::sync::Arc;

use pointsman_decide::{Candidate, Pool};
use pointsman_types::{
    Capabilities, Capability, Health, LatencyView, ModelForm, ModelKind, ModelSpec, Price, Quality,
    RequestFeatures, RouteOptions, RouteRequest, Task, Tokens,
};

/// `n` models of seven backends, all different.
pub(crate) fn pool(n: usize) -> Pool {
    let spec = |i: usize| ModelSpec {
        id: format!("model-{i}").as_str().into(),
        backend: format!("backend-{}", i % 7).as_str().into(),
        upstream_id: format!("model-{i}").into(),
        aliases: Vec::new(),
        kind: ModelKind::Chat,
        local: i.is_multiple_of(3),
        simulated: false,
        context: Some(Tokens(8_000 + 1_000 * (i as u64 % 100))),
        max_output: None,
        price: Price::per_million(i as f64 % 17.0, i as f64 % 23.0),
        capabilities: Capabilities::exactly(&[Capability::Tools]),
        quality: Quality::stated(&[(Task::Code, i as f32 % 100.0 / 100.0)]),
        created: None,
        about: pointsman_types::About::default(),
    };
    let candidate = |i| Candidate::new(Arc::new(spec(i)), LatencyView::default(), &Health::Unknown);
    Pool::of((0..n).map(candidate).collect())
}

/// A short prompt for this form.
pub(crate) fn request(form: &str) -> RouteRequest {
    let features = RequestFeatures { input_tokens: Tokens(60), turns: 1, ..RequestFeatures::default() };
    let forms = vec![ModelForm::parse(form).unwrap_or(ModelForm::Auto)];
    RouteRequest { forms, options: RouteOptions::default(), features }
}
