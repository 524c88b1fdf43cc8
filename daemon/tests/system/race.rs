//! The same instant: two people decide on one request, and many ask for one name.

use std::sync::Barrier;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{RequestApprove, RequestReject, RequestSubmit};

use crate::support::{ALICE, BOB, CAROL, Host, account, ask, can_be_people, on, policy};

const ROUNDS: usize = 50;
const SUBMITTERS: usize = 64;

#[test]
fn of_two_decisions_at_one_instant_one_counts_and_the_other_is_told_whose() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let mut won = [0, 0];
    for round in 0..ROUNDS {
        let request = alice.request(&[&format!("web{round}.corp.example")]);
        let params = on(&request);
        let start = Barrier::new(2);
        let (by_bob, by_carol) = std::thread::scope(|scope| {
            let bob = scope.spawn(|| {
                start.wait();
                bob.attempt::<RequestApprove>(&params).unwrap()
            });
            let carol = scope.spawn(|| {
                start.wait();
                if round % 2 == 0 {
                    carol.attempt::<RequestApprove>(&params).unwrap()
                } else {
                    carol.attempt::<RequestReject>(&params).unwrap()
                }
            });
            (bob.join().unwrap(), carol.join().unwrap())
        });
        let (winner, loser) = match (by_bob, by_carol) {
            (Ok(_), Err(loser)) => (BOB, loser),
            (Err(loser), Ok(_)) => (CAROL, loser),
            other => panic!("{other:?}"),
        };
        won[usize::from(winner == CAROL)] += 1;
        assert_eq!(loser.data.kind, ErrorKind::AlreadyDecided);
        assert!(loser.message.contains(&format!("by {}", account(winner))), "{loser:?}");
        let by: i64 = host.value(&format!("SELECT uid FROM decisions WHERE request_id = '{}'", request.id));
        assert_eq!(by, i64::from(winner));
    }
    assert_eq!(won.iter().sum::<usize>(), ROUNDS);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), ROUNDS as i64);
}

#[test]
fn of_many_who_ask_for_one_name_at_once_one_gets_the_request() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let start = Barrier::new(SUBMITTERS);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SUBMITTERS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut caller, params) = (host.user(ALICE), ask(&["web1.corp.example"]));
                    start.wait();
                    caller.attempt::<RequestSubmit>(&params).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made: Vec<_> = answers.iter().flatten().collect();
    let [first] = &made[..] else { panic!("{} requests were made", made.len()) };
    let id = &first.request.as_ref().unwrap().id;
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(error.data.kind, ErrorKind::Conflict, "{error:?}");
        assert!(error.message.contains(id.as_str()), "{error:?}");
    }
    for table in ["approval_requests", "jobs", "certificates", "submissions"] {
        assert_eq!(host.value::<i64>(&format!("SELECT count(*) FROM {table}")), 1, "{table}");
    }
}
