//! A person's own rules: conditions on a request, and what it then asks for.

use pointsman_types::{Capability, ModelForm, RouteRequest, Task};
use regex::Regex;

use crate::{Question, Signals, tasks};

/// Below this confidence a prompt has no task or industry that a condition could ask for.
const CONFIDENCE: f32 = 0.5;
const MINUTES: u32 = 24 * 60;

/// One rule. The first that matches decides what a request for `auto` asks for.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name, for people.
    pub name: String,
    /// Rules with a higher one come first; among equals the order of the configuration.
    pub priority: i64,
    /// What must be true of the request, all of it.
    pub when: When,
    /// What it then asks for, a chain; never empty.
    pub forms: Vec<ModelForm>,
    /// Only these models or backends, if not empty.
    pub pool: Vec<String>,
    /// Only models whose price for reading this prompt is at most so many US dollars.
    pub max_input_cost: Option<f64>,
}

/// Conditions; one that is not stated holds.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// Estimated input tokens, both ends included.
    pub tokens: Option<(u64, u64)>,
    /// One of these, in small letters, is in the last user turn.
    pub keywords: Vec<String>,
    /// Matches the last user turn.
    pub pattern: Option<Regex>,
    /// The prompt is of one of these tasks.
    pub tasks: Vec<Task>,
    /// The prompt is of one of these trades.
    pub industries: Vec<String>,
    /// The request needs all of these. It needs reasoning if it says so, or if its task is math or reasoning.
    pub needs: Vec<Capability>,
    /// The caller gave one of these tags.
    pub tags: Vec<String>,
    /// The request came with one of these gateway keys, by name.
    pub keys: Vec<String>,
    /// Minutes of the day from the first up to the second, over midnight where that is the smaller.
    pub hours: Option<(u32, u32)>,
    /// Days of the week, 0 is Monday.
    pub days: Vec<u32>,
}

impl When {
    /// Whether the text of the prompt has to be looked at.
    pub fn reads_text(&self) -> bool {
        !self.keywords.is_empty() || self.pattern.is_some()
    }

    /// Whether the text of the last user turn is as asked for.
    pub fn text_matches(&self, prompt: &str) -> bool {
        let keyword = || {
            let small = prompt.to_lowercase();
            self.keywords.iter().any(|word| small.contains(word))
        };
        (self.keywords.is_empty() || keyword()) && self.pattern.as_ref().is_none_or(|p| p.is_match(prompt))
    }

    fn holds(&self, question: &Question<'_>) -> bool {
        let Question { request, signals, .. } = question;
        let tokens = request.features.input_tokens.0;
        let (minute, day) = local_time(question.now, question.policy.utc_offset);
        self.tokens.is_none_or(|(least, most)| (least..=most).contains(&tokens))
            && (self.keys.is_empty()
                || request.options.key.as_ref().is_some_and(|key| self.keys.iter().any(|own| **own == **key)))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| request.options.tags.contains(tag)))
            && self.hours.is_none_or(|(from, to)| within((from, to), minute))
            && (self.days.is_empty() || self.days.contains(&day))
            && self.needs.iter().all(|need| is_needed(*need, request, signals))
            && (self.tasks.is_empty() || task_of(request, signals).is_some_and(|t| self.tasks.contains(&t)))
            && (self.industries.is_empty()
                || industry_of(request, signals).is_some_and(|i| self.industries.iter().any(|own| own == i)))
    }

    /// Whether whatever matches `other` matches this as well.
    fn includes(&self, other: &Self) -> bool {
        fn wider<T: PartialEq>(own: &[T], other: &[T]) -> bool {
            own.is_empty() || (!other.is_empty() && other.iter().all(|x| own.contains(x)))
        }
        let tokens = match (self.tokens, other.tokens) {
            (None, _) => true,
            (Some((a, b)), Some((c, d))) => a <= c && d <= b,
            (Some(_), None) => false,
        };
        let pattern = match (&self.pattern, &other.pattern) {
            (None, _) => true,
            (Some(a), Some(b)) => a.as_str() == b.as_str(),
            (Some(_), None) => false,
        };
        let hours = match (self.hours, other.hours) {
            (None, _) => true,
            (Some(own), Some(other)) => (0..MINUTES).all(|m| !within(other, m) || within(own, m)),
            (Some(_), None) => false,
        };
        tokens
            && pattern
            && hours
            && wider(&self.keywords, &other.keywords)
            && wider(&self.tasks, &other.tasks)
            && wider(&self.industries, &other.industries)
            && wider(&self.tags, &other.tags)
            && wider(&self.keys, &other.keys)
            && wider(&self.days, &other.days)
            && self.needs.iter().all(|need| other.needs.contains(need))
    }

    /// Why nothing can match, if so.
    fn contradiction(&self) -> Option<String> {
        match (self.tokens, self.hours) {
            (Some((least, most)), _) if least > most => {
                Some(format!("no prompt has at least {least} and at most {most} tokens"))
            }
            (_, Some((from, to))) if from == to => Some("the hours end where they begin".to_owned()),
            _ => None,
        }
    }
}

