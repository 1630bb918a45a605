//! The calls of tools in a streamed answer of the hub, put together from their pieces.

use serde_json::Value;

use crate::json::{arguments, text};

/// One call so far.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The number that the backend gives it, which need not be its own.
    index: Option<u64>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    /// Bytes of the arguments that the client has.
    shown: usize,
}

impl Call {
    /// Whether it can be shown: a client needs to know from the start which tool is called, and by which id.
    pub(crate) const fn is_known(&self) -> bool {
        !self.id.is_empty() && !self.name.is_empty()
    }

    /// The arguments that the client does not have yet; from now on it has them.
    pub(crate) fn unseen(&mut self) -> String {
        let new = self.arguments.get(self.shown..).unwrap_or_default().to_owned();
        self.shown = self.arguments.len();
        new
    }
}

/// All calls of an answer, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) list: Vec<Call>,
}

impl Calls {
    /// Takes a piece and says which call it is of.
    ///
    /// A piece belongs to the call with its index. But some backends give all calls the index 0, and some none at all:
    /// an id that is new begins a new call whatever its index, and a later piece without an id is of the youngest. Some give
    /// every piece an id of its own, so it counts only beside a name, which a call cannot begin without. A piece that says
    /// nothing begins none.
    pub(crate) fn take(&mut self, piece: &Value) -> Option<usize> {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = text(piece, "id").unwrap_or_default();
        let function = piece.get("function").unwrap_or(&Value::Null);
        let name = text(function, "name").unwrap_or_default();
        let more = match function.get("arguments") {
            Some(Value::String(piece)) => piece.clone(),
            // some servers send the object itself
            Some(whole @ Value::Object(_)) => whole.to_string(),
            _ => String::new(),
        };
        let found = self.find(index, id, name);
        if found.is_none() && id.is_empty() && name.is_empty() && more.is_empty() {
            return None;
        }
        let at = found.unwrap_or_else(|| {
            self.list.push(Call { index, ..Call::default() });
            self.list.len() - 1
        });
        let call = self.list.get_mut(at)?;
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(&more);
        Some(at)
    }

    fn find(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let by_id = || self.list.iter().rposition(|call| call.id == id);
        let place = match index {
            Some(_) => self.list.iter().rposition(|call| call.index == index),
            // without an index, a name alone begins a call
            None if id.is_empty() && !name.is_empty() => None,
            None => self.list.len().checked_sub(1),
        };
        let other = |at: &usize| self.list.get(*at).is_some_and(|call| !call.id.is_empty() && call.id != id);
        match place {
            Some(at) if !id.is_empty() && other(&at) => {
                by_id().or_else(|| Some(at).filter(|_| name.is_empty()))
            }
            Some(at) if id.is_empty() && self.is_whole(at, name) => None,
            found => found,
        }
    }

    /// Whether a piece that names a tool, but has no id, cannot be of this call.
    fn is_whole(&self, at: usize, name: &str) -> bool {
        let Some(call) = self.list.get(at).filter(|call| !name.is_empty() && !call.name.is_empty()) else {
            return false;
        };
        call.name != name || (!call.arguments.is_empty() && arguments(&call.arguments).is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(pieces: &[Value]) -> Vec<String> {
        let mut calls = Calls::default();
        for piece in pieces {
            calls.take(piece);
        }
        calls.list.iter().map(|call| format!("{} {} {}", call.id, call.name, call.arguments)).collect()
    }

    fn piece(index: Option<u64>, id: &str, name: &str, arguments: &str) -> Value {
        json!({ "index": index, "id": id, "function": { "name": name, "arguments": arguments } })
    }

    #[test]
    fn pieces_find_their_call_by_index_and_by_id() {
        let usual = [
            piece(Some(0), "a", "f", ""),
            piece(Some(1), "b", "g", "{"),
            piece(Some(0), "", "", "{}"),
            piece(Some(1), "", "", "}"),
        ];
        assert_eq!(read(&usual), ["a f {}", "b g {}"]);
        let all_zero = [
            piece(Some(0), "a", "f", "{"),
            piece(Some(0), "", "", "}"),
            piece(Some(0), "b", "g", "{"),
            piece(Some(0), "", "", "}"),
        ];
        assert_eq!(read(&all_zero), ["a f {}", "b g {}"]);
        let repeated = [piece(Some(0), "a", "f", "{"), piece(Some(0), "a", "f", "}")];
        assert_eq!(read(&repeated), ["a f {}"]);
        let no_index = [piece(None, "a", "f", "{}"), piece(None, "b", "g", "{"), piece(None, "", "", "}")];
        assert_eq!(read(&no_index), ["a f {}", "b g {}"]);
        let no_ids = [piece(None, "", "f", "{}"), piece(None, "", "f", "{}")];
        assert_eq!(read(&no_ids), [" f {}", " f {}"]);
        let no_ids =
            [piece(Some(0), "", "f", "{}"), piece(Some(0), "", "f", "{}"), piece(Some(0), "", "g", "{}")];
        assert_eq!(read(&no_ids), [" f {}", " f {}", " g {}"]);
        let many_ids =
            [piece(Some(0), "a", "f", "{"), piece(Some(0), "b", "", "}"), piece(Some(0), "c", "g", "{}")];
        assert_eq!(read(&many_ids), ["a f {}", "c g {}"]);
        let late_name = [piece(Some(0), "a", "", ""), piece(Some(0), "", "f", "{}")];
        assert_eq!(read(&late_name), ["a f {}"]);
    }
}
