//! What has happened before the demo opens: a dozen requests as a week at a bank brings them, and a certificate of somebody
//! else that is about to end.

use std::path::Path;

use chrono::Datelike as _;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    CertificateImport, Method, RequestApprove, RequestReject, RequestSubmit, RequestWait,
};
use countersign_shared::protocol::{
    DecideParams, ImportItem, ImportParams, Outcome, RequestSummary, SubmitParams, SubmitResult, WaitParams,
};
use countersign_shared::time::Span;
use data_encoding::BASE64;
use rcgen::{CertificateParams, DnType, KeyPair};

use super::caller::Caller;
use super::{DemoError, Told};

const WEAK_KEY: &str = include_str!("csr/weak-key.pem");
const CA_TRUE: &str = include_str!("csr/ca-true.pem");

/// Requests that are still pending when the demo opens: names, reason, ticket, validity in days.
const PENDING: &[(&[&str], &str, Option<&str>, u64)] = &[
    (
        &["web1.corp.example", "api.corp.example"],
        "web1 takes over the API from the old load balancer",
        Some("CHG-20418"),
        90,
    ),
    (&["corp.example", "*.corp.example"], "one certificate for the new reverse proxy", Some("CHG-20421"), 90),
    (&["xn--pypal-4ve.corp.example"], "payment page for the campaign", None, 30),
    (&["vpn.corp.example", "vpn-b.corp.example"], "second VPN gateway", Some("CHG-20399"), 90),
    (&["ldap.corp.example"], "directory server moves to new hardware", Some("CHG-20377"), 60),
    (&["sso.corp.example", "login.corp.example"], "single sign-on, scheduled replacement", Some("CHG-20425"), 90),
    (&["mail.corp.example", "autodiscover.corp.example"], "mail relay", None, 90),
];

/// Tells it.
pub(super) async fn tell(socket: &Path) -> Result<(), DemoError> {
    let mut alice = Caller::acting_as(socket, "alice").await?;
    let mut bob = Caller::acting_as(socket, "bob").await?;

    alice.call::<CertificateImport>(&ImportParams { items: vec![ends_soon()?] }).await?;
    let first = submit(&mut alice, &["web1.corp.example"], "new web server", Some("CHG-20102"), 90).await?;
    decide::<RequestApprove>(&mut bob, &pending(first)?, "checked with the owner").await?;
    let lab = pending(submit(&mut alice, &["bench.lab.corp.example"], "measuring handshakes", None, 7).await?)?;
    submit(&mut alice, &["ci.dev.corp.example"], "build agents", None, 30).await?;
    let wrong = pending(submit(&mut alice, &["intranet.corp.example"], "intranet", None, 90).await?)?;
    decide::<RequestReject>(&mut bob, &wrong, "the owner is facility management: they have to ask").await?;

    let weak = ask(WEAK_KEY.to_owned(), "the old appliance makes no other key", None, 90);
    alice.refused::<RequestSubmit>(&weak, ErrorKind::Invalid).await?;
    alice.call::<RequestSubmit>(&ask(CA_TRUE.to_owned(), "issuing CA for the branch offices", None, 90)).await?;
    let core = submit(&mut alice, &["db.core.corp.example"], "key ceremony of the payment core", Some("CHG-20430"), 30);
    // One of two: whoever opens the demo can be the other.
    bob.call::<RequestApprove>(&decision(&pending(core.await?)?, "names and key checked with the owner")).await?;
    let mut own = None;
    for (names, reason, ticket, days) in PENDING {
        own = Some(pending(submit(&mut alice, names, reason, *ticket, *days).await?)?);
    }
    if let Some(own) = own {
        let params = decision(&own, "it is urgent");
        alice.refused::<RequestApprove>(&params, ErrorKind::TwoPersonIntegrity).await?;
    }
    wait_for(&mut alice, &lab, Outcome::Expired).await
}

/// The certificate of an appliance, made elsewhere, with less than a week left: it is watched from now on, and people are told.
fn ends_soon() -> Result<ImportItem, DemoError> {
    let failed = |error| Told("making a certificate", error);
    let day = |days: i64| {
        let at = (chrono::Utc::now() + chrono::TimeDelta::days(days)).date_naive();
        rcgen::date_time_ymd(at.year(), at.month() as u8, at.day() as u8)
    };
    let mut params = CertificateParams::new(vec!["badges.corp.example".to_owned()]).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "badges.corp.example");
    (params.not_before, params.not_after) = (day(-360), day(6));
    let key = KeyPair::generate().map_err(failed)?;
    let pem = params.self_signed(&key).map_err(failed)?.pem();
    Ok(ImportItem {
        path: "/srv/badges/tls.pem".into(),
        octets: Some(BASE64.encode(pem.as_bytes())),
        password: None,
        below: false,
    })
}

async fn submit(
    who: &mut Caller,
    names: &[&str],
    reason: &str,
    ticket: Option<&str>,
    days: u64,
) -> Result<SubmitResult, DemoError> {
    who.call::<RequestSubmit>(&ask(csr(names)?, reason, ticket, days)).await
}

fn ask(csr: String, reason: &str, ticket: Option<&str>, days: u64) -> SubmitParams {
    SubmitParams {
        csr,
        profile: None,
        reason: Some(reason.into()),
        ticket: ticket.map(Into::into),
        environment: None,
        valid_for: Some(Span::from_secs(days * 86_400)),
        not_before: None,
        batch: None,
        idempotency_key: None,
    }
}

/// A CSR under a key that nobody keeps.
fn csr(names: &[&str]) -> Result<String, DemoError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let failed = |error| Told("making a CSR", error);
    let mut params = CertificateParams::new(names.clone()).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(first) = names.first() {
        params.distinguished_name.push(DnType::CommonName, first.as_str());
    }
    let key = KeyPair::generate().map_err(failed)?;
    let request = params.serialize_request(&key).map_err(failed)?;
    request.pem().map_err(failed).map_err(Into::into)
}

fn pending(submitted: SubmitResult) -> Result<RequestSummary, DemoError> {
    submitted.request.ok_or_else(|| DemoError("a request that needs approval made none".to_owned()))
}

fn decision(request: &RequestSummary, note: &str) -> DecideParams {
    DecideParams { id: request.id.clone(), digest: request.digest, note: Some(note.into()), signature: None }
}

async fn decide<M>(who: &mut Caller, request: &RequestSummary, note: &str) -> Result<(), DemoError>
where
    M: countersign_shared::protocol::method::Method<Params = DecideParams>,
{
    who.call::<M>(&decision(request, note)).await?;
    let outcome = if M::NAME == RequestApprove::NAME { Outcome::Issued } else { Outcome::Rejected };
    wait_for(who, request, outcome).await
}

async fn wait_for(who: &mut Caller, request: &RequestSummary, outcome: Outcome) -> Result<(), DemoError> {
    let params = WaitParams { id: request.id.to_string(), timeout: Some(Span::from_secs(30)) };
    let ended = who.call::<RequestWait>(&params).await?;
    if ended.outcome == outcome {
        return Ok(());
    }
    let why = ended.why.map(|why| why.safe().to_string()).unwrap_or_default();
    Err(DemoError(format!("{} ended as {}: {why}", request.id, ended.outcome)))
}
