//! The log as the journal takes it from standard error: each line begins with its priority (`SyslogLevelPrefix=` of
//! systemd.exec(5), sd-daemon(3)), so that `journalctl --priority=warning` finds what is to be found. The journal has
//! its own clock, and no colours.

use std::ffi::OsString;
use std::fmt;

use nix::sys::stat::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Whether standard error is a stream of the journal. `JOURNAL_STREAM` alone does not say so: whoever is started from
/// a unit, and writes elsewhere, inherits it.
pub fn is_stderr() -> bool {
    let described = std::env::var_os("JOURNAL_STREAM");
    fstat(std::io::stderr()).is_ok_and(|stream| names(described, stream.st_dev, stream.st_ino))
}

fn names(described: Option<OsString>, device: u64, inode: u64) -> bool {
    described.is_some_and(|described| described.to_str() == Some(format!("{device}:{inode}").as_str()))
}

/// A message of several lines, each at the priority of an error.
pub fn error(message: &str) -> String {
    prefixed(Level::ERROR, message)
}

/// Each line at the same priority, whatever priority a line gives itself. A NUL ends a line of the journal too.
fn prefixed(level: Level, text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let lines: Vec<String> = text.split(['\n', '\0']).map(|line| format!("<{}>{line}", priority(level))).collect();
    lines.join("\n")
}

/// Of syslog(3): 3 error, 4 warning, 6 informational, 7 debug.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The plain format, with the priority before each line.
pub struct Prioritised(Format<Full, ()>);

impl Default for Prioritised {
    fn default() -> Self {
        Self(Format::default().without_time().with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Prioritised
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        writeln!(line, "{}", prefixed(*event.metadata().level(), &text))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn log(events: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .event_format(Prioritised::default())
            .finish();
        tracing::subscriber::with_default(log, events);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn each_line_has_its_priority() {
        let written = log(|| {
            tracing::error!(where_ = "here", "damage");
            tracing::warn!("dead");
            tracing::info!("serving");
            tracing::debug!("looked");
            tracing::trace!("stepped");
        });
        let begin: Vec<&str> = written.lines().map(|line| line.get(..9).unwrap()).collect();
        assert_eq!(begin, ["<3>ERROR ", "<4> WARN ", "<6> INFO ", "<7>DEBUG ", "<7>TRACE "]);
        assert!(written.contains("damage where_=\"here\""), "{written}");
        assert!(!written.contains('\u{1b}'), "{written:?}");
    }

    #[test]
    fn a_message_of_several_lines_has_one_priority() {
        let written = log(|| tracing::error!("the policy is refused:\n  line 3\n  line 9"));
        let lines: Vec<&str> = written.lines().collect();
        let [first, rest @ ..] = &lines[..] else { panic!("{written}") };
        assert!(first.starts_with("<3>ERROR ") && first.ends_with("the policy is refused:"), "{written}");
        assert_eq!(rest, ["<3>  line 3", "<3>  line 9"]);
        // None that was logged by the way sets its own.
        for text in ["x\n<0>x", "x\0<0>x", "x\n\n<0>x\n", "<0>x"] {
            let written = log(|| tracing::info!("{text}"));
            assert!(written.split(['\n', '\0']).all(|line| line.is_empty() || line.starts_with("<6>")), "{written:?}");
            let written = log(|| tracing::info!(field = text, "said"));
            assert!(written.split(['\n', '\0']).all(|line| line.is_empty() || line.starts_with("<6>")), "{written:?}");
        }
    }

    #[test]
    fn a_refusal_of_several_lines_is_an_error_in_each() {
        assert_eq!(error("two mistakes:\n  line 3\n  line 9\n"), "<3>two mistakes:\n<3>  line 3\n<3>  line 9");
    }

    #[test]
    fn a_stream_that_was_inherited_and_is_not_written_to_is_none() {
        assert!(names(Some("8:4711".into()), 8, 4711));
        for other in ["8:4712", "9:4711", "8:47110", "", "8", "8:4711 "] {
            assert!(!names(Some(other.into()), 8, 4711), "{other}");
        }
        assert!(!names(None, 8, 4711));
    }
}
