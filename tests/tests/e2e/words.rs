//! What is said of failures: by backends to us, and by us to clients.

use pointsman_testkit::{Behaviour, Upstream, chat, completion, event};
use serde_json::{Value, json};

use crate::gateway::{Gateway, header};

fn backend(name: &str, upstream: &Upstream, more: &str) -> String {
    format!(
        "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{}\"\nmodels = [{{ id = \"m\" }}]\n{more}",
        upstream.url()
    )
}

fn json_answer(body: &str) -> Behaviour {
    Behaviour::Answer(200, vec![("content-type", "application/json".to_owned())], body.to_owned())
}

async fn ask(gateway: &Gateway, body: String) -> (u16, Value, String) {
    let response = gateway.post("/v1/chat/completions", body).await;
    let status = response.status().as_u16();
    let attempts = header(&response, "x-pointsman-attempts").to_owned();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)), attempts)
}

#[tokio::test]
async fn a_key_that_a_backend_repeats_reaches_neither_client_nor_log() {
    let lab = Upstream::start(&["m"]).await;
    let config = backend("lab", &lab, "api_key_env = \"LAB_KEY\"\n") + "[breakers]\nenabled = false\n";
    let environment = [("LAB_KEY", "sk-live-123456"), ("RUST_LOG", "debug")];
    let gateway = Gateway::with_environment(&config, &environment).await;
    let says = r#"{"error":{"message":"Incorrect key sk-live-123456","param":"sk-live-123456"}}"#;
    let refuses = |status| {
        Behaviour::Answer(status, vec![("content-type", "application/json".to_owned())], says.to_owned())
    };
    let event = format!("data: {says}\n\n");
    for behaviour in [
        refuses(401),
        refuses(400),
        refuses(422),
        refuses(500),
        json_answer(says),
        Behaviour::Stream(vec![event.clone()]),
        Behaviour::Stream(vec![pointsman_testkit::event("m", "one"), event]),
    ] {
        for stream in [false, true] {
            lab.script([behaviour.clone()]);
            let (_, body, _) = ask(&gateway, chat("m", "hi", stream)).await;
            assert!(!body.to_string().contains("123456"), "{behaviour:?}: {body}");
        }
    }
    assert!(!gateway.log().contains("123456"), "{}", gateway.log());
}

