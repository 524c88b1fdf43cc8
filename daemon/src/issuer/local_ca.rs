//! The embedded certification authority: a root and an issuing intermediate, made at the first start.
//!
//! It signs exactly the approved content. An order whose answer was lost left nothing behind but a signature in
//! memory, so it may be given again.

use std::path::Path;

use countersign_shared::content::{CertificateContent, ExtendedKeyUsage, KeyUsage, San, SubjectAttribute};
use countersign_shared::error::ApiError;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rcgen::string::{Ia5String, PrintableString};
use rcgen::{
    CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};

use super::{CrlOrder, IssueError, Issuer, Order};
use crate::gate::Approved;
use crate::x509::certificate::IssuedCertificate;
use crate::x509::{csr, pem};

mod create;
mod crl;
mod directory;

pub use create::CaNames;

/// The embedded authority, opened.
pub struct LocalCa {
    signer: rcgen::Issuer<'static, KeyPair>,
    root: IssuedCertificate,
    intermediate: IssuedCertificate,
    /// Where clients find the list of what was revoked.
    crl_url: Option<String>,
}

impl LocalCa {
    /// Opens the authority in `dir`, or makes it where `dir` does not exist or is empty.
    ///
    /// The directory has mode 0700 and holds `root.key`, `root.crt`, `intermediate.key` and `intermediate.crt`
    /// (keys PKCS#8, all PEM). It is built beside its place and renamed, so that a crash leaves all or nothing.
    /// An expired authority opens and refuses to issue.
    ///
    /// # Errors
    /// A file that is missing, a symlink, of another owner, open to others, or not of one authority; the message
    /// names it.
    pub fn open_or_create(dir: &Path, names: &CaNames, now: Timestamp) -> Result<Self, ApiError> {
        if directory::is_absent(dir)? {
            create::create(dir, names, now)?;
        }
        Self::open(dir)
    }

    fn open(dir: &Path) -> Result<Self, ApiError> {
        let files = directory::read(dir)?;
        let damaged = |what: String| {
            ApiError::internal(format!("the local CA in {}: {what}", directory::shown(dir)))
                .hint("restore the directory from a backup; a new CA is made only where the directory is absent")
        };
        let parse = |name: &str, text: &str| {
            let blocks = pem::blocks(text, 1).map_err(|error| damaged(format!("{name}: {error}")))?;
            match blocks.as_slice() {
                [block] => IssuedCertificate::parse(&block.der).map_err(|error| damaged(format!("{name}: {error}"))),
                _ => Err(damaged(format!("{name} is not exactly one certificate"))),
            }
        };
        let root = parse("root.crt", &files.root_crt)?;
        let intermediate = parse("intermediate.crt", &files.intermediate_crt)?;
        let key = KeyPair::from_pem(&files.intermediate_key)
            .map_err(|_| damaged("intermediate.key is not a readable private key".to_owned()))?;
        if rcgen::PublicKeyData::subject_public_key_info(&key) != intermediate.spki_der {
            return Err(damaged("intermediate.key is not the key of intermediate.crt".to_owned()));
        }
        intermediate
            .verify_signed_by(&root)
            .map_err(|error| damaged(format!("intermediate.crt is not signed by root.crt: {error}")))?;
        if !root.ca || !intermediate.ca {
            return Err(damaged("root.crt or intermediate.crt is not a certification authority".to_owned()));
        }
        let signer = rcgen::Issuer::from_ca_cert_der(&intermediate.der.as_slice().into(), key)
            .map_err(|error| damaged(format!("intermediate.crt: {error}")))?;
        Ok(Self { signer, root, intermediate, crl_url: None })
    }

    /// The same, naming in each certificate where the list of what was revoked is to be found (RFC 5280 §4.2.1.13).
    #[must_use]
    pub fn with_crl_url(self, crl_url: Option<String>) -> Self {
        Self { crl_url, ..self }
    }

    /// The root, for whoever must trust it.
    pub fn root(&self) -> &IssuedCertificate {
        &self.root
    }

    /// The certificate that signs.
    pub fn intermediate(&self) -> &IssuedCertificate {
        &self.intermediate
    }

    /// The validity that an order gives, within the authority's own; in seconds since 1970.
    fn validity(&self, content: &CertificateContent, order: &Order) -> Result<(i64, i64), IssueError> {
        let begin = order.not_before.unix_millis().div_euclid(1000);
        let end = begin.saturating_add(i64::try_from(content.valid_for.secs()).unwrap_or(i64::MAX));
        for authority in [&self.intermediate, &self.root] {
            let (first, last) = (authority.not_before, authority.not_after);
            if begin * 1000 < first.unix_millis() || end > last.unix_millis().div_euclid(1000) {
                return Err(IssueError::Refused(format!(
                    "the certificate would be valid for {} from {}, outside of the validity of {} ({first} to {last}); \
                     ask for less, or make a new authority",
                    content.valid_for,
                    order.not_before,
                    authority.subject.safe()
                )));
            }
        }
        Ok((begin, end))
    }
}

