use pointsman_protocol::{ChatRequest, RequestError};
use pointsman_types::{ModelForm, Strategy, Task};
use proptest::prelude::*;

fn parse(body: &str) -> ChatRequest<'_> {
    ChatRequest::parse(body.as_bytes()).unwrap()
}

fn refused(body: impl AsRef<[u8]>) -> (String, Option<String>) {
    let error = ChatRequest::parse(body.as_ref()).unwrap_err();
    let body = error.body();
    (format!("{}: {}", body.code.unwrap(), body.message), body.param)
}

#[test]
fn only_the_model_name_changes() {
    let body = r#"{ "temperature":0.5, "model" : "auto" ,"messages":[{"role":"user","content":"hi","x":1}],"n":null}"#;
    let request = parse(body);
    assert_eq!(&request.body_for("gpt-4o", &[])[..], body.replace("\"auto\"", "\"gpt-4o\"").as_bytes());
    assert_eq!(&request.body_for("auto", &[])[..], body.as_bytes());
}

#[test]
fn own_fields_never_reach_a_backend() {
    let request = parse(
        r#"{"models":["a","auto"],"route":{"task":"code","strategy":"cost","only":["x"]},"seed":1,
            "metadata":{"industry":"legal","user":"u"},"messages":[{"role":"user","content":"hi"}]}"#,
    );
    let sent: serde_json::Value = serde_json::from_slice(&request.body_for("m", &[])).unwrap();
    let expected = serde_json::json!({"model":"m","seed":1,"metadata":{"user":"u"},"messages":[{"role":"user","content":"hi"}]});
    assert_eq!(sent, expected);
    assert_eq!(request.forms, [ModelForm::Alias("a".into()), ModelForm::Auto]);
    assert_eq!(
        (request.options.industry.as_deref(), request.options.strategy),
        (Some("legal"), Some(Strategy::Cost))
    );
    assert_eq!(request.options.task, Some(Task::Code));
}

#[test]
fn an_escaped_key_is_the_same_key() {
    let request = parse(
        r#"{"mod\u0065l":"auto","\u0072oute":{"local_only":true},"messages":[{"role":"user","content":""}]}"#,
    );
    assert!(request.options.local_only);
    let sent = request.body_for("m", &[]);
    assert!(!sent.windows(10).any(|w| w == b"local_only"), "{sent:?}");
}

#[test]
fn facts_of_the_request() {
    let request = parse(
        r#"{"model":"auto","stream":true,"max_tokens":9,"tools":[{"type":"function"}],"response_format":{"type":"json_schema"},
            "messages":[{"role":"user","content":"hi"},{"role":"tool","content":"1"}]}"#,
    );
    let f = request.features();
    assert!(f.stream && f.has_tools && f.wants_json && f.in_tool_loop && !f.has_images);
    assert_eq!((f.turns, f.max_output.map(|t| t.0)), (2, Some(9)));
    assert!(
        !parse(r#"{"model":"auto","tools":[],"messages":[{"role":"user","content":"hi"}]}"#)
            .features()
            .has_tools
    );
}

