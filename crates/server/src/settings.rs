//! What the server is told at the start.

use std::time::Duration;

/// Limits of the HTTP face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    /// The longest request body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// How long a body may take as a whole, however busily it trickles.
    pub body_timeout: Duration,
    /// Bytes of bodies that may be held at once, over all requests; who would pass it is refused.
    pub max_buffered_bytes: usize,
    /// How long open answers may go on after a shutdown was asked for.
    pub grace: Duration,
    /// Open connections; more wait in the listener's backlog.
    pub max_connections: usize,
    /// How long a connection may take for the headers of a request, waiting for it included, and how long a
    /// body may stand still. An HTTP/2 connection without a request for so long is closed.
    pub read_timeout: Duration,
    /// How long a client may leave written bytes, or a stream of HTTP/2 that has some, unread.
    pub write_timeout: Duration,
    /// A client that waits for the next event of its stream hears from us this often.
    pub keep_alive: Duration,
    /// The longest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Whether `/metrics` is for everybody also where keys are asked for; else for those who have one.
    pub open_metrics: bool,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Limits that nothing in a test meets by chance.
    pub(crate) fn settings() -> ServerSettings {
        let minute = Duration::from_mins(1);
        ServerSettings {
            body_limit_bytes: 1 << 20,
            body_timeout: minute,
            max_buffered_bytes: 1 << 30,
            grace: minute,
            max_connections: 100,
            read_timeout: minute,
            write_timeout: minute,
            keep_alive: minute,
            max_header_bytes: 64 << 10,
            open_metrics: true,
        }
    }
}
