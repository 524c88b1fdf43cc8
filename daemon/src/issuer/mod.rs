//! Issuers: whatever turns an approved content into a certificate. One trait, called only with the gate's proof.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countersign_shared::time::Timestamp;

use crate::gate::Approved;
use crate::x509::certificate::{self, IssuedCertificate};
use crate::x509::compare::{Window, compare};

mod crl;
pub mod exec;
pub mod local_ca;
mod serial;

pub use crl::{CrlEntry, CrlOrder};
pub use serial::Serial;

/// Every issuer of a policy, by its id.
pub type Issuers = BTreeMap<String, Arc<dyn Issuer>>;

/// What the executor fixes before it asks: it is recorded first, so that a crash leaves a trace of the order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The serial number to use; issuers that choose their own may ignore it.
    pub serial: Serial,
    /// The first moment of validity: when the order was made. Certificates hold whole seconds; it is rounded down.
    pub not_before: Timestamp,
}

/// What the reason of a failed job says where a certificate may exist that nobody here has seen.
pub const OUTCOME_UNKNOWN: &str = "it is not known whether";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueError {
    /// Nothing was issued, for this reason (safe to show). Trying again is harmless.
    Refused(String),
    /// A certificate may or may not exist, for this reason (safe to show). Never retried without a person.
    OutcomeUnknown(String),
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the issuer refused: {reason}"),
            Self::OutcomeUnknown(reason) => {
                write!(f, "{OUTCOME_UNKNOWN} the issuer issued a certificate: {reason}")
            }
        }
    }
}

impl std::error::Error for IssueError {}

/// An issuer. The call blocks, so it belongs on a thread that may.
pub trait Issuer: Send + Sync {
    /// Issues exactly the approved content and returns the chain in PEM, leaf first.
    ///
    /// The answer is not trusted: [`finish`] reads and judges it, whoever the issuer is.
    fn issue(&self, approved: &Approved, order: &Order) -> Result<Vec<u8>, IssueError>;

    /// Signs a complete list of what was revoked, and returns its DER. An issuer that keeps its own list refuses.
    fn sign_crl(&self, order: &CrlOrder) -> Result<Vec<u8>, IssueError> {
        Err(IssueError::Refused(format!("list {} is kept where its certificates are issued", order.number)))
    }

    /// True where an order whose answer was lost by a crash left nothing behind: the signature existed only in
    /// this process, and the order may be given again. False where the outcome is then unknown.
    fn survives_restart(&self) -> bool;
}

/// An answer that agrees with what was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Leaf first; at least two certificates.
    pub chain: Vec<IssuedCertificate>,
    /// The same in PEM, without any text around it.
    pub chain_pem: String,
}

impl Issued {
    /// The certificate that was asked for; `None` never occurs for a value that [`finish`] made.
    pub fn leaf(&self) -> Option<&IssuedCertificate> {
        self.chain.first()
    }
}

/// An answer that must not be delivered. A certificate may exist: it belongs into quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// One sentence for each difference, safe to show; at least one.
    pub differences: Vec<String>,
    /// What was readable of the answer, leaf first; empty where it was no chain.
    pub chain: Vec<IssuedCertificate>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the issuer's answer is not what was approved: {}", self.differences.join("; "))
    }
}

impl std::error::Error for Mismatch {}

/// Reads an issuer's answer and compares it with what was approved; `answered` is the time after the call.
pub fn finish(approved: &Approved, order: &Order, answer: &[u8], answered: Timestamp) -> Result<Issued, Mismatch> {
    let unreadable = |sentence: String| Mismatch { differences: vec![sentence], chain: Vec::new() };
    let text = std::str::from_utf8(answer).map_err(|_| unreadable("the answer is not UTF-8 text".to_owned()))?;
    let chain = certificate::parse_chain(text).map_err(unreadable)?;
    let window = Window { ordered: order.not_before, answered };
    match compare(approved.content(), &chain, window) {
        Ok(()) => Ok(Issued { chain_pem: certificate::chain_pem(&chain), chain }),
        Err(differences) => Err(Mismatch { differences, chain }),
    }
}
