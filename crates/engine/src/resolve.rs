//! The `model` field to what `decide` reads: aliases applied, forms that are not built yet refused by name.

use std::collections::BTreeMap;

use pointsman_catalog::{CatalogSnapshot, Match};
use pointsman_protocol::ChatRequest;
use pointsman_types::{ModelForm, NoRoute, RouteRequest};

use crate::EngineError;

/// The request, resolved against the user's aliases.
pub(crate) fn resolve(
    request: &ChatRequest<'_>,
    aliases: &BTreeMap<String, ModelForm>,
) -> Result<RouteRequest, EngineError> {
    let not_supported = |form: String, param| Err(EngineError::NotSupported { form, param });
    let [form] = request.forms.as_slice() else {
        return not_supported("a chain of models".to_owned(), "models");
    };
    let mut form = form.clone();
    while let ModelForm::Alias(name) = &form {
        let Some(target) = aliases.get(name) else { break };
        form = target.clone();
    }
    if let Some(strategy) = request.strategy {
        return not_supported(format!("route.strategy `{strategy}`"), "route.strategy");
    }
    match (&form, request.industry) {
        (ModelForm::Industry(_) | ModelForm::Strategy(_), _) => not_supported(format!("`{form}`"), "model"),
        (ModelForm::Auto, Some(industry)) => not_supported(format!("industry `{industry}`"), "industry"),
        _ => Ok(RouteRequest { form, options: request.options.clone(), features: request.features() }),
    }
}

/// The names nearest to one that nobody has, best first; or all that a name may mean.
pub(crate) fn unknown_model(
    name: &str,
    snapshot: &CatalogSnapshot,
    aliases: &BTreeMap<String, ModelForm>,
) -> NoRoute {
    if let Match::Ambiguous(found) = snapshot.resolve(name) {
        let candidates = found.iter().map(|spec| spec.id.to_string()).collect();
        return NoRoute::AmbiguousModel { name: name.to_owned(), candidates };
    }
    let wanted = name.to_lowercase();
    let known = snapshot.models().iter().map(|spec| spec.id.as_str());
    let mut near: Vec<(f64, &str)> = known
        .chain(aliases.keys().map(String::as_str))
        .chain(["auto"])
        .map(|known| (likeness(&wanted, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness > 0.6)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    NoRoute::UnknownModel {
        name: name.to_owned(),
        nearest: near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect(),
    }
}

/// Spelling distance, where one name within the other counts as near.
fn likeness(wanted: &str, known: &str) -> f64 {
    let within = wanted.len() >= 3 && (known.contains(wanted) || wanted.contains(known));
    strsim::jaro_winkler(wanted, known).max(if within { 0.9 } else { 0.0 })
}
