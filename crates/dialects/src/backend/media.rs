//! Images, files and sounds in messages: by URL, or in the message itself as base64.

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

/// The bytes of a base64 text, in either alphabet; white space and padding are skipped.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., whole] = (bits >> held).to_be_bytes();
            out.push(whole);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

/// Bytes as base64, padded.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let six = (bits >> (18 - 6 * place)) & 63;
            let byte = |from: u8, less: u32| char::from(from + (six - less) as u8);
            out.push(match six {
                _ if place > three.len() => '=',
                0..26 => byte(b'A', 0),
                26..52 => byte(b'a', 26),
                52..62 => byte(b'0', 52),
                62 => '+',
                _ => '/',
            });
        }
    }
    out
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
    fn base64_goes_both_ways() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("???>", "Pz8/Pg==")]
        {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encoded(&all)), Some(all));
    }

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in [("aGVsbG8=", "hello"), ("aGVs\nbG8", "hello"), ("", ""), ("Pz8_", "???")] {
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decoded("a*"), None);
    }
}
