//! Signed thoughts as the `encrypted_content` of a reasoning item: a client without memory of ours sends them back, and
//! only so a provider knows its own thoughts again.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::hub::said;
use crate::json::{bytes, text};

/// By this we know what we sealed: what other providers encrypted means nothing here.
const MARK: &str = "pointsman-1:";

/// Blocks as a text.
pub(super) fn seal(blocks: &[Value]) -> String {
    format!("{MARK}{}", STANDARD.encode(bytes(&blocks.into())))
}

/// The blocks of a text that we sealed, those of them that somebody signed.
pub(super) fn open(sealed: &str) -> Option<Vec<Value>> {
    let json = STANDARD.decode(sealed.strip_prefix(MARK)?).ok()?;
    let Value::Array(mut blocks) = serde_json::from_slice(&json).ok()? else { return None };
    blocks.retain(|block| match text(block, "type") {
        Some("thinking") => said(block, "signature").is_some(),
        kind => kind == Some("redacted_thinking"),
    });
    Some(blocks)
}
