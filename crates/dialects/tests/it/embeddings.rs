//! Embeddings, in the words of Gemini.

use pointsman_dialects::backend::BackendDialect::{Anthropic, Gemini};
use serde_json::json;

use crate::value;

#[test]
fn texts_are_embedded_in_one_batch() {
    let asked =
        json!({"model": "m", "input": ["a", "b"], "dimensions": 2, "user": "u", "encoding_format": "float"});
    let out = Gemini.embeddings(asked.to_string().as_bytes(), "models/embedder").unwrap();
    assert_eq!(out.path, "/models/embedder:batchEmbedContents");
    let one = |text: &str| json!({"model": "models/embedder", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2});
    assert_eq!(value(&out.body), json!({"requests": [one("a"), one("b")]}));
    assert_eq!(out.dropped, ["user"]);
    let answer = json!({"embeddings": [{"values": [1.0, 0.5]}, {"values": [0.0, -2]}]}).to_string();
    let read = |asked: &serde_json::Value| {
        Gemini
            .embeddings_answer(asked.to_string().as_bytes(), answer.as_bytes(), "m")
            .map(|list| value(&list))
    };
    let list = read(&asked).unwrap();
    assert_eq!(list["data"][1], json!({"object": "embedding", "index": 1, "embedding": [0.0, -2]}));
    assert!(list.get("usage").is_none(), "unknown counts are not zero");
    assert!(read(&json!({"input": "a"})).is_err(), "one too many");
}

#[test]
fn what_cannot_be_embedded_is_refused_with_its_place() {
    for (dialect, asked, param) in [
        (Gemini, json!({"input": [[1, 2]]}), "input[0]"),
        (Gemini, json!({"input": []}), "input"),
        (Gemini, json!({}), "input"),
        (Anthropic, json!({"input": "a"}), "model"),
    ] {
        let error = dialect.embeddings(asked.to_string().as_bytes(), "m").unwrap_err();
        assert_eq!(error.param(), Some(param), "{error}");
    }
    assert!(
        Gemini.embeddings_answer(b"{}", b"{\"error\":{\"message\":\"no\"}}", "m").unwrap_err().contains("no")
    );
}
