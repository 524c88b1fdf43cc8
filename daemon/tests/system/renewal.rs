//! Certificates are renewed before they end: by the daemon, through the same gate, or by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_shared::error::ErrorKind;
use countersign_shared::id::{CertificateId, RequestId};
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{
    CertificateGet, CertificateRenew, CertificateRetire, JobRetry, RequestApprove, RequestGet, RequestList,
    RequestReject, RequestWithdraw,
};
use countersign_shared::protocol::{
    CertificateIdParams, EndParams, JobIdParams, ListRequestsParams, Outcome, RenewParams, RequestIdParams,
    RequestSummary, RetireParams, RetireReason, Risk, SubmitResult,
};
use countersign_shared::time::Timestamp;

use crate::exec::{SIGN, issuing_under, runs, write};
use crate::support::web::{ACCEPTS, Web};
use crate::support::{
    ALICE, BOB, CAROL, DAVE, Host, MALLORY, ask, can_be_people, csr, on, policy_with, skipped, until,
};

const DAY: i64 = 86_400_000;

/// By default a renewal policy renews: what it says of alerts is not looked at here.
const RULES: &str = "[[renewal_policy]]\nid = \"rp-test\"\nmax_retries = 1\nretry_interval_seconds = 60\n\
                     alert_severity_map = { \"0\" = \"critical\" }\n";

/// Both profiles are renewed; `p_web` and `p_dev` are put into their tables.
fn renewing(p_web: &str, p_dev: &str) -> String {
    let policy = policy_with(1, &format!("renewal_policy = \"rp-test\"\n{p_web}"), RULES);
    policy.replacen("id = \"p-dev\"", &format!("id = \"p-dev\"\nrenewal_policy = \"rp-test\"\n{p_dev}"), 1)
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis).unwrap()
}

/// Restarts the daemon on a host where the certificate ends in an hour. Nothing but the watch knows: the certificate
/// itself is as long as it was, since no issuer here gives anything that ends while a test runs.
pub fn expires(host: &mut Host, id: &CertificateId) {
    ends(host, id, now() + 3_600_000);
}

fn ends(host: &mut Host, id: &CertificateId, not_after: i64) {
    host.stop();
    let (from, to, due) = (time(now() - 90 * DAY), time(not_after), time(now() - DAY));
    host.tamper(&format!(
        "UPDATE expiry_watch SET not_before = '{from}', not_after = '{to}', renew_at = '{due}' WHERE certificate_id = '{id}'"
    ));
    host.start();
}

fn count(host: &Host, sql: &str) -> i64 {
    host.value(&format!("SELECT count(*) FROM {sql}"))
}

/// The request of the daemon that waits, as `uid` sees it.
fn asked(host: &Host, uid: u32) -> RequestSummary {
    let pending = "approval_requests WHERE requester_account = 'system-scheduler' AND state = 'pending'";
    until("the daemon asks", || count(host, pending) == 1);
    let id: String = host.value(&format!("SELECT id FROM {pending}"));
    host.user(uid).call::<RequestGet>(&RequestIdParams { id: id.parse().unwrap() }).request
}

/// A certificate for `name` that alice asked for.
fn issued(host: &Host, name: &str) -> SubmitResult {
    let mut alice = host.user(ALICE);
    let submitted = alice.submit(&[name]);
    if let Some(request) = &submitted.request {
        host.user(BOB).approve(request);
    }
    assert_eq!(alice.wait(&submitted.job.id).outcome, Outcome::Issued);
    submitted
}

fn in_order(host: &mut Host) {
    host.stop();
    host.start();
    assert_eq!(host.oneself().status().damage, None);
}