impl Rule {
    pub(crate) fn matches(&self, number: usize, question: &Question<'_>) -> bool {
        let text = !self.when.reads_text() || question.signals.texts.get(number).copied().unwrap_or(false);
        text && self.when.holds(question)
    }
}

/// In the order in which they are tried.
pub fn sort(rules: &mut [Rule]) {
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
}

/// For each rule whether the text of the prompt is as it asks; empty where no rule reads it.
pub fn texts(rules: &[Rule], prompt: &str) -> Vec<bool> {
    if rules.iter().any(|rule| rule.when.reads_text()) {
        rules.iter().map(|rule| rule.when.text_matches(prompt)).collect()
    } else {
        Vec::new()
    }
}

/// What is wrong with sorted rules: each rule that can never match, and why.
pub fn problems(rules: &[Rule]) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    for (n, rule) in rules.iter().enumerate() {
        if let Some(why) = rule.when.contradiction() {
            problems.push((n, format!("it never matches: {why}")));
            continue;
        }
        let before = rules[..n].iter().find(|earlier| earlier.when.includes(&rule.when));
        if let Some(earlier) = before {
            let same = rule.when.includes(&earlier.when);
            let how = if same { "has the same conditions" } else { "matches all that this one does" };
            let differs = same && (&earlier.forms, &earlier.pool) != (&rule.forms, &rule.pool);
            let contradicts = if differs { " and asks for something else" } else { "" };
            problems.push((
                n,
                format!("it is never reached: `{}` comes before it, {how}{contradicts}", earlier.name),
            ));
        }
    }
    problems
}

/// The sure task of a request.
fn task_of(request: &RouteRequest, signals: &Signals) -> Option<Task> {
    request.options.task.or_else(|| {
        let classification = signals.classification.as_ref().filter(|c| !c.abstained)?;
        let (task, p) = classification.top_task();
        (p >= CONFIDENCE).then_some(task)
    })
}

/// The sure trade of a request.
fn industry_of<'a>(request: &'a RouteRequest, signals: &Signals) -> Option<&'a str> {
    if let Some(stated) = &request.options.industry {
        return Some(stated);
    }
    let (industry, p) = signals.classification.as_ref()?.top_industry();
    (p >= CONFIDENCE).then_some(industry.as_str())
}

fn is_needed(need: Capability, request: &RouteRequest, signals: &Signals) -> bool {
    let hard = || task_of(request, signals).is_some_and(|t| matches!(t, Task::Math | Task::Reasoning));
    tasks::needs(request, need) || (need == Capability::Reasoning && hard())
}

/// Minute of the day and day of the week, 0 is Monday.
fn local_time(now: u64, offset_minutes: i64) -> (u32, u32) {
    let minutes = (now / 60).cast_signed() + offset_minutes;
    // the first day of 1970 was a Thursday
    let day = (minutes.div_euclid(i64::from(MINUTES)) + 3).rem_euclid(7);
    (minutes.rem_euclid(i64::from(MINUTES)) as u32, day as u32)
}

fn within((from, to): (u32, u32), minute: u32) -> bool {
    if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, when: When) -> Rule {
        let forms = vec![ModelForm::Auto];
        Rule { name: name.to_owned(), priority: 0, when, forms, pool: Vec::new(), max_input_cost: None }
    }

    #[test]
    fn time_of_day_and_week() {
        // 2026-11-23, a Monday, 17:07 UTC
        let now = 1_795_453_620;
        assert_eq!(local_time(now, 0), (17 * 60 + 7, 0));
        assert_eq!(local_time(now, 8 * 60), (67, 1));
        assert_eq!(local_time(0, -60), (23 * 60, 2));
        assert!(within((22 * 60, 6 * 60), 30) && !within((22 * 60, 6 * 60), 12 * 60));
    }

    #[test]
    fn what_is_never_reached_is_found() {
        let coding = When { tasks: vec![Task::Code], ..When::default() };
        let long_coding = When { tokens: Some((5000, u64::MAX)), ..coding.clone() };
        let never = When { tokens: Some((9, 3)), ..When::default() };
        let night = When { hours: Some((22 * 60, 6 * 60)), ..When::default() };
        let midnight = When { hours: Some((0, 60)), tags: vec!["batch".into()], ..When::default() };
        let mut same = rule("same", coding.clone());
        same.forms = vec![ModelForm::Alias("m".into())];
        let rules = [
            rule("coding", coding),
            rule("long", long_coding),
            rule("never", never),
            same,
            rule("night", night),
            rule("midnight", midnight),
            rule("all", When::default()),
            rule("last", When { keywords: vec!["x".into()], ..When::default() }),
        ];
        let found = problems(&rules);
        let numbers: Vec<usize> = found.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [1, 2, 3, 5, 7]);
        assert!(found[0].1.contains("`coding`") && found[1].1.contains("at least 9"), "{found:?}");
        assert!(found[2].1.contains("asks for something else"), "{found:?}");
    }
}
