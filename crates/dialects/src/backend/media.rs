//! Images, files and sounds in messages: by URL, or in the message itself as base64.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use super::Untranslatable;

/// Where a medium is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium<'a> {
    /// In the message: its type and its content as base64.
    Here { kind: &'a str, data: &'a str },
    /// At this address.
    There(&'a str),
}

/// Reads the URL at `param`.
pub(crate) fn medium<'a>(url: &'a str, param: &str) -> Result<Medium<'a>, Untranslatable> {
    let unsupported = |message| Err(Untranslatable::unsupported(param, message));
    let Some(data) = url.strip_prefix("data:") else {
        if url.contains("://") {
            return Ok(Medium::There(url));
        }
        return unsupported("an address or a data URL is expected here");
    };
    let Some((head, data)) = data.split_once(',') else { return unsupported("the data URL has no data") };
    let Some(head) = head.strip_suffix(";base64") else {
        return unsupported("a data URL must hold base64 to be sent to this backend");
    };
    // parameters such as the character set are of no use to backends
    let kind = head.split(';').next().unwrap_or(head);
    let kind = match kind {
        "image/jpg" => "image/jpeg",
        "" => "text/plain",
        kind => kind,
    };
    Ok(Medium::Here { kind, data })
}

/// The bytes of a base64 text, in either alphabet, with white space and padding or without.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let plain = |c: char| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    };
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).map(plain).collect();
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_read_from_urls() {
        let here = |kind, data| Ok(Medium::Here { kind, data });
        assert_eq!(medium("data:image/jpg;base64,AA", "p"), here("image/jpeg", "AA"));
        assert_eq!(medium("data:text/plain;charset=utf-8;base64,AA", "p"), here("text/plain", "AA"));
        assert_eq!(medium("https://a.example/b", "p"), Ok(Medium::There("https://a.example/b")));
        for bad in ["data:text/plain,hello", "data:image/png", "AAAA", ""] {
            assert_eq!(medium(bad, "p").unwrap_err().param(), Some("p"), "{bad}");
        }
    }

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in [("aGVsbG8=", "hello"), ("aGVs\nbG8", "hello"), ("", ""), ("Pz8_", "???")] {
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decoded("a*"), None);
    }
}
