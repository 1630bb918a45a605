//! What a translation left out, short enough for a header.

/// The most bytes of a list, the word before each entry and what parts them counted.
const MAX_BYTES: usize = 900;
/// What stands around an entry in a header.
const AROUND: usize = 10;
/// The most characters of an entry: names of unknown fields are the client's own, of any length.
const MAX_NAME: usize = 80;

/// Each entry once, whatever its place in a list (`messages[3]` is `messages[*]`). Where they are too many for a
/// header of 1 KiB the last one says how many more there are.
pub(crate) fn in_short(entries: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let (mut bytes, mut more) = (0, 0_usize);
    for entry in entries {
        let entry = anywhere(&entry);
        if kept.contains(&entry) {
            continue;
        }
        if more > 0 || bytes + entry.len() + AROUND > MAX_BYTES {
            more += 1;
            continue;
        }
        bytes += entry.len() + AROUND;
        kept.push(entry);
    }
    if more > 0 {
        kept.push(format!("and {more} more"));
    }
    kept
}

/// An entry without the numbers of its places, and not longer than it may be.
fn anywhere(entry: &str) -> String {
    let mut out = String::new();
    let mut rest = entry;
    while let Some((before, behind)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && behind.as_bytes().get(digits) == Some(&b']') {
            out.push('*');
            rest = behind.get(digits..).unwrap_or_default();
        } else {
            rest = behind;
        }
    }
    out.push_str(rest);
    match out.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}...", out.get(..end).unwrap_or_default()),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_many_are_counted() {
        let told =
            in_short(["messages[0].a[12].b", "top_k", "messages[7].a[3].b", "x[y]"].map(str::to_owned));
        assert_eq!(told, ["messages[*].a[*].b", "top_k", "x[y]"]);
        let many = in_short((0..500).map(|n| format!("field_{n}")));
        assert!(many.last().unwrap().starts_with("and ") && many.last().unwrap().ends_with(" more"));
        let header = many.iter().map(|entry| format!("dropped {entry}")).collect::<Vec<_>>().join("; ");
        assert!(header.len() < 1024, "{}", header.len());
        let long = in_short(["é".repeat(5000)]);
        assert!(long[0].len() < 200, "{}", long[0].len());
    }
}
