//! `[server]`: the limits of the HTTP face.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use pointsman_upstream::LoadSettings;

use crate::{
    keys::{KeyConfig, read_keys_file},
    reader::{Section, Value},
    resilience::read_load,
    stamp::Stamp,
    tuning::{DAY, MILLISECOND, SECOND},
};

/// Limits of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The longest request body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// How long a body may take as a whole.
    pub body_timeout: Duration,
    /// Bytes of bodies that may be held at once, over all requests.
    pub max_buffered_bytes: usize,
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
    /// What is under way at once.
    pub load: LoadSettings,
    /// A client that waits for the first event of its stream hears from us this often.
    pub keep_alive: Duration,
    /// The longest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Whether `/metrics` is for everybody, also where keys are asked for.
    pub open_metrics: bool,
    /// Streams that may be open at once under a key that states no number of its own.
    pub max_streams_per_key: Option<usize>,
    /// The hash file of the gateway keys.
    pub keys_file: Option<PathBuf>,
    /// How that file was before it was read.
    pub keys_stamp: Option<Stamp>,
    /// The gateway keys of that file.
    pub keys: Vec<KeyConfig>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            body_limit_bytes: 32 << 20,
            body_timeout: Duration::from_mins(2),
            max_buffered_bytes: 1 << 30,
            request_timeout: Duration::from_mins(10),
            grace: Duration::from_secs(30),
            max_connections: 4096,
            header_read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_mins(1),
            load: LoadSettings::default(),
            keep_alive: Duration::from_secs(10),
            max_header_bytes: 64 << 10,
            open_metrics: true,
            max_streams_per_key: None,
            keys_file: None,
            keys_stamp: None,
            keys: Vec::new(),
        }
    }
}

/// Reads the section over the defaults.
/// `folder` is where the file is: relative paths start there.
pub(crate) fn read(value: &Value<'_>, folder: &Path) -> ServerConfig {
    let mut server = ServerConfig::default();
    let Some(mut section) = value.section() else { return server };
    size(&mut section, "body_limit_bytes", 1024, 1 << 30, &mut server.body_limit_bytes);
    time(&mut section, "body_timeout", MILLISECOND * 100, &mut server.body_timeout);
    read_buffered(&mut section, &mut server);
    size(&mut section, "max_connections", 1, 1_000_000, &mut server.max_connections);
    time(&mut section, "request_timeout", SECOND, &mut server.request_timeout);
    // an operator may want no grace at all
    time(&mut section, "grace", Duration::ZERO, &mut server.grace);
    time(&mut section, "header_read_timeout", MILLISECOND * 100, &mut server.header_read_timeout);
    time(&mut section, "write_timeout", MILLISECOND * 100, &mut server.write_timeout);
    time(&mut section, "keep_alive", MILLISECOND * 100, &mut server.keep_alive);
    size(&mut section, "max_header_bytes", 8 << 10, 1 << 20, &mut server.max_header_bytes);
    server.load = read_load(&mut section);
    if let Some(open) = section.get("open_metrics").and_then(|v| v.boolean()) {
        server.open_metrics = open;
    }
    server.max_streams_per_key = section.get("max_streams_per_key").and_then(|v| v.size(1..=1_000_000));
    if let Some((path, stamp, keys)) = section.get("keys_file").and_then(|v| read_keys_file(&v, folder)) {
        server.keys_file = Some(path);
        server.keys_stamp = Some(stamp);
        server.keys = keys;
    }
    section.refuse("keys", "gateway keys are `[[keys]]` tables, or the hash file that `keys_file` names");
    for key in ["admin_key", "admin_key_env"] {
        section.refuse(key, "the admin key is in the environment variable POINTSMAN_ADMIN_KEY");
    }
    section.finish();
    server
}

/// What all bodies may take together: not less than one of them may.
fn read_buffered(section: &mut Section<'_>, server: &mut ServerConfig) {
    let Some(value) = section.get("max_buffered_bytes") else {
        server.max_buffered_bytes = server.max_buffered_bytes.max(server.body_limit_bytes);
        return;
    };
    let Some(most) = value.size(1024..=1 << 40) else { return };
    if most < server.body_limit_bytes {
        value.fail(format!(
            "less than body_limit_bytes, {}: the longest body could never be read",
            server.body_limit_bytes
        ));
    }
    server.max_buffered_bytes = most;
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