#[test]
fn an_unattended_profile_renews_by_itself_once() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&renewing("", ""));
    let id = issued(&host, "a.dev.test.example").certificate_id;
    in_order(&mut host);
    assert_eq!(count(&host, "jobs"), 1, "its window is far away");
    expires(&mut host, &id);
    until("it is renewed", || count(&host, "certificate_versions WHERE version = 2 AND state = 'active'") == 1);
    let seen = host.user(ALICE).call::<CertificateGet>(&CertificateIdParams { id: id.clone() });
    assert_eq!(seen.certificate.unwrap().owner.uid, ALICE, "its owner is who it was");
    let [new, old] = &seen.versions[..] else { panic!("{:?}", seen.versions) };
    assert_eq!((new.spki_sha256, &new.sans), (old.spki_sha256, &old.sans));
    let by_the_daemon = "audit_events WHERE action = 'issuance_requested' AND actor = 'system-scheduler'
         AND actor_type = 'System' AND details ->> '$.kind' = 'cert_renewal' AND details ->> '$.uid' IS NULL";
    assert_eq!(count(&host, by_the_daemon), 1);
    in_order(&mut host);
    assert_eq!(count(&host, "jobs"), 2, "the new version is watched from its own begin");
    assert_eq!(count(&host, "expiry_watch WHERE version = 2"), 1);
}

#[test]
fn an_attended_profile_asks_people_and_one_more_where_no_human_asked() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&renewing("extra_for_scheduler = 1\nrequire_login_session = false", ""));
    let id = issued(&host, "web1.corp.example").certificate_id;
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    assert_eq!(request.requester.account, "system-scheduler");
    assert!(!request.risks.contains(&Risk::OtherOwner) && !request.risks.contains(&Risk::KeyChanged));
    // The owner is not who asked.
    assert_eq!(host.user(ALICE).call::<RequestApprove>(&on(&request)).state, RequestState::Pending);
    host.user(ALICE).refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided);
    host.user(0).refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    in_order(&mut host);
    assert_eq!(count(&host, "approval_requests WHERE state = 'pending'"), 1, "there is never a second");
    assert_eq!(host.user(BOB).call::<RequestApprove>(&on(&request)).state, RequestState::Approved);
    assert_eq!(host.user(BOB).wait(&request.id).outcome, Outcome::Issued);
    in_order(&mut host);
    assert_eq!(count(&host, "approval_requests"), 2);
}

#[test]
fn what_people_reject_is_not_asked_again_but_by_hand() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&renewing("", ""));
    let id = issued(&host, "web1.corp.example").certificate_id;
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    host.user(BOB).call::<RequestReject>(&on(&request));
    expires(&mut host, &id);
    until("it is looked at", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    assert_eq!(count(&host, "approval_requests"), 2);
    assert_eq!(count(&host, "expiry_watch"), 1, "alerts go on");

    let params = renew(&id);
    host.user(MALLORY).refused::<CertificateRenew>(&params, ErrorKind::Forbidden);
    host.user(DAVE).refused::<CertificateRenew>(&params, ErrorKind::Forbidden);
    let without = RenewParams { reason: None, ..params.clone() };
    let error = host.user(ALICE).refused::<CertificateRenew>(&without, ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("profile.justification"));
    let other = RenewParams { csr: Some(csr(&["web2.corp.example"])), ..params.clone() };
    host.user(ALICE).refused::<CertificateRenew>(&other, ErrorKind::Invalid);
    assert_eq!(count(&host, "certificates"), 1);
    let asked = host.user(ALICE).call::<CertificateRenew>(&params);
    let request = asked.request.unwrap();
    assert_eq!(asked.certificate_id, id);
    host.user(ALICE).refused::<CertificateRenew>(&params, ErrorKind::Conflict);
    host.user(ALICE).refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    host.user(BOB).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);

    let own = RenewParams { csr: Some(csr(&["web1.corp.example"])), ..params };
    let request = host.user(ALICE).call::<CertificateRenew>(&own).request.unwrap();
    assert!(request.risks.contains(&Risk::KeyChanged), "{:?}", request.risks);
}

fn renew(id: &CertificateId) -> RenewParams {
    RenewParams { certificate_id: id.clone(), csr: None, reason: Some("it ends".into()), ticket: None }
}

