//! The commands that need no server.

use std::{fs, process::Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{command, run};

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn every_command_has_help() {
    for args in [
        vec!["--help"],
        vec!["serve", "--help"],
        vec!["route", "--help"],
        vec!["classify", "--help"],
        vec!["models", "--help"],
        vec!["check", "--help"],
        vec!["models", "show", "--help"],
        vec!["catalog", "refresh", "--help"],
        vec!["train", "--help"],
        vec!["bench", "classifier", "--help"],
        vec!["bench", "routing", "--help"],
        vec!["bench", "latency", "--help"],
        vec!["embedder", "list", "--help"],
        vec!["embedder", "pull", "--help"],
        vec!["embedder", "use", "--help"],
    ] {
        let help = text(&run(&args).await);
        assert!(help.contains("Usage: pointsman"), "{help}");
        assert!(args.len() == 1 || help.contains("--json"), "{help}");
    }
}

#[tokio::test]
async fn route_shows_the_decision_with_reasons() {
    let shown = text(&run(&["route", "Write a SQL query that finds duplicate orders"]).await);
    assert!(
        shown.contains("simulated") && shown.contains("task data") && shown.contains("demo-code"),
        "{shown}"
    );
    let record: Value =
        serde_json::from_str(&text(&run(&["route", "--json", "--demo", "hello there"]).await)).unwrap();
    assert_eq!(record["forms"], json!(["auto"]));
    assert!(record["candidates"].as_array().unwrap().len() == 3, "{record}");
    let unknown = run(&["route", "--model", "demo-coed", "x"]).await;
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("demo-code"));
}

#[tokio::test]
async fn classify_reads_rows_and_prints_one_object_a_line_in_order() {
    let folder = TempDir::new().unwrap();
    let prompts = ["fix this python traceback", "translate to german: good night", "", "hi!"];
    let rows: String = prompts
        .iter()
        .map(|p| serde_json::json!({ "text": p, "task": null, "x": 1 }).to_string() + "\n")
        .collect();
    fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let output =
        command(folder.path(), &["classify", "--jsonl", "rows.jsonl", "--json"]).output().await.unwrap();
    let lines: Vec<Value> = text(&output).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), prompts.len());
    let keys: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["task", "task_confidence", "industry", "industry_confidence", "abstained", "probs"]);
    assert_eq!((&lines[0]["task"], &lines[1]["task"]), (&"code".into(), &"translation".into()));
    assert_eq!(lines[2]["abstained"], true);
    let one = text(&run(&["classify", "what is the capital of France?"]).await);
    assert!(one.contains("industry") && one.contains("knowledge"), "{one}");
}

#[tokio::test]
async fn models_and_check() {
    let listed = text(&run(&["models", "--demo"]).await);
    assert!(listed.contains("demo-local") && listed.contains("free"), "{listed}");
    let json: Value = serde_json::from_str(&text(&run(&["models", "--demo", "--json"]).await)).unwrap();
    assert_eq!(json["models"].as_array().unwrap().len(), 3);
    assert!(text(&run(&["check"]).await).starts_with("ok"));
}

#[tokio::test]
async fn a_model_is_shown_with_who_says_what() {
    let folder = TempDir::new().unwrap();
    let output = command(folder.path(), &["models", "show", "demo-code", "--demo"]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("price") && text.contains("config"), "{text}");
    let output =
        command(folder.path(), &["models", "show", "demo-code", "--demo", "--json"]).output().await.unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown[0]["about"]["origins"]["context"]["from"], "config");
    let output = command(folder.path(), &["models", "show", "demo-cod", "--demo"]).output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean"), "the nearest name");
}

#[tokio::test]
async fn prices_are_refreshed_from_public_lists_and_used() {
    let folder = TempDir::new().unwrap();
    let table = r#"{"sample_spec":{"mode":"chat"},
        "gpt-4o":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-6,"output_cost_per_token":4e-6,
          "cache_read_input_token_cost":5e-7,"max_input_tokens":128000,"supports_vision":true},
        "openai/nobody-knows":{"litellm_provider":"openai","mode":"chat"},
        "text-embedding-3-small":{"litellm_provider":"openai","mode":"embedding","input_cost_per_token":2e-8}}"#;
    fs::write(folder.path().join("table.json"), table).unwrap();
    let args = ["catalog", "refresh", "--from", "table.json", "--json"];
    let output = command(folder.path(), &args).output().await.unwrap();
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&counts["prices"], &counts["unpriced"]), (&json!(1), &json!(2)), "{counts}");
    let written = fs::read_to_string(folder.path().join("prices.toml")).unwrap();
    assert!(written.contains("input = 1.0, output = 4.0, cached_input = 0.5, context = 128000"), "{written}");

    let config = "[catalog]\nprices = \"prices.toml\"\n[[backends]]\nname = \"o\"\nkind = \"openai\"\ndiscover = false\n\
                  base_url = \"https://api.openai.com/v1\"\nmodels = [{ id = \"gpt-4o\" }]\n";
    fs::write(folder.path().join("pointsman.toml"), config).unwrap();
    let output = command(folder.path(), &["models", "show", "gpt-4o", "--json"]).output().await.unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown[0]["price"]["input"], 1_000_000, "{shown}");
    assert_eq!(shown[0]["about"]["origins"]["price"]["from"], "refreshed");

    fs::write(folder.path().join("prices.toml"), "prices = 7").unwrap();
    let output = command(folder.path(), &["check"]).output().await.unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("prices.toml"), "{said}");
}

