//! What a request asks for, entry by entry of its chain: the form, or the first rule that matches.

use std::sync::Arc;

use pointsman_types::{ModelForm, NoRoute, RouteReason, RouteRequest, Strategy};

use crate::{ClassRoute, Pool, Question, Rule, aim::Aim, tasks};

/// One entry, resolved.
pub(crate) struct Entry<'a> {
    /// A concrete name: the client's own choice, which is held to less.
    pub(crate) named: bool,
    /// The candidates that it means; all where it names none.
    pub(crate) members: Option<&'a [u32]>,
    /// The list of a trade: place and candidate.
    pub(crate) list: Option<&'a [(u32, u32)]>,
    /// Whether those of the list keep their order, rather than be ordered by the aim.
    pub(crate) list_order: bool,
    pub(crate) aim: Aim,
    pub(crate) local: bool,
    /// Of a rule: only these.
    pub(crate) pool: &'a [String],
    pub(crate) max_input_cost: Option<f64>,
    /// The class of the prompt, whose models come first.
    pub(crate) class: Option<&'a ClassRoute>,
    pub(crate) reason: RouteReason,
    /// The reason where nobody of the list can take the request.
    pub(crate) reason_else: Option<RouteReason>,
}

/// The entries in their order, and the rule that they come from.
pub(crate) struct Resolved<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    pub(crate) rule: Option<&'a Rule>,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn resolve<'a>(question: &Question<'a>, tasks: &tasks::Weights) -> Result<Resolved<'a>, NoRoute> {
    let (request, policy) = (question.request, question.policy);
    let open = matches!(request.forms.as_slice(), [ModelForm::Auto])
        && request.options.industry.is_none()
        && request.options.strategy.is_none();
    let numbered = || policy.rules.iter().enumerate();
    let rule =
        open.then(|| numbered().find(|(n, rule)| rule.matches(*n, question))).flatten().map(|(_, r)| r);
    let mut notes = Vec::new();
    if let Some(rule) = rule {
        let forms: Vec<_> = rule.forms.iter().map(ToString::to_string).collect();
        notes.push(format!("the rule `{}` matches: {}", rule.name, forms.join(", then ")));
    }
    let forms = rule.map_or(&request.forms, |rule| &rule.forms);
    let mut entries = Vec::with_capacity(forms.len());
    let mut unknown = None;
    for form in forms {
        match entry(form, question, tasks, rule) {
            Ok(entry) => entries.push(entry),
            // one wrong name does not spoil a chain that has others
            Err(NoRoute::UnknownModel { name, nearest }) if forms.len() > 1 => {
                notes.push(format!("`{name}` is not in the catalog"));
                unknown.get_or_insert(NoRoute::UnknownModel { name, nearest });
            }
            Err(error) => return Err(error),
        }
    }
    match unknown {
        Some(error) if entries.is_empty() => Err(error),
        _ => Ok(Resolved { entries, rule, notes }),
    }
}

fn entry<'a>(
    form: &'a ModelForm,
    question: &Question<'a>,
    tasks: &tasks::Weights,
    rule: Option<&'a Rule>,
) -> Result<Entry<'a>, NoRoute> {
    let (request, policy) = (question.request, question.policy);
    let options = &request.options;
    let plain = |aim, reason| Entry {
        named: false,
        members: None,
        list: None,
        list_order: true,
        aim,
        local: false,
        pool: rule.map_or(&[], |rule| &rule.pool),
        max_input_cost: rule.and_then(|rule| rule.max_input_cost),
        class: None,
        reason,
        reason_else: None,
    };
    let aim = |strategy| Aim::of(strategy, options.tradeoff, policy);
    let strategy = match form {
        ModelForm::Strategy(strategy) => Some(*strategy),
        _ => options.strategy,
    };
    let industry = match form {
        ModelForm::Industry(tag) => Some(tag),
        _ => options.industry.as_ref(),
    };
    if let ModelForm::Alias(name) = form {
        let Some(members) = question.pool.find(name) else {
            return Err(NoRoute::UnknownModel { name: name.clone(), nearest: Vec::new() });
        };
        return Ok(Entry { named: true, members: Some(members), ..plain(aim(None), RouteReason::Alias) });
    }
    let local = strategy == Some(Strategy::Local);
    if let Some(tag) = industry {
        let list = industry_list(question.pool, tag)?;
        let tag: Arc<str> = tag.as_str().into();
        return Ok(Entry {
            list: Some(list),
            list_order: strategy.is_none() || local,
            local,
            reason_else: Some(RouteReason::IndustryElse(Arc::clone(&tag))),
            ..plain(aim(strategy), RouteReason::Industry(tag))
        });
    }
    if let Some(strategy) = strategy {
        return Ok(Entry { local, ..plain(aim(Some(strategy)), RouteReason::Strategy(strategy)) });
    }
    let classification = question.signals.classification.as_ref();
    let class = classification.and_then(|c| policy.class_of(c)).map(|(route, _)| route);
    Ok(Entry { class, ..plain(aim(None), tasks.reason.clone()) })
}

fn industry_list<'a>(pool: &'a Pool, tag: &str) -> Result<&'a [(u32, u32)], NoRoute> {
    let lists = &pool.lists.industries;
    lists.get(tag).map(Vec::as_slice).ok_or_else(|| {
        let mut tags: Vec<&str> = lists.keys().map(String::as_str).collect();
        tags.sort_unstable();
        NoRoute::UnknownIndustry { tag: tag.to_owned(), valid: tags.join(", ") }
    })
}

/// Whether the candidates of a request are all models, not those of one name: forms that leave the choice open, and
/// chains, whose entries are different things.
pub fn is_open(request: &RouteRequest) -> bool {
    !matches!(request.forms.as_slice(), [ModelForm::Alias(_)])
}
