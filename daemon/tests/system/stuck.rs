//! What is in the way of one job is in the way of no other, and every job comes to an end.

use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::method::RequestSubmit;
use countersign_shared::protocol::{Outcome, RequestSummary, WaitResult};

use crate::exec::{SIGN, can_sign, issuing_by, runs, write};
use crate::support::{ALICE, BOB, Host, ask, can_be_people, until};

/// Requests for so many names, approved.
fn approved(host: &Host, count: usize) -> Vec<RequestSummary> {
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let requests: Vec<_> = (0..count).map(|at| alice.request(&[&format!("web{at}.corp.example")])).collect();
    requests.iter().for_each(|request| bob.approve(request));
    requests
}

fn jobs_in(host: &Host, state: JobState) -> i64 {
    host.value(&format!("SELECT count(*) FROM jobs WHERE state = '{state}'"))
}

#[test]
fn an_issuer_that_hangs_holds_up_its_own_jobs_alone() {
    if !can_be_people() {
        return;
    }
    let host = issuing_by("cat > /dev/null; sleep 1000", "60s");
    approved(&host, 6);
    until("the program has all of its places", || runs(&host) == 4);
    let mut alice = host.user(ALICE);
    let free = alice.submit(&["a.dev.test.example"]);
    assert_eq!(alice.wait(&free.job.id).outcome, Outcome::Issued);
    assert_eq!((jobs_in(&host, JobState::Running), jobs_in(&host, JobState::Pending)), (4, 2));
}

#[test]
fn a_daemon_that_is_told_to_stop_takes_up_no_further_job() {
    if !can_be_people() {
        return;
    }
    let mut host = issuing_by("cat > /dev/null; until [ -e \"$PLACE/go\" ]; do sleep 0.05; done; exit 1", "60s");
    approved(&host, 10);
    until("the program has all of its places", || runs(&host) == 4);
    host.terminate();
    until("it has heard", || host.log().contains("no further job is taken up"));
    std::fs::write(host.path("go"), "").unwrap();
    host.ended();
    assert_eq!(runs(&host), 4);
    assert_eq!((jobs_in(&host, JobState::Failed), jobs_in(&host, JobState::Pending)), (4, 6));
}

#[test]
fn a_job_that_cannot_be_read_is_set_aside_and_the_others_go_on() {
    if !can_be_people() {
        return;
    }
    let mut host = issuing_by("cat > /dev/null; sleep 1000", "60s");
    let requests = approved(&host, 7);
    until("the program has all of its places", || runs(&host) == 4);
    host.kill();
    let [.., no_json, no_content, sound] = requests.as_slice() else { panic!("seven were made") };
    for (request, content) in [(no_json, "nothing"), (no_content, "{\"issuer\": \"script\"}")] {
        host.tamper(&format!(
            "UPDATE submissions SET content = '{content}' WHERE id =
                 (SELECT submission_id FROM approval_requests WHERE id = '{}')",
            request.id
        ));
    }
    write(&host, "cat > /dev/null; exit 1");
    host.start();
    let waited = host.user(ALICE).wait(&sound.id);
    assert!(waited.why.unwrap().raw().contains("ended with status 1"));
    until("the others of the last run have failed", || jobs_in(&host, JobState::Failed) == 5);
    until("both are set aside", || host.log().matches("set aside until the next start").count() == 2);
    assert_eq!(jobs_in(&host, JobState::Pending), 2);
}

/// Submits the same CSR twice; each has to come to its end.
fn twice(host: &Host) -> [WaitResult; 2] {
    let params = ask(&["web1.corp.example"]);
    [(); 2].map(|()| {
        let mut alice = host.user(ALICE);
        let submitted = alice.call::<RequestSubmit>(&params);
        host.user(BOB).approve(&submitted.request.unwrap());
        alice.wait(&submitted.job.id)
    })
}

#[test]
fn a_certificate_that_is_answered_twice_ends_its_second_job() {
    if !can_sign() {
        return;
    }
    let once = format!(
        "NAME=web1.corp.example\n[ -e \"$PLACE/kept\" ] || {{ {SIGN} }} > \"$PLACE/kept\"\ncat > /dev/null; cat \"$PLACE/kept\""
    );
    let [first, second] = twice(&issuing_by(&once, "30s"));
    assert_eq!((first.outcome, second.outcome), (Outcome::Issued, Outcome::Failed), "{:?}", first.why);
    let why = second.why.unwrap();
    assert!(why.raw().contains("a certificate that is stored already"), "{why:?}");

    // The same of a wrong one: each answer is evidence.
    let host = issuing_by(&once.replace("NAME=web1", "NAME=bank"), "30s");
    for waited in twice(&host) {
        assert_eq!(waited.outcome, Outcome::Failed);
        assert!(waited.why.unwrap().raw().contains("bank.corp.example"));
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions WHERE state = 'quarantined'"), 2);
}

#[test]
fn a_result_is_stored_once_another_process_lets_go_of_the_database() {
    if !can_be_people() {
        return;
    }
    let host = issuing_by("cat > /dev/null; until [ -e \"$PLACE/go\" ]; do sleep 0.05; done; exit 1", "60s");
    let requests = approved(&host, 1);
    until("the program runs", || runs(&host) == 1);
    let other = rusqlite::Connection::open(host.database()).unwrap();
    other.busy_timeout(crate::support::PATIENCE).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::write(host.path("go"), "").unwrap();
    until("the result cannot be stored", || host.log().contains("could not be stored, tried again soon"));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(host.user(ALICE).wait(&requests[0].id).outcome, Outcome::Failed);
}
