//! The curated lists of models per trade (`models/catalog/industries.toml`).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Tags and their models, the best first. A model is named by its canonical id or by its line, which stands for all
/// its sizes.
pub type Industries = BTreeMap<String, Vec<String>>;

const FILE: &str = include_str!("../../../models/catalog/industries.toml");

#[derive(Deserialize)]
struct File {
    industry: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    tag: String,
    prefer: Vec<String>,
}

/// The shipped lists. Empty, with a line in the log, where they cannot be read: a test reads them.
pub fn industries() -> Industries {
    match toml::from_str::<File>(FILE) {
        Ok(file) => file.industry.into_iter().map(|row| (row.tag, row.prefer)).collect(),
        Err(error) => {
            tracing::error!(%error, "the shipped industries cannot be read");
            Industries::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pointsman_names::identify;
    use pointsman_types::Industry;

    use super::*;
    use crate::Facts;

    #[test]
    fn every_tag_has_a_list_of_models_that_the_facts_know() {
        let lists = industries();
        assert_eq!(lists.len(), Industry::COUNT);
        let facts = Facts::shipped();
        for tag in Industry::ALL {
            let list = &lists[tag.as_str()];
            assert!(list.len() >= 10, "{tag}");
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len(), "{tag}: each model once");
            for name in list {
                let identity = identify(name);
                assert!(facts.knows(&identity), "{tag}: {name} is in no family file");
            }
        }
    }
}
