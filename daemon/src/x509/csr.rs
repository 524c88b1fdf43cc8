//! PKCS#10 requests (RFC 2986): read, judged for what no profile may allow, and verified.

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::MAX_CSR;
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::X509Extension;
use x509_parser::x509::X509Version;

use super::{MAX_PARTS, MAX_SANS, ParsedCsr, dotted, extension, key, name, pem, quoted, signature};

const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";

/// Reads one CSR from PEM (text around it is skipped, as `openssl` does) or from DER in base 64.
///
/// Size, counts and key size are judged before any signature is verified. Refused are, each by name: more than
/// [`MAX_CSR`] octets, a second PEM block, other labels, and whatever [`parse_der`] refuses.
pub fn parse(input: &str) -> Result<ParsedCsr, ApiError> {
    check_size(input.len())?;
    if !pem::is_pem(input) {
        let der = pem::base64(input).ok_or_else(|| {
            ApiError::invalid("the CSR is neither PEM nor DER in base 64")
                .hint("send the text of the file that openssl req -new wrote")
        })?;
        return parse_der(&der);
    }
    let blocks = pem::blocks(input, 1).map_err(ApiError::invalid)?;
    if let Some(secret) = blocks.iter().find(|block| block.label.contains("PRIVATE KEY")) {
        return Err(ApiError::invalid(format!("the text holds a private key ({})", quoted(&secret.label)))
            .hint("a private key never leaves its host: make a new key, and send the CSR alone"));
    }
    match blocks.as_slice() {
        [only] if LABELS.contains(&only.label.as_str()) => parse_der(&only.der),
        [only] => Err(ApiError::invalid(format!("the PEM block is {}, not CERTIFICATE REQUEST", quoted(&only.label)))),
        _ => Err(ApiError::invalid("the text has a second PEM block; one CSR alone is wanted")
            .hint("make one request for each CSR")),
    }
}

/// Reads one CSR in DER and verifies its proof of possession.
///
/// Refused are, each by name: trailing octets, keys and signatures other than the accepted ones, more than
/// [`MAX_SANS`] SANs, SANs of other types or of wrong syntax, an extension or attribute twice, two common names.
pub fn parse_der(der: &[u8]) -> Result<ParsedCsr, ApiError> {
    check_size(der.len())?;
    let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| {
        ApiError::invalid("the CSR is not a readable PKCS#10 request")
            .hint("check the file with: openssl req -in FILE -noout -text -verify")
    })?;
    if !rest.is_empty() {
        return Err(ApiError::invalid(format!("{} octets follow the CSR", rest.len())));
    }
    let info = &csr.certification_request_info;
    if info.version != X509Version::V1 {
        return Err(ApiError::invalid("the CSR's version is not 1 (RFC 2986)"));
    }
    let key = key::classify(&info.subject_pki)?;
    let subject = name::read(&info.subject)?;
    let (extensions, other_attributes) = requested(&csr)?;
    let extensions = extension::read(extensions)?;
    signature::accepted(&csr.signature_algorithm)?;
    csr.verify_signature().map_err(|_| {
        ApiError::invalid("the CSR's signature does not verify: possession of the private key is not proven")
            .hint("make the CSR again with the key that it names; it may have been damaged on its way")
    })?;
    Ok(ParsedCsr {
        der: der.to_vec(),
        sha256: Digest::of(&[der]),
        subject: subject.rendered,
        common_name: subject.common_name,
        subject_rest: subject.rest,
        sans: extensions.sans,
        key,
        spki_der: info.subject_pki.raw.to_vec(),
        spki_sha256: Digest::of(&[info.subject_pki.raw]),
        asks_ca: extensions.ca,
        key_usage: extensions.key_usage.iter().map(|usage| extension::ku_name(*usage).to_owned()).collect(),
        extended_key_usage: extensions.extended_key_usage,
        other_extensions: extensions.other.into_iter().chain(other_attributes).collect(),
    })
}

fn check_size(octets: usize) -> Result<(), ApiError> {
    if octets > MAX_CSR {
        return Err(ApiError::invalid(format!("the CSR has {octets} octets; at most {MAX_CSR} are accepted"))
            .hint(format!("a CSR may ask for at most {MAX_SANS} names")));
    }
    Ok(())
}

/// The requested extensions, and the OIDs of all other attributes.
fn requested<'a>(csr: &'a X509CertificationRequest<'_>) -> Result<(&'a [X509Extension<'a>], Vec<String>), ApiError> {
    let attributes = csr.certification_request_info.attributes();
    if attributes.len() > MAX_PARTS {
        return Err(ApiError::invalid(format!("the CSR has more than {MAX_PARTS} attributes")));
    }
    let mut extensions: &[X509Extension<'_>] = &[];
    let mut seen = Vec::new();
    for attribute in attributes {
        let oid = dotted(&attribute.oid);
        if seen.contains(&oid) {
            return Err(ApiError::invalid(format!("the CSR attribute {oid} stands there twice")));
        }
        if let ParsedCriAttribute::ExtensionRequest(request) = attribute.parsed_attribute() {
            // The parser reads the first value of the set; a second one must not pass unseen.
            if !is_set_of_one(attribute.value) {
                return Err(ApiError::invalid("the CSR's extension request does not have exactly one value"));
            }
            extensions = &request.extensions;
        }
        seen.push(oid);
    }
    seen.retain(|oid| oid != EXTENSION_REQUEST);
    Ok((extensions, seen))
}

fn is_set_of_one(value: &[u8]) -> bool {
    let Ok((after, set)) = Any::from_der(value) else {
        return false;
    };
    let one = Any::from_der(set.data);
    after.is_empty() && set.tag() == Tag::Set && one.is_ok_and(|(rest, _)| rest.is_empty())
}

#[cfg(test)]
mod tests;
