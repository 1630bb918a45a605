//! The `model` field to what `decide` reads: aliases followed; and names that nobody has.

use std::collections::BTreeMap;

use pointsman_catalog::{CatalogSnapshot, Match};
use pointsman_protocol::ChatRequest;
use pointsman_types::{ModelForm, NoRoute, RouteRequest};

use crate::gather::Gatherer;

/// The request with the user's aliases followed.
pub(crate) fn resolve(request: &ChatRequest<'_>, gatherer: &Gatherer) -> RouteRequest {
    let mut forms = request.forms.clone();
    follow_aliases(&mut forms, &gatherer.aliases);
    let mut options = request.options.clone();
    // what stands in the client's own metadata is a hint: a trade that we have no list for is none
    if request.industry_is_hint {
        options.industry = options.industry.filter(|tag| gatherer.industries.contains_key(tag));
    }
    RouteRequest { forms, options, features: request.features() }
}

/// Puts the chains of the user's aliases in their place.
pub(crate) fn follow_aliases(forms: &mut Vec<ModelForm>, aliases: &BTreeMap<String, Vec<ModelForm>>) {
    let is_alias = |form: &ModelForm| matches!(form, ModelForm::Alias(name) if aliases.contains_key(name));
    if !forms.iter().any(is_alias) {
        return;
    }
    let follow = |form: ModelForm| match &form {
        ModelForm::Alias(name) => aliases.get(name).cloned().unwrap_or_else(|| vec![form]),
        _ => vec![form],
    };
    *forms = std::mem::take(forms).into_iter().flat_map(follow).collect();
}

/// The names nearest to one that nobody has, best first; or all that a name may mean.
pub(crate) fn unknown_model(
    name: &str,
    snapshot: &CatalogSnapshot,
    aliases: &BTreeMap<String, Vec<ModelForm>>,
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
