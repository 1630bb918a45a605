//! Every fault, for every way of asking: the client gets a correct answer or a correct error.

use std::time::Duration;

use pointsman_testkit::{Behaviour, Upstream, completion, event, last_events};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, time::Instant};

use crate::gateway::{Gateway, header};

const TIMEOUTS: &str =
    "timeouts = { connect = \"1s\", first_byte = \"400ms\", idle = \"400ms\", total = \"20s\" }\n";

/// What a fault leaves the client with where nobody else can answer.
#[derive(Clone, Copy, PartialEq)]
enum Alone {
    /// An answer: it was no fault after all.
    Fine,
    /// This status.
    Status(u16),
    /// Content, and then an error event.
    Event,
}

struct Fault {
    name: &'static str,
    behaviour: Behaviour,
    /// Without streaming, with it.
    alone: [Alone; 2],
}

fn fault(name: &'static str, behaviour: Behaviour, alone: Alone) -> Fault {
    Fault { name, behaviour, alone: [alone; 2] }
}

fn either(name: &'static str, json: Behaviour, stream: Behaviour, alone: [Alone; 2]) -> Fault {
    Fault { name, behaviour: Behaviour::Either(Box::new(json), Box::new(stream)), alone }
}

fn answer(status: u16, headers: Vec<(&'static str, String)>, body: &str) -> Behaviour {
    Behaviour::Answer(status, headers, body.to_owned())
}

fn json_answer(body: &str) -> Behaviour {
    answer(200, vec![("content-type", "application/json".to_owned())], body)
}

fn faults() -> Vec<Fault> {
    use Alone::{Event, Fine, Status};
    let stream = |pieces: &[String]| Behaviour::Stream(pieces.to_vec());
    let [last, done] = last_events("m");
    let one = event("m", "one");
    let half = format!("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{}", &completion("m", "x")[..40]);
    let huge = format!("data: {{\"a\":\"{}", "x".repeat(10_000_000));
    let error_event = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n".to_owned();
    vec![
        fault("500", Behaviour::error(500, "boom"), Status(502)),
        fault("502 in HTML", answer(502, vec![], "<html>bad gateway</html>"), Status(502)),
        fault("503 busy", Behaviour::error(503, "busy"), Status(502)),
        fault("529 overloaded", Behaviour::error(529, "overloaded"), Status(502)),
        fault("429 with Retry-After", answer(429, vec![("retry-after", "7".to_owned())], ""), Status(429)),
        fault("429 without", Behaviour::error(429, "slow down"), Status(429)),
        fault("401", Behaviour::error(401, "bad key"), Status(502)),
        fault("404", Behaviour::error(404, "no such model"), Status(502)),
        fault("redirect", answer(307, vec![("location", "http://127.0.0.1:1/".to_owned())], ""), Status(502)),
        fault("reset", Behaviour::Reset, Status(502)),
        fault("closed at once", Behaviour::Close, Status(502)),
        fault("hang", Behaviour::Hang, Status(504)),
        fault("no HTTP", Behaviour::Raw(b"\x00\x01 nonsense\r\n\r\n".to_vec()), Status(502)),
        fault("half a body", Behaviour::Raw(half.into_bytes()), Status(502)),
        fault("garbage JSON", json_answer("<html>oops</html>"), Status(502)),
        fault("an empty body", json_answer(""), Status(502)),
        fault("no choices", json_answer("{\"choices\":[]}"), Status(502)),
        fault("an error under 200", json_answer("{\"error\":{\"message\":\"no\"}}"), Status(502)),
        fault(
            "a slow first byte",
            Behaviour::After(Duration::from_millis(150), Box::new(Behaviour::says("m", "fine"))),
            Fine,
        ),
        fault(
            "too slow",
            Behaviour::After(Duration::from_secs(3), Box::new(Behaviour::says("m", "late"))),
            Status(504),
        ),
        either("nothing streamed", Behaviour::Close, stream(&[]), [Status(502); 2]),
        either(
            "an error event first",
            Behaviour::Close,
            stream(std::slice::from_ref(&error_event)),
            [Status(502); 2],
        ),
        either("cut", Behaviour::Close, Behaviour::StreamThenClose(vec![one.clone()]), [Status(502), Event]),
        either("no finish", Behaviour::Close, stream(&[one.clone(), done.clone()]), [Status(502), Event]),
        either("no [DONE]", Behaviour::Close, stream(&[one.clone(), last.clone()]), [Status(502), Event]),
        either(
            "standstill",
            Behaviour::Hang,
            Behaviour::StreamThenHang(vec![one.clone()]),
            [Status(504), Event],
        ),
        either(
            "an error event later",
            Behaviour::Close,
            stream(&[one.clone(), error_event]),
            [Status(502), Event],
        ),
        either(
            "garbage later",
            Behaviour::Close,
            stream(&[one.clone(), "data: <oops>\n\n".to_owned()]),
            [Status(502), Event],
        ),
        either(
            "given up",
            json_answer(&completion("m", "x").replace("\"stop\"", "\"abort\"")),
            stream(&[one.clone(), last.replace("\"stop\"", "\"abort\"")]),
            [Status(502), Event],
        ),
        either(
            "garbage in braces",
            Behaviour::Close,
            stream(&[one.clone(), "data: {\"choices\":[{\"delta\":}\n\n".to_owned()]),
            [Status(502), Event],
        ),
        fault("our key in a 400", Behaviour::error(400, "API key not valid."), Status(502)),
        fault("a filter", Behaviour::error(400, "blocked: content_filter"), Status(400)),
        either("a huge line", Behaviour::Close, stream(&[one, huge]), [Status(502), Event]),
        fault("the client's own fault", Behaviour::error(400, "temperature must be below 2"), Status(400)),
        fault("too long a prompt", Behaviour::error(400, "maximum context length is 10 tokens"), Status(400)),
    ]
}

fn bodies(stream: bool) -> [(&'static str, String); 3] {
    let body = |fields: Value| {
        let mut body =
            json!({ "stream": stream, "messages": [{ "role": "user", "content": "Write a haiku" }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body.to_string()
    };
    [
        ("alias", body(json!({ "model": "m" }))),
        ("auto", body(json!({ "model": "auto" }))),
        ("chain", body(json!({ "models": ["nobody", "m", "auto"] }))),
    ]
}

async fn over(upstreams: &[(&str, &Upstream)]) -> Gateway {
    let mut config = String::new();
    for (name, upstream) in upstreams {
        config += &format!(
            "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{}\"\n{TIMEOUTS}",
            upstream.url()
        );
    }
    Gateway::with_environment(&config, &[]).await
}

/// What the client saw.
async fn ask(gateway: &Gateway, body: &str) -> (u16, String) {
    let response = gateway.post("/v1/chat/completions", body.to_owned()).await;
    let status = response.status().as_u16();
    if status == 429 {
        assert!(header(&response, "retry-after").parse::<u64>().is_ok_and(|s| s > 0));
    }
    (status, response.text().await.expect("the answer ends as it should"))
}

fn is_good(text: &str, stream: bool, says: &str) -> bool {
    if stream {
        text.contains(says) && text.ends_with("data: [DONE]\n\n") && !text.contains("\"error\"")
    } else {
        serde_json::from_str::<Value>(text).is_ok_and(|v| v["choices"][0]["message"]["content"] == says)
    }
}

fn is_error(text: &str) -> bool {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return false };
    let error = &body["error"];
    error["message"].as_str().is_some_and(|m| !m.is_empty())
        && error["type"].is_string()
        && error.get("code").is_some()
}

/// Content of one model and an error behind it, no clean end.
fn is_honest(text: &str) -> bool {
    let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    text.contains("one")
        && !text.contains("[DONE]")
        && !text.contains("from b")
        && last.strip_prefix("data: ").is_some_and(is_error)
}

#[tokio::test]
async fn every_fault_with_another_backend_at_hand() {
    let mut wrong = Vec::new();
    for fault in faults() {
        let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
        a.script([fault.behaviour.clone()]);
        b.script([Behaviour::says("m", "from b")]);
        let gateway = over(&[("a", &a), ("b", &b)]).await;
        for stream in [false, true] {
            for (form, body) in bodies(stream) {
                let (status, text) = ask(&gateway, &body).await;
                let alone = fault.alone[usize::from(stream)];
                // a backend that has failed a few times is passed over: then b answers at once
                let good = is_good(&text, stream, "from b") || is_good(&text, stream, "fine");
                let fine = match alone {
                    Alone::Event => good || (status == 200 && is_honest(&text)),
                    Alone::Status(400) if fault.name.contains("own") => status == 400 && is_error(&text),
                    _ => status == 200 && good,
                };
                if !fine {
                    wrong.push(format!("{} {form} stream={stream}: {status} {text:.200}", fault.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_fault_with_nobody_else() {
    let mut wrong = Vec::new();
    for fault in faults() {
        let a = Upstream::start(&["m"]).await;
        a.script([fault.behaviour.clone()]);
        let gateway = over(&[("a", &a)]).await;
        for stream in [false, true] {
            for (form, body) in bodies(stream) {
                let (status, text) = ask(&gateway, &body).await;
                let fine = match fault.alone[usize::from(stream)] {
                    Alone::Fine => status == 200 && is_good(&text, stream, "fine"),
                    Alone::Status(expected) => status == expected && is_error(&text),
                    Alone::Event => status == 200 && is_honest(&text),
                };
                if !fine {
                    wrong.push(format!("{} {form} stream={stream}: {status} {text:.200}", fault.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_whole_answer_in_the_place_of_a_stream_is_made_one() {
    let a = Upstream::start(&["m"]).await;
    a.script([Behaviour::json("m", "fine")]);
    let gateway = over(&[("a", &a)]).await;
    for (form, body) in bodies(true) {
        let (status, text) = ask(&gateway, &body).await;
        assert!(status == 200 && is_good(&text, true, "fine"), "{form}: {text}");
    }
}

#[tokio::test]
async fn a_short_limit_is_waited_for_and_a_long_one_is_told() {
    let a = Upstream::start(&["m"]).await;
    let limit = |ms: &str| Behaviour::Answer(429, vec![("retry-after-ms", ms.to_owned())], String::new());
    a.script([limit("200"), Behaviour::says("m", "fine")]);
    let gateway = over(&[("a", &a)]).await;
    for stream in [false, true] {
        a.script([limit("200"), Behaviour::says("m", "fine")]);
        let started = Instant::now();
        let (status, text) = ask(&gateway, &bodies(stream)[0].1).await;
        assert!(status == 200 && is_good(&text, stream, "fine"), "{status} {text}");
        assert!((Duration::from_millis(200)..Duration::from_secs(2)).contains(&started.elapsed()));
    }
    a.script([limit("30000")]);
    for expected in [3, 3] {
        let started = Instant::now();
        let (status, text) = ask(&gateway, &bodies(false)[0].1).await;
        assert!(status == 429 && is_error(&text) && started.elapsed() < Duration::from_secs(1), "{text}");
        assert_eq!(a.posts() - 2, expected, "the second is answered without asking");
    }
}

#[tokio::test]
async fn a_tls_failure_is_one_of_its_own_kind() {
    let good = Upstream::start(&["m"]).await;
    // a server without TLS, as most are: it takes the hello for a bad request
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", plain.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
        }
    });
    let config = |name: &str, url: &str| {
        format!(
            "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{url}\"\nmodels = [{{ id = \"m\" }}]\n"
        )
    };
    let both = config("a", &url) + &config("b", &good.url()) + "[catalog]\ntimeout = \"1s\"\n";
    let gateway = Gateway::with_environment(&both, &[]).await;
    good.script([Behaviour::says("m", "fine")]);
    for stream in [false, true] {
        let (status, text) = ask(&gateway, &bodies(stream)[0].1).await;
        assert!(status == 200 && is_good(&text, stream, "fine"), "{text}");
    }
    let alone = Gateway::with_environment(&config("a", &url), &[]).await;
    let (status, text) = ask(&alone, &bodies(false)[0].1).await;
    assert!(status == 502 && is_error(&text), "{status} {text}");
    let metrics =
        alone.client.get(format!("{}/metrics", alone.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("outcome=\"tls\""), "{metrics}");
}

#[tokio::test]
async fn a_flapping_backend_costs_no_request() {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    a.flap([Behaviour::says("m", "fine"), Behaviour::error(500, "boom"), Behaviour::Reset]);
    b.script([Behaviour::says("m", "from b")]);
    let gateway = over(&[("a", &a), ("b", &b)]).await;
    for n in 0..60 {
        let stream = n % 2 == 0;
        let (status, text) = ask(&gateway, &bodies(stream)[n % 3].1).await;
        assert_eq!(status, 200, "{n}: {text}");
        assert!(is_good(&text, stream, "fine") || is_good(&text, stream, "from b"), "{n}: {text}");
    }
    // alone, what may pass is asked once more
    let gateway = over(&[("a", &a)]).await;
    a.flap([Behaviour::says("m", "fine"), Behaviour::error(503, "busy")]);
    for n in 0..6 {
        let (status, text) = ask(&gateway, &bodies(false)[0].1).await;
        assert_eq!(status, 200, "{n}: {text}");
    }
}

#[tokio::test]
async fn a_stated_limit_is_kept_and_told() {
    let (a, b) = (Upstream::start(&["m"]).await, Upstream::start(&["m"]).await);
    a.script([answer(429, vec![("retry-after", "2".to_owned())], ""), Behaviour::says("m", "fine")]);
    b.script([Behaviour::says("m", "from b")]);
    let gateway = over(&[("a", &a), ("b", &b)]).await;
    let body = &bodies(false)[0].1;
    for _ in 0..4 {
        assert!(is_good(&ask(&gateway, body).await.1, false, "from b"));
    }
    assert_eq!(a.posts(), 1, "asked once, then passed over");
    drop(b);
    let alone = Upstream::start(&["m"]).await;
    let used_up = vec![
        ("content-type", "application/json".to_owned()),
        ("x-ratelimit-remaining-requests", "0".to_owned()),
        ("x-ratelimit-reset-requests", "1s".to_owned()),
    ];
    alone.script([Behaviour::Answer(200, used_up, completion("m", "fine")), Behaviour::says("m", "fine")]);
    let gateway = over(&[("a", &alone)]).await;
    assert_eq!(ask(&gateway, body).await.0, 200);
    let (status, text) = ask(&gateway, body).await;
    assert_eq!((status, alone.posts()), (429, 1), "{text}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask(&gateway, body).await.0, 200);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_goes_to_a_larger_model() {
    let (a, b) = (Upstream::start(&[]).await, Upstream::start(&[]).await);
    a.script([Behaviour::error(400, "This model's maximum context length is 8192 tokens")]);
    b.script([Behaviour::says("large", "from b")]);
    let backend = |name: &str, upstream: &Upstream, models: &str| {
        format!(
            "[[backends]]\nname = \"{name}\"\nkind = \"openai\"\ndiscover = false\nbase_url = \"{}\"\nmodels = [{models}]\n",
            upstream.url()
        )
    };
    let config = backend("a", &a, "{ id = \"small\", context = 8192 }, { id = \"other\", context = 4096 }")
        + &backend("b", &b, "{ id = \"large\", context = 100000 }");
    let gateway = Gateway::with_environment(&config, &[]).await;
    let body =
        json!({ "models": ["small", "other", "large"], "messages": [{ "role": "user", "content": "hi" }] });
    let response = gateway.post("/v1/chat/completions", body.to_string()).await;
    assert_eq!(header(&response, "x-pointsman-model"), "large");
    assert_eq!(
        (header(&response, "x-pointsman-attempts"), a.posts()),
        ("2", 1),
        "not the one that is smaller still"
    );
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_backend_within_100_ms() {
    let a = Upstream::start(&["m"]).await;
    let gateway = over(&[("a", &a)]).await;
    a.script([Behaviour::StreamThenHang(vec![event("m", "one")])]);
    let mut slowest = Duration::ZERO;
    for n in 1..=5 {
        let mut response = gateway.post("/v1/chat/completions", bodies(true)[0].1.clone()).await;
        response.chunk().await.unwrap();
        let left = Instant::now();
        drop(response);
        assert!(a.abandoned(n).await);
        slowest = slowest.max(left.elapsed());
    }
    println!("slowest cancellation: {slowest:?}");
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
}

#[tokio::test]
async fn who_waits_hears_a_sign_of_life() {
    let a = Upstream::start(&["m"]).await;
    let config = format!(
        "[server]\nkeep_alive = \"200ms\"\n[[backends]]\nname = \"a\"\nkind = \"openai\"\nbase_url = \"{}\"\n",
        a.url()
    );
    let gateway = Gateway::with_environment(&config, &[]).await;
    a.script([
        Behaviour::After(Duration::from_millis(700), Box::new(Behaviour::stream("m", &["fine"]))),
        Behaviour::After(Duration::from_millis(700), Box::new(Behaviour::error(400, "no such thing"))),
    ]);
    let (status, text) = ask(&gateway, &bodies(true)[0].1).await;
    assert_eq!(status, 200);
    assert!(text.starts_with(": keep-alive\n\n") && text.matches(": keep-alive").count() >= 2, "{text}");
    assert!(is_good(&text, true, "fine"), "{text}");
    // the status is gone: the error is an event
    let (status, text) = ask(&gateway, &bodies(true)[0].1).await;
    assert_eq!(status, 200);
    assert!(text.contains("no such thing") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn usage_is_estimated_where_nobody_counts() {
    let a = Upstream::start(&["m"]).await;
    let gateway = over(&[("a", &a)]).await;
    let finish =
        "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    a.script([Behaviour::Stream(vec![
        event("m", &"word ".repeat(80)),
        finish.to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ])]);
    let (status, _) = ask(&gateway, &bodies(true)[0].1).await;
    assert_eq!(status, 200);
    let metrics =
        gateway.client.get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    let line =
        metrics.lines().find(|l| l.starts_with("pointsman_tokens_total") && l.contains("output")).unwrap();
    let counted: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((90.0..=110.0).contains(&counted), "{line}");
}
