//! One question to an issuer, on a thread where it may block; whatever becomes of the thread, there is an answer.

use std::sync::Arc;

use crate::clock::TimeLine;
use crate::gate::Approved;
use crate::issuer::{IssueError, Issued, Issuer, Mismatch, Order, finish};

/// What came of it.
pub enum Answer {
    /// What was approved.
    Issued(Approved, Issued),
    /// Something else.
    Other(Approved, Mismatch),
    /// Nothing, for this reason.
    Nothing(IssueError),
}

/// Asks and judges.
pub async fn ask(issuer: Arc<dyn Issuer>, approved: Approved, order: Order, line: TimeLine) -> Answer {
    let issue = move || match issuer.issue(&approved, &order) {
        Err(error) => Answer::Nothing(error),
        Ok(answer) => match finish(&approved, &order, &answer, line.wall()) {
            Ok(issued) => Answer::Issued(approved, issued),
            Err(mismatch) => Answer::Other(approved, mismatch),
        },
    };
    tokio::task::spawn_blocking(issue).await.unwrap_or_else(|_| {
        Answer::Nothing(IssueError::OutcomeUnknown("a fault of the daemon ended the thread that asked it".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::issuer::Serial;
    use crate::x509::testing::{content_for, fresh_csr};

    struct Faulty;

    impl Issuer for Faulty {
        fn issue(&self, _: &Approved, _: &Order) -> Result<Vec<u8>, IssueError> {
            panic!("a fault that the test makes")
        }
        fn survives_restart(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn an_issuer_that_panics_leaves_an_outcome_that_is_unknown() {
        let csr = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, &["www.corp.example"]);
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let order = Order { serial: Serial::random().unwrap(), not_before: line.wall() };
        let answer = ask(Arc::new(Faulty), Approved::for_tests(content_for(&csr), Vec::new()), order, line).await;
        assert!(matches!(answer, Answer::Nothing(IssueError::OutcomeUnknown(_))));
    }
}