impl Issuer for LocalCa {
    fn issue(&self, approved: &Approved, order: &Order) -> Result<Vec<u8>, IssueError> {
        let content = approved.content();
        if content.ca {
            return Err(IssueError::Refused(
                "the local CA makes no certification authorities (path length 0)".to_owned(),
            ));
        }
        let csr = csr::parse_der(approved.csr_der()).map_err(|error| IssueError::Refused(error.message))?;
        if csr.spki_sha256 != content.spki_sha256 {
            return Err(IssueError::Refused("the CSR's public key is not the approved one".to_owned()));
        }
        let (begin, end) = self.validity(content, order)?;
        let mut params = CertificateParams::default();
        if !create::set_validity(&mut params, begin, end) {
            return Err(IssueError::Refused("the validity lies before 1970 or after the year 9999".to_owned()));
        }
        params.serial_number = Some(SerialNumber::from_slice(order.serial.as_bytes()));
        params.distinguished_name = subject(content)?;
        params.subject_alt_names = content.sans.iter().map(san).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = content.key_usage.iter().map(|usage| key_usage(*usage)).collect();
        params.extended_key_usages =
            content.extended_key_usage.iter().map(|usage| extended_key_usage(*usage)).collect();
        params.use_authority_key_identifier_extension = true;
        params.crl_distribution_points =
            self.crl_url.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
        let key = SubjectPublicKeyInfo::from_der(&csr.spki_der)
            .map_err(|error| IssueError::Refused(format!("the public key cannot be written: {error}")))?;
        let leaf = params
            .signed_by(&key, &self.signer)
            .map_err(|error| IssueError::Refused(format!("signing failed: {error}")))?;
        let mut chain = pem::encode("CERTIFICATE", leaf.der());
        chain.push_str(&pem::encode("CERTIFICATE", &self.intermediate.der));
        Ok(chain.into_bytes())
    }

    fn sign_crl(&self, order: &CrlOrder) -> Result<Vec<u8>, IssueError> {
        crl::sign(self, order)
    }

    fn survives_restart(&self) -> bool {
        true
    }
}

/// C, ST, L, O, OU, CN. A type that stands there twice is refused: the encoder would keep the last one alone.
fn subject(content: &CertificateContent) -> Result<DistinguishedName, IssueError> {
    let mut name = DistinguishedName::new();
    for (attribute, value) in &content.subject {
        let (kind, value) = match attribute {
            SubjectAttribute::Country => {
                let two_letters = PrintableString::try_from(value.as_str()).map_err(|_| {
                    IssueError::Refused(format!(
                        "the country \"{}\" is not printable",
                        Untrusted::from(value.as_str()).safe()
                    ))
                })?;
                (DnType::CountryName, DnValue::PrintableString(two_letters))
            }
            SubjectAttribute::State => (DnType::StateOrProvinceName, DnValue::Utf8String(value.clone())),
            SubjectAttribute::Locality => (DnType::LocalityName, DnValue::Utf8String(value.clone())),
            SubjectAttribute::Organization => (DnType::OrganizationName, DnValue::Utf8String(value.clone())),
            SubjectAttribute::OrganizationalUnit => {
                (DnType::OrganizationalUnitName, DnValue::Utf8String(value.clone()))
            }
        };
        if name.get(&kind).is_some() {
            return Err(IssueError::Refused(format!(
                "the local CA writes each subject attribute once; {attribute} is there twice"
            )));
        }
        name.push(kind, value);
    }
    if let Some(common_name) = &content.common_name {
        name.push(DnType::CommonName, DnValue::Utf8String(common_name.raw().to_owned()));
    }
    Ok(name)
}

fn san(san: &San) -> Result<SanType, IssueError> {
    let ascii = |text: &Untrusted| {
        Ia5String::try_from(text.raw())
            .map_err(|_| IssueError::Refused(format!("the name {:.80} is not ASCII", text.safe())))
    };
    Ok(match san {
        San::Dns(name) => SanType::DnsName(ascii(name)?),
        San::Uri(uri) => SanType::URI(ascii(uri)?),
        San::Email(mailbox) => SanType::Rfc822Name(ascii(mailbox)?),
        San::Ip(address) => SanType::IpAddress(*address),
    })
}

const fn key_usage(usage: KeyUsage) -> KeyUsagePurpose {
    match usage {
        KeyUsage::DigitalSignature => KeyUsagePurpose::DigitalSignature,
        KeyUsage::ContentCommitment => KeyUsagePurpose::ContentCommitment,
        KeyUsage::KeyEncipherment => KeyUsagePurpose::KeyEncipherment,
        KeyUsage::DataEncipherment => KeyUsagePurpose::DataEncipherment,
        KeyUsage::KeyAgreement => KeyUsagePurpose::KeyAgreement,
        KeyUsage::KeyCertSign => KeyUsagePurpose::KeyCertSign,
        KeyUsage::CrlSign => KeyUsagePurpose::CrlSign,
        KeyUsage::EncipherOnly => KeyUsagePurpose::EncipherOnly,
        KeyUsage::DecipherOnly => KeyUsagePurpose::DecipherOnly,
    }
}

const fn extended_key_usage(usage: ExtendedKeyUsage) -> ExtendedKeyUsagePurpose {
    match usage {
        ExtendedKeyUsage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsage::CodeSigning => ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsage::EmailProtection => ExtendedKeyUsagePurpose::EmailProtection,
        ExtendedKeyUsage::TimeStamping => ExtendedKeyUsagePurpose::TimeStamping,
        ExtendedKeyUsage::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
    }
}

#[cfg(test)]
mod tests;
