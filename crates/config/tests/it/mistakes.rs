//! Every mistake of a file in one report, each with its line and key.

use std::fs;

use insta::assert_snapshot;
use pointsman_config::Severity;

use crate::{example, load, report, report_under, without_folder};

#[test]
fn a_file_with_many_mistakes_gets_all_of_them_reported_at_once() {
    assert_snapshot!(report(MANY), @r##"
    pointsman.toml:2: listen: `everywhere` is not an address and a port, for example 127.0.0.1:8080
    pointsman.toml:3: worker_threads: unknown key; valid here: listen, backends, industries, aliases, policy, sessions, outcomes, learning, classifier, catalog, server, keys, retries, breakers, hedging, classes, rules
    pointsman.toml:5: backends[0].base_url: missing
    pointsman.toml:7: backends[0].kind: unknown kind `opnai`; valid: openai, litellm, ollama, vllm, llamacpp, openrouter, anthropic, gemini
    pointsman.toml:8: backends[0].bse_url: unknown key; did you mean `base_url`?
    pointsman.toml:9: backends[0].local: expected true or false, found a string
    pointsman.toml:10: backends[0].max_concurrency: 0 is not between 1 and 100000
    pointsman.toml:11: backends[0].timeouts.connect: `1 fortnight` is no duration (unknown time unit "fortnight", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)); for example "250ms" or "1m 30s"
    pointsman.toml:11: backends[0].timeouts.first_byte: warning: longer than total, which ends the attempt first
    pointsman.toml:11: backends[0].timeouts.idel: unknown key; did you mean `idle`?
    pointsman.toml:14: backends[1].name: there is a backend named `lab` above already
    pointsman.toml:16: backends[1].base_url: credentials do not belong in a URL: put the name of an environment variable under api_key_env
    pointsman.toml:17: backends[1].api_key: secrets do not belong in this file: put the name of an environment variable under api_key_env
    pointsman.toml:18: backends[1].accept: expected an array, found a string
    pointsman.toml:21: backends[2].name: a name has at most 64 letters, digits, `-`, `_` and `.`
    pointsman.toml:23: backends[2].base_url: a base URL starts with http:// or https://
    pointsman.toml:24: backends[2].api_key_env: looks like a key: give the name of an environment variable that holds it, never the secret
    pointsman.toml:26: backends[2].models[0].price.output: missing
    pointsman.toml:26: backends[2].models[0].capabilities[1]: unknown capability `sight`; valid: vision, tools, json, reasoning
    pointsman.toml:26: backends[2].models[0].quality.code: 1.6 is not between 0 and 1
    pointsman.toml:26: backends[2].models[0].quality.cooking: unknown task `cooking`; valid: code, math, reasoning, knowledge, creative, summarization, translation, extraction, data, tool_use, chat
    pointsman.toml:27: backends[2].models[1].aliases[0]: `a` names another model of this backend already
    pointsman.toml:27: backends[2].models[1].aliases[1]: `auto` is a virtual model and cannot be the name of a real one
    pointsman.toml:27: backends[2].models[1].context: 0 is not between 1 and 1000000000
    pointsman.toml:27: backends[2].models[1].price.input: -1.0 is not between 0 and 100000
    pointsman.toml:28: backends[2].models[2].id: missing
    pointsman.toml:28: backends[2].models[2].max_output: expected a whole number, found a float
    pointsman.toml:32: aliases.one: an alias that leads back to itself: one -> two -> three -> one
    pointsman.toml:33: aliases.two: an alias that leads back to itself: two -> three -> one -> two
    pointsman.toml:34: aliases.three: an alias that leads back to itself: three -> one -> two -> three
    pointsman.toml:35: aliases.self: an alias that leads back to itself: self -> self
    pointsman.toml:36: aliases.auto: not a name that an alias can have: virtual models keep their meaning
    pointsman.toml:37: aliases.lawyer: unknown industry `law`; valid: code, creative, data, education, finance, general, healthcare, legal, sales, support
    pointsman.toml:38: aliases.number: expected a string, found an integer
    pointsman.toml:41: policy.weights: quality, cost and latency are all 0: nothing would tell one model from another
    pointsman.toml:41: policy.weights.luck: unknown key; valid here: quality, cost, latency, errors
    pointsman.toml:42: policy.cost_scale_usd: the scale is logarithmic: 0 < lower end < upper end
    pointsman.toml:43: policy.latency_scale_ms: expected two numbers, the lower end and the upper end
    pointsman.toml:44: policy.unknown_cost: 1.5 is not between 0 and 1
    pointsman.toml:45: policy.prior_ttft_ms: expected a number, found a string
    pointsman.toml:46: policy.expected_output.code: 0 is not between 1 and 1000000
    pointsman.toml:46: policy.expected_output.poetry: unknown task `poetry`; valid: code, math, reasoning, knowledge, creative, summarization, translation, extraction, data, tool_use, chat
    pointsman.toml:49: classifier.embedder: `no/such/folder` is neither "default" nor a folder with an embedder
    pointsman.toml:50: classifier.mode: unknown mode `slow`; known: "fast", "deep", "cascade"
    pointsman.toml:51: classifier.deadline: expected a duration in quotes, for example "250ms", found an integer
    pointsman.toml:52: classifier.queue: -1 is not between 1 and 1000000
    pointsman.toml:55: catalog.refresh: 0s is not between 1s and 1day
    pointsman.toml:56: catalog.timeout: `abc` is no duration (expected number at 0); for example "250ms" or "1m 30s"
    pointsman.toml:59: server.body_limit_bytes: 0 is not between 1024 and 1073741824
    pointsman.toml:60: server.keys: gateway keys are `[[keys]]` tables, or the hash file that `keys_file` names
    pointsman.toml:61: server.grace: 1 year is not between 0s and 1day
    pointsman.toml:65: rules[0].when.tokens.min: -1 is not between 0 and 1000000000
    pointsman.toml:65: rules[0].when.task: unknown task `cooking`; valid: code, math, reasoning, knowledge, creative, summarization, translation, extraction, data, tool_use, chat
    pointsman.toml:65: rules[0].when.hours: `9-5` are no hours; for example "22:00-06:00"
    pointsman.toml:65: rules[0].when.days: unknown day `sunday`; known: mon, tue, wed, thu, fri, sat, sun
    pointsman.toml:65: rules[0].when.pattern: no regular expression: unclosed group
    pointsman.toml:65: rules[0].when.mood: unknown key; valid here: tokens, keywords, pattern, task, industry, needs, tags, keys, hours, days
    pointsman.toml:66: rules[0].use[0]: unknown industry `law`; valid: code, creative, data, education, finance, general, healthcare, legal, sales, support
    pointsman.toml:68: rules[1]: neither `use` nor `pool`: it would change nothing
    pointsman.toml:69: rules[1].name: there is a rule `later` already
    pointsman.toml:72: industries.Big Oil: a tag is up to 64 small letters, digits, `-` and `_`
    pointsman.toml:73: industries.legal[0]: a list of a trade names models, not `auto`
    pointsman.toml:73: industries.legal[1]: expected a string, found an integer
    pointsman.toml:76: sessions.capacity: 0 is not between 1 and 10000000
    pointsman.toml:79: learning.enabled: expected true or false, found a string
    pointsman.toml:83: classes[0].examples: at least 3 examples
    pointsman.toml:83: classes[0].examples[1]: empty
    pointsman.toml:84: classes[0].task: unknown task `cooking`; valid: code, math, reasoning, knowledge, creative, summarization, translation, extraction, data, tool_use, chat
    pointsman.toml:85: classes[0].threshold: 2.0 is not between 0 and 1
    pointsman.toml:87: classes[1].examples: missing
    pointsman.toml:88: classes[1].name: a class is named by up to 64 letters, digits, `-`, `_` and `.`
    "##);
}