#[test]
fn a_failed_renewal_is_tried_again_as_often_as_the_policy_says() {
    if !can_sign() {
        return;
    }
    let change = |policy: &str| {
        let policy = policy.replacen("id = \"p-web\"", "id = \"p-web\"\nrenewal_policy = \"rp-test\"", 1);
        format!("{policy}{RULES}")
    };
    let mut host = issuing_under(&format!("NAME=web1.corp.example\n{SIGN}"), "30s", change);
    let id = issued(&host, "web1.corp.example").certificate_id;
    write(&host, "cat > /dev/null; echo 'the HSM is locked' >&2; exit 1");
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    host.user(BOB).approve(&request);
    let failed = |host: &Host| count(host, "jobs WHERE state = 'failed'");
    until("it fails", || failed(&host) == 1);
    until("it is planned", || count(&host, "expiry_watch WHERE renew_at > '2026'") == 1);
    in_order(&mut host);
    assert_eq!(failed(&host), 1, "not before the interval is over");

    let a_minute_passes = |host: &mut Host| {
        host.stop();
        let past = time(now() - DAY);
        host.tamper(&format!(
            "UPDATE jobs SET finished_at = '{past}' WHERE state = 'failed';
             UPDATE expiry_watch SET renew_at = '{past}' WHERE certificate_id = '{id}'"
        ));
        host.start();
    };
    a_minute_passes(&mut host);
    until("it is tried again, and fails", || failed(&host) == 2);
    assert_eq!(count(&host, "approval_requests WHERE state = 'approved'"), 2, "under the same approval");
    until("that was the last", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    a_minute_passes(&mut host);
    until("it is looked at", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    assert_eq!((failed(&host), runs(&host)), (2, 3));
    assert_eq!(count(&host, "expiry_watch"), 1, "alerts go on");

    // By hand it goes on.
    write(&host, &format!("NAME=web1.corp.example\n{SIGN}"));
    let newest: String = host.value("SELECT id FROM jobs ORDER BY row DESC LIMIT 1");
    host.user(BOB).call::<JobRetry>(&JobIdParams { id: newest.parse().unwrap() });
    until("it is renewed", || count(&host, "expiry_watch WHERE version = 2") == 1);
}

#[test]
fn an_outcome_that_is_not_known_is_left_to_people() {
    if !can_sign() {
        return;
    }
    let change = |policy: &str| {
        let policy = policy.replacen("id = \"p-web\"", "id = \"p-web\"\nrenewal_policy = \"rp-test\"", 1);
        format!("{policy}{RULES}")
    };
    let mut host = issuing_under(&format!("NAME=web1.corp.example\n{SIGN}"), "1s", change);
    let id = issued(&host, "web1.corp.example").certificate_id;
    write(&host, "sleep 1000");
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    host.user(BOB).approve(&request);
    until("it fails", || count(&host, "jobs WHERE state = 'failed' AND error LIKE '%it is not known whether%'") == 1);
    until("nothing is planned", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    host.stop();
    let past = time(now() - DAY);
    host.tamper(&format!(
        "UPDATE jobs SET finished_at = '{past}' WHERE state = 'failed'; UPDATE expiry_watch SET renew_at = '{past}'"
    ));
    host.start();
    until("it is looked at", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    assert_eq!(count(&host, "jobs"), 2);
}

fn can_sign() -> bool {
    can_be_people() && openssl_is_there()
}

fn openssl_is_there() -> bool {
    let there = Command::new("openssl").arg("version").output().is_ok();
    if !there {
        skipped("openssl is not installed");
    }
    there
}

/// A host on which `table` (of `p-web` or `p-dev`) delivers new keys to `ssl`, which is there.
fn with_new_keys(attended: bool, kinds: &str) -> Host {
    let mut host = Host::prepared("");
    let place = host.path("ssl").display().to_string();
    let table = format!(
        "renew_key = \"new\"\ndeliver = {{ path = \"{place}/{{certificate}}.pem\", key_path = \"{place}/{{certificate}}.private\" }}\n"
    );
    let policy = if attended { renewing(&table, "") } else { renewing("", &table) };
    let policy = policy.replacen("[\"rsa-2048\", \"ecdsa-p256\", \"ecdsa-p384\", \"ed25519\"]", kinds, 1);
    fs::write(host.path("policy.toml"), policy).unwrap();
    fs::create_dir(host.path("ssl")).unwrap();
    host.start();
    host
}

fn pair(host: &Host, id: &CertificateId) -> (PathBuf, PathBuf) {
    (host.path(&format!("ssl/{id}.pem")), host.path(&format!("ssl/{id}.private")))
}

fn openssl(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("openssl").args(arguments).arg("-in").arg(file).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The key is that of the certificate, says another implementation, and its owner's alone.
fn match_each_other((chain, key): &(PathBuf, PathBuf)) {
    let of_the_key = openssl(&["pkey", "-pubout"], key);
    assert_eq!(of_the_key, openssl(&["x509", "-noout", "-pubkey"], chain));
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o7777, 0o600);
}

/// Keys in the state directory, each closed to others.
fn kept(host: &Host) -> usize {
    let entries = fs::read_dir(host.state.join("keys")).unwrap();
    let modes = entries.map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o7777);
    modes.inspect(|mode| assert_eq!(*mode, 0o600)).count()
}

/// No file of the installation but those in `keys` ever holds a key that was made for a renewal. The ledger's own key, which
/// signs checkpoints, is one of another kind.
fn says_no_key(host: &Host, key: &str) {
    let secret: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let mut files = vec![host.path("log")];
    files.extend(fs::read_dir(&host.state).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    for file in files {
        let found = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&found).replace(['\n', '\r'], "");
        let of_checkpoints = file.ends_with("checkpoint.key");
        assert!(!text.contains(&secret) && text.contains("PRIVATE KEY") == of_checkpoints, "{}", file.display());
    }
}

#[test]
fn a_new_key_is_delivered_with_its_certificate_and_not_kept() {
    if !can_be_people() || !openssl_is_there() {
        return;
    }
    let mut host = with_new_keys(false, "[\"ecdsa-p256\"]");
    let id = issued(&host, "a.dev.test.example").certificate_id;
    let files = pair(&host, &id);
    until("the first is delivered", || files.0.exists());
    assert!(!files.1.exists(), "the first key is somebody else's");
    let mut earlier = String::new();
    for version in [2, 3] {
        expires(&mut host, &id);
        let done = format!("deliveries WHERE version = {version} AND state = 'done'");
        until("it is renewed and delivered", || count(&host, &done) == 1);
        match_each_other(&files);
        until("it is forgotten", || kept(&host) == 0);
        let key = fs::read_to_string(&files.1).unwrap();
        assert_ne!(key, earlier);
        says_no_key(&host, &key);
        earlier = key;
    }
    assert_eq!(fs::read_dir(host.path("ssl")).unwrap().count(), 2, "nothing is left beside the pair");
    // By hand the daemon makes a key as well, and whoever brings one keeps it.
    host.user(ALICE).call::<CertificateRenew>(&renew(&id));
    until("it is delivered", || count(&host, "deliveries WHERE version = 4 AND state = 'done'") == 1);
    match_each_other(&files);
    let own = RenewParams { csr: Some(csr(&["a.dev.test.example"])), ..renew(&id) };
    host.user(ALICE).call::<CertificateRenew>(&own);
    until("it is delivered", || count(&host, "deliveries WHERE version = 5 AND state = 'done'") == 1);
    until("nothing is kept", || kept(&host) == 0);
    in_order(&mut host);
}

#[test]
fn a_key_outlives_a_kill_until_it_is_delivered_and_a_rejection_forgets_it() {
    if !can_be_people() || !openssl_is_there() {
        return;
    }
    let mut host = with_new_keys(true, "[\"ecdsa-p384\", \"ecdsa-p256\", \"ed25519\"]");
    let id = issued(&host, "web1.corp.example").certificate_id;
    let files = pair(&host, &id);
    until("the first is delivered", || files.0.exists());
    let first = fs::read_to_string(&files.0).unwrap();
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    assert!(request.risks.contains(&Risk::KeyChanged));
    assert_eq!(kept(&host), 1);
    host.kill();
    host.start();
    assert_eq!(kept(&host), 1, "people may still agree to it");
    fs::rename(host.path("ssl"), host.path("away")).unwrap();
    host.user(BOB).approve(&request);
    assert_eq!(host.user(BOB).wait(&request.id).outcome, Outcome::Issued);
    until("it cannot be delivered", || count(&host, "deliveries WHERE state = 'failed'") == 1);
    host.kill();
    assert_eq!(fs::read_to_string(host.path(&format!("away/{id}.pem"))).unwrap(), first);
    fs::rename(host.path("away"), host.path("ssl")).unwrap();
    host.start();
    until("it is delivered", || count(&host, "deliveries WHERE state = 'done'") == 1);
    match_each_other(&files);
    until("it is forgotten", || kept(&host) == 0);

    expires(&mut host, &id);
    let request = asked(&host, BOB);
    assert_eq!(kept(&host), 1);
    host.user(BOB).call::<RequestReject>(&on(&request));
    until("it is forgotten", || kept(&host) == 0);
    match_each_other(&files);
}

#[test]
fn a_key_that_cannot_be_kept_is_in_the_way_of_no_other_certificate() {
    if !can_be_people() {
        return;
    }
    let mut host = with_new_keys(true, "[\"ecdsa-p256\"]");
    let (web, dev) =
        (issued(&host, "web1.corp.example").certificate_id, issued(&host, "a.dev.test.example").certificate_id);
    host.stop();
    let (from, to) = (time(now() - 90 * DAY), time(now() + DAY));
    // That of the new key first; both when the daemon serves.
    let (first, second) = (time(now() + 5000), time(now() + 5001));
    for (id, at) in [(&web, first), (&dev, second)] {
        host.tamper(&format!(
            "UPDATE expiry_watch SET not_before = '{from}', not_after = '{to}', renew_at = '{at}' WHERE certificate_id = '{id}'"
        ));
    }
    host.start();
    fs::remove_dir_all(host.state.join("keys")).unwrap();
    until("the other is renewed", || {
        count(
            &host,
            &format!("certificate_versions WHERE certificate_id = '{dev}' AND version = 2 AND state = 'active'"),
        ) == 1
    });
    assert!(host.log().contains("the new key cannot be kept"), "{}", host.log());
    assert_eq!(count(&host, "approval_requests WHERE kind = 'cert_renewal'"), 0);
    let planned: String = host.value(&format!("SELECT renew_at FROM expiry_watch WHERE certificate_id = '{web}'"));
    assert!(planned > first.to_string(), "and it is tried again: {planned}");
}

#[test]
fn nothing_is_issued_for_a_key_that_is_gone() {
    if !can_be_people() {
        return;
    }
    let mut host = with_new_keys(true, "[\"ed25519\", \"ecdsa-p256\"]");
    let id = issued(&host, "web1.corp.example").certificate_id;
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    host.stop();
    // A backup of the database without the keys.
    fs::remove_dir_all(host.state.join("keys")).unwrap();
    host.start();
    host.user(BOB).approve(&request);
    let waited = host.user(BOB).wait(&request.id);
    assert_eq!(waited.outcome, Outcome::Failed);
    assert!(waited.why.unwrap().raw().contains("is not here any more"));
    assert_eq!(count(&host, "certificate_versions"), 1);
}

#[test]
fn only_what_has_expired_is_retired_and_by_who_decides() {
    if !can_be_people() {
        return;
    }
    let policy = renewing("", "").replace("max_retries = 1", "auto_renew = false");
    let mut host = Host::serving(&policy);
    let id = issued(&host, "web1.corp.example").certificate_id;
    let params = RetireParams { certificate_id: id.clone(), reason: RetireReason::Unused };
    let error = host.user(CAROL).refused::<CertificateRetire>(&params, ErrorKind::Conflict);
    assert_eq!(error.data.rule.as_deref(), Some("not_expired"));
    assert!(error.data.hint.contains("countersign revoke"), "{error:?}");
    ends(&mut host, &id, now() - DAY);
    host.user(DAVE).refused::<CertificateRetire>(&params, ErrorKind::Forbidden);
    host.user(MALLORY).refused::<CertificateRetire>(&params, ErrorKind::Forbidden);
    host.user_by(ALICE, BOB).refused::<CertificateRetire>(&params, ErrorKind::TwoPersonIntegrity);
    let retired = host.user(BOB).call::<CertificateRetire>(&params);
    assert_eq!((retired.version, &retired.certificate_id), (1, &id));
    assert_eq!(count(&host, "expiry_watch"), 0);
    assert_eq!(
        count(&host, "audit_events WHERE action = 'certificate_retired' AND details ->> '$.reason' = 'unused'"),
        1
    );
    host.user(BOB).refused::<CertificateRetire>(&params, ErrorKind::Conflict);
    in_order(&mut host);
    // A later version is looked after again.
    let again = host.user(ALICE).submit(&["web1.corp.example"]);
    host.user(BOB).approve(&again.request.unwrap());
    host.user(ALICE).wait(&again.job.id);
    assert_eq!(count(&host, "expiry_watch WHERE version = 2"), 1);
}

#[test]
fn a_ticket_is_that_of_the_version_in_force() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&renewing("ticket_pattern = \"^A[0-9]+$\"", ""));
    let mut params = ask(&["web1.corp.example"]);
    params.ticket = Some("A1".into());
    let request =
        host.user(ALICE).call::<countersign_shared::protocol::method::RequestSubmit>(&params).request.unwrap();
    host.user(BOB).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
    let id = request.certificate_id.unwrap();
    expires(&mut host, &id);
    let request = asked(&host, BOB);
    let detail = host.user(BOB).call::<RequestGet>(&RequestIdParams { id: request.id });
    assert_eq!(detail.request.ticket, Some("A1".into()), "the ticket of the version in force");
}

/// Alice and mallory ask, bob and carol decide: what alice sees is hers and nothing else.
fn people_apart(policy: &str) -> String {
    let only = "role = \"operator\"\nto = \"person:bob\"\n[[grant]]\nrole = \"operator\"\nto = \"person:carol\"\n\
                [[grant]]\nrole = \"requester\"\nto = \"uid:62005\"";
    policy.replacen("role = \"operator\"\nto = \"group:pki\"", only, 1)
}

#[test]
fn the_owner_sees_what_is_asked_about_their_certificate_and_nobody_else_does() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&people_apart(&renewing("", "")));
    // Mallory asked for the name first and was given nothing.
    let vain = host.user(MALLORY).request(&["web1.corp.example"]);
    host.user(BOB).call::<RequestReject>(&on(&vain));
    let id = issued(&host, "web1.corp.example").certificate_id;
    let of_bob = host.user(BOB).request(&["web2.corp.example"]);
    expires(&mut host, &id);
    let request = asked(&host, ALICE);
    let seen = |uid: u32| -> Vec<RequestId> {
        let params = ListRequestsParams { state: Some(RequestState::Pending), ..Default::default() };
        let mut ids: Vec<_> = host.user(uid).call::<RequestList>(&params).requests.into_iter().map(|r| r.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![request.id.clone(), of_bob.id.clone()];
    both.sort();
    assert_eq!((seen(ALICE), seen(BOB), seen(MALLORY)), (vec![request.id.clone()], both, vec![]));
    let params = RequestIdParams { id: request.id.clone() };
    host.user(MALLORY).refused::<RequestGet>(&params, ErrorKind::NotFound);
    host.user(ALICE).refused::<RequestGet>(&RequestIdParams { id: of_bob.id.clone() }, ErrorKind::NotFound);
    // To see is not to decide, to change or to take back.
    host.user(ALICE).refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    let end = EndParams { id: request.id.clone(), reason: None };
    host.user(ALICE).refused::<RequestWithdraw>(&end, ErrorKind::Forbidden);
    host.user(BOB).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
    // Whoever renews somebody else's certificate by hand owns it no more than before.
    let by_bob = host.user(BOB).call::<CertificateRenew>(&renew(&id)).request.unwrap();
    assert_eq!((seen(ALICE), seen(MALLORY)), (vec![by_bob.id.clone()], vec![]));
    assert!(by_bob.risks.contains(&Risk::OtherOwner));
}

#[test]
fn what_a_person_asks_for_in_vain_keeps_no_certificate_from_being_renewed() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&people_apart(&renewing("", "")));
    let id = issued(&host, "web1.corp.example").certificate_id;
    // Long before it is due somebody wants it for a key of their own, and is told no; and wants it again.
    let other = RenewParams { csr: Some(csr(&["web1.corp.example"])), ..renew(&id) };
    let request = host.user(ALICE).call::<CertificateRenew>(&other).request.unwrap();
    assert!(request.risks.contains(&Risk::KeyChanged), "{:?}", request.risks);
    host.user(BOB).call::<RequestReject>(&on(&request));
    let request = host.user(ALICE).call::<CertificateRenew>(&renew(&id)).request.unwrap();
    // It is open when the window comes, and is taken back after that.
    expires(&mut host, &id);
    until("it is looked at", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    assert_eq!(
        count(&host, "approval_requests WHERE requester_account = 'system-scheduler'"),
        0,
        "there are never two"
    );
    host.user(ALICE).call::<RequestWithdraw>(&EndParams { id: request.id, reason: None });
    let request = asked(&host, BOB);
    // What people say to the daemon itself holds, also after somebody else was told the same.
    host.user(BOB).call::<RequestReject>(&on(&request));
    let again = host.user(ALICE).call::<CertificateRenew>(&renew(&id)).request.unwrap();
    host.user(BOB).call::<RequestReject>(&on(&again));
    in_order(&mut host);
    until("it is looked at", || count(&host, "expiry_watch WHERE renew_at IS NOT NULL") == 0);
    assert_eq!(count(&host, "approval_requests WHERE state = 'pending'"), 0);
}

