//! `[[classes]]`: a user's own classes by example, and where their prompts go.

use std::collections::HashSet;

use pointsman_classifier::ClassExamples;
use pointsman_decide::ClassRoute;

use crate::reader::Value;

/// From this probability on a prompt belongs to a class, where the configuration says nothing else.
const THRESHOLD: f64 = 0.6;
/// Fewer examples tell a class from nothing.
const FEWEST: usize = 3;

/// Reads all classes: what the classifier learns and what `decide` does with it.
pub(crate) fn read(value: &Value<'_>) -> (Vec<ClassExamples>, Vec<ClassRoute>) {
    let mut names = HashSet::new();
    value.list().unwrap_or_default().iter().filter_map(|item| read_one(item, &mut names)).unzip()
}

fn read_one(value: &Value<'_>, names: &mut HashSet<String>) -> Option<(ClassExamples, ClassRoute)> {
    let mut section = value.section()?;
    let name = section.require("name").and_then(|v| {
        let name = v.text()?;
        let fine = !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !fine {
            v.fail("a class is named by up to 64 letters, digits, `-`, `_` and `.`");
        } else if !names.insert(name.to_owned()) {
            v.fail(format!("there is a class `{name}` already"));
        }
        fine.then(|| name.to_owned())
    });
    let examples = section.require("examples").map(|v| {
        let texts: Vec<String> =
            v.list().unwrap_or_default().iter().filter_map(Value::text).map(str::to_owned).collect();
        if texts.len() < FEWEST {
            v.fail(format!("at least {FEWEST} examples"));
        }
        texts
    });
    let threshold = section.get("threshold").and_then(|v| v.number(0.0..=1.0)).unwrap_or(THRESHOLD);
    let task = section.get("task").and_then(|v| v.label());
    let industry = section.get("industry").and_then(|v| v.label());
    let prefer = section.get("prefer").and_then(|v| v.list()).unwrap_or_default();
    let prefer = prefer.iter().filter_map(Value::text).map(str::to_owned).collect();
    section.finish();
    let name = name?;
    let learned = ClassExamples { name: name.as_str().into(), examples: examples? };
    Some((learned, ClassRoute { name, threshold: threshold as f32, task, industry, prefer }))
}
