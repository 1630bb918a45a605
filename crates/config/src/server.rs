//! `[server]`: the limits of the HTTP face.

use std::time::Duration;

use crate::{
    reader::{Section, Value},
    tuning::{DAY, MILLISECOND, SECOND},
};

/// Limits of the HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerConfig {
    /// The longest request body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// From a request to the first content byte of its answer, over all attempts.
    pub request_timeout: Duration,
    /// How long open answers may go on after a shutdown was asked for.
    pub grace: Duration,
    /// Open connections; more wait in the listener's backlog.
    pub max_connections: usize,
    /// How long a connection may take for the headers of a request, the wait for it included, and how long a
    /// body may stand still. Clients keep idle connections for about this long: shorter means reconnects.
    pub header_read_timeout: Duration,
    /// How long a client may leave written bytes unread.
    pub write_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            body_limit_bytes: 32 << 20,
            request_timeout: Duration::from_mins(10),
            grace: Duration::from_secs(30),
            max_connections: 4096,
            header_read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_mins(1),
        }
    }
}

/// Reads the section over the defaults.
pub(crate) fn read(value: &Value<'_>) -> ServerConfig {
    let mut server = ServerConfig::default();
    let Some(mut section) = value.section() else { return server };
    size(&mut section, "body_limit_bytes", 1024, 1 << 30, &mut server.body_limit_bytes);
    size(&mut section, "max_connections", 1, 1_000_000, &mut server.max_connections);
    time(&mut section, "request_timeout", SECOND, &mut server.request_timeout);
    // an operator may want no grace at all
    time(&mut section, "grace", Duration::ZERO, &mut server.grace);
    time(&mut section, "header_read_timeout", MILLISECOND * 100, &mut server.header_read_timeout);
    time(&mut section, "write_timeout", MILLISECOND * 100, &mut server.write_timeout);
    for key in ["keys", "admin_key", "admin_key_env"] {
        section.refuse(key, "not supported yet: this version has no keys, bind it to a trusted network only");
    }
    section.finish();
    server
}

fn size(section: &mut Section<'_>, key: &'static str, least: u64, most: u64, slot: &mut usize) {
    if let Some(size) = section.get(key).and_then(|v| v.size(least..=most)) {
        *slot = size;
    }
}

fn time(section: &mut Section<'_>, key: &'static str, least: Duration, slot: &mut Duration) {
    if let Some(time) = section.get(key).and_then(|v| v.duration(least..=DAY)) {
        *slot = time;
    }
}
