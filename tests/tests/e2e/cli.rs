//! The commands that need no server.

use std::{fs, process::Output};

use serde_json::Value;
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
        vec!["train", "--help"],
        vec!["bench", "classifier", "--help"],
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
    assert_eq!(record["form"], "auto");
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
    assert_eq!(keys, ["abstained", "industry", "industry_confidence", "probs", "task", "task_confidence"]);
    assert_eq!((&lines[0]["task"], &lines[1]["task"]), (&"code".into(), &"translation".into()));
    assert_eq!(lines[2]["abstained"], true);
    let first = text(&output).lines().next().unwrap().to_owned();
    assert!(first.starts_with("{\"task\":"), "the documented order: {first}");
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
