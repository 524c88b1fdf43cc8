//! Issuing programs as small shell scripts: good ones, slow ones, and ones that lie.

use super::*;
use crate::issuer::local_ca::{CaNames, LocalCa};
use crate::issuer::{Mismatch, Serial, finish};
use crate::x509::ParsedCsr;
use crate::x509::testing::{at, content_for, fresh_csr};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

struct Bench {
    place: tempfile::TempDir,
    csr: ParsedCsr,
    approved: Approved,
    order: Order,
}

impl Bench {
    fn new() -> Self {
        let csr = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, &["www.corp.example"]);
        let approved = Approved::for_tests(content_for(&csr), csr.der.clone());
        let order = Order { serial: Serial::random().unwrap(), not_before: at(0) };
        Self { place: tempfile::tempdir().unwrap(), csr, approved, order }
    }

    fn path(&self, name: &str) -> String {
        self.place.path().join(name).to_str().unwrap().to_owned()
    }

    /// What the embedded authority answers for `content`, in the file `chain.pem`.
    fn chain(&self, approved: &Approved) {
        let names = CaNames { organization: None, root: "Root".into(), intermediate: "Issuing".into() };
        let ca = LocalCa::open_or_create(&self.place.path().join("ca"), &names, at(0)).unwrap();
        fs::write(self.path("chain.pem"), ca.issue(approved, &self.order).unwrap()).unwrap();
    }

    fn issuer(&self, script: &str, timeout: Duration) -> ExecIssuer {
        let path = self.place.path().join("issuer.sh");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut issuer = ExecIssuer::new("/bin/sh".into(), vec![path.into()], timeout).unwrap();
        issuer.program.grace = Duration::from_millis(200);
        issuer
    }

    fn run(&self, script: &str) -> Result<Vec<u8>, IssueError> {
        self.issuer(script, Duration::from_secs(20)).issue(&self.approved, &self.order)
    }

    fn mismatch(&self, script: &str) -> Mismatch {
        finish(&self.approved, &self.order, &self.run(script).unwrap(), at(1)).unwrap_err()
    }
}

