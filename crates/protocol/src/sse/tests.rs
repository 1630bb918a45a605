use super::*;

fn event(text: &str) -> String {
    format!(
        "data: {{\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    )
}

#[test]
fn whole_events_pass_without_a_copy() {
    let mut events = SseEvents::new("m", 1024);
    let chunk = Bytes::from(event("hi"));
    let out = events.push(chunk.clone()).unwrap();
    assert_eq!(out.as_ptr(), chunk.as_ptr());
    assert!(events.summary().content);
}

#[test]
fn halves_are_held_back() {
    let mut events = SseEvents::new("m", 1024);
    let text = event("hi") + &event("ho");
    let (a, b) = text.split_at(text.len() - 10);
    assert_eq!(events.push(Bytes::from(a.to_owned())).unwrap(), event("hi"));
    assert!(events.pending() > 0);
    assert_eq!(events.push(Bytes::from(b.to_owned())).unwrap(), event("ho"));
    assert_eq!(events.pending(), 0);
}

#[test]
fn borders_of_every_line_end() {
    for (text, border) in
        [("a\n\nb", 3), ("a\r\n\r\nb", 5), ("a\r\rb", 3), ("a\nb", 0), ("", 0), ("a\r\n", 0), ("\n\n", 2)]
    {
        assert_eq!(last_border(text.as_bytes()), border, "{text:?}");
    }
}

#[test]
fn reads_usage_finish_and_done() {
    let mut events = SseEvents::new("m", 1024);
    let text = event("hi")
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n: keep-alive\n\n"
        + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
    assert_eq!(events.push(Bytes::from(text.clone())).unwrap(), text);
    let s = *events.summary();
    assert!(s.content && s.finished && s.done);
    assert_eq!((s.events, s.usage.output.map(|t| t.0)), (3, Some(2)));
}

#[test]
fn a_finish_behind_another_choice_is_seen() {
    let mut events = SseEvents::new("m", 1024);
    let both = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":null},{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    events.push(Bytes::from(event("hi") + both)).unwrap();
    assert!(events.summary().finished);
}

#[test]
fn errors_in_band_garbage_and_huge_lines_are_errors() {
    let mut events = SseEvents::new("m", 64);
    assert!(matches!(
        events.push(Bytes::from_static(b"data: {\"error\":{\"message\":\"boom\"}}\n\n")),
        Err(SseError::Error(told)) if told.message == "boom" && told.body == "{\"error\":{\"message\":\"boom\"}}"
    ));
    assert!(matches!(events.push(Bytes::from_static(b"data: <html>\n\n")), Err(SseError::NotJson(_))));
    assert!(matches!(events.push(Bytes::from(vec![b'a'; 65])), Err(SseError::TooLong { limit: 64 })));
}

#[test]
fn what_is_no_content_is_read_all_the_same() {
    let feed = |pieces: &[&str]| {
        let mut events = SseEvents::new("m", 1024);
        let read: Result<Vec<_>, _> =
            pieces.iter().map(|piece| events.push(Bytes::from(format!("data: {piece}\n\n")))).collect();
        (read.is_ok() && events.take_failure().is_none(), *events.summary())
    };
    let one = r#"{"model":"m","choices":[{"delta":{"content":"one"}}]}"#;
    // garbage in braces behind content
    assert!(!feed(&[one, r#"{"choices":[{"delta":{"content":"a"}]}"#]).0);
    // an empty reason is none, and some reasons are failures
    assert!(
        !feed(&[r#"{"model":"m","choices":[{"delta":{"role":"assistant"},"finish_reason":""}]}"#]).1.finished
    );
    for reason in ["abort", "error"] {
        let end = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
        assert!(!feed(&[one, &end]).0, "{reason}");
    }
    // counts that are none wipe nothing out and break nothing
    let counted = r#"{"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#;
    for none in [r#"{"choices":[],"usage":{}}"#, r#"{"choices":[],"usage":5}"#] {
        let (fine, summary) = feed(&[one, counted, none]);
        assert!(fine && summary.usage.input.is_some() && summary.usage.output.is_some(), "{none}");
    }
    // arguments are text that somebody pays for
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}}]}"#;
    assert_eq!(feed(&[one, call]).1.text_bytes, 3 + 9);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_stream() {
    let mut events = SseEvents::new("m", 1024);
    let marked = [b"\xEF\xBB\xBF".as_slice(), event("hi").as_bytes()].concat();
    assert!(events.push(Bytes::copy_from_slice(&marked[..2])).unwrap().is_empty());
    assert_eq!(events.push(Bytes::copy_from_slice(&marked[2..])).unwrap(), event("hi"));
    assert!(events.summary().content);
}

#[test]
fn data_in_several_lines_is_one_and_nothing_follows_done() {
    let mut events = SseEvents::new("m", 1024);
    let text = "data: {\"model\":\"m\",\r\ndata: \"choices\":[{\"delta\":{\"content\":\"hi\"},\r\ndata:\"finish_reason\":\"stop\"}]}\r\n\r\n";
    let one = "data: {\"model\":\"m\", \"choices\":[{\"delta\":{\"content\":\"hi\"}, \"finish_reason\":\"stop\"}]}\n\r\n";
    assert_eq!(events.push(Bytes::from(text)).unwrap(), one);
    assert_eq!((events.summary().events, events.summary().finished), (1, true));
    // each whole by itself: the blank line was forgotten
    let two = event("a").trim_end().to_owned() + "\n" + &event("b");
    assert_eq!(events.push(Bytes::from(two.clone())).unwrap(), two);
    let end = "data: [DONE]\n\n";
    assert_eq!(events.push(Bytes::from(end.to_owned() + &event("more"))).unwrap(), end);
    assert_eq!(events.push(Bytes::from(event("more"))).unwrap(), "");
    assert_eq!(events.finish().unwrap(), "");
}

#[test]
fn a_missing_model_is_put_in() {
    let mut events = SseEvents::new("m", 1024);
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let out = events.push(Bytes::from(text)).unwrap();
    let expected = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(out, expected);
}
