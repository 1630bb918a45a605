//! `[aliases]`: a person's own names for models and virtual models.

use std::collections::{BTreeMap, HashSet};

use pointsman_types::ModelForm;

use crate::reader::Value;

/// Reads the table and follows each chain to its end, so that who looks a name up does so once. A chain that
/// never ends is reported at each of its names.
pub(crate) fn read(value: &Value<'_>) -> BTreeMap<String, ModelForm> {
    let Some(section) = value.section() else { return BTreeMap::new() };
    let mut stated = BTreeMap::new();
    for (name, target) in section.entries() {
        if !matches!(ModelForm::parse(name), Ok(ModelForm::Alias(_))) {
            target.fail("not a name that an alias can have: virtual models keep their meaning");
            continue;
        }
        match target.text().map(ModelForm::parse) {
            Some(Ok(form)) => drop(stated.insert(name, (target, form))),
            Some(Err(why)) => target.fail(why.to_string()),
            None => {}
        }
    }
    let mut aliases = BTreeMap::new();
    for (name, (value, _)) in &stated {
        match end_of(name, &stated) {
            Ok(form) => drop(aliases.insert((*name).to_owned(), form.clone())),
            Err(chain) => value.fail(format!("an alias that leads back to itself: {}", chain.join(" -> "))),
        }
    }
    aliases
}

type Stated<'a> = BTreeMap<&'a str, (Value<'a>, ModelForm)>;

fn end_of<'s>(name: &'s str, stated: &'s Stated<'_>) -> Result<&'s ModelForm, Vec<&'s str>> {
    let mut chain = vec![name];
    let mut seen = HashSet::from([name]);
    let mut form = stated.get(name).map(|(_, form)| form);
    while let Some(ModelForm::Alias(next)) = form {
        let Some((next, (_, further))) = stated.get_key_value(next.as_str()) else { break };
        chain.push(next);
        if !seen.insert(next) {
            return Err(chain);
        }
        form = Some(further);
    }
    form.ok_or(chain)
}
