//! The log, on standard error. Whatever a client or a backend says, a record stays on its line.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal, Write},
    panic::{self, PanicHookInfo},
    thread,
};

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

/// Panics are told in the log, as records like others: what the standard library prints has lines of its own, which
/// whoever reads the log takes for broken records.
pub(crate) fn panics() {
    panic::set_hook(Box::new(panicked));
}

fn panicked(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    let current = thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(at, thread, %backtrace, "panicked: {message}");
    } else {
        tracing::error!(at, thread, "panicked: {message}");
    }
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

    #[test]
    fn a_panic_is_one_record() {
        use std::sync::{Arc, Mutex};

        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl Write for Written {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (written, before) = (Written::default(), panic::take_hook());
        let out = written.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || OneLine { out: out.clone(), colours: false })
            .finish();
        panics();
        tracing::subscriber::with_default(log, || {
            let caught = panic::catch_unwind(|| panic!("one\nFAKE ERROR two"));
            assert!(caught.is_err());
        });
        panic::set_hook(before);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in ["ERROR", "panicked: one\\nFAKE", "log.rs:", "thread="] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