#[tokio::test]
async fn what_is_between_us_and_one_backend_is_no_fault_of_the_request() {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    b.script([Behaviour::says("m", "from b")]);
    let config = backend("a", &a, "") + &backend("b", &b, "") + "[breakers]\nenabled = false\n";
    // the same model, its window known, on both
    let config = config.replace("id = \"m\"", "id = \"m\", context = 8192");
    let gateway = Gateway::with_environment(&config, &[]).await;
    for (status, says) in [
        (400, "API key not valid. Please pass a valid API key."),
        (400, "Your credit balance is too low to access the API."),
        (400, "x is not a valid model ID"),
        (413, "request entity too large"),
        (424, "Request failed during generation"),
        (409, "conflict"),
        (451, "not here"),
    ] {
        a.script([Behaviour::error(status, says)]);
        for stream in [false, true] {
            let route =
                json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "hi" }] });
            let (got, body, _) = ask(&gateway, route.to_string()).await;
            assert!(got == 200 && body.to_string().contains("from b"), "{status} {says}: {got} {body}");
        }
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_said_with_one_code_however_the_backend_says_it() {
    let lab = Upstream::start(&["m"]).await;
    let gateway = Gateway::with_environment(&backend("lab", &lab, ""), &[]).await;
    let in_band =
        r#"{"error":{"message":"maximum context length is 8192 tokens","code":"context_length_exceeded"}}"#;
    for behaviour in [
        Behaviour::error(400, "maximum context length is 8192 tokens"),
        Behaviour::error(413, "Prompt is too long"),
        Behaviour::Answer(422, Vec::new(), r#"{"message":"input is too long"}"#.to_owned()),
        json_answer(in_band),
        Behaviour::Either(
            Box::new(json_answer(in_band)),
            Box::new(Behaviour::Stream(vec![format!("data: {in_band}\n\n")])),
        ),
    ] {
        for stream in [false, true] {
            // more often than a breaker would stand, if it counted
            for _ in 0..4 {
                lab.script([behaviour.clone()]);
                let (status, body, attempts) = ask(&gateway, chat("m", "hi", stream)).await;
                let code = &body["error"]["code"];
                assert_eq!(
                    (status, code, &*attempts),
                    (400, &json!("context_length_exceeded"), "1"),
                    "{body}"
                );
            }
        }
    }
    lab.script([Behaviour::says("m", "fine")]);
    assert_eq!(ask(&gateway, chat("m", "hi", false)).await.0, 200);
}

#[tokio::test]
async fn a_whole_answer_without_a_reason_is_no_clean_stream() {
    let lab = Upstream::start(&["m"]).await;
    let gateway = Gateway::with_environment(&backend("lab", &lab, ""), &[]).await;
    for finish in ["null", "\"\"", "\"abort\""] {
        let body = completion("m", "hi")
            .replace("\"finish_reason\":\"stop\"", &format!("\"finish_reason\":{finish}"));
        assert!(body.contains(finish), "{body}");
        lab.script([json_answer(&body)]);
        let (status, text, _) = ask(&gateway, chat("m", "hi", true)).await;
        assert_eq!(status, 502, "{finish}: {text}");
    }
}

#[tokio::test]
async fn every_attempt_is_listed_where_none_answered() {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["n"]).await);
    a.script([Behaviour::error(500, "boom")]);
    b.script([Behaviour::Hang]);
    let config = backend("a", &a, "") + &backend("b", &b, "").replace("\"m\"", "\"n\"");
    let config = format!("{config}[server]\nrequest_timeout = \"1s\"\n[retries]\nsecond_round = false\n");
    let gateway = Gateway::with_environment(&config, &[]).await;
    let chain = |models: &[&str], stream: bool| {
        json!({ "models": models, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] })
            .to_string()
    };
    for stream in [false, true] {
        let (status, body, attempts) = ask(&gateway, chain(&["m", "n"], stream)).await;
        let listed = body["error"]["attempts"].as_array().unwrap();
        let outcomes: Vec<_> = listed.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
        assert_eq!((status, &*attempts, outcomes), (504, "2", vec!["server_error", "timeout"]), "{body}");
        assert_eq!((&listed[0]["model"], &listed[0]["backend"]), (&json!("m"), &json!("a")));
        assert!(body["error"]["message"].as_str().unwrap().contains("boom"), "{body}");
    }
    b.script([Behaviour::error(503, "busy")]);
    let (status, body, attempts) = ask(&gateway, chain(&["m", "n"], false)).await;
    assert_eq!(
        (status, body["error"]["attempts"].as_array().map(Vec::len)),
        (502, attempts.parse().ok()),
        "{body}"
    );
}

#[tokio::test]
async fn an_answer_that_dribbles_is_waited_for_and_one_that_never_ends_is_not() {
    let lab = Upstream::start(&["m"]).await;
    let timeouts =
        "timeouts = { connect = \"1s\", first_byte = \"300ms\", idle = \"300ms\", total = \"1s\" }\n";
    let gateway = Gateway::with_environment(&backend("lab", &lab, timeouts), &[]).await;
    // white space keeps the connection up while the model thinks: the first byte is in time, the whole is later
    let body = completion("m", "fine");
    let mut pieces = vec![" ".to_owned(), " ".to_owned(), " ".to_owned()];
    pieces.push(body);
    lab.script([Behaviour::Dribble(std::time::Duration::from_millis(150), "application/json", pieces)]);
    let (status, body, _) = ask(&gateway, chat("m", "hi", false)).await;
    assert_eq!(status, 200, "{body}");
    // a stream whose events never stop
    let many = vec![event("m", "more"); 60];
    lab.script([Behaviour::Dribble(std::time::Duration::from_millis(50), "text/event-stream", many)]);
    let (status, body, _) = ask(&gateway, chat("m", "hi", true)).await;
    let text = body.as_str().unwrap_or_default();
    assert!(
        status == 200 && text.contains("was not over within 1s") && !text.contains("[DONE]"),
        "{status} {body}"
    );
}
