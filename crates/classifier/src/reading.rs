//! From the text of a request to the text that is classified: what agents wrap around it is taken off, and
//! the middle of what is pasted or long.

use std::borrow::Cow;

use crate::paste;

/// Elements that agents put into user turns and that say nothing of what the user wants.
const ENVELOPES: [&str; 6] =
    ["system-reminder", "environment_details", "environment_context", "user_info", "context", "system"];

/// Bytes that are kept of the start and of the end of a long text: more than the embedder reads.
pub(crate) const HEAD: usize = 1200;
pub(crate) const TAIL: usize = 600;

/// The text to classify. A text that is all envelope is classified as it is.
pub(crate) fn read(text: &str) -> Cow<'_, str> {
    // cut first, generously, so that what follows is bounded too
    let text = cut(text, 16 * HEAD, 16 * TAIL);
    let text = then(text, |text| strip(text).map_or(Cow::Borrowed(text), Cow::Owned));
    let text = then(text, paste::squeeze);
    then(text, |text| cut(text, HEAD, TAIL))
}

/// Applies a step that may leave its text as it is.
fn then<'a>(text: Cow<'a, str>, step: impl for<'b> Fn(&'b str) -> Cow<'b, str>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => match step(&text) {
            Cow::Borrowed(same) if same.len() == text.len() => Cow::Owned(text),
            changed => Cow::Owned(changed.into_owned()),
        },
    }
}

/// `None` where there is nothing to take off, or nothing would be left.
fn strip(text: &str) -> Option<String> {
    if !text.contains("</") {
        return None;
    }
    let mut rest = text.to_owned();
    for name in ENVELOPES {
        let (open, close) = (format!("<{name}"), format!("</{name}>"));
        while let Some(start) = rest.find(&open) {
            // `<systematic>` is no envelope
            let after = rest[start + open.len()..].chars().next();
            let Some(end) = rest[start..].find(&close).filter(|_| matches!(after, Some('>' | ' '))) else {
                break;
            };
            rest.replace_range(start..start + end + close.len(), " ");
        }
    }
    (rest.len() < text.len() && !rest.trim().is_empty()).then_some(rest)
}

/// The first `head` and the last `tail` bytes, at character borders, where the text is longer than both.
fn cut(text: &str, head: usize, tail: usize) -> Cow<'_, str> {
    // one byte more for the line break, so that a text that was cut is not cut again
    if text.len() <= head + tail + 1 {
        return Cow::Borrowed(text);
    }
    let head = text.floor_char_boundary(head);
    let tail = text.ceil_char_boundary(text.len() - tail);
    Cow::Owned(format!("{}\n{}", &text[..head], &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_come_off() {
        for (text, expected) in [
            ("fix <b>this</b>", "fix <b>this</b>"),
            ("<system-reminder>be nice, write code</system-reminder>\nhello", " \nhello"),
            ("a<environment_details os=\"x\">y</environment_details>b", "a b"),
            ("<systematic>a</systematic>", "<systematic>a</systematic>"),
            ("<system>only this</system>", "<system>only this</system>"),
            ("<system-reminder>never closed", "<system-reminder>never closed"),
        ] {
            assert_eq!(read(text), expected);
        }
    }

    #[test]
    fn long_texts_keep_head_and_tail() {
        let text = format!("START{}END", "ü".repeat(500_000));
        let cut = read(&text);
        assert!(cut.len() <= HEAD + TAIL + 8 && cut.starts_with("START") && cut.ends_with("END"));
    }
}
