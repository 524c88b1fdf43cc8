//! A verification that takes its time says how far it is, and afterwards what it found.

use std::time::{Duration, Instant};

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::AuditVerify;

use crate::export::grow;
use crate::support::{DAVE, Host, can_be_people, policy};

const ROWS: u64 = 60_000;

#[test]
fn the_status_shows_a_verification_that_runs_and_what_the_last_one_found() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    host.stop();
    grow(&host, ROWS);
    host.start();
    let mut oneself = host.oneself();
    let begun = oneself.status();
    // That of the start: all that was there before this process wrote anything.
    let first = begun.last_verification.unwrap();
    assert!(first.intact && first.records > ROWS && first.records < begun.ledger_size, "{first:?}");
    assert_eq!(begun.verification, None);

    let mut dave = host.user(DAVE);
    let verified = std::thread::scope(|scope| {
        let asked = scope.spawn(move || dave.call::<AuditVerify>(&NoParams {}));
        let (deadline, mut seen) = (Instant::now() + Duration::from_secs(120), Vec::new());
        while !asked.is_finished() {
            assert!(Instant::now() < deadline, "the verification does not end");
            seen.extend(oneself.status().verification);
        }
        assert!(!seen.is_empty(), "no progress was shown");
        for pair in seen.windows(2) {
            assert!(pair[0].done <= pair[1].done && pair[0].since == pair[1].since, "{pair:?}");
        }
        assert!(seen.iter().all(|seen| seen.done <= seen.of && seen.of > ROWS), "{seen:?}");
        assert!(seen.iter().any(|seen| 0 < seen.done && seen.done < seen.of), "nothing between: {seen:?}");
        asked.join().unwrap()
    });
    let status = oneself.status();
    let last = status.last_verification.unwrap();
    assert_eq!((status.verification, last.records, last.intact), (None, verified.records, true));
    assert!(last.at >= first.at && last.records > first.records);

    // Damage of a daemon that runs: shown as what the last verification found.
    host.tamper("UPDATE audit_events SET actor = 'uid:1' WHERE seq = 40000");
    let mut dave = host.user(DAVE);
    assert!(!dave.call::<AuditVerify>(&NoParams {}).intact);
    let status = oneself.status();
    let last = status.last_verification.unwrap();
    assert_eq!((last.intact, last.records, status.read_only), (false, 40_000, true));
    assert_eq!(status.damage.and_then(|damage| damage.seq), Some(40_000));
}
