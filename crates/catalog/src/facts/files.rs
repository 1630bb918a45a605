//! The files of `models/catalog`, as they are built into the binary.

use std::sync::Arc;

use pointsman_types::{Document, ModelKind, Origin};
use serde::Deserialize;

use super::{Facts, Stated, key_of, prices, quality};
use crate::CatalogError;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Family files by name; a test holds the list against the folder.
        pub(super) const FAMILIES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../../models/catalog/families/", $name, ".toml")))),*
        ];
    };
}

files!(
    "aya",
    "claude",
    "command",
    "dbrx",
    "deepseek",
    "embed",
    "ernie",
    "exaone",
    "falcon",
    "gemini",
    "gemma",
    "glm",
    "gpt",
    "gpt-oss",
    "granite",
    "grok",
    "hermes",
    "hunyuan",
    "internlm",
    "jamba",
    "kimi",
    "llama",
    "minimax",
    "mistral",
    "nemotron",
    "nova",
    "o-series",
    "olmo",
    "openai-embedding",
    "phi",
    "qwen",
    "seed",
    "smollm",
    "solar",
    "sonar",
    "starcoder",
    "step",
    "yi",
);

const QUALITY: &str = include_str!("../../../../models/catalog/quality.toml");
const PRICES: &str = include_str!("../../../../models/catalog/prices.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyFile {
    family: String,
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "vendor")]
    _vendor: String,
    #[serde(default)]
    open_weights: bool,
    source: String,
    as_of: String,
    #[serde(default)]
    defaults: Entry,
    #[serde(default)]
    lines: Vec<LineEntry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Option<String>,
    capabilities: Option<Vec<String>>,
    context: Option<u64>,
    max_output: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineEntry {
    line: String,
    released: Option<String>,
    kind: Option<String>,
    capabilities: Option<Vec<String>>,
    context: Option<u64>,
    max_output: Option<u64>,
    #[serde(default)]
    sizes: Vec<String>,
    #[serde(rename = "default_size")]
    _default_size: Option<String>,
    source: Option<String>,
    as_of: Option<String>,
    #[serde(default)]
    models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelEntry {
    canonical: String,
    kind: Option<String>,
    capabilities: Option<Vec<String>>,
    context: Option<u64>,
    max_output: Option<u64>,
    source: Option<String>,
    as_of: Option<String>,
}

pub(super) fn shipped() -> Result<Facts, CatalogError> {
    let mut facts = Facts::default();
    for (name, text) in FAMILIES {
        let wrong = |why: String| CatalogError::Facts { file: format!("families/{name}.toml"), why };
        let file: FamilyFile = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        add(&mut facts, file);
    }
    let wrong = |file: &str, why: String| CatalogError::Facts { file: file.to_owned(), why };
    facts.qualities = quality::read(QUALITY).map_err(|why| wrong("quality.toml", why))?;
    let table = prices::read(PRICES).map_err(|why| wrong("prices.toml", why))?;
    let origin = Origin::Shipped(Arc::new(table.document));
    facts.add_offers(table.rows, &origin);
    Ok(facts)
}

fn add(facts: &mut Facts, file: FamilyFile) {
    let document = |source: Option<String>, as_of: Option<String>| {
        Some(Arc::new(Document {
            source: source.unwrap_or_else(|| file.source.clone()),
            as_of: as_of.unwrap_or_else(|| file.as_of.clone()),
        }))
    };
    let stated = Stated {
        kind: kind(file.defaults.kind.as_deref()),
        context: file.defaults.context,
        max_output: file.defaults.max_output,
        capabilities: file.defaults.capabilities,
        released: None,
        sizes: Vec::new(),
        hosted: !file.open_weights,
        document: document(None, None),
    };
    for line in file.lines {
        for model in line.models {
            let stated = Stated {
                kind: kind(model.kind.as_deref()),
                context: model.context,
                max_output: model.max_output,
                capabilities: model.capabilities,
                document: document(
                    model.source.or_else(|| line.source.clone()),
                    model.as_of.or_else(|| line.as_of.clone()),
                ),
                ..Stated::default()
            };
            facts.models.insert(key_of(&model.canonical), stated);
        }
        let stated = Stated {
            kind: kind(Some(line.kind.as_deref().unwrap_or("chat"))),
            context: line.context,
            max_output: line.max_output,
            capabilities: line.capabilities,
            released: line.released,
            sizes: line.sizes,
            hosted: false,
            document: document(line.source, line.as_of),
        };
        facts.lines.insert(line.line, stated);
    }
    facts.families.insert(file.family, stated);
}

fn kind(word: Option<&str>) -> Option<ModelKind> {
    word.map(|word| if word == "chat" { ModelKind::Chat } else { ModelKind::Other })
}

#[cfg(test)]
mod tests {
    use pointsman_names::identify;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_read_and_names_its_family() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/catalog/families");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".toml").to_owned())
            .collect();
        there.sort();
        let built_in: Vec<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
        assert_eq!(there, built_in);
        let (mut found, mut all) = (0, 0);
        for (name, text) in FAMILIES {
            let file: FamilyFile = toml::from_str(text).unwrap();
            assert_eq!(file.family, *name);
            for line in &file.lines {
                // a line that is told apart by a variant only (`aya-vision`) is not found by its name alone
                let identity = identify(&line.line);
                found += usize::from(
                    identity.line == line.line && identity.family.as_deref() == Some(file.family.as_str()),
                );
                all += 1;
            }
        }
        assert!(found * 100 >= all * 90, "{found} of {all}");
    }

    #[test]
    fn the_shipped_facts_know_the_usual_models() {
        let facts = shipped().unwrap();
        let [families, lines, offers, qualities] = facts.counts();
        assert!(families >= 30 && lines >= 140 && offers > 1000 && qualities > 250, "{:?}", facts.counts());
        for (name, provider) in [
            ("gpt-4o", Some("openai")),
            ("claude-sonnet-4-5-20250929", Some("anthropic")),
            ("gemini-2.5-flash", Some("gemini")),
            ("llama3.1:8b", None),
            ("Qwen/Qwen2.5-Coder-7B-Instruct", None),
            ("mixtral:8x7b", None),
        ] {
            let known = facts.of(&identify(name), provider);
            assert!(known.context.is_some() && known.quality.is_some(), "{name}: {known:?}");
            assert_eq!(known.price.is_some(), provider.is_some(), "{name}");
        }
        let unknown = facts.of(&identify("my-finetune-v3"), Some("openai"));
        assert!(unknown.price.is_none() && unknown.quality.is_none() && unknown.context.is_none());
        assert_eq!(facts.published_size("qwen2.5-coder", "7.6B").as_deref(), Some("7b"));
        assert_eq!(facts.published_size("qwen2.5-coder", "70B"), None);
    }
}
