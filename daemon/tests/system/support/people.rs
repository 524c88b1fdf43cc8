//! Who there is, what the policy says of them, and what they ask for.

use countersign_shared::protocol::{AmendParams, DecideParams, EndParams, RequestSummary, SubmitParams};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

/// Requester and operator; one person with [`ALICE_ADM`].
pub const ALICE: u32 = 62_001;
/// Operator.
pub const BOB: u32 = 62_002;
/// Admin.
pub const CAROL: u32 = 62_003;
/// Auditor.
pub const DAVE: u32 = 62_004;
/// Nobody whom the policy knows.
pub const MALLORY: u32 = 62_005;
/// The second account of alice.
pub const ALICE_ADM: u32 = 62_006;

/// Operator, in a group of their own where a test needs one.
pub const ERIN: u32 = 62_007;
/// The same.
pub const FRANK: u32 = 62_008;

/// As the ledger names an account.
pub fn account(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).unwrap();
    user.map_or_else(|| format!("uid:{uid}"), |user| user.name)
}

/// A policy in which `p-web` needs `need` people of the group, and `p-dev` nobody. `p_web` is put into the
/// table of that profile, `more` stands at the end.
pub fn policy_with(need: u32, p_web: &str, more: &str) -> String {
    format!(
        r#"
version = 1
[[person]]
name = "alice"
accounts = ["uid:{ALICE}", "uid:{ALICE_ADM}"]
[[person]]
name = "bob"
accounts = ["uid:{BOB}"]
[[person]]
name = "carol"
accounts = ["uid:{CAROL}"]
[[group]]
name = "pki"
members = ["person:alice", "person:bob", "person:carol"]
[[grant]]
role = "requester"
to = "group:pki"
[[grant]]
role = "operator"
to = "group:pki"
[[grant]]
role = "admin"
to = "person:carol"
[[grant]]
role = "auditor"
to = "uid:{DAVE}"
[[profile]]
id = "p-web"
name = "Web servers"
environment = "production"
names = ["corp.example", "*.corp.example"]
requires_approval = true
quorum = [{{ group = "pki", need = {need} }}]
issuer = "local-ca"
keys = ["rsa-2048", "ecdsa-p256", "ecdsa-p384", "ed25519"]
max_validity = "90d"
justification = "required"
{p_web}
[[profile]]
id = "p-dev"
name = "Development"
environment = "dev"
names = ["*.dev.test.example"]
issuer = "local-ca"
keys = ["ecdsa-p256", "ed25519"]
max_validity = "30d"
[[issuer]]
id = "local-ca"
type = "local-ca"
{more}
"#
    )
}

/// The same with one approver and nothing more.
pub fn policy() -> String {
    policy_with(1, "", "")
}

/// A CSR for these names on a fresh key, the first of them the common name.
pub fn csr(names: &[&str]) -> String {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names[0]);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

/// A request for these names with a fresh key.
pub fn ask(names: &[&str]) -> SubmitParams {
    SubmitParams {
        csr: csr(names),
        profile: None,
        reason: Some("new web server".into()),
        ticket: None,
        environment: None,
        valid_for: None,
        idempotency_key: None,
        not_before: None,
        batch: None,
    }
}

/// A decision on exactly what is pending.
pub fn on(request: &RequestSummary) -> DecideParams {
    DecideParams { id: request.id.clone(), digest: request.digest, note: Some("looked at it".into()), signature: None }
}

/// The end of a request, with a reason or without.
pub fn ending(request: &RequestSummary, reason: Option<&str>) -> EndParams {
    EndParams { id: request.id.clone(), reason: reason.map(Into::into) }
}

/// An amendment of exactly what is pending that does not say yet what is to be otherwise.
pub fn amending(request: &RequestSummary) -> AmendParams {
    AmendParams {
        id: request.id.clone(),
        digest: request.digest,
        csr: None,
        reason: None,
        ticket: None,
        valid_for: None,
        not_before: None,
    }
}