const MANY: &str = r#"
listen = "everywhere"
worker_threads = 4

[[backends]]
name = "lab"
kind = "opnai"
bse_url = "http://127.0.0.1:9100/v1"
local = "yes"
max_concurrency = 0
timeouts = { connect = "1 fortnight", first_byte = "30s", total = "10s", idel = "3s" }

[[backends]]
name = "lab"
kind = "vllm"
base_url = "http://me:hunter2@gpu:8000"
api_key = "hunter2"
accept = "ft:*"

[[backends]]
name = "cloud 9"
kind = "gemini"
base_url = "gpu:8000"
api_key_env = "sk-hunter2"
models = [
  { id = "a", price = { input = 1.0 }, capabilities = ["tools", "sight"], quality = { code = 1.6, cooking = 0.1 } },
  { id = "b", aliases = ["a", "auto"], context = 0, price = { input = -1.0, output = 2 } },
  { upstream_id = "c", max_output = 1.5 },
]

[aliases]
one = "two"
two = "three"
three = "one"
self = "self"
auto = "one"
lawyer = "industry:law"
number = 3

[policy]
weights = { quality = 0, cost = 0, latency = 0, luck = 1 }
cost_scale_usd = [1.0, 0.1]
latency_scale_ms = [100]
unknown_cost = 1.5
prior_ttft_ms = "800ms"
expected_output = { code = 0, poetry = 10 }

