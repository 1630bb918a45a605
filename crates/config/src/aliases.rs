//! `[aliases]`: a person's own names for models, virtual models and chains of them.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_types::ModelForm;

use crate::reader::Value;

/// The longest chain that an alias may stand for.
const MAX_CHAIN: usize = 32;

type Stated<'a> = BTreeMap<&'a str, (Value<'a>, Vec<ModelForm>)>;

/// Reads the table and follows every alias to its end, so that who looks a name up does so once. One that leads back
/// to itself is reported at each of its names.
pub(crate) fn read(value: &Value<'_>, tags: &BTreeSet<String>) -> BTreeMap<String, Vec<ModelForm>> {
    let Some(section) = value.section() else { return BTreeMap::new() };
    let mut stated = Stated::new();
    for (name, target) in section.entries() {
        if !matches!(ModelForm::parse(name), Ok(ModelForm::Alias(_))) {
            target.fail("not a name that an alias can have: virtual models keep their meaning");
            continue;
        }
        if let Some(forms) = forms(&target, tags) {
            stated.insert(name, (target, forms));
        }
    }
    let mut aliases = BTreeMap::new();
    for (name, (value, _)) in &stated {
        let mut chain = Vec::new();
        match follow(name, &stated, &mut vec![*name], &mut chain) {
            Ok(()) if chain.len() > MAX_CHAIN => {
                value.fail(format!("it stands for more than {MAX_CHAIN} models"));
            }
            Ok(()) => drop(aliases.insert((*name).to_owned(), chain)),
            Err(path) => value.fail(format!("an alias that leads back to itself: {}", path.join(" -> "))),
        }
    }
    aliases
}

/// One form, or a chain of them. `tags` are the trades that have a list.
pub(crate) fn forms(value: &Value<'_>, tags: &BTreeSet<String>) -> Option<Vec<ModelForm>> {
    let items = if value.is_list() { value.list()? } else { vec![value.clone()] };
    if items.is_empty() {
        value.fail("empty: name at least one model");
        return None;
    }
    let form = |item: &Value<'_>| match ModelForm::parse(item.text()?) {
        Ok(ModelForm::Industry(tag)) if !tags.contains(&tag) => {
            let valid: Vec<&str> = tags.iter().map(String::as_str).collect();
            item.fail(format!("unknown industry `{tag}`; valid: {}", valid.join(", ")));
            None
        }
        Ok(form) => Some(form),
        Err(why) => {
            item.fail(why.to_string());
            None
        }
    };
    items.iter().map(form).collect()
}

/// Appends what `name` stands for to `chain`. `path` holds the names on the way, to find a circle.
fn follow<'s>(
    name: &str,
    stated: &'s Stated<'s>,
    path: &mut Vec<&'s str>,
    chain: &mut Vec<ModelForm>,
) -> Result<(), Vec<&'s str>> {
    let Some((_, forms)) = stated.get(name) else { return Ok(()) };
    for form in forms {
        match form {
            ModelForm::Alias(next) if stated.contains_key(next.as_str()) => {
                let seen = path.contains(&next.as_str());
                path.push(next);
                if seen {
                    return Err(path.clone());
                }
                follow(next, stated, path, chain)?;
                path.pop();
            }
            _ if chain.contains(form) => {}
            _ => chain.push(form.clone()),
        }
        // chains of chains grow fast; a longer one is refused anyway
        if chain.len() > MAX_CHAIN {
            return Ok(());
        }
    }
    Ok(())
}
