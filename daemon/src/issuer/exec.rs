//! The `exec` issuer: a program of the operator's that gets the order on its standard input and answers with a
//! PEM chain.
//!
//! The program is started without a shell, in a process group of its own, in `/`, with `PATH` as its only
//! variable. Its input is one line of JSON (see [`Description`]); its answer is the chain on standard output,
//! leaf first, and exit status 0. Any other status is a refusal, with standard error as the reason. Time, the
//! size of the answer and of the reason are bounded; whatever is left of the group afterwards is killed.
//! Descriptors other than the three standard ones are close-on-exec.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use countersign_shared::content::CertificateContent;
use countersign_shared::text::Untrusted;
use serde::Serialize;

use super::{IssueError, Issuer, Order};
use crate::gate::Approved;
use crate::x509::pem;

pub(crate) mod run;

use run::{Ended, Program};

/// The longest time that an issuing program may be given: the certificate must begin near its order.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// The largest answer, in octets: 256 KiB.
pub const MAX_OUTPUT: usize = 256 * 1024;
/// What is kept of standard error, in octets: 4 KiB.
pub const MAX_REASON: usize = 4 * 1024;
/// How long a program has to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// An issuing program.
#[derive(Clone, Debug)]
pub struct ExecIssuer {
    program: Program,
}

impl ExecIssuer {
    /// An issuer that runs `program` with `args`.
    ///
    /// # Errors
    /// The path is not absolute, or the timeout is zero or above [`MAX_TIMEOUT`]; the sentence is safe to show.
    pub fn new(program: PathBuf, args: Vec<OsString>, timeout: Duration) -> Result<Self, String> {
        if !program.is_absolute() {
            return Err(format!("the program {} is not an absolute path", shown(&program)));
        }
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(format!("the timeout is not between 1s and {}s", MAX_TIMEOUT.as_secs()));
        }
        Ok(Self {
            program: Program {
                path: program,
                args,
                timeout,
                grace: GRACE,
                max_output: MAX_OUTPUT,
                max_reason: MAX_REASON,
            },
        })
    }
}

/// What the program reads: one line of JSON. Fields may be added; their meaning does not change within `version`.
#[derive(Serialize)]
pub struct Description<'a> {
    /// 1
    pub version: u32,
    /// The job that is carried out: the same job is the same order.
    pub job: &'a str,
    /// The managed certificate.
    pub certificate: &'a str,
    /// The CSR. What it asks for beyond `content` was not approved.
    pub csr_pem: &'a str,
    /// Exactly what was approved; the answer is compared with it.
    pub content: &'a CertificateContent,
    /// A fresh serial number in hexadecimal, for programs that do not draw their own.
    pub serial: &'a str,
    /// When it was ordered (RFC 3339): the certificate begins now, or at most five minutes before.
    pub not_before: &'a str,
}

impl Issuer for ExecIssuer {
    fn issue(&self, approved: &Approved, order: &Order) -> Result<Vec<u8>, IssueError> {
        let mut input = serde_json::to_vec(&Description {
            version: 1,
            job: approved.job().as_str(),
            certificate: approved.certificate().as_str(),
            csr_pem: &pem::encode("CERTIFICATE REQUEST", approved.csr_der()),
            content: approved.content(),
            serial: &order.serial.to_string(),
            not_before: &order.not_before.to_string(),
        })
        .map_err(|error| IssueError::Refused(format!("the order cannot be written as JSON: {error}")))?;
        input.push(b'\n');
        let program = shown(&self.program.path);
        let finished = self
            .program
            .run(&input)
            .map_err(|error| IssueError::Refused(format!("the program {program} cannot be started: {error}")))?;
        let reason = reason(&finished.stderr);
        let unknown = |what: String| Err(IssueError::OutcomeUnknown(format!("the program {program} {what}{reason}")));
        match finished.ended {
            Ended::Exited(0) => Ok(finished.stdout),
            Ended::Exited(status) => {
                Err(IssueError::Refused(format!("the program {program} ended with status {status}{reason}")))
            }
            Ended::Signalled(signal) => unknown(format!("was killed by signal {signal}")),
            Ended::TimedOut => unknown(format!("did not end within {}s", self.program.timeout.as_secs())),
            Ended::TooMuch => unknown(format!("answered with more than {MAX_OUTPUT} octets")),
            Ended::Lost(error) => unknown(format!("was lost sight of: {error}")),
        }
    }

    fn survives_restart(&self) -> bool {
        false
    }
}

fn shown(path: &std::path::Path) -> String {
    Untrusted::new(path.to_string_lossy()).safe().to_string()
}

/// `: text of standard error`, safe to show; empty where it said nothing.
fn reason(stderr: &[u8]) -> String {
    let text = Untrusted::new(String::from_utf8_lossy(stderr).trim());
    if text.is_blank() { String::new() } else { format!(": {}", text.safe()) }
}

#[cfg(test)]
mod tests;
