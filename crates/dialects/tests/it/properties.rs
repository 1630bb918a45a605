use pointsman_dialects::{
    Takes,
    backend::BackendDialect,
    client::{ClientDialect, Echo, count_tokens},
    without_extensions,
};
use proptest::{collection::vec, prelude::*, sample::Index};

const CLIENTS: [ClientDialect; 3] =
    [ClientDialect::Messages, ClientDialect::Responses, ClientDialect::Completions];

/// What may end a stream, in any dialect.
fn is_ended(out: &[u8]) -> bool {
    let text = String::from_utf8_lossy(out);
    ["[DONE]", "message_stop", "response.completed", "response.incomplete"]
        .iter()
        .any(|end| text.contains(end))
}

/// JSON of any shape, with the names that the dialects look for.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let names = [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "tool_calls",
        "function",
        "arguments",
        "input",
        "tools",
        "thinking",
        "image_url",
        "choices",
        "message",
        "delta",
        "candidates",
        "parts",
        "usage",
        "error",
        "system",
        "max_tokens",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        prop_oneof![
            Just("user"),
            Just("assistant"),
            Just("tool"),
            Just("text"),
            Just("message"),
            Just("tool_use")
        ]
        .prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let key = prop::sample::select(names.to_vec());
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Into::into),
            vec((key, inner), 0..6).prop_map(|entries| {
                entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>().into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn odd_json_is_an_answer_or_an_error_and_never_a_panic(body in json()) {
        let bytes = body.to_string().into_bytes();
        for (dialect, _) in crate::backend::streams() {
            let _ = dialect.request(&bytes, "m", true);
            let _ = dialect.answer(&bytes, "m", 0);
            let _ = dialect.error(500, &bytes);
            let _ = dialect.embeddings(&bytes, "m");
            let _ = dialect.embeddings_answer(&bytes, &bytes, "m");
        }
        for dialect in CLIENTS {
            let _ = dialect.request(&bytes);
            let _ = dialect.answer(&bytes, &Echo::default(), "r", 0);
            let _ = dialect.error(500, &bytes, "r");
            let event = format!("data: {body}\n\n");
            let _ = dialect.stream(Echo::default(), "r", 0).push(event.as_bytes());
        }
        let _ = count_tokens(&bytes);
        let _ = without_extensions(&bytes, Takes::Nothing);
    }

    #[test]
    fn arbitrary_bytes_never_panic(chunks in vec(vec(any::<u8>(), 0..60), 0..12)) {
        for (dialect, _) in crate::backend::streams() {
            let mut stream = dialect.stream(b"{}", "m", 0, 200);
            for chunk in &chunks {
                if stream.push(chunk).is_err() {
                    break;
                }
            }
            let _ = stream.finish();
        }
        for dialect in CLIENTS {
            let mut stream = dialect.stream(Echo::default(), "r", 0);
            for chunk in &chunks {
                stream.push(chunk);
            }
        }
    }

    #[test]
    fn any_chunking_gives_the_same(cuts in vec(1_usize..50, 1..40)) {
        for (dialect, text) in crate::backend::streams() {
            let whole = run(dialect, &[text.as_bytes()]);
            let mut pieces = Vec::new();
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while at < text.len() {
                let end = (at + cuts.next().unwrap()).min(text.len());
                pieces.push(&text.as_bytes()[at..end]);
                at = end;
            }
            prop_assert_eq!(run(dialect, &pieces), whole, "{:?}", dialect);
        }
    }

    #[test]
    fn no_end_is_invented(cut in any::<Index>()) {
        for (dialect, text) in crate::backend::streams() {
            // without its last line
            let last = text.trim_end().rfind('\n').unwrap();
            let cut = cut.index(last);
            prop_assert!(!is_ended(&run(dialect, &[&text.as_bytes()[..cut]])), "{:?} at {}", dialect, cut);
        }
        let hub = crate::client::hub_stream();
        let body = hub.strip_suffix("data: [DONE]\n\n").unwrap();
        let ends: Vec<usize> = body.match_indices("\n\n").map(|(at, _)| at + 2).collect();
        let cut = ends[cut.index(ends.len())];
        for dialect in CLIENTS {
            let out = dialect.stream(Echo::default(), "r", 0).push(&body.as_bytes()[..cut]);
            prop_assert!(!is_ended(&out), "{:?} at {}", dialect, cut);
        }
    }
}

fn run(dialect: BackendDialect, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = dialect.stream(b"{}", "m", 0, 1 << 16);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(stream.push(piece).unwrap());
    }
    // a line that was cut in the middle is garbage
    if let Ok(rest) = stream.finish() {
        out.extend(rest);
    }
    out
}