/// Signs what ends in `SECONDS_LEFT`, with `openssl ca`: nothing else here writes an end that a test can wait for.
const SIGN_SHORT: &str = r#"
order=$(cat)
cd "$PLACE"
printf '%b' "$(printf '%s' "$order" | sed 's/.*"csr_pem":"\([^"]*\)".*/\1/')" > csr.pem
printf '%s' "$order" | sed 's/.*"serial":"\([^"]*\)".*/\1/' > serial
printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:%s\n' "$NAME" > ext
printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=optional\n' > ca.cnf
: > index.txt
openssl ca -batch -notext -config ca.cnf -cert ca.crt -keyfile ca.key -in csr.pem -extfile ext -out leaf.pem \
    -startdate "$(date -u +%y%m%d%H%M%SZ)" -enddate "$(date -u -d "+$SECONDS_LEFT seconds" +%y%m%d%H%M%SZ)" >&2 && cat leaf.pem ca.crt
"#;

#[test]
fn as_time_passes_an_alert_goes_out_then_people_are_asked_and_what_is_renewed_closes_it() {
    if !can_sign() {
        return;
    }
    let rules = "[[renewal_policy]]\nid = \"rp-test\"\nalert_channels = { warning = [\"PagerDuty\"] }\n";
    let change = |policy: &str| {
        let policy = policy.replacen("id = \"p-web\"", "id = \"p-web\"\nrenewal_policy = \"rp-test\"", 1);
        format!("{policy}{rules}")
    };
    let short = |seconds: u32| format!("NAME=web1.corp.example\nSECONDS_LEFT={seconds}\n{SIGN_SHORT}");
    let mut host = issuing_under(&short(24), "30s", change);
    let web = Web::serving(ACCEPTS);
    let key = crate::alerts::secret(&host, "hook", "k1");
    host.stop();
    let notify = format!("[notify.pagerduty]\nkey = \"{key}\"\nbase_url = \"{}\"\n", web.address());
    fs::write(host.path("countersign.toml"), notify).unwrap();
    host.start();
    let told = |what: &str| web.got().iter().filter(|got| got.body["event_action"] == what).count();

    issued(&host, "web1.corp.example");
    let (from, end): (String, String) = host
        .db()
        .query_row("SELECT not_before, not_after FROM expiry_watch", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let [from, end] = [from, end].map(|at| at.parse::<Timestamp>().unwrap().unix_millis());
    assert_eq!(end - from, 24_000);
    until("the alert of its first moment is out", || told("trigger") == 1);
    let by_the_daemon = "approval_requests WHERE requester_account = 'system-scheduler'";
    assert_eq!((count(&host, by_the_daemon), told("trigger")), (0, 1), "two thirds of its life are not over");

    // Nothing is touched until the wall clock has come to the last third.
    let request = asked(&host, BOB);
    assert!((from + 16_000..end).contains(&request.created_at.unix_millis()), "{request:?}");
    write(&host, &format!("NAME=web1.corp.example\n{SIGN}"));
    host.user(BOB).approve(&request);
    assert_eq!(host.user(BOB).wait(&request.id).outcome, Outcome::Issued);
    until("it is closed", || told("resolve") == 1);
    assert_eq!(count(&host, "expiry_watch WHERE version = 2"), 1);
    // The moment at which the first version ends comes and goes.
    until("the first would have ended", || now() > end + 1000);
    assert_eq!((told("trigger"), told("resolve")), (1, 1));
    let got = web.got();
    assert_eq!(got[0].body["dedup_key"], got[1].body["dedup_key"], "what is closed is what was opened");
    assert_eq!(count(&host, "approval_requests WHERE state = 'pending'"), 0);
    in_order(&mut host);
}
