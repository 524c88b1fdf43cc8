//! Standard output and standard error: the one place that writes them.

use std::io::{self, IsTerminal as _, Write as _};

use countersign_shared::json;
use countersign_shared::text::{Untrusted, is_deceiving};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::render::Style;

/// Where a command's words go.
#[derive(Debug)]
pub(super) struct Output {
    json: bool,
    style: Style,
    /// The reader of standard output has gone; the command goes on to its own exit status in silence.
    gone: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let width = crossterm::terminal::size().ok().filter(|_| terminal).map(|(columns, _)| columns);
        let style = Style::new(terminal && !set("NO_COLOR") && !dumb, width.map(usize::from));
        Self { json, style, gone: false }
    }

    /// True where results are printed as they came.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// How text for people is drawn here.
    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Text on standard output; a line feed is added where it has none at its end. Nothing is written for none.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.gone || text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let end: &[u8] = if text.ends_with('\n') { b"" } else { b"\n" };
        match out.write_all(text.as_bytes()).and_then(|()| out.write_all(end)).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            Err(error) => Err(Failure::internal(format!("cannot write to standard output: {error}"))),
        }
    }

    /// A result as it came, on one line that no terminal obeys.
    pub(super) fn raw(&mut self, result: &RawValue) -> Result<(), Failure> {
        self.text(&one_line(result.get()))
    }

    /// A remark for people on standard error; nothing under `--json`.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            complain(text);
        }
    }

    /// Says on standard error why the command failed.
    pub(super) fn fail(&self, failure: &Failure) {
        let object = failure.object();
        if self.json {
            match json::to_line(&serde_json::json!({ "error": object })) {
                Ok(line) => complain(&line),
                Err(error) => complain(&format!("countersign: {error}")),
            }
            return;
        }
        complain(&format!("countersign: {}", Untrusted::from(object.message.as_str()).safe()));
        if !object.data.hint.is_empty() {
            complain(&format!("  {}", Untrusted::from(object.data.hint.as_str()).safe()));
        }
    }
}

/// Writes a line to standard error. Where even that fails nobody can be told; the exit status remains.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// JSON text on one line with every deceiving character written as `\uXXXX`: the same value, key for key.
///
/// Outside of strings JSON knows no control characters but white space (RFC 8259 §2), and inside of them
/// none below U+0020 (§7): those are white space and become blanks, all others stand in strings.
pub(super) fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        match c {
            '\0'..='\x1f' => line.push(' '),
            c if is_deceiving(c) => {
                for unit in c.encode_utf16(&mut units) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_keep_their_order_and_numbers_their_digits() {
        let raw = r#"{"z":1.10,"a":[1e2,"Grüße"],"m":"\u001b"}"#;
        assert_eq!(one_line(raw), raw);
        assert_eq!(one_line("{\t\"a\":\r1}"), "{ \"a\": 1}");
    }

    proptest! {
        #[test]
        fn the_value_is_the_same_and_no_terminal_obeys_it(text in any::<String>()) {
            let raw = serde_json::to_string(&text).unwrap();
            let line = one_line(&raw);
            prop_assert!(!line.chars().any(is_deceiving));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
