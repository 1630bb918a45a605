use bytes::Bytes;
use pointsman_protocol::SseEvents;
use proptest::prelude::*;

fn stream(texts: &[String], line_end: &str) -> Vec<u8> {
    let mut out = String::new();
    for text in texts {
        let chunk = serde_json::json!({"model": "m", "choices": [{"index": 0, "delta": {"content": text}}]});
        out += &format!("data: {chunk}{line_end}{line_end}");
    }
    let last = r#"data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    out +=
        &format!("{last}{line_end}{line_end}: comment{line_end}{line_end}data: [DONE]{line_end}{line_end}");
    out.into_bytes()
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_bytes(
        texts in proptest::collection::vec(".{0,20}", 1..8),
        cuts in proptest::collection::vec(1_usize..40, 1..60),
        crlf in any::<bool>(),
    ) {
        let whole = stream(&texts, if crlf { "\r\n" } else { "\n" });
        let mut events = SseEvents::new("m", 1 << 20);
        let mut out = Vec::new();
        let (mut at, mut cuts) = (0, cuts.iter().cycle());
        while at < whole.len() {
            let end = (at + cuts.next().unwrap()).min(whole.len());
            out.extend_from_slice(&events.push(Bytes::copy_from_slice(&whole[at..end])).unwrap());
            at = end;
        }
        out.extend_from_slice(&events.finish().unwrap());
        prop_assert_eq!(out, whole);
        prop_assert!(events.summary().done);
        prop_assert_eq!(events.summary().events, texts.len() as u64 + 1);
    }

    #[test]
    fn a_stream_cut_short_is_never_done(texts in proptest::collection::vec(".{0,20}", 1..8), cut in any::<proptest::sample::Index>()) {
        let whole = stream(&texts, "\n");
        let cut = cut.index(whole.len() - 2);
        let mut events = SseEvents::new("m", 1 << 20);
        let out = events.push(Bytes::copy_from_slice(&whole[..cut])).unwrap();
        prop_assert!(whole.starts_with(&out));
        prop_assert!(!events.summary().done || cut > whole.len() - 3);
    }

    #[test]
    fn events_before_a_bad_one_are_given_back(texts in proptest::collection::vec("[a-z]{1,9}", 1..5)) {
        let whole = stream(&texts, "\n");
        let end = whole.len() - "data: [DONE]\n\n".len();
        let mut bytes = whole[..end].to_vec();
        bytes.extend_from_slice(b"data: {\"error\":{\"message\":\"boom\"}}\n\n");
        let mut events = SseEvents::new("m", 1 << 20);
        prop_assert_eq!(&events.push(Bytes::from(bytes)).unwrap()[..], &whole[..end]);
        prop_assert!(events.take_failure().is_some());
    }

    #[test]
    fn arbitrary_bytes_never_panic(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
        let mut events = SseEvents::new("m", 100);
        for chunk in chunks {
            if events.push(Bytes::from(chunk)).is_err() {
                break;
            }
        }
        let _ = events.finish();
    }
}
