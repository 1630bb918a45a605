//! `[[rules]]`: conditions on requests for `auto`, and what these then ask for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pointsman_decide::{Rule, When, rule_problems, sort_rules};
use pointsman_types::{Capability, ModelForm, Strategy, Task, is_tag};
use regex::{Regex, RegexBuilder};

use crate::{
    aliases::forms,
    backend::BackendConfig,
    reader::{Section, Value},
};

/// A pattern that needs more than this compiled is a mistake.
const MAX_PATTERN_BYTES: usize = 1 << 20;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What rules may speak of.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) aliases: &'a BTreeMap<String, Vec<ModelForm>>,
    /// Trades that have a list.
    pub(crate) tags: &'a BTreeSet<String>,
}

/// Reads all rules, in the order in which they are tried. What is never reached or contradicts itself is a warning.
pub(crate) fn read(value: &Value<'_>, known: Known<'_>, backends: &[BackendConfig]) -> Vec<Rule> {
    let mut names = HashSet::new();
    let mut places = Vec::new();
    for item in value.list().unwrap_or_default() {
        if let Some(rule) = read_one(&item, &mut names, known) {
            places.push((rule, item));
        }
    }
    // as the rules themselves will be sorted
    places.sort_by_key(|(rule, _)| std::cmp::Reverse(rule.priority));
    let mut rules: Vec<Rule> = places.iter().map(|(rule, _)| rule.clone()).collect();
    sort_rules(&mut rules);
    for (n, why) in rule_problems(&rules) {
        places[n].1.warn(format!("rule `{}`: {why}", rules[n].name));
    }
    for (rule, value) in &places {
        if let Some(why) = local_contradiction(rule, backends) {
            value.warn(format!("rule `{}`: {why}", rule.name));
        }
    }
    rules
}

/// A rule that keeps requests local within a pool where nothing is.
fn local_contradiction(rule: &Rule, backends: &[BackendConfig]) -> Option<String> {
    let local_only = rule.forms.iter().all(|form| *form == ModelForm::Strategy(Strategy::Local));
    if !local_only || rule.pool.is_empty() {
        return None;
    }
    let cloud = |name: &String| backends.iter().any(|b| b.endpoint.id.as_str() == name && !b.endpoint.local);
    rule.pool.iter().all(cloud).then(|| "strategy:local in a pool of which no backend is local".to_owned())
}

fn read_one(value: &Value<'_>, names: &mut HashSet<String>, known: Known<'_>) -> Option<Rule> {
    let mut section = value.section()?;
    let name = section.require("name").and_then(|v| {
        let name = v.text()?;
        if name.len() > 64 || name.contains(['>', '+']) {
            v.fail("a rule is named by up to 64 characters, without `>` and `+`");
            return None;
        }
        if !names.insert(name.to_owned()) {
            v.fail(format!("there is a rule `{name}` already"));
        }
        Some(name.to_owned())
    });
    let priority = section.get("priority").and_then(|v| v.integer(-1_000_000..=1_000_000)).unwrap_or(0);
    let when = section.get("when").and_then(|v| conditions(&v)).unwrap_or_default();
    let pool = texts(&mut section, "pool");
    let asked = section.get("use");
    if asked.is_none() && pool.is_empty() {
        value.fail("neither `use` nor `pool`: it would change nothing");
    }
    let asked = asked.map_or(Some(vec![ModelForm::Auto]), |v| forms(&v, known.tags));
    let max_input_cost = section.get("max_input_cost_usd").and_then(|v| v.number(0.0..=1e6));
    section.finish();
    let follow = |form: ModelForm| match &form {
        ModelForm::Alias(name) => known.aliases.get(name).cloned().unwrap_or_else(|| vec![form]),
        _ => vec![form],
    };
    let forms = asked?.into_iter().flat_map(follow).collect();
    Some(Rule { name: name?, priority, when, forms, pool, max_input_cost })
}

fn conditions(value: &Value<'_>) -> Option<When> {
    let mut section = value.section()?;
    let when = When {
        tokens: section.get("tokens").and_then(|v| range(&v)),
        keywords: texts(&mut section, "keywords").into_iter().map(|word| word.to_lowercase()).collect(),
        pattern: section.get("pattern").and_then(|v| pattern(&v)),
        tasks: labels::<Task>(&mut section, "task"),
        industries: one_or_more(&mut section, "industry").iter().filter_map(tag).collect(),
        needs: labels::<Capability>(&mut section, "needs"),
        tags: texts(&mut section, "tags"),
        keys: texts(&mut section, "keys"),
        hours: section.get("hours").and_then(|v| hours(&v)),
        days: one_or_more(&mut section, "days").iter().filter_map(day).collect(),
    };
    section.finish();
    Some(when)
}

/// `{ min = 1000, max = 8000 }`, either of them.
fn range(value: &Value<'_>) -> Option<(u64, u64)> {
    let mut section = value.section()?;
    let mut end = |key, default| section.get(key).map_or(Some(default), |v| v.count(0..=1_000_000_000));
    let ends = (end("min", 0), end("max", u64::MAX));
    section.finish();
    Some((ends.0?, ends.1?))
}

fn pattern(value: &Value<'_>) -> Option<Regex> {
    match RegexBuilder::new(value.text()?).size_limit(MAX_PATTERN_BYTES).build() {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            let why = why.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            value.fail(format!("no regular expression: {why}"));
            None
        }
    }
}

/// `"22:00-06:00"`, in minutes of the day.
fn hours(value: &Value<'_>) -> Option<(u32, u32)> {
    let text = value.text()?;
    let minutes = |time: &str| {
        let (hour, minute) = time.trim().split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        let fits = hour < 24 && minute < 60 || (hour, minute) == (24, 0);
        fits.then_some(hour * 60 + minute)
    };
    let ends = text.split_once('-').and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
    if ends.is_none() {
        value.fail(format!("`{text}` are no hours; for example \"22:00-06:00\""));
    }
    ends
}

fn day(value: &Value<'_>) -> Option<u32> {
    let text = value.text()?;
    let found = DAYS.iter().position(|day| *day == text).map(|n| n as u32);
    if found.is_none() {
        value.fail(format!("unknown day `{text}`; known: {}", DAYS.join(", ")));
    }
    found
}

fn tag(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if !is_tag(text) {
        value.fail("a tag is up to 64 small letters, digits, `-` and `_`");
        return None;
    }
    Some(text.to_owned())
}

fn labels<T: std::str::FromStr<Err: std::fmt::Display>>(
    section: &mut Section<'_>,
    key: &'static str,
) -> Vec<T> {
    one_or_more(section, key).iter().filter_map(Value::label).collect()
}

fn texts(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    one_or_more(section, key).iter().filter_map(Value::text).map(str::to_owned).collect()
}

/// The items of an array, or the value itself.
fn one_or_more<'a>(section: &mut Section<'a>, key: &'static str) -> Vec<Value<'a>> {
    let Some(value) = section.get(key) else { return Vec::new() };
    if value.is_list() { value.list().unwrap_or_default() } else { vec![value] }
}
