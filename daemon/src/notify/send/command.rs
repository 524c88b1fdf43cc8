//! `Command`: a program of the operator's gets one line of JSON on its standard input.
//!
//! It is started as the issuing programs are ([`crate::issuer::exec`]): without a shell, in a process group of its own,
//! in `/`, with `PATH` as its only variable. Exit status 0 means delivered, 65 (`EX_DATAERR`) refused for good, any
//! other is tried again. Its output is read and thrown away; standard error is the reason.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use countersign_shared::text::Untrusted;
use serde_json::{Value, json};

use crate::issuer::exec::run::{Ended, Program};
use crate::notify::message::{Audience, Message};
use crate::notify::outcome::Outcome;
use crate::notify::render::structured;

/// The most output, in octets: 64 KiB.
pub(in crate::notify) const MAX_OUTPUT: usize = 64 * 1024;
/// What is kept of standard error, in octets.
const MAX_REASON: usize = 1024;
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// `EX_DATAERR` of sysexits.h.
const REFUSED: i32 = 65;

/// A program.
#[derive(Clone, Debug)]
pub(in crate::notify) struct CommandChannel {
    program: Program,
}

impl CommandChannel {
    /// Runs `path` with `args`, at most `timeout`.
    pub fn new(path: PathBuf, args: Vec<OsString>, timeout: Duration) -> Self {
        let program = Program { path, args, timeout, grace: GRACE, max_output: MAX_OUTPUT, max_reason: MAX_REASON };
        Self { program }
    }

    /// Runs the program with the message; blocks until it has ended.
    pub fn send(&self, message: &Message, audience: &Audience) -> Outcome {
        let mut object = structured::object(message);
        let safe = |list: &[Untrusted]| list.iter().map(|one| Value::from(one.safe().to_string())).collect::<Vec<_>>();
        object["audience"] = json!({ "mail": safe(&audience.mail), "accounts": safe(&audience.accounts) });
        let input = format!("{object}\n");
        let finished = match self.program.run(input.as_bytes()) {
            Ok(finished) => finished,
            Err(error) => return Outcome::later(format!("the program cannot be started: {error}")),
        };
        let reason = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
        let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
        match finished.ended {
            Ended::Exited(0) => Outcome::Delivered,
            Ended::Exited(REFUSED) => Outcome::never(format!("the program refused it (status {REFUSED}){reason}")),
            Ended::Exited(status) => Outcome::later(format!("the program ended with status {status}{reason}")),
            Ended::Signalled(signal) => Outcome::later(format!("the program was killed by signal {signal}{reason}")),
            Ended::TimedOut => {
                Outcome::later(format!("the program did not end within {}ms{reason}", self.program.timeout.as_millis()))
            }
            Ended::TooMuch => Outcome::later(format!("the program wrote more than {MAX_OUTPUT} octets{reason}")),
            Ended::Lost(error) => Outcome::later(format!("the program was lost sight of: {error}{reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::alert;

    fn shell(script: &str, timeout: Duration) -> Outcome {
        let args = vec!["-c".into(), script.into()];
        let audience = Audience { accounts: vec!["bob\n".into()], ..Audience::default() };
        CommandChannel::new("/bin/sh".into(), args, timeout).send(&alert(7), &audience)
    }

    #[test]
    fn the_program_gets_the_message() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        assert_eq!(shell(&format!("cat > {}", kept.display()), Duration::from_secs(60)), Outcome::Delivered);
        let line = std::fs::read_to_string(kept).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["id"], &object["days_left"]), (&json!("ne-01"), &json!(7)));
        assert_eq!(object["audience"]["accounts"], json!(["bob␊"]));
    }

    #[test]
    fn how_it_ends_is_what_came_of_it() {
        let minute = Duration::from_secs(60);
        for (script, timeout, temporary, words) in [
            ("echo no >&2; exit 65", minute, false, "refused it (status 65): no"),
            ("echo '\u{1b}[2J' >&2; exit 1", minute, true, "status 1: <U+001B>[2J"),
            ("kill -9 $$", minute, true, "signal 9"),
            ("cat /dev/zero", minute, true, "more than 65536 octets"),
            ("exec sleep 1000", Duration::from_millis(100), true, "did not end within 100ms"),
        ] {
            let why = match (shell(script, timeout), temporary) {
                (Outcome::Temporary { why, .. }, true) | (Outcome::Permanent { why }, false) => why,
                (other, _) => panic!("{script}: {other:?}"),
            };
            assert!(why.contains(words), "{script}: {why}");
        }
        let outcome =
            CommandChannel::new("/nonexistent".into(), Vec::new(), minute).send(&alert(7), &Audience::default());
        assert!(matches!(&outcome, Outcome::Temporary { why, .. } if why.contains("cannot be started")), "{outcome:?}");
    }
}