[classifier]
embedder = "no/such/folder"
mode = "slow"
deadline = 50
queue = -1

[catalog]
refresh = "0s"
timeout = "abc"

[server]
body_limit_bytes = 0
keys = ["hunter2"]
grace = "1 year"

[[rules]]
name = "later"
when = { tokens = { min = -1 }, task = "cooking", hours = "9-5", days = "sunday", pattern = "(", mood = 1 }
use = ["industry:law", "auto"]

[[rules]]
name = "later"

[industries]
"Big Oil" = ["m"]
legal = ["auto", 7]

[sessions]
capacity = 0

[learning]
enabled = "yes"

[[classes]]
name = "returns"
examples = ["where is my refund", "", "I want to send it back"]
task = "cooking"
threshold = 2.0

[[classes]]
name = "with spaces"
"#;

#[test]
fn broken_lines_are_reported_with_what_is_wrong_elsewhere() {
    let text = "\
listen = everywhere
[[backends]]
name = \"a\"
name = \"b\"
kind = \"vllm\"
[server]
grce = \"1s\"
grace = 1s
";
    assert_snapshot!(report(text), @r"
    pointsman.toml:1: string values must be quoted, expected literal string
    pointsman.toml:4: duplicate key `name`
    pointsman.toml:7: server.grce: unknown key; did you mean `grace`?
    pointsman.toml:8: string values must be quoted, expected literal string
    ");
    // a broken header takes its section along: what may well be there is not called missing
    assert_snapshot!(
        report("[[backends]\nname = 'a'\n"),
        @"pointsman.toml:1: unclosed array table, expected `]`"
    );
}

#[test]
fn secrets_are_never_repeated() {
    let backend = |line: &str| format!("[[backends]]\nname = 'a'\nkind = 'openai'\n{line}\n");
    for line in [
        "base_url = 'http://me:hunter2@host/v1'",
        "base_url = 'hunter2'",
        "base_url = 'http://host/v1?key=hunter2'",
        "base_url = 'http://host'\napi_key = 'hunter2'",
        "base_url = 'http://host'\ntoken = 'hunter2'",
        "base_url = 'http://host'\napi_key_env = 'sk-hunter2'",
        "base_url = 'http://host'\napi_key_env = 'AIzaSyhunter2hunter2hunter2hunter2'",
    ] {
        let report = report(&backend(line));
        assert!(!report.contains("hunter2"), "{report}");
        assert!(!report.is_empty());
    }
    let unsendable = report_under(
        &backend("base_url = 'http://host'\napi_key_env = 'LAB'"),
        &[("LAB", "hunter2\r\nx: y")],
    );
    assert_snapshot!(unsendable, @"pointsman.toml:5: backends[0].api_key_env: the value of LAB holds characters that cannot be sent in a header");
    let config =
        load(&backend("base_url = 'http://host'\napi_key_env = 'LAB'"), &[("LAB", "hunter2")]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn warnings_do_not_stop_the_start() {
    let config = load(
        "[[backends]]\nname = 'a'\nkind = 'openai'\nbase_url = 'http://host'\napi_key_env = 'LAB'\ndiscover = false\n",
        &[("LAB", "  ")],
    )
    .unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(|w| without_folder(&w.to_string())).collect();
    assert_snapshot!(warnings.join("\n"), @r"
    pointsman.toml:1: backends[0]: warning: serves nothing: discover is false and there are neither models nor accept
    pointsman.toml:5: backends[0].api_key_env: warning: LAB is not set: requests to this backend carry no key
    ");
    assert!(config.warnings.iter().all(|w| w.severity == Severity::Warning));
    assert!(config.backends[0].api_key.is_none());
}

#[test]
fn every_section_refuses_keys_it_does_not_know() {
    for (text, line) in [
        ("wrong_key = 1", 1),
        ("[[backends]]\nwrong_key = 1", 2),
        ("[[backends]]\n[backends.timeouts]\nwrong_key = 1", 3),
        ("[[backends]]\n[[backends.models]]\nwrong_key = 1", 3),
        ("[[backends]]\n[[backends.models]]\nprice.wrong_key = 1", 3),
        ("[[backends]]\n[[backends.models]]\nquality.wrong_key = 1", 3),
        ("[policy]\nwrong_key = 1", 2),
        ("[policy]\nweights.wrong_key = 1", 2),
        ("[policy]\nexpected_output.wrong_key = 1", 2),
        ("[classifier]\nwrong_key = 1", 2),
        ("[catalog]\nwrong_key = 1", 2),
        ("[server]\nwrong_key = 1", 2),
    ] {
        let error = load(text, &[]).unwrap_err();
        let found = error.problems().iter().find(|p| p.key.ends_with("wrong_key"));
        assert_eq!(found.and_then(|p| p.line), Some(line), "{text}:\n{error}");
    }
}

#[test]
fn a_scalar_in_the_place_of_a_table_is_a_type_error() {
    for key in [
        "backends",
        "aliases",
        "policy",
        "classifier",
        "catalog",
        "server",
        "sessions",
        "learning",
        "outcomes",
    ] {
        let report = report(&format!("{key} = 1\n"));
        assert!(report.starts_with(&format!("pointsman.toml:1: {key}: expected a")), "{report}");
    }
}

/// Cut anywhere, as an editor that saves half a file does, and with each line left out or said twice: whatever
/// comes out is a configuration or a report whose places are in the file.
#[test]
fn no_damage_to_a_file_breaks_the_reader() {
    let whole = fs::read_to_string(example()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let cut = (0..whole.len())
        .step_by(17)
        .filter(|at| whole.is_char_boundary(*at))
        .map(|at| whole[..at].to_owned());
    let without = (0..lines.len()).map(|at| [&lines[..at], &lines[at + 1..]].concat().join("\n"));
    let twice = (0..lines.len()).map(|at| [&lines[..=at], &lines[at..]].concat().join("\n"));
    let (mut good, mut bad) = (0, 0);
    for text in cut.chain(without).chain(twice) {
        match load(&text, &[("LAB_KEY", "k")]) {
            Ok(_) => good += 1,
            Err(error) => {
                bad += 1;
                assert!(error.problems().iter().any(|p| p.severity == Severity::Error), "{text}");
                for problem in error.problems() {
                    let line = problem.line.expect("a line");
                    assert!((1..=text.lines().count() + 1).contains(&line), "{problem} in\n{text}");
                }
            }
        }
    }
    assert!(good > 100 && bad > 100, "{good} good, {bad} bad");
}

#[test]
fn an_admin_key_that_is_a_gateway_key_too_is_refused() {
    let keys = "[[keys]]\nname = \"a\"\nenv = \"A\"\n[[keys]]\nname = \"b\"\nenv = \"B\"\n";
    let variables = [("A", "one"), ("B", "two"), ("POINTSMAN_ADMIN_KEY", "two")];
    assert_snapshot!(report_under(keys, &variables), @"environment: POINTSMAN_ADMIN_KEY: it is the gateway key `b` too: whoever holds that would be an admin");
    assert!(load(keys, &[("A", "one"), ("B", "two"), ("POINTSMAN_ADMIN_KEY", "three")]).is_ok());
}

#[test]
fn the_longest_body_fits_into_what_all_may_take() {
    let text = "[server]\nbody_limit_bytes = 4096\nmax_buffered_bytes = 2048\n";
    assert_snapshot!(report(text), @"pointsman.toml:3: server.max_buffered_bytes: less than body_limit_bytes, 4096: the longest body could never be read");
}
