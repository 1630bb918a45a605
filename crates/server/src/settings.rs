//! What the server is told at the start.

use std::time::Duration;

/// Limits of the HTTP face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    /// The longest request body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// How long open answers may go on after a shutdown was asked for.
    pub grace: Duration,
    /// Open connections; more wait in the listener's backlog.
    pub max_connections: usize,
    /// How long a connection may take for the headers of a request, waiting for it included, and how long a
    /// body may stand still.
    pub read_timeout: Duration,
    /// How long a client may leave written bytes unread.
    pub write_timeout: Duration,
    /// A client that waits for the next event of its stream hears from us this often.
    pub keep_alive: Duration,
    /// The longest head of a request, in bytes.
    pub max_header_bytes: usize,
}
