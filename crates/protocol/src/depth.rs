//! A bound on nesting: backends that parse recursively die of what we would pass through.

/// The deepest nesting of arrays and objects that is accepted, that of `serde_json`'s own parser.
pub(crate) const MAX_DEPTH: usize = 128;

/// Whether brackets outside strings nest deeper than [`MAX_DEPTH`]. Expects valid JSON; on other input the
/// answer is meaningless but bounded.
pub(crate) fn too_deep(json: &[u8]) -> bool {
    // nearly every body has too few brackets in all to nest that deep: count first, eight times faster
    if memchr::memchr2_iter(b'[', b'{', json).take(MAX_DEPTH + 1).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut i) = (0_usize, 0);
    while let Some(&byte) = json.get(i) {
        match byte {
            b'"' => i = end_of_string(json, i + 1),
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        i += 1;
    }
    false
}

/// The index of the quote that ends the string whose content starts at `i`.
pub(crate) fn end_of_string(json: &[u8], mut i: usize) -> usize {
    while let Some(found) = json.get(i..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        if json[i + found] == b'"' {
            return i + found;
        }
        i += found + 2;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_brackets_outside_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!too_deep(nested(128).as_bytes()));
        assert!(too_deep(nested(129).as_bytes()));
        assert!(!too_deep(format!("[\"{}\"]", "[".repeat(500)).as_bytes()));
        assert!(!too_deep(format!("[\"\\\"{}\"]", "[".repeat(500)).as_bytes()));
        assert!(!too_deep(format!("[{}]", vec!["{}"; 500].join(",")).as_bytes()));
    }
}