/// Two models that know one subject each, and one that knows both and costs ten times as much.
fn outcomes(folder: &TempDir) -> std::path::PathBuf {
    let topics = [
        "a poem about the sea",
        "a Python function that sorts a list",
        "autumn leaves in verse",
        "a bug in this Rust code",
    ];
    let row = |i: usize| {
        let poem = (i % 4).is_multiple_of(2);
        let score = |right: bool| if right { 1.0 } else { 0.0 };
        json!({
            "text": format!("Write {} for reader number {i}", topics[i % 4]),
            "scores": { "poet": score(poem), "coder": score(!poem), "sage": score(!i.is_multiple_of(10)) },
            "cost_usd": { "poet": 0.001, "coder": 0.001, "sage": 0.01 },
        })
    };
    let rows: Vec<String> = (0..240).map(|i| row(i).to_string()).collect();
    let file = folder.path().join("outcomes.jsonl");
    fs::write(&file, rows.join("\n")).unwrap();
    file
}

#[tokio::test]
async fn routing_is_measured_against_baselines() {
    let folder = TempDir::new().unwrap();
    let (file, page) = (outcomes(&folder), folder.path().join("r.html"));
    let bench = ["bench", "routing", "--embedder", "fast", "--data", file.to_str().unwrap()];
    let shown = text(&run(&bench).await);
    assert!(shown.contains("best single sage") && shown.contains("routing pays: `ours"), "{shown}");
    let args = [&bench[..], &["--json", "--html", page.to_str().unwrap()]].concat();
    let parts: Value = serde_json::from_str(&text(&run(&args).await)).unwrap();
    let names: Vec<&str> = parts.as_array().unwrap().iter().map(|p| p["part"].as_str().unwrap()).collect();
    assert_eq!(names, ["cross-validated", "test"]);
    for part in parts.as_array().unwrap() {
        let line = |policy: &str| {
            part["lines"].as_array().unwrap().iter().find(|l| l["policy"] == policy).unwrap().clone()
        };
        let ours = line("ours, same score");
        assert!(ours["score"].as_f64().unwrap() > 0.9 && ours["saving"].as_f64().unwrap() > 0.5, "{ours}");
        assert!((line("random")["score"].as_f64().unwrap() - 0.63).abs() < 0.03, "{}", line("random"));
        assert!(line("oracle")["share_of_oracle"].as_f64().unwrap() > 0.999);
        assert!(part["curve"].as_array().unwrap().len() > 100);
    }
    assert!(fs::read_to_string(page).unwrap().contains("<svg"));

    for (rows, said) in [
        ("not json\n".to_owned(), "outcomes.jsonl:1"),
        (json!({ "text": "x", "scores": { "a": 2.0 } }).to_string(), "not between 0 and 1"),
        (json!({ "text": "x", "scores": { "a": 1.0 } }).to_string(), "too few"),
        (
            vec![json!({ "text": "x", "scores": { "a": 1.0, "b": 0.0 } }).to_string(); 30].join("\n"),
            "no price",
        ),
    ] {
        fs::write(&file, rows).unwrap();
        let refused = run(&bench).await;
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && complaint.contains(said), "{complaint}");
    }
}

#[tokio::test]
async fn the_decision_path_is_measured() {
    let measured: Value =
        serde_json::from_str(&text(&run(&["bench", "latency", "--requests", "12", "--json"]).await)).unwrap();
    let forms: Vec<&str> = measured.as_array().unwrap().iter().map(|m| m["form"].as_str().unwrap()).collect();
    assert_eq!(forms[0], "auto");
    assert!(measured[0]["p50_us"].as_f64().unwrap() > 0.0 && measured[0]["requests"] == 12);
}
