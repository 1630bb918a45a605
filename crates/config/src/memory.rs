//! `[sessions]`, `[learning]` and `[industries]`: what is remembered, what is learned, and who is best at a trade.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use pointsman_catalog::{Industries, industries};
use pointsman_types::{ModelForm, is_tag};

use crate::{
    reader::Value,
    tuning::{DAY, SECOND},
};

/// The memory of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionConfig {
    /// Whether conversations are remembered at all.
    pub enabled: bool,
    /// Conversations that are remembered.
    pub capacity: usize,
    /// A conversation that is quiet for this long is forgotten.
    pub idle: Duration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { enabled: true, capacity: 20_000, idle: Duration::from_mins(30) }
    }
}

/// Learning from outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearningConfig {
    /// The one switch.
    pub enabled: bool,
    /// Where what was learned is kept.
    pub file: Option<PathBuf>,
    /// After this time an outcome counts half.
    pub half_life: Duration,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self { enabled: false, file: None, half_life: DAY * 14 }
    }
}

pub(crate) fn read_sessions(value: &Value<'_>) -> SessionConfig {
    let mut sessions = SessionConfig::default();
    let Some(mut section) = value.section() else { return sessions };
    sessions.enabled = section.get("enabled").and_then(|v| v.boolean()).unwrap_or(sessions.enabled);
    sessions.capacity =
        section.get("capacity").and_then(|v| v.size(1..=10_000_000)).unwrap_or(sessions.capacity);
    sessions.idle = section.get("idle").and_then(|v| v.duration(SECOND..=DAY * 7)).unwrap_or(sessions.idle);
    section.finish();
    sessions
}

/// `folder` is where the file is: relative paths start there.
pub(crate) fn read_learning(value: &Value<'_>, folder: &Path) -> LearningConfig {
    let mut learning = LearningConfig::default();
    let Some(mut section) = value.section() else { return learning };
    learning.enabled = section.get("enabled").and_then(|v| v.boolean()).unwrap_or(learning.enabled);
    learning.file = section.get("file").and_then(|v| Some(folder.join(v.text()?)));
    let half_life = section.get("half_life").and_then(|v| v.duration(SECOND * 60..=DAY * 365));
    learning.half_life = half_life.unwrap_or(learning.half_life);
    section.finish();
    learning
}

/// `[outcomes] files`. `folder` is where the file is: relative paths start there.
pub(crate) fn read_outcomes(value: &Value<'_>, folder: &Path) -> Vec<PathBuf> {
    let Some(mut section) = value.section() else { return Vec::new() };
    let items = section.get("files").and_then(|v| v.list()).unwrap_or_default();
    section.finish();
    let file = |item: &Value<'_>| {
        let path = folder.join(item.text()?);
        if !path.is_file() {
            item.fail(format!("{} is no file", path.display()));
            return None;
        }
        Some(path)
    };
    items.iter().filter_map(file).collect()
}

/// The trades that have a list, shipped or stated.
pub(crate) fn tags(value: Option<&Value<'_>>) -> BTreeSet<String> {
    let mut tags: BTreeSet<String> = industries().into_keys().collect();
    let own = value.filter(|v| v.is_table()).and_then(Value::section);
    tags.extend(
        own.iter()
            .flat_map(super::reader::Section::entries)
            .map(|(tag, _)| tag.to_owned())
            .filter(|tag| is_tag(tag)),
    );
    tags
}

/// The shipped lists, with those of the configuration in their place and beside them.
pub(crate) fn read_industries(
    value: Option<&Value<'_>>,
    aliases: &BTreeMap<String, Vec<ModelForm>>,
) -> Industries {
    let mut lists = industries();
    let Some(section) = value.and_then(Value::section) else { return lists };
    for (tag, value) in section.entries() {
        if !is_tag(tag) {
            value.fail("a tag is up to 64 small letters, digits, `-` and `_`");
            continue;
        }
        let mut models = Vec::new();
        for item in value.list().unwrap_or_default() {
            match item.text().map(ModelForm::parse) {
                Some(Ok(ModelForm::Alias(name))) => match aliases.get(&name).map(Vec::as_slice) {
                    None => models.push(name),
                    Some([ModelForm::Alias(model)]) => models.push(model.clone()),
                    Some(_) => item.fail("a list of a trade names models, and this alias is none"),
                },
                Some(Ok(other)) => item.fail(format!("a list of a trade names models, not `{other}`")),
                Some(Err(why)) => item.fail(why.to_string()),
                None => {}
            }
        }
        lists.insert(tag.to_owned(), models);
    }
    lists
}
