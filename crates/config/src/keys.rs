//! `[[keys]]` and `[server] keys_file`: who may ask. A key stands nowhere in clear: by its SHA-256, or in a variable.

use std::{
    collections::HashSet,
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{environment::Environment, reader::Value, stamp::Stamp};

/// A gateway key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyConfig {
    /// What it is called in logs, metrics and rules.
    pub name: Arc<str>,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// Streams that may be open at once under this key.
    pub max_streams: Option<usize>,
}

impl std::fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The SHA-256 of a key.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A hash as the files write it: `sha256:` and 64 hexadecimal digits.
pub fn written(hash: &[u8; 32]) -> String {
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The lines of a hash file: `NAME sha256:HEX`, `#` begins a comment. The error names the line, never its content.
pub fn parse_file(text: &str) -> Result<Vec<KeyConfig>, String> {
    let mut keys: Vec<KeyConfig> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = || format!("line {}: expected `NAME sha256:HEX`", number + 1);
        let (name, hash) = line.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let sha256 = read_hash(hash.trim()).ok_or_else(wrong)?;
        if !is_name(name) || keys.iter().any(|key| &*key.name == name) {
            return Err(format!("line {}: the name is not plain, or there already", number + 1));
        }
        keys.push(KeyConfig { name: name.into(), sha256, max_streams: None });
    }
    Ok(keys)
}

/// Reads `[[keys]]`.
pub(crate) fn read(value: &Value<'_>, environment: &Environment) -> Vec<KeyConfig> {
    let mut names = HashSet::new();
    let read = |item: Value<'_>| {
        let mut section = item.section()?;
        let name = section.require("name").and_then(|v| {
            let name = v.text()?;
            if !is_name(name) || !names.insert(name.to_owned()) {
                v.fail("a name has at most 64 letters, digits, `-`, `_` and `.`, and is there once");
                return None;
            }
            Some(Arc::from(name))
        });
        let by_hash = section.get("hash").and_then(|v| {
            let hash = read_hash(v.text()?);
            if hash.is_none() {
                v.fail(
                    "expected `sha256:` and 64 hexadecimal digits, as `pointsman keys create` prints them",
                );
            }
            hash
        });
        let by_variable = section.get("env").and_then(|v| {
            let key = environment.get(v.text()?);
            if key.is_none() {
                v.fail("this variable is not set: nobody could use the key");
            }
            key.map(digest)
        });
        section.refuse(
            "key",
            "secrets do not belong in this file: give `hash`, or the name of a variable in `env`",
        );
        let max_streams = section.get("max_streams").and_then(|v| v.size(1..=1_000_000));
        section.finish();
        let sha256 = by_hash.or(by_variable);
        if sha256.is_none() {
            item.fail("a key needs `hash` or `env`");
        }
        Some(KeyConfig { name: name?, sha256: sha256?, max_streams })
    };
    value.list().unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Reads the hash file that `[server] keys_file` names: where it is, how it was before, and what it says.
pub(crate) fn read_keys_file(value: &Value<'_>, folder: &Path) -> Option<(PathBuf, Stamp, Vec<KeyConfig>)> {
    let path = folder.join(value.text()?);
    let stamp = Stamp::of(&path);
    let text = std::fs::read_to_string(&path)
        .map_err(|why| value.fail(format!("{}: {why}", path.display())))
        .ok()?;
    let keys = parse_file(&text).map_err(|why| value.fail(format!("{}: {why}", path.display()))).ok()?;
    Some((path, stamp, keys))
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(plain)
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?;
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (slot, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *slot = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_file_is_read_back() {
        let text =
            format!("# who\nteam-a {}\n\nteam-b   {} # b\n", written(&digest("a")), written(&digest("b")));
        let keys = parse_file(&text).unwrap();
        assert_eq!(keys.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["team-a", "team-b"]);
        assert_eq!(keys[1].sha256, digest("b"));
        let known = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        assert_eq!(written(&digest("a")), known);
        for bad in ["team", "team sha256:zz", "te/am sha256:00", "a md5:00"] {
            assert!(parse_file(bad).is_err(), "{bad}");
        }
        assert!(parse_file(&format!("a {known}\na {known}")).unwrap_err().contains("line 2"));
    }
}
