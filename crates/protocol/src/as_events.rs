//! A whole answer as the stream that was asked for: some servers send the one in the place of the other.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::Answer;

impl Answer {
    /// The same answer as server-sent events: for each choice its message as one delta and its end, the usage with
    /// the last, then `[DONE]`.
    pub fn as_events(&self) -> Bytes {
        let Ok(Value::Object(mut whole)) = serde_json::from_slice(&self.body) else { return Bytes::new() };
        let choices = whole.remove("choices");
        let usage = whole.remove("usage");
        whole.insert("object".to_owned(), "chat.completion.chunk".into());
        let mut events = Vec::new();
        let mut ends = Vec::new();
        for choice in choices.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let mut delta = choice.get("message").cloned().unwrap_or_default();
            let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
            for (index, call) in calls.into_iter().flatten().enumerate() {
                if let Some(call) = call.as_object_mut() {
                    call.insert("index".to_owned(), index.into());
                }
            }
            let index = choice.get("index").cloned().unwrap_or_else(|| 0.into());
            let finish = choice.get("finish_reason").cloned().unwrap_or_default();
            event(&whole, &json!({ "index": index, "delta": delta, "finish_reason": null }), &mut events);
            ends.push(json!({ "index": index, "delta": {}, "finish_reason": finish }));
        }
        let last = ends.pop();
        for end in &ends {
            event(&whole, end, &mut events);
        }
        if let Some(usage) = usage {
            whole.insert("usage".to_owned(), usage);
        }
        if let Some(last) = last {
            event(&whole, &last, &mut events);
        }
        events.extend_from_slice(b"data: [DONE]\n\n");
        events.into()
    }
}

fn event(head: &Map<String, Value>, choice: &Value, out: &mut Vec<u8>) {
    let mut chunk = head.clone();
    chunk.insert("choices".to_owned(), json!([choice]));
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(Value::from(chunk).to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SseEvents;

    #[test]
    fn a_whole_answer_is_a_stream_of_the_same() {
        let body = json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": [
                {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, "finish_reason": "tool_calls"},
            {"index": 1, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}});
        let answer = Answer::read(body.to_string().into(), "m").unwrap();
        let stream = answer.as_events();
        let mut events = SseEvents::new("m", 1 << 16);
        assert_eq!(events.push(stream.clone()).unwrap(), stream);
        let summary = *events.summary();
        assert!(summary.content && summary.finished && summary.done);
        assert_eq!((summary.events, summary.usage), (4, answer.usage));
        let text = String::from_utf8(stream.to_vec()).unwrap();
        let chunk: Value =
            serde_json::from_str(text.lines().next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((&chunk["id"], &chunk["object"]), (&json!("c"), &json!("chat.completion.chunk")));
        let call = &chunk["choices"][0]["delta"]["tool_calls"][0];
        assert_eq!((&call["index"], &call["id"]), (&json!(0), &json!("t")));
        assert_eq!(text.matches("\"usage\"").count(), 1);
    }
}
