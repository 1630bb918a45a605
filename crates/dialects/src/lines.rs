//! Bytes that come in pieces, cut into lines and into the data of events.

/// Cuts lines, of at most so many bytes.
#[derive(Debug)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    limit: usize,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { rest: Vec::new(), limit }
    }

    /// The lines that are whole now, without their ends, and what is wrong behind them.
    pub(crate) fn push(&mut self, mut chunk: &[u8]) -> (Vec<Vec<u8>>, Option<String>) {
        let mut lines = Vec::new();
        while let Some(at) = chunk.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = chunk.split_at(at);
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(line);
            if whole.last() == Some(&b'\r') {
                whole.pop();
            }
            if whole.len() > self.limit {
                return (lines, Some(self.too_long()));
            }
            lines.push(whole);
            chunk = behind.get(1..).unwrap_or_default();
        }
        self.rest.extend_from_slice(chunk);
        let too_long = (self.rest.len() > self.limit).then(|| self.too_long());
        (lines, too_long)
    }

    /// What stands behind the last line end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    fn too_long(&self) -> String {
        format!("a single event is longer than {} bytes", self.limit)
    }
}

/// The data of a line of server-sent events.
pub(crate) fn event_data(line: &[u8]) -> Option<&[u8]> {
    Some(line.strip_prefix(b"data:")?.trim_ascii())
}
