//! From a hub to a routed request: pull, train, bench, use; and the hub's faults.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use pointsman_testkit::{Hub, HubFile};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::gateway::{Gateway, command};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const ID: &str = "lab/tiny-bert";
const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";
/// multilingual-e5-small, twelve layers and a sentence-piece tokenizer.
const E5: &str = "intfloat/multilingual-e5-small";
const MINILM_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

/// A one-layer encoder with arbitrary weights and the shipped tokenizer.
fn tiny_bert() -> (Vec<u8>, Value) {
    let (vocab, width, inner, positions) = (30_522, 24, 32, 64);
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![vocab, width]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![positions, width]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, width]),
    ];
    for (part, outputs, inputs) in [
        ("attention.self.query", width, width),
        ("attention.self.key", width, width),
        ("attention.self.value", width, width),
        ("attention.output.dense", width, width),
        ("intermediate.dense", inner, width),
        ("output.dense", width, inner),
    ] {
        shapes.push((format!("encoder.layer.0.{part}.weight"), vec![outputs, inputs]));
        shapes.push((format!("encoder.layer.0.{part}.bias"), vec![outputs]));
    }
    let layer = "encoder.layer.0";
    for norm in [
        "embeddings.LayerNorm".to_owned(),
        format!("{layer}.attention.output.LayerNorm"),
        format!("{layer}.output.LayerNorm"),
    ] {
        shapes.push((format!("{norm}.weight"), vec![width]));
        shapes.push((format!("{norm}.bias"), vec![width]));
    }
    let mut state = 7_u32;
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let ones = name.ends_with("LayerNorm.weight");
            let bytes = (0..shape.iter().product()).flat_map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = f32::from((state >> 16) as u16) / 65536.0 - 0.5;
                (if ones { 1.0 } else { value }).to_le_bytes()
            });
            let bytes = bytes.collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let config = json!({
        "model_type": "bert", "hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": inner, "max_position_embeddings": positions, "vocab_size": vocab,
        "layer_norm_eps": 1e-12, "pad_token_id": 0, "hidden_act": "gelu", "architectures": ["BertModel"],
    });
    (safetensors::serialize(views, None).unwrap(), config)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn files(weights: Vec<u8>, etag: String) -> BTreeMap<String, HubFile> {
    let (_, config) = tiny_bert();
    let tokenizer = fs::read(root().join("models/default/tokenizer.json")).unwrap();
    let small = |bytes: Vec<u8>, etag: &str| HubFile { bytes, etag: etag.repeat(40), large: false };
    [
        ("config.json", small(config.to_string().into_bytes(), "a")),
        ("tokenizer.json", small(tokenizer, "b")),
        ("model.safetensors", HubFile { bytes: weights, etag, large: true }),
    ]
    .map(|(name, file)| (format!("{ID}/{name}"), file))
    .into()
}

async fn hub(token: Option<&str>) -> Hub {
    let (weights, _) = tiny_bert();
    let etag = hex(&weights);
    Hub::start(files(weights, etag), COMMIT, token).await
}

