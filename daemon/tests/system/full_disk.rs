//! A disk that fills up: clear errors, nothing half-written, and work goes on once there is room again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{AuditVerify, RequestApprove, RequestList, RequestSubmit};
use countersign_shared::protocol::{NoParams, Outcome};

use crate::support::{ALICE, BOB, Host, ask, can_be_people, on, policy, skipped, until};

/// A file system that goes with its value.
pub struct Mounted(PathBuf);

/// Mounts a small file system in memory; `None` where that is not allowed.
pub fn mount(at: &Path, options: &str) -> Option<Mounted> {
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
    done.is_ok_and(|output| output.status.success()).then(|| Mounted(at.to_owned()))
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

/// Takes every octet that is left.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [65_536, 4096, 512, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    std::fs::create_dir(&host.state).unwrap();
    let Some(mounted) = mount(&host.state, "size=2m,mode=0700") else {
        return skipped("a tmpfs cannot be mounted");
    };
    host.start();
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let before = alice.request(&["before.corp.example"]);
    let ballast = host.state.join("ballast");
    fill(&ballast);

    // What fits into the log that is there already may still be taken; in the end nothing is.
    let (mut taken, mut refused) = (Vec::new(), 0);
    for at in 0..400 {
        match alice.attempt::<RequestSubmit>(&ask(&[&format!("web{at}.corp.example")])).unwrap() {
            Ok(submitted) => taken.push(submitted.request.unwrap()),
            Err(error) => {
                assert_eq!(error.data.kind, ErrorKind::Unavailable, "{error:?}");
                assert!(!error.data.hint.is_empty(), "{error:?}");
                refused += 1;
                if refused == 3 {
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 3, "the disk never was full: {} were taken", taken.len());
    let error = bob.attempt::<RequestApprove>(&on(&before)).unwrap();
    assert_eq!(error.unwrap_err().data.kind, ErrorKind::Unavailable);
    assert!(host.alive());
    assert!(!bob.status().read_only, "a full disk is no damage");
    let listed = bob.call::<RequestList>(&serde_json::from_str("{\"limit\": 500}").unwrap()).requests;
    assert_eq!(listed.len(), taken.len() + 1, "reads go on");

    std::fs::remove_file(&ballast).unwrap();
    bob.approve(&before);
    assert_eq!(alice.wait(&before.id).outcome, Outcome::Issued);
    for request in taken.iter().take(3) {
        bob.approve(request);
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    }
    let after = alice.request(&["after.corp.example"]);
    assert!(bob.call::<AuditVerify>(&NoParams {}).intact);
    host.kill();
    host.start();
    assert!(!host.oneself().status().read_only);
    host.user(BOB).approve(&after);
    let requests = taken.len() as i64 + 2;
    for table in ["approval_requests", "jobs", "certificates", "submissions"] {
        assert_eq!(host.value::<i64>(&format!("SELECT count(*) FROM {table}")), requests, "{table}");
    }
    host.stop();
    drop(mounted);
}

#[test]
fn a_job_that_was_freed_before_the_disk_filled_is_done_once_there_is_room() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    std::fs::create_dir(&host.state).unwrap();
    let Some(mounted) = mount(&host.state, "size=8m,mode=0700") else {
        return skipped("a tmpfs cannot be mounted");
    };
    host.start();
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let ballast = host.state.join("ballast");
    let requests: Vec<_> = (0..8).map(|at| alice.request(&[&format!("web{at}.corp.example")])).collect();
    // The room that is left ends now before the approval, now before the claim, now before the result.
    for (request, room) in requests.iter().zip([8, 16, 24, 32, 40, 48, 56, 64]) {
        fill(&ballast);
        let file = std::fs::OpenOptions::new().write(true).open(&ballast).unwrap();
        file.set_len(file.metadata().unwrap().len() - room * 4096).unwrap();
        let logged = host.log().len();
        let approved = bob.attempt::<RequestApprove>(&on(request)).unwrap();
        if approved.is_ok() {
            let done =
                format!("SELECT state = 'completed' FROM jobs WHERE id = '{}'", request.job_id.as_ref().unwrap());
            until("it is done or stuck", || host.value(&done) || host.log()[logged..].contains("tried again soon"));
        }
        file.set_len(0).unwrap();
        match approved {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.data.kind, ErrorKind::Unavailable, "{error:?}");
                bob.approve(request);
            }
        }
    }
    for request in &requests {
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued, "{}", request.id);
    }
    assert!(host.log().contains("tried again soon"), "nothing was stuck: the rooms have to be chosen anew");
    assert!(bob.call::<AuditVerify>(&NoParams {}).intact);
    host.stop();
    drop(mounted);
}

#[test]
fn a_start_on_a_full_disk_says_so_and_harms_nothing() {
    let mut host = Host::prepared(&policy());
    std::fs::create_dir(&host.state).unwrap();
    let Some(mounted) = mount(&host.state, "size=4m,mode=0700") else {
        return skipped("a tmpfs cannot be mounted");
    };
    let ballast = host.state.join("ballast");
    fill(&ballast);
    let refusal = host.refusal();
    assert!(refusal.contains("disk is full") || refusal.contains("No space left"), "{refusal}");
    std::fs::remove_file(&ballast).unwrap();
    host.start();
    // Once after an end in order, once after a kill, which leaves a log to be folded back.
    for kill in [false, true] {
        if kill {
            host.kill()
        } else {
            host.stop()
        }
        let before: i64 = host.value("SELECT count(*) FROM audit_events");
        fill(&ballast);
        let refusal = host.refusal();
        assert!(refusal.contains("full") || refusal.contains("No space left"), "{refusal}");
        std::fs::remove_file(&ballast).unwrap();
        assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events"), before);
        host.start();
        assert!(!host.oneself().status().read_only);
    }
    host.stop();
    drop(mounted);
}
