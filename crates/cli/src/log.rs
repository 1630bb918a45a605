//! The log, on standard error. Whatever a client or a backend says, a record stays on its line.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// Writes what `RUST_LOG` asks for, or else what `default` does.
pub(crate) fn start(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colours = io::stderr().is_terminal();
    let writer = move || OneLine { out: io::stderr(), colours };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(writer);
    // a second start in one process changes nothing
    let _ = log.try_init();
}

/// Escapes the control characters inside a record: a line break in a value would begin a record nobody wrote.
struct OneLine<W> {
    out: W,
    /// The escape sequences of the formatter itself stay; it has escaped those in values.
    colours: bool,
}

impl<W: Write> Write for OneLine<W> {
    /// The formatter hands over one record at a time.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let mut line = String::with_capacity(text.len() + 1);
        for c in text.trim_end_matches('\n').chars() {
            if !c.is_control() || (c == '\u{1b}' && self.colours) {
                line.push(c);
            } else {
                line.extend(c.escape_default());
            }
        }
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_on_its_line() {
        for (colours, line) in [
            (false, "WARN a\\nERROR b\\r\\u{1b}[31m\\u{85}ü\n"),
            (true, "WARN a\\nERROR b\\r\u{1b}[31m\\u{85}ü\n"),
        ] {
            let mut log = OneLine { out: Vec::new(), colours };
            log.write_all("WARN a\nERROR b\r\u{1b}[31m\u{85}ü\n".as_bytes()).unwrap();
            assert_eq!(String::from_utf8(log.out).unwrap(), line);
        }
    }
}