async fn run(home: &TempDir, hub: &Hub, token: Option<&str>, args: &[&str]) -> Output {
    let mut command = command(home.path(), args);
    command
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_HOME", home.path().join("hf"))
        .env("HOME", home.path());
    if let Some(token) = token {
        command.env("HF_TOKEN", token);
    }
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn pulled_listed_trained_measured() {
    let (home, hub) = (TempDir::new().unwrap(), hub(None).await);
    let pulled: Value =
        serde_json::from_str(&said(&run(&home, &hub, None, &["embedder", "pull", ID, "--json"]).await))
            .unwrap();
    assert_eq!((&pulled["revision"], &pulled["from_hub"]), (&COMMIT.into(), &true.into()));
    let listed = said(&run(&home, &hub, None, &["embedder", "list"]).await);
    assert!(listed.contains(ID) && listed.contains("pointsman-fast"), "{listed}");

    let exemplars = root().join("models/exemplars");
    let exemplars = exemplars.to_str().unwrap();
    let train = ["train", "--embedder", ID, "--exemplars", exemplars, "--no-folds", "--views", "1"];
    let train = [&train[..], &["--hidden", "32", "--epochs", "2", "--out", "tiny"]].concat();
    let trained = said(&run(&home, &hub, None, &train).await);
    assert!(trained.contains("written to tiny"), "{trained}");
    let data = root().join("models/exemplars/variety.jsonl");
    let bench =
        ["bench", "classifier", "--embedder", "tiny", "fast", "--baseline", "majority", "keywords", "tfidf"];
    let data = data.to_str().unwrap();
    let bench =
        [&bench[..], &["--train", data, "--data", data, "--flips", "10", "--html", "r.html", "--json"]]
            .concat();
    let measured: Value = serde_json::from_str(&said(&run(&home, &hub, None, &bench).await)).unwrap();
    let names: Vec<&str> =
        measured.as_array().unwrap().iter().map(|m| m["contender"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny", "fast", "majority", "keywords", "tfidf"]);
    let accuracy = |i: usize| measured[i]["task"]["accuracy"].as_f64().unwrap();
    assert!(accuracy(1) > accuracy(3) && accuracy(4) > accuracy(2), "{measured}");
    assert!(measured[1]["flip_rate"].is_number() && measured[1]["task"]["bins"].is_array());
    let page = fs::read_to_string(home.path().join("r.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("truth"), "a page with plots");
}

#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
/// Real weights, where a script has put some and the variable says where.
fn real(id: &str, variable: &str, script: &str) -> Option<BTreeMap<String, HubFile>> {
    let folder = std::env::var(variable).unwrap_or_default();
    if folder.is_empty() {
        eprintln!("skipped: {variable} names no folder; {script} makes one");
        return None;
    }
    let file = |name: &str| {
        let bytes = fs::read(Path::new(&folder).join(name)).unwrap();
        let large = name.ends_with(".safetensors");
        let etag = if large { hex(&bytes) } else { hex(&bytes)[..40].to_owned() };
        (format!("{id}/{name}"), HubFile { bytes, etag, large })
    };
    Some(["config.json", "tokenizer.json", "model.safetensors"].map(file).into())
}

/// Every so manieth of the exemplars, of all files: enough for heads that work.
fn some_exemplars(folder: &Path, step: usize) {
    fs::create_dir(folder).unwrap();
    for entry in fs::read_dir(root().join("models/exemplars")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            let rows: Vec<&str> = text.lines().step_by(step).collect();
            fs::write(folder.join(path.file_name().unwrap()), rows.join("\n")).unwrap();
        }
    }
}

#[tokio::test]
async fn real_weights_come_from_the_hub_get_heads_and_go_live_under_load() {
    let Some(files) = real(MINILM, "POINTSMAN_MINILM", "scripts/minilm.sh") else { return };
    assert_eq!(files[&format!("{MINILM}/model.safetensors")].etag, MINILM_SHA256, "the weights that we know");
    let (home, hub) = (TempDir::new().unwrap(), Hub::start(files, COMMIT, None).await);
    let pull = ["embedder", "pull", MINILM, "--sha256", MINILM_SHA256];
    said(&run(&home, &hub, None, &pull).await);
    some_exemplars(&home.path().join("exemplars"), 5);
    let train = ["train", "--embedder", MINILM, "--exemplars", "exemplars", "--no-folds", "--views", "1"];
    said(&run(&home, &hub, None, &[&train[..], &["--out", "mini"]].concat()).await);
    let data = root().join("models/exemplars/professional.jsonl");
    let bench =
        ["bench", "classifier", "--embedder", "mini", "--held-out", "--flips", "0", "--json", "--data"];
    let bench = said(&run(&home, &hub, None, &[&bench[..], &[data.to_str().unwrap()]].concat()).await);
    let measured: Value = serde_json::from_str(&bench).unwrap();
    let accuracy = |head: &str| measured[0][head]["accuracy"].as_f64().unwrap();
    // the largest task is a fifth of the rows, the largest industry a quarter
    assert!(
        accuracy("task") > 0.5 && accuracy("industry") > 0.4,
        "{} {}",
        accuracy("task"),
        accuracy("industry")
    );

    let gateway = Gateway::demo_with_admin("k3y").await;
    let put = |artifact: PathBuf| {
        let request = gateway.client.put(format!("{}/admin/v1/embedder", gateway.url)).bearer_auth("k3y");
        request.body(json!({ "artifact": artifact }).to_string()).send()
    };
    // a prompt of which the fast tier is not sure
    let classify = || gateway.post("/v1/classify", r#"{"input":"make it rhyme less and count the stanzas"}"#);
    let asking = async {
        for _ in 0..40 {
            assert_eq!(classify().await.status(), 200);
        }
    };
    let swapping = async {
        for artifact in [home.path().join("mini"), root().join("models/deep"), home.path().join("mini")] {
            assert_eq!(put(artifact).await.unwrap().status(), 200);
        }
    };
    tokio::join!(asking, swapping);
    let url = format!("{}/admin/v1/embedder", gateway.url);
    let live = gateway.client.get(url).bearer_auth("k3y").send().await.unwrap().text().await.unwrap();
    assert!(live.contains(r#""tier":"deep""#) && live.contains("mini"), "{live}");
}

#[tokio::test]
async fn a_real_multilingual_encoder_comes_from_the_hub_and_reads_other_languages() {
    let Some(files) = real(E5, "POINTSMAN_E5", "scripts/multilingual.sh") else { return };
    let (home, hub) = (TempDir::new().unwrap(), Hub::start(files, COMMIT, None).await);
    said(&run(&home, &hub, None, &["embedder", "pull", E5]).await);
    some_exemplars(&home.path().join("exemplars"), 20);
    let train = ["train", "--embedder", E5, "--prefix", "query: ", "--exemplars", "exemplars", "--no-folds"];
    said(&run(&home, &hub, None, &[&train[..], &["--views", "1", "--out", "e5"]].concat()).await);
    let lines = fs::read_to_string(root().join("models/exemplars/european.jsonl")).unwrap();
    let rows: Vec<&str> = lines.lines().skip(4).step_by(9).collect();
    fs::write(home.path().join("unseen.jsonl"), rows.join("\n")).unwrap();
    let bench =
        ["bench", "classifier", "--embedder", "e5", "--flips", "0", "--json", "--data", "unseen.jsonl"];
    let measured: Value = serde_json::from_str(&said(&run(&home, &hub, None, &bench).await)).unwrap();
    let accuracy = measured[0]["task"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.4, "{accuracy} where the largest task is a fifth of the rows");

    let gateway = Gateway::demo_with_admin("k3y").await;
    let request = gateway.client.put(format!("{}/admin/v1/embedder", gateway.url)).bearer_auth("k3y");
    let body = json!({ "artifact": home.path().join("e5") }).to_string();
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    let answer = gateway.post("/v1/classify", r#"{"input":"réécris ça plus court, et plus drôle"}"#).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_hub_that_is_down_leaves_the_cache_and_a_broken_download_goes_on() {
    let (home, hub) = (TempDir::new().unwrap(), hub(None).await);
    let missing = complaint(&run(&home, &hub, None, &["embedder", "pull", ID, "--offline"]).await);
    assert!(missing.contains(ID) && missing.contains("not in the cache"), "{missing}");
    hub.break_downloads(1);
    said(&run(&home, &hub, None, &["embedder", "pull", ID]).await);
    let resumed = hub.seen().iter().any(|r| {
        let range = r.headers.iter().find(|(n, _)| n == "range").map_or("", |(_, v)| v.as_str());
        r.path.starts_with("/cdn/") && range.ends_with('-') && range != "bytes=0-"
    });
    assert!(resumed, "the second half only");
    let offline = said(&run(&home, &hub, None, &["embedder", "pull", ID, "--offline"]).await);
    assert!(offline.contains("from the cache"), "{offline}");
    let pinned = format!("{ID}@{COMMIT}");
    said(&run(&home, &hub, None, &["embedder", "pull", &pinned, "--offline"]).await);
    let mut down = command(home.path(), &["embedder", "pull", ID]);
    down.env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HOME", home.path().join("hf"));
    let down = down.output().await.unwrap();
    assert!(said(&down).contains("from the cache"));
    assert!(String::from_utf8_lossy(&down.stderr).contains("cannot be reached"), "it says so");
}

#[tokio::test]
async fn private_unknown_and_wrong_files_are_refused_by_name() {
    let (home, hub) = (TempDir::new().unwrap(), hub(Some("s3cret")).await);
    let refused = complaint(&run(&home, &hub, None, &["embedder", "pull", ID]).await);
    assert!(refused.contains("401") && refused.contains("HF_TOKEN"), "{refused}");
    said(&run(&home, &hub, Some("s3cret"), &["embedder", "pull", ID]).await);
    let unknown = complaint(&run(&home, &hub, Some("s3cret"), &["embedder", "pull", "lab/nothing"]).await);
    assert!(unknown.contains("lab/nothing") && unknown.contains("404"), "{unknown}");
    let odd = complaint(&run(&home, &hub, None, &["embedder", "pull", "../../etc"]).await);
    assert!(odd.contains("not a hub id"), "{odd}");
    let expected = ["embedder", "pull", ID, "--sha256", "00"];
    let other = complaint(&run(&home, &hub, Some("s3cret"), &expected).await);
    assert!(other.contains("model.safetensors") && other.contains("sha256"), "{other}");

    // a hub whose bytes are not those of its etag
    let home = TempDir::new().unwrap();
    let (mut weights, _) = tiny_bert();
    let etag = hex(&weights);
    let middle = weights.len() / 2;
    weights[middle] ^= 1;
    let liar = Hub::start(files(weights, etag), COMMIT, None).await;
    let wrong = complaint(&run(&home, &liar, None, &["embedder", "pull", ID]).await);
    assert!(wrong.contains("model.safetensors") && wrong.contains("sha256"), "{wrong}");
    let listed = said(&run(&home, &liar, None, &["embedder", "list"]).await);
    assert!(!listed.contains(ID), "what is wrong does not stay: {listed}");
}

#[tokio::test]
async fn an_artifact_is_checked_and_written_into_the_configuration() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("mine")).unwrap();
    for entry in fs::read_dir(root().join("models/default")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, home.path().join("mine").join(path.file_name().unwrap())).unwrap();
    }
    fs::write(home.path().join("pointsman.toml"), "# kept\n[classifier]\nqueue = 7\n").unwrap();
    said(&command(home.path(), &["embedder", "use", "mine"]).output().await.unwrap());
    let config = fs::read_to_string(home.path().join("pointsman.toml")).unwrap();
    assert!(
        config.contains("# kept") && config.contains("queue = 7") && config.contains("/mine\""),
        "{config}"
    );
    said(&command(home.path(), &["check"]).output().await.unwrap());
    said(&command(home.path(), &["embedder", "use", "default"]).output().await.unwrap());
    let config = fs::read_to_string(home.path().join("pointsman.toml")).unwrap();
    assert!(!config.contains("mine"), "{config}");
    fs::write(home.path().join("mine/heads.safetensors"), "junk").unwrap();
    let broken = complaint(&command(home.path(), &["embedder", "use", "mine"]).output().await.unwrap());
    assert!(broken.contains("heads.safetensors"), "{broken}");
    assert_eq!(fs::read_to_string(home.path().join("pointsman.toml")).unwrap(), config, "the old one stays");
}

#[tokio::test]
async fn a_running_server_swaps_its_embedder_without_losing_a_request() {
    let gateway = Gateway::demo_with_admin("k3y").await;
    let put = |key: &str, artifact: String| {
        let request = gateway.client.put(format!("{}/admin/v1/embedder", gateway.url)).bearer_auth(key);
        request.body(json!({ "artifact": artifact }).to_string()).send()
    };
    assert_eq!(put("wrong", "default".to_owned()).await.unwrap().status(), 401);
    let closed = Gateway::demo().await;
    let url = format!("{}/admin/v1/embedder", closed.url);
    assert_eq!(closed.client.get(url).bearer_auth("").send().await.unwrap().status(), 403);

    let asking = async {
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..120 {
            let body = json!({ "input": format!("write a poem about the number {i}") }).to_string();
            let response = gateway.post("/v1/classify", body).await;
            assert_eq!(response.status(), 200);
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            seen.insert(answer["embedder"].as_str().unwrap().to_owned());
        }
        seen
    };
    let swapping = async {
        let missing = put("k3y", "/no/such/folder".to_owned()).await.unwrap();
        assert_eq!(missing.status(), 400);
        assert!(missing.text().await.unwrap().contains("/no/such/folder"));
        // another revision of the same embedder: only its configuration differs
        let folder = TempDir::new().unwrap();
        for entry in fs::read_dir(root().join("models/default")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let config = fs::read_to_string(folder.path().join("config.json")).unwrap();
        let renamed = config.replace("pointsman-fast", "swapped-in");
        fs::write(folder.path().join("config.json"), &renamed).unwrap();
        let manifest = fs::read_to_string(folder.path().join("manifest.json")).unwrap();
        let manifest = manifest.replace(&hex(config.as_bytes()), &hex(renamed.as_bytes()));
        fs::write(folder.path().join("manifest.json"), manifest).unwrap();
        let swapped = put("k3y", folder.path().display().to_string()).await.unwrap();
        assert_eq!(swapped.status(), 200);
        let swapped: Value = serde_json::from_str(&swapped.text().await.unwrap()).unwrap();
        assert_eq!(swapped["embedder"]["name"], "swapped-in");
    };
    let (seen, ()) = tokio::join!(asking, swapping);
    assert!(seen.iter().any(|id| id.starts_with("pointsman-fast")), "{seen:?}");
    let after = gateway.post("/v1/classify", r#"{"input":"write a poem"}"#).await.text().await.unwrap();
    assert!(after.contains("swapped-in@"), "{after}");
}
