//! Random callers do random things in a random order, with real uids on a real daemon, and after each of them an
//! oracle that knows nothing of the gate looks at every certificate there is.
//!
//! `COUNTERSIGN_PROPERTY_STEPS` sets how many things are done, `COUNTERSIGN_PROPERTY_SEED` repeats a run.

mod forged;
mod ledger;
mod oracle;
mod places;
mod rules;
mod signed;
mod verbs;
mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::AuditVerify;

use crate::support::{CAROL, Host, can_be_people, until};
use oracle::Oracle;
use verbs::Crowd;
use world::{PEOPLE, document};

/// How many things are done where nothing is said.
const STEPS: u64 = 300;
/// How often the daemon itself verifies its ledger.
const VERIFIED_EVERY: u64 = 60;

/// Marsaglia's xorshift64: what a run does can be repeated.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The lowest bits are the weakest.
        (self.0 >> 16) % bound
    }

    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn no_certificate_exists_without_a_quorum_of_different_people_over_its_content() {
    if !can_be_people() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let seed = setting("COUNTERSIGN_PROPERTY_SEED").unwrap_or_else(|| u64::try_from(now).unwrap());
    let steps = setting("COUNTERSIGN_PROPERTY_STEPS").unwrap_or(STEPS);
    let mut crowd = Crowd::new(Host::serving(&document(0)), Chance::new(seed));
    let mut oracle = Oracle::new(PEOPLE);
    for step in 1..=steps {
        let done = crowd.does_something();
        let complaints = oracle.look(&crowd.host.db());
        assert!(complaints.is_empty(), "COUNTERSIGN_PROPERTY_SEED={seed}, step {step}, {done}: {complaints:#?}");
        if step % VERIFIED_EVERY == 0 || step == steps {
            let verified = crowd.host.user(CAROL).call::<AuditVerify>(&NoParams {});
            assert!(verified.intact, "COUNTERSIGN_PROPERTY_SEED={seed}, step {step}, {done}: {verified:?}");
        }
    }
    // What is under way comes to its end, and is looked at as well.
    until("no job is under way", || crowd.host.value::<i64>("SELECT count(*) FROM jobs WHERE state = 'running'") == 0);
    crowd.host.stop();
    crowd.host.start();
    assert_eq!(crowd.host.oneself().status().damage, None, "COUNTERSIGN_PROPERTY_SEED={seed}");
    crate::evidence::everything_verifies(&crowd.host);
    let complaints = oracle.look(&crowd.host.db());
    assert!(complaints.is_empty(), "COUNTERSIGN_PROPERTY_SEED={seed}, at the end: {complaints:#?}");
    // A run in which nothing happens shows nothing.
    if steps >= STEPS {
        for action in
            ["approval_requested", "approval_approved", "approval_rejected", "approval_refused", "certificate_issued"]
        {
            let happened = oracle.records().iter().any(|record| record.action == action);
            assert!(happened, "COUNTERSIGN_PROPERTY_SEED={seed}: there is no {action}");
        }
    }
    let mut counts = std::collections::BTreeMap::new();
    for record in oracle.records() {
        *counts.entry(record.action.as_str()).or_insert(0) += 1;
        for (what, is_so) in [
            ("of these, by time", record.flag("auto_approved")),
            ("of these, handed over", record.uid("giver_uid").is_some()),
        ] {
            *counts.entry(what).or_insert(0) += i32::from(is_so);
        }
    }
    tell(&format!("COUNTERSIGN_PROPERTY_SEED={seed}, {steps} steps: {counts:?}, {:?}", crowd.told));
}

/// For whoever wants to know what a run came to: `--nocapture` shows it.
#[allow(clippy::print_stdout, reason = "the capture of the test runner keeps it")]
fn tell(what: &str) {
    println!("{what}");
}
