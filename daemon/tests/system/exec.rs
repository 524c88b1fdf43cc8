//! Issuing programs: one that signs, one that hangs, ones that answer with something else.

use std::os::unix::fs::PermissionsExt;

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::method::{CertificateGet, JobRetry};
use countersign_shared::protocol::{CertificateIdParams, JobIdParams, Outcome, VersionState, WaitResult};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose};

use crate::support::{ALICE, BOB, DAVE, Host, MALLORY, can_be_people, policy_with, skipped, until};

/// Signs with `openssl` what it finds in the order, under the name in `$1`.
pub const SIGN: &str = r#"
order=$(cat)
cd "$PLACE"
printf '%b' "$(printf '%s' "$order" | sed 's/.*"csr_pem":"\([^"]*\)".*/\1/')" > csr.pem
serial=$(printf '%s' "$order" | sed 's/.*"serial":"\([^"]*\)".*/\1/')
printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:%s\n' "$NAME" > ext
openssl x509 -req -in csr.pem -CA ca.crt -CAkey ca.key -days 30 -extfile ext -set_serial "0x$serial" && cat ca.crt
"#;

/// A host whose profile issues by `script`.
pub fn issuing_by(script: &str, timeout: &str) -> Host {
    issuing_under(script, timeout, str::to_owned)
}

/// The same with a change to the policy.
pub fn issuing_under(script: &str, timeout: &str, change: impl Fn(&str) -> String) -> Host {
    let mut host = Host::prepared("");
    let path = host.path("issue.sh");
    let issuer = format!(
        "[[issuer]]\nid = \"script\"\ntype = \"exec\"\ncommand = [\"/bin/sh\", \"{}\"]\ntimeout = \"{timeout}\"\n",
        path.display()
    );
    let policy = policy_with(1, "", &issuer).replacen("issuer = \"local-ca\"", "issuer = \"script\"", 1);
    std::fs::write(host.path("policy.toml"), change(&policy)).unwrap();
    write(&host, script);

    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Corporate issuing authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    std::fs::write(host.path("ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(host.path("ca.key"), key.serialize_pem()).unwrap();
    host.start();
    host
}

/// Writes the program; each of its runs leaves a line in `runs`.
pub fn write(host: &Host, script: &str) {
    let place = host.path("");
    let text = format!("PLACE='{}'\necho run >> \"$PLACE/runs\"\n{script}", place.display());
    let new = host.path("issue.new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&new, host.path("issue.sh")).unwrap();
}

pub fn runs(host: &Host) -> usize {
    std::fs::read_to_string(host.path("runs")).unwrap_or_default().lines().count()
}

/// Asks, approves and waits.
fn attempt(host: &Host) -> WaitResult {
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    host.user(BOB).approve(&request);
    alice.wait(&request.id)
}

pub fn can_sign() -> bool {
    let there = std::process::Command::new("openssl").arg("version").output().is_ok();
    if !there {
        skipped("openssl is not installed");
    }
    there && can_be_people()
}

#[test]
fn a_program_signs_and_a_failed_job_is_tried_again_by_an_operator_alone() {
    if !can_sign() {
        return;
    }
    let host = issuing_by("cat > /dev/null; echo 'the HSM is locked' >&2; exit 1", "30s");
    let failed = attempt(&host);
    assert_eq!((failed.outcome, failed.job.as_ref().unwrap().state), (Outcome::Failed, JobState::Failed));
    let why = failed.why.unwrap();
    assert!(why.raw().contains("status 1: the HSM is locked"), "{why:?}");

    write(&host, &format!("NAME=web1.corp.example\n{SIGN}"));
    let params = JobIdParams { id: failed.job.as_ref().unwrap().id.clone() };
    for uid in [MALLORY, DAVE] {
        host.user(uid).refused::<JobRetry>(&params, ErrorKind::Forbidden);
    }
    for uid in [0, ALICE] {
        host.user(uid).refused::<JobRetry>(&params, ErrorKind::TwoPersonIntegrity);
    }
    assert_eq!(runs(&host), 1, "a failed job is not tried again by itself");
    let mut bob = host.user(BOB);
    let again = bob.call::<JobRetry>(&params);
    assert_ne!(again.id, failed.job.as_ref().unwrap().id);
    let waited = host.user(ALICE).wait(&failed.request.unwrap().id);
    assert_eq!(
        (waited.outcome, waited.job.as_ref().unwrap().id.clone()),
        (Outcome::Issued, again.id.clone()),
        "{:?}",
        waited.why
    );
    assert_eq!((runs(&host), waited.chain_pem.unwrap().matches("BEGIN").count()), (2, 2));
    for id in [&failed.job.as_ref().unwrap().id, &again.id] {
        let error = bob.refused::<JobRetry>(&JobIdParams { id: id.clone() }, ErrorKind::Conflict);
        assert!(!error.message.is_empty());
    }
}

#[test]
fn an_operator_outside_the_quorum_retries_nothing() {
    const ERIN: u32 = 62_007;
    if !can_be_people() {
        return;
    }
    let erin = |policy: &str| format!("{policy}\n[[grant]]\nrole = \"operator\"\nto = \"uid:{ERIN}\"\n");
    let host = issuing_under("cat > /dev/null; exit 1", "30s", erin);
    let failed = attempt(&host);
    let params = JobIdParams { id: failed.job.as_ref().unwrap().id.clone() };
    let error = host.user(ERIN).refused::<JobRetry>(&params, ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("no_vote"), "{error:?}");
    let error = host.user(ALICE).refused::<JobRetry>(&params, ErrorKind::TwoPersonIntegrity);
    assert_eq!(error.data.hint, "could decide instead: bob, carol", "{error:?}");
    host.user(BOB).call::<JobRetry>(&params);
}

#[test]
fn an_old_approval_does_not_come_back_after_a_newer_job() {
    if !can_sign() {
        return;
    }
    let host = issuing_by("cat > /dev/null; exit 1", "30s");
    let old = attempt(&host);
    let params = JobIdParams { id: old.job.unwrap().id };
    let newer = attempt(&host);
    assert_eq!((old.outcome, newer.outcome), (Outcome::Failed, Outcome::Failed));
    let mut bob = host.user(BOB);
    let error = bob.refused::<JobRetry>(&params, ErrorKind::Conflict);
    assert_eq!(error.data.rule.as_deref(), Some("retry_too_late"), "{error:?}");
    write(&host, &format!("NAME=web1.corp.example\n{SIGN}"));
    assert_eq!(attempt(&host).outcome, Outcome::Issued);
    for id in [params.id, newer.job.unwrap().id] {
        bob.refused::<JobRetry>(&JobIdParams { id }, ErrorKind::Conflict);
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 1);
}

#[test]
fn a_foreign_name_is_quarantined_and_never_given_out() {
    if !can_sign() {
        return;
    }
    let mut host = issuing_by(&format!("NAME=bank.corp.example\n{SIGN}"), "30s");
    let waited = attempt(&host);
    assert_eq!((waited.outcome, &waited.chain_pem), (Outcome::Failed, &None));
    let why = waited.why.unwrap();
    assert!(why.raw().contains("bank.corp.example") && why.raw().contains("was not approved"), "{why:?}");
    let id = CertificateIdParams { id: waited.job.unwrap().certificate_id };
    let certificate = host.user(ALICE).call::<CertificateGet>(&id);
    assert_eq!((&certificate.chain_pem, &certificate.certificate.as_ref().unwrap().current), (&None, &None));
    let states: Vec<_> = certificate.versions.iter().map(|version| version.state).collect();
    assert_eq!(states, [VersionState::Quarantined]);
    // The evidence stays, and is no damage.
    host.stop();
    host.start();
    assert!(!host.oneself().status().read_only);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions WHERE state = 'quarantined'"), 1);
}

#[test]
fn garbage_and_silence_are_failures_with_their_reason() {
    if !can_be_people() {
        return;
    }
    for (script, timeout, said) in [
        ("cat > /dev/null; echo hello", "30s", "not what was approved"),
        ("cat > /dev/null", "30s", "not what was approved"),
        ("cat > /dev/null; head -c 1000000 /dev/zero", "30s", "octets"),
        ("sleep 1000", "1s", "did not end within 1s"),
        ("kill -9 $$", "30s", "killed by signal 9"),
    ] {
        let host = issuing_by(script, timeout);
        let waited = attempt(&host);
        assert_eq!(waited.outcome, Outcome::Failed, "{script}");
        let why = waited.why.unwrap();
        assert!(why.raw().contains(said), "{script}: {why:?}");
        assert_eq!(runs(&host), 1, "{script}");
        assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0, "{script}");
    }
}

#[test]
fn an_outcome_that_a_crash_left_unknown_is_not_tried_again() {
    if !can_be_people() {
        return;
    }
    let mut host = issuing_by("echo $$ > \"$PLACE/pid\"; cat > /dev/null; sleep 1000", "60s");
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    host.user(BOB).approve(&request);
    let pid = || std::fs::read_to_string(host.path("pid")).ok()?.trim().parse().ok();
    until("the program runs", || pid().is_some());
    let program = Pid::from_raw(pid().unwrap());
    host.kill();
    // Nobody is left who would end it; it leads its own group.
    killpg(program, Signal::SIGKILL).unwrap();
    host.start();
    let waited = host.user(ALICE).wait(&request.id);
    assert_eq!(waited.outcome, Outcome::Failed);
    assert!(waited.why.unwrap().raw().contains("it is not known whether a certificate was issued"));
    host.stop();
    host.start();
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Failed);
    assert_eq!(runs(&host), 1);
}
