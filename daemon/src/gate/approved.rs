//! The proof that a signature is allowed.

use countersign_shared::content::CertificateContent;
use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId};

/// The proof that a committed ledger record allows exactly this certificate to be signed, once.
///
/// Its fields are private and it is neither `Clone` nor `Copy`: no other module can make, change or keep one.
///
/// ```compile_fail,E0624
/// let forged = countersignd::gate::Approved::new;
/// ```
///
/// ```compile_fail,E0599
/// # fn proof() -> countersignd::gate::Approved { loop {} }
/// let kept = proof().clone();
/// ```
///
/// And no issuer is asked without one:
///
/// ```compile_fail,E0061
/// # fn signs(issuer: &dyn countersignd::issuer::Issuer, order: countersignd::issuer::Order) {
/// issuer.issue(&order);
/// # }
/// ```
#[derive(Debug)]
pub struct Approved {
    job: JobId,
    certificate: CertificateId,
    content: CertificateContent,
    csr_der: Vec<u8>,
    record_seq: u64,
    record: Digest,
}

impl Approved {
    /// The job that is carried out.
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// The managed certificate.
    pub fn certificate(&self) -> &CertificateId {
        &self.certificate
    }

    /// Exactly what was agreed to.
    pub fn content(&self) -> &CertificateContent {
        &self.content
    }

    /// The CSR that it came with.
    pub fn csr_der(&self) -> &[u8] {
        &self.csr_der
    }

    /// The sequence number of the ledger record that allows it.
    pub fn record_seq(&self) -> u64 {
        self.record_seq
    }

    /// The hash of that record.
    pub fn record(&self) -> Digest {
        self.record
    }

    /// Only [`super::prove`] comes here.
    pub(super) fn new(
        job: JobId,
        certificate: CertificateId,
        content: CertificateContent,
        csr_der: Vec<u8>,
        record_seq: u64,
        record: Digest,
    ) -> Self {
        Self { job, certificate, content, csr_der, record_seq, record }
    }

    /// A proof out of nothing, for tests of issuers.
    #[cfg(test)]
    pub(crate) fn for_tests(content: CertificateContent, csr_der: Vec<u8>) -> Self {
        let record = Digest::of(&[b"test"]);
        let job = JobId::fresh(0, 1);
        let certificate = CertificateId::fresh(0, 1);
        Self { job, certificate, content, csr_der, record_seq: 0, record }
    }
}
