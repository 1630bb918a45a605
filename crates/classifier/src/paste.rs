//! What a user pasted weighs less than what the user says: long runs of fenced code, quotes, log lines and stack
//! frames keep their first and last lines, so that the words around them reach the embedder.

use std::borrow::Cow;

/// A text of so many bytes or fewer is read whole anyway.
const SHORT: usize = 600;
/// Lines that stay of the start and of the end of a long run, and how many bytes of each.
const FIRST: usize = 6;
const LAST: usize = 3;
const LINE: usize = 160;

/// The text with the middle of its pasted runs left out.
pub(crate) fn squeeze(text: &str) -> Cow<'_, str> {
    if text.len() <= SHORT {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut run: Vec<&str> = Vec::new();
    let (mut fenced, mut squeezed) = (false, false);
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if fence {
            fenced = !fenced;
        }
        if fence || fenced || is_pasted(line) {
            run.push(line);
        } else {
            squeezed |= flush(&mut run, &mut out);
            push(line, &mut out);
        }
    }
    squeezed |= flush(&mut run, &mut out);
    if squeezed { Cow::Owned(out) } else { Cow::Borrowed(text) }
}

/// Writes a run and empties it; says whether something was left out.
fn flush(run: &mut Vec<&str>, out: &mut String) -> bool {
    let long = run.len() > FIRST + LAST;
    if long {
        for line in run[..FIRST].iter().chain(&run[run.len() - LAST..]) {
            push(&line[..line.floor_char_boundary(LINE)], out);
        }
    } else {
        for line in run.iter() {
            push(line, out);
        }
    }
    run.clear();
    long
}

fn push(line: &str, out: &mut String) {
    out.push_str(line);
    out.push('\n');
}

/// A quote, a line of a log, a frame of a stack trace.
fn is_pasted(line: &str) -> bool {
    let trimmed = line.trim_start();
    let frame = trimmed.len() < line.len()
        && ["at ", "File \"", "from "].iter().any(|start| trimmed.starts_with(start));
    frame || trimmed.starts_with('>') || is_logged(trimmed)
}

/// Starts with a date or a time of day, or names a level near its start.
fn is_logged(line: &str) -> bool {
    let start = line.trim_start_matches(['[', '(']).as_bytes();
    let stamp = |shape: &[u8]| {
        start.len() >= shape.len()
            && shape.iter().zip(start).all(|(s, b)| if *s == b'0' { b.is_ascii_digit() } else { s == b })
    };
    let head = &line[..line.floor_char_boundary(48)];
    stamp(b"0000-00-00")
        || stamp(b"00:00:00")
        || ["ERROR", "WARN", "INFO", "DEBUG", "TRACE", "FATAL"]
            .iter()
            .any(|level| head.split(|c: char| !c.is_ascii_alphabetic()).any(|word| word == *level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
        (0..n).map(|i| line(i) + "\n").collect()
    }

    #[test]
    fn long_pastes_leave_room_for_the_words_around_them() {
        for paste in [
            format!("```py\n{}```\n", lines(200, |i| format!("x{i} = compute({i}) + offset"))),
            lines(200, |i| format!("2026-11-23 10:00:{:02} worker {i} lost its connection", i % 60)),
            lines(200, |i| format!("> line {i} of the mail that came before")),
            lines(200, |i| format!("[worker-{i}] ERROR cannot open the file")),
            format!("Exception\n{}", lines(200, |i| format!("    at com.acme.Shop.run(Shop.java:{i})"))),
        ] {
            let text = format!("Why does this happen?\n{paste}Answer in one sentence.");
            let read = squeeze(&text);
            assert!(read.len() < 900, "{} of {}", read.len(), text.len());
            assert!(read.starts_with("Why does this") && read.trim_end().ends_with("in one sentence."));
        }
    }

    #[test]
    fn what_is_no_paste_stays() {
        for text in [
            lines(50, |i| format!("Sentence {i} of an essay, which is long but nobody's log.")),
            "```\nshort\n```".to_owned(),
            "no line break ".repeat(100),
        ] {
            assert!(matches!(squeeze(&text), Cow::Borrowed(_)), "{text}");
        }
    }
}
