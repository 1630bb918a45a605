//! The body that a backend gets: the client's own bytes with another model name, without our fields.

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{Adaptation, ChatRequest};

impl ChatRequest<'_> {
    /// The body for a backend that calls the model `upstream_id`, with these changes. Where only the model name differs, the
    /// client's bytes are spliced; `models`, `route` and `metadata.industry` never reach a backend.
    pub fn body_for(&self, upstream_id: &str, changes: &[Adaptation]) -> Bytes {
        let name = quoted(upstream_id);
        let own_industry = self.wire.metadata.is_some_and(|m| m.get().contains("industry"));
        match self.wire.model {
            Some(model)
                if changes.is_empty()
                    && self.wire.models.is_none()
                    && self.wire.route.is_none()
                    && !own_industry =>
            {
                splice(self.raw, model.get(), &name)
            }
            _ => rebuild(self.raw, &name, changes),
        }
    }
}

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `raw` with `part`, a slice of it, replaced.
pub(crate) fn splice(raw: &str, part: &str, with: &str) -> Bytes {
    let start = part.as_ptr() as usize - raw.as_ptr() as usize;
    if raw.get(start..start + part.len()) == Some(with) {
        return Bytes::copy_from_slice(raw.as_bytes());
    }
    let mut out = Vec::with_capacity(raw.len() + with.len());
    out.extend_from_slice(&raw.as_bytes()[..start]);
    out.extend_from_slice(with.as_bytes());
    out.extend_from_slice(&raw.as_bytes()[start + part.len()..]);
    out.into()
}

/// The object field by field, values raw.
fn rebuild(raw: &str, model: &str, changes: &[Adaptation]) -> Bytes {
    let fields = serde_json::from_str::<Fields<'_>>(raw).map(|f| f.0).unwrap_or_default();
    let mut out = Vec::with_capacity(raw.len() + model.len());
    out.extend_from_slice(b"{\"model\":");
    out.extend_from_slice(model.as_bytes());
    for (mut key, value) in fields {
        let stripped;
        let changed = changes.iter().find(|change| change.of() == key);
        match changed {
            Some(Adaptation::Drop(_)) => continue,
            Some(Adaptation::Rename(_, to)) => to.as_str().clone_into(&mut key),
            Some(Adaptation::Cap(..)) | None => {}
        }
        let value = match key.as_str() {
            _ if let Some(Adaptation::Cap(_, limit)) = changed => {
                stripped = limit.to_string();
                stripped.as_str()
            }
            "model" | "models" | "route" => continue,
            "metadata" => {
                stripped = without_industry(value.get());
                if stripped == "{}" {
                    continue;
                }
                stripped.as_str()
            }
            _ => value.get(),
        };
        out.push(b',');
        out.extend_from_slice(quoted(&key).as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
    out.into()
}

fn without_industry(metadata: &str) -> String {
    let Ok(Fields(fields)) = serde_json::from_str::<Fields<'_>>(metadata) else { return metadata.to_owned() };
    let kept: Vec<String> = fields
        .iter()
        .filter(|(key, _)| key != "industry")
        .map(|(key, value)| format!("{}:{}", quoted(key), value.get()))
        .collect();
    format!("{{{}}}", kept.join(","))
}

/// An object in its own order, duplicates included.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry::<String, &RawValue>()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
