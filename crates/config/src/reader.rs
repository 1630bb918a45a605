//! Reads TOML by hand, key by key: unlike a derived reader it goes on after a mistake, so that one run finds
//! all of them, and each keeps its place.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{problem::Severity, report::Report};

type Span = std::ops::Range<usize>;

/// One table. Whoever reads it asks for each key it knows and then calls [`Section::finish`].
pub(crate) struct Section<'a> {
    report: &'a Report,
    path: String,
    span: Span,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(crate) fn root(report: &'a Report, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self { report, path: String::new(), span: 0..0, table: document.get_ref(), asked: Vec::new() }
    }

    /// The value of a key, which counts as known from now on.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.push(key);
        self.table.get(key).map(|value| self.value(key, value))
    }

    /// As [`Section::get`]; a missing key is a problem.
    pub(crate) fn require(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.report.unless_broken(&self.span, &self.join(key), "missing");
        }
        value
    }

    /// A key that is refused with this message.
    pub(crate) fn refuse(&mut self, key: &'static str, message: &str) {
        if let Some(value) = self.table.get(key) {
            self.value(key, value).fail(message);
            self.asked.push(key);
        }
    }

    /// Every entry of a table with free keys. Such a table needs no [`Section::finish`].
    pub(crate) fn entries(&self) -> Vec<(&'a str, Value<'a>)> {
        self.table.iter().map(|(k, v)| (k.get_ref().as_ref(), self.value(k.get_ref(), v))).collect()
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let (span, path) = (key.span(), self.join(name));
            if let Some(near) = nearest(name, self.asked.iter().copied()) {
                let message = format!("unknown key; did you mean `{near}`?");
                self.report.file(Severity::Error, &span, &path, message);
            } else {
                let message = format!("unknown key; valid here: {}", self.asked.join(", "));
                self.report.unless_broken(&span, &path, message);
            }
        }
    }

    fn value(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value { report: self.report, path: self.join(key), span: value.span(), inner: value.get_ref() }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// One value. A reader that returns `None` has said why.
#[derive(Clone)]
pub(crate) struct Value<'a> {
    report: &'a Report,
    path: String,
    span: Span,
    inner: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// Reports an error here.
    pub(crate) fn fail(&self, message: impl Into<String>) {
        self.report.file(Severity::Error, &self.span, &self.path, message);
    }

    /// Reports a warning here.
    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.report.file(Severity::Warning, &self.span, &self.path, message);
    }

    /// A fact worth a line in the log.
    pub(crate) fn note(&self, note: String) {
        self.report.note(note);
    }

    /// A string with something in it besides white space.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let DeValue::String(text) = self.inner else { return self.wrong("a string") };
        let text = text.trim();
        if text.is_empty() {
            self.fail("empty");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.fail("contains a control character");
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        let DeValue::Boolean(value) = self.inner else { return self.wrong("true or false") };
        Some(*value)
    }

    /// A whole number in this range.
    pub(crate) fn count(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(number) = self.inner else { return self.wrong("a whole number") };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(n) if range.contains(&n) => Some(n),
            _ => self.out_of(number, range.start(), range.end()),
        }
    }

    /// A whole number in this range, as a size in memory.
    pub(crate) fn size(&self, range: RangeInclusive<u64>) -> Option<usize> {
        self.count(range).and_then(|n| usize::try_from(n).ok())
    }

    /// A number in this range, whole or not.
    pub(crate) fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let (text, number) = match self.inner {
            DeValue::Float(n) => (n.to_string(), n.as_str().parse::<f64>().ok()),
            DeValue::Integer(n) => {
                (n.to_string(), i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64))
            }
            _ => return self.wrong("a number"),
        };
        match number {
            Some(n) if range.contains(&n) => Some(n),
            _ => self.out_of(text, range.start(), range.end()),
        }
    }

    /// A duration in this range, written like `"250ms"` or `"1m 30s"`.
    pub(crate) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let DeValue::String(text) = self.inner else {
            return self.wrong("a duration in quotes, for example \"250ms\"");
        };
        match humantime::parse_duration(text) {
            Ok(time) if range.contains(&time) => Some(time),
            Ok(_) => {
                let [low, high] = [*range.start(), *range.end()].map(humantime::format_duration);
                self.out_of(text, low, high)
            }
            Err(why) => {
                self.fail(format!("`{text}` is no duration ({why}); for example \"250ms\" or \"1m 30s\""));
                None
            }
        }
    }

    /// A name out of a closed set, such as a task.
    pub(crate) fn label<T: FromStr<Err: Display>>(&self) -> Option<T> {
        match self.text()?.parse() {
            Ok(label) => Some(label),
            Err(why) => {
                self.fail(why.to_string());
                None
            }
        }
    }

    /// A whole number in this range, negative ones too.
    pub(crate) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(number) = self.inner else { return self.wrong("a whole number") };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(n) if range.contains(&n) => Some(n),
            _ => self.out_of(number, range.start(), range.end()),
        }
    }

    /// Whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.inner, DeValue::Table(_))
    }

    /// Whether it is an array.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.inner, DeValue::Array(_))
    }

    /// The elements of an array, tables of an array of tables too.
    pub(crate) fn list(&self) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(items) = self.inner else { return self.wrong("an array") };
        let item = |(at, item): (usize, &'a Spanned<DeValue<'a>>)| Value {
            report: self.report,
            path: format!("{}[{at}]", self.path),
            span: item.span(),
            inner: item.get_ref(),
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A table.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        let DeValue::Table(table) = self.inner else { return self.wrong("a table") };
        let (path, span) = (self.path.clone(), self.span.clone());
        Some(Section { report: self.report, path, span, table, asked: Vec::new() })
    }

    fn wrong<T>(&self, expected: &str) -> Option<T> {
        self.fail(format!("expected {expected}, found {}", article(self.inner.type_str())));
        None
    }

    fn out_of<T>(&self, given: impl Display, low: impl Display, high: impl Display) -> Option<T> {
        self.fail(format!("{given} is not between {low} and {high}"));
        None
    }
}

fn article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// The name most like the given one, where it is near enough to be a slip of the pen.
pub(crate) fn nearest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let given = given.to_ascii_lowercase().replace('-', "_");
    let slips = |name: &&str| strsim::damerau_levenshtein(&given, name);
    let name = names.min_by_key(slips)?;
    (slips(&name) <= (name.len() / 3).max(1)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_of_the_pen_are_recognised_and_other_words_are_not() {
        let keys = ["base_url", "name", "kind", "api_key_env", "max_concurrency"];
        for (given, near) in [
            ("bse_url", Some("base_url")),
            ("baes_url", Some("base_url")),
            ("base-url", Some("base_url")),
            ("Name", Some("name")),
            ("api_keyenv", Some("api_key_env")),
            ("max_concurency", Some("max_concurrency")),
            ("region", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, keys.into_iter()), near, "{given}");
        }
        assert_eq!(nearest("name", [].into_iter()), None);
    }
}