fn refused(result: Result<Vec<u8>, IssueError>) -> String {
    match result {
        Err(IssueError::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn unknown(result: Result<Vec<u8>, IssueError>) -> String {
    match result {
        Err(IssueError::OutcomeUnknown(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_program_gets_the_order_and_its_chain_is_taken() {
    let bench = Bench::new();
    bench.chain(&bench.approved);
    let script = format!("cat >{}; cat {}; echo done >&2", bench.path("order.json"), bench.path("chain.pem"));
    let answer = bench.run(&script).unwrap();
    let issued = finish(&bench.approved, &bench.order, &answer, at(1)).unwrap();
    assert_eq!(issued.chain.len(), 2);
    let line = fs::read_to_string(bench.path("order.json")).unwrap();
    assert_eq!(line.matches('\n').count(), 1);
    let order: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(order["version"], 1);
    assert_eq!(order["job"], bench.approved.job().as_str());
    assert_eq!(order["certificate"], bench.approved.certificate().as_str());
    assert_eq!(order["serial"], bench.order.serial.to_string());
    assert_eq!(order["not_before"], "2027-01-15T08:00:00.250Z");
    assert_eq!(order["csr_pem"], pem::encode("CERTIFICATE REQUEST", &bench.csr.der));
    assert_eq!(order["content"]["spki_sha256"], bench.csr.spki_sha256.to_string());
}

#[test]
fn it_runs_in_a_bare_surrounding() {
    let bench = Bench::new();
    let canary = fs::File::open(bench.place.path()).unwrap();
    let script = "cat >/dev/null; pwd; /usr/bin/env | sort; for fd in /proc/$$/fd/*; do readlink $fd; done; \
                  set -- $(cat /proc/$$/stat); test $1 = $5 && echo leader";
    let answer = String::from_utf8(bench.run(script).unwrap()).unwrap();
    drop(canary);
    let mut lines = answer.lines();
    assert_eq!(lines.next(), Some("/"));
    let variables: Vec<&str> = answer.lines().filter(|line| line.contains('=')).collect();
    assert!(variables.contains(&"PATH=/usr/sbin:/usr/bin:/sbin:/bin"), "{answer}");
    // The shell itself adds PWD, and some shells SHLVL and _.
    assert!(
        variables
            .iter()
            .all(|line| { ["PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(&line.split('=').next().unwrap()) })
    );
    assert!(!answer.lines().any(|line| Path::new(line) == bench.place.path()), "{answer}");
    assert!(answer.ends_with("leader\n"), "{answer}");
}

#[test]
fn a_refusal_carries_its_reason_safely() {
    let bench = Bench::new();
    let reason = refused(bench.run("cat >/dev/null; printf 'no quota\\033[2J\\n' >&2; exit 3"));
    assert!(reason.ends_with("ended with status 3: no quota<U+001B>[2J"), "{reason}");
    let long = refused(bench.run("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1"));
    assert!(long.len() < MAX_REASON + 200 && long.contains("xxxx"), "{}", long.len());
    let missing = ExecIssuer::new("/nonexistent/issuer".into(), vec![], Duration::from_secs(1)).unwrap();
    assert!(refused(missing.issue(&bench.approved, &bench.order)).contains("cannot be started"));
    for (path, timeout) in [("issuer", 1), ("/bin/true", 0), ("/bin/true", 601)] {
        assert!(ExecIssuer::new(path.into(), vec![], Duration::from_secs(timeout)).is_err());
    }
}

#[test]
fn a_hang_is_ended_with_its_whole_group_and_its_outcome_is_unknown() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let script = format!("trap '' TERM; sleep 600 & echo $! >{pid}; sleep 600");
    let begun = Instant::now();
    let issuer = bench.issuer(&script, Duration::from_millis(1500));
    let reason = unknown(issuer.issue(&bench.approved, &bench.order));
    assert!(reason.contains("did not end within"), "{reason}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    gone(&pid);
}

#[test]
fn a_grandchild_that_holds_the_pipes_delays_nothing_and_is_ended() {
    let bench = Bench::new();
    bench.chain(&bench.approved);
    let pid = bench.path("pid");
    let begun = Instant::now();
    let script = format!("sleep 600 & echo $! >{pid}; cat {}", bench.path("chain.pem"));
    assert!(finish(&bench.approved, &bench.order, &bench.run(&script).unwrap(), at(1)).is_ok());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    gone(&pid);
}

/// The process whose number stands in a file no longer runs.
fn gone(pid_file: &str) {
    let pid = fs::read_to_string(pid_file).unwrap();
    let status = format!("/proc/{}/stat", pid.trim());
    for _ in 0..200 {
        // A killed grandchild may stay a zombie (state Z) where nobody collects orphans.
        match fs::read_to_string(&status) {
            Ok(line) if !line.contains(") Z ") => std::thread::sleep(Duration::from_millis(10)),
            _ => return,
        }
    }
    panic!("process {pid} still runs");
}

#[test]
fn too_much_and_a_violent_end_leave_the_outcome_unknown() {
    let bench = Bench::new();
    let reason = unknown(bench.run("head -c 10000000 /dev/zero"));
    assert!(reason.contains("more than 262144 octets"), "{reason}");
    assert!(unknown(bench.run("yes")).contains("more than 262144 octets"));
    let reason = unknown(bench.run("kill -9 $$"));
    assert!(reason.contains("killed by signal 9"), "{reason}");
    let issuer = bench.issuer("yes >&2", Duration::from_millis(300));
    assert!(unknown(issuer.issue(&bench.approved, &bench.order)).contains("did not end within"));
}

#[test]
fn exactly_the_limit_is_taken_whole() {
    let bench = Bench::new();
    assert_eq!(bench.run(&format!("head -c {MAX_OUTPUT} /dev/zero")).unwrap().len(), MAX_OUTPUT);
    assert!(unknown(bench.run(&format!("head -c {} /dev/zero", MAX_OUTPUT + 1))).contains("more than"));
}

#[test]
fn an_order_larger_than_a_pipe_is_handed_over_whole() {
    let mut bench = Bench::new();
    let mut content = content_for(&bench.csr);
    content.subject[1].1 = "x".repeat(300_000);
    bench.approved = Approved::for_tests(content, bench.csr.der.clone());
    let read = String::from_utf8(bench.run("sleep 0.2; wc -c").unwrap()).unwrap();
    assert!(read.trim().parse::<usize>().unwrap() > 300_000, "{read}");
    assert!(bench.run("exec <&-; sleep 0.1; echo x").is_ok());
}

#[test]
fn garbage_wrong_keys_and_foreign_names_never_pass() {
    let bench = Bench::new();
    for (script, word) in [
        ("echo hello", "no PEM block"),
        ("true", "no PEM block"),
        ("printf '\\377\\376'", "not UTF-8"),
        ("printf -- '-----BEGIN CERTIFICATE-----\\nAQID\\n-----END CERTIFICATE-----\\n'", "not readable X.509"),
        ("printf -- '-----BEGIN PRIVATE KEY-----\\nAQID\\n-----END PRIVATE KEY-----\\n'", "not CERTIFICATE"),
    ] {
        let mismatch = bench.mismatch(script);
        assert!(mismatch.to_string().contains(word), "{mismatch}");
        assert!(mismatch.chain.is_empty());
    }
    let script = format!("cat {}", bench.path("chain.pem"));
    let other = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, &["www.corp.example"]);
    bench.chain(&Approved::for_tests(content_for(&other), other.der));
    let mismatch = bench.mismatch(&script);
    assert!(mismatch.to_string().contains("the public key is"), "{mismatch}");
    assert_eq!(mismatch.chain.len(), 2);

    let mut foreign = content_for(&bench.csr);
    foreign.sans.push(countersign_shared::content::San::Dns("evil.example".into()));
    bench.chain(&Approved::for_tests(foreign, bench.csr.der.clone()));
    assert!(bench.mismatch(&script).to_string().contains("\"evil.example\" was not approved"));
}
