//! The files of `models/catalog`, as they are built into the binary.

use std::{collections::HashMap, sync::Arc};

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

files!();

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
    #[serde(rename = "open_weights", default)]
    _open_weights: bool,
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
    #[serde(rename = "sizes", default)]
    _sizes: Vec<String>,
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
    let priced = |row: prices::PriceRow| Some((row.key(), (row.price()?, origin.clone())));
    facts.prices = table.rows.into_iter().filter_map(priced).collect::<HashMap<_, _>>();
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
        document: document(None, None),
    };
    for line in file.lines {
        for model in line.models {
            let stated = Stated {
                kind: kind(model.kind.as_deref()),
                context: model.context,
                max_output: model.max_output,
                capabilities: model.capabilities,
                released: None,
                document: document(
                    model.source.or_else(|| line.source.clone()),
                    model.as_of.or_else(|| line.as_of.clone()),
                ),
            };
            facts.models.insert(key_of(&model.canonical), stated);
        }
        let stated = Stated {
            kind: kind(Some(line.kind.as_deref().unwrap_or("chat"))),
            context: line.context,
            max_output: line.max_output,
            capabilities: line.capabilities,
            released: line.released,
            document: document(line.source, line.as_of),
        };
        facts.lines.insert(line.line, stated);
    }
    facts.families.insert(file.family, stated);
}

fn kind(word: Option<&str>) -> Option<ModelKind> {
    word.map(|word| if word == "chat" { ModelKind::Chat } else { ModelKind::Other })
}
