//! What the daemon does by itself: each task that boot starts, and each signal.

use std::collections::BTreeSet;

use countersign_shared::time::Span;
use nix::sys::signal::Signal;

use super::scene::{Scene, possible};
use crate::renewal::expires;
use crate::support::{ALICE, BOB, until};

const HOUR: u64 = 3600;

/// A task, and what makes it do all that it can do.
type Walk = fn(&mut Scene);

const TASKS: &[(&str, Walk)] = &[
    // Beyond the deadline of everything that waits.
    ("reaper", |scene| scene.host.pass(Span::from_secs(9 * HOUR))),
    // Beyond each escalation and each passing by time, and before the deadline.
    ("timekeeper", |scene| {
        scene.host.pass(Span::from_secs(2 * HOUR));
        until("it is escalated", || {
            scene.host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'approval_escalated'") > 0
        });
    }),
    ("delegations", |scene| scene.host.pass(Span::from_secs(3 * HOUR))),
    ("courier", restart),
    ("revocation lists", |scene| scene.host.pass(Span::from_secs(4 * 24 * HOUR))),
    ("checkpoints", |scene| {
        scene.host.pass(Span::from_secs(2 * HOUR));
        until("what there is is signed", || scene.host.value::<i64>("SELECT count(*) FROM checkpoints") > 0);
    }),
    // The newest, and one that is made by the way.
    ("deposits", |scene| {
        let path = scene.host.path("deposited");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(scene.host.path("countersign.toml"), format!("[checkpoint]\ndirectory = {path:?}\n")).unwrap();
        restart(scene);
        scene.host.pass(Span::from_secs(2 * HOUR));
        let kept = || std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.file_name());
        until("it is there", || kept().any(|name| name.to_string_lossy().starts_with("checkpoint-")));
    }),
    ("verification", |scene| scene.host.pass(Span::from_secs(7 * HOUR))),
    // Finds a certificate for a name that waits, at a start and once more when it is time.
    ("inventory", |scene| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec![scene.pending.primary_name.raw().to_owned()];
        let found = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let path = scene.host.path("found.pem");
        std::fs::write(&path, found.pem()).unwrap();
        let settings = format!("[inventory]\npaths = [{path:?}]\nevery = \"1h\"\n");
        std::fs::write(scene.host.path("countersign.toml"), settings).unwrap();
        restart(scene);
        let scans = "SELECT coalesce(max(number), 0) FROM inventory_scans WHERE ended_at IS NOT NULL";
        until("it is found", || scene.host.value::<i64>(scans) == 1);
        scene.host.pass(Span::from_secs(2 * HOUR));
        until("it is looked at again", || scene.host.value::<i64>(scans) == 2);
    }),
    // One is due, of a certificate that people agreed to.
    ("renewals", |scene| {
        let request = scene.host.user(ALICE).request(&["renewed.corp.example"]);
        scene.host.user(BOB).approve(&request);
        scene.issued += 1;
        scene.was_ordered(&request, 1);
        expires(&mut scene.host, request.certificate_id.as_ref().unwrap());
        until("its renewal is asked for", || {
            let asked = "SELECT count(*) FROM approval_requests WHERE requester_account = 'system-scheduler'";
            scene.host.value::<i64>(asked) == 1
        });
    }),
    // Takes up what a process left behind.
    ("executor", |scene| {
        scene.host.kill();
        scene.host.start();
    }),
    // The file lets everybody through, without a signal and with a start.
    ("policy file", |scene| {
        let free = std::fs::read_to_string(scene.host.path("policy.toml")).unwrap();
        let free = free.replacen("requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]", "", 1);
        assert!(!free.contains("requires_approval"));
        std::fs::write(scene.host.path("policy.toml"), free).unwrap();
        restart(scene);
        assert!(scene.host.oneself().status().policy_file_differs);
    }),
    // Looks at certificates that have ended long ago.
    ("watch", |scene| scene.host.pass(Span::from_secs(400 * 24 * HOUR))),
    ("senders", restart),
    // Everything that the ledger has, into a file.
    ("forwarder", |scene| {
        let path = scene.host.path("forwarded");
        let settings = format!("[forward]\nto = \"file\"\npath = {path:?}\n");
        std::fs::write(scene.host.path("countersign.toml"), settings).unwrap();
        restart(scene);
        until("records are forwarded", || {
            std::fs::read_to_string(&path).is_ok_and(|text| text.contains("daemon_started"))
        });
    }),
    ("watchdog::run", restart),
    ("signals.run", |scene| {
        // The file says what the policy in force does not.
        std::fs::write(scene.host.path("policy.toml"), "version = 1\n").unwrap();
        let loaded = "SELECT count(*) FROM audit_events WHERE action = 'policy_loaded'";
        let before = scene.host.value::<i64>(loaded);
        scene.host.signal(Signal::SIGHUP);
        until("it is read again", || scene.host.value::<i64>(loaded) > before);
        scene.host.signal(Signal::SIGINT);
        scene.host.ended();
        scene.host.start();
    }),
];

fn restart(scene: &mut Scene) {
    scene.host.stop();
    scene.host.start();
}

#[test]
fn every_task_that_boot_starts_has_its_entry() {
    let source = include_str!("../../../src/boot/mod.rs");
    let mut started = BTreeSet::new();
    for line in source.lines() {
        if let Some((_, rest)) = line.split_once("vital.start(\"") {
            started.insert(rest.split('"').next().unwrap());
        } else if let Some((_, rest)) = line.split_once("tokio::spawn(") {
            started.insert(rest.split('(').next().unwrap());
        }
    }
    let walked: BTreeSet<&str> = TASKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(walked, started, "a task is not walked: say here what makes it do all that it can");
}

#[test]
fn no_task_and_no_signal_reaches_an_issuer() {
    if !possible() {
        return;
    }
    for (name, act) in TASKS {
        let mut scene = Scene::new();
        scene.end_some();
        scene.only(0, name);
        act(&mut scene);
        // Once more, so that whatever it left behind would be taken up.
        restart(&mut scene);
        scene.only(scene.issued, name);
        assert_eq!(scene.host.oneself().status().damage, None, "{name}");
    }
}