#[test]
fn bad_bodies_are_refused_with_their_field() {
    let long = format!(r#"{{"model":"{}","messages":[{{"role":"user","content":"hi"}}]}}"#, "m".repeat(300));
    let deep = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"x":{}{}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    let mut report = String::new();
    for body in [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        r#"{"model":"m"}"#,
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":{}}"#,
        r#"{"model":"m","messages":["hi"]}"#,
        r#"{"model":"m","messages":[["user","hi"]]}"#,
        r#"["m",[],{}]"#,
        r#"{"model":"m","messages":[{"content":"hi"}]}"#,
        r#"{"model":7,"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":" ","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"a\r\nx-evil: 1","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"industry:Big Oil","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"strategy:best","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"models":[],"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"auto","route":{"max_cost_usd":-1},"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"auto","route":{"tradeoff":NaN},"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"auto","route":{"max_latency_ms":-5},"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"auto","route":{"industry":"Law!"},"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"m","stream":"yes","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"m","route":{"tradeof":1},"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"m","route":{"tradeoff":2},"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"m","model":"n","messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}]} trailing"#,
        &long,
        &deep,
    ] {
        let (message, param) = refused(body);
        report += &format!(
            "{} -> {message} [{}]\n",
            body.chars().take(60).collect::<String>(),
            param.unwrap_or_default()
        );
    }
    insta::assert_snapshot!(report);
    assert!(refused(b"{\"model\":\"\xff\"}").0.contains("byte 10"));
}

#[test]
fn a_million_brackets_do_not_overflow_the_stack() {
    for open in ["[", "{\"a\":"] {
        let body = format!(r#"{{"model":"m","messages":{}"#, open.repeat(1_000_000));
        assert!(matches!(
            ChatRequest::parse(body.as_bytes()),
            Err(RequestError::NotJson(_) | RequestError::Shape { .. })
        ));
        let body = format!(r#"{{"model":"m","metadata":{}"#, open.repeat(1_000_000));
        assert!(ChatRequest::parse(body.as_bytes()).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ChatRequest::parse(&body);
    }

    #[test]
    fn the_text_round_trips_and_everything_else_stays(text in ".*", extra in "[a-z]{1,8}", value in any::<i64>()) {
        let extra = format!("x_{extra}");
        let body = serde_json::json!({"model": "auto", extra: value, "messages": [{"role": "user", "content": text}]});
        let bytes = serde_json::to_vec(&body).unwrap();
        let request = ChatRequest::parse(&bytes).unwrap();
        prop_assert_eq!(request.prompt(), text.as_str());
        let sent: serde_json::Value = serde_json::from_slice(&request.body_for("m\"1", &[])).unwrap();
        let mut expected = body;
        expected["model"] = "m\"1".into();
        prop_assert_eq!(sent, expected);
    }
}

#[test]
fn parameters_are_dropped_renamed_and_capped() {
    use pointsman_protocol::{Adaptation, Parameter};
    let body = r#"{"model":"m","temperature":0.5,"max_tokens":9000,"top_p":null,"x":{"max_tokens":1},"messages":[{"role":"user","content":"hi"}]}"#;
    let request = parse(body);
    assert!(
        request.has(Parameter::Temperature)
            && !request.has(Parameter::TopP)
            && !request.has(Parameter::Logprobs)
    );
    assert_eq!(request.limit(Parameter::MaxTokens), Some(9000));
    let changes = [
        Adaptation::Drop(Parameter::Temperature),
        Adaptation::Rename(Parameter::MaxTokens, Parameter::MaxCompletionTokens),
    ];
    let sent: serde_json::Value = serde_json::from_slice(&request.body_for("n", &changes)).unwrap();
    let expected = serde_json::json!({ "model": "n", "max_completion_tokens": 9000, "top_p": null, "x": { "max_tokens": 1 },
        "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(sent, expected);
    let capped = request.body_for("n", &[Adaptation::Cap(Parameter::MaxTokens, 4096)]);
    let sent: serde_json::Value = serde_json::from_slice(&capped).unwrap();
    assert_eq!((&sent["max_tokens"], &sent["temperature"]), (&4096.into(), &0.5.into()));
    assert_eq!(changes[1].to_string(), "max_tokens as max_completion_tokens");
}

#[test]
fn errors_quote_little_of_what_they_are_about() {
    for body in [
        format!("{{\"model\":\"m\",\"messages\":\"{}\"}}", "secret ".repeat(10_000)),
        format!("{{\"model\":\"m\",\"messages\":[],\"route\":{{\"{}\":1}}}}", "k".repeat(10_000)),
        format!("{{\"model\":\"m\",\"messages\":[],\"stream\":\"{}\"}}", "s".repeat(10_000)),
    ] {
        let Err(error) = ChatRequest::parse(body.as_bytes()) else { panic!("{body:.80}") };
        assert!(error.to_string().len() < 400, "{:.500}", error.to_string());
    }
}
