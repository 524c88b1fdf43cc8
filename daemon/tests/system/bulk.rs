//! One verdict on many requests: each is judged and recorded by itself.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::{AuditVerify, RequestDecide};
use countersign_shared::protocol::{DecideItem, DecideManyParams, NoParams, Outcome, RequestSummary};

use crate::support::{ALICE, BOB, CAROL, DAVE, Host, MALLORY, can_be_people, policy};

fn item(request: &RequestSummary) -> DecideItem {
    DecideItem { id: request.id.clone(), digest: request.digest, signature: None }
}

fn all(verdict: Verdict, items: Vec<DecideItem>, note: Option<&str>) -> DecideManyParams {
    DecideManyParams { verdict, items, note: note.map(Into::into) }
}

fn unknown(at: usize) -> DecideItem {
    let digest = countersign_shared::digest::Digest::of(&[b"never seen"]);
    DecideItem { id: format!("ar-{at:014}").parse().unwrap(), digest, signature: None }
}

#[test]
fn one_refusal_holds_up_no_other() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let [first, stale, last, gone] = [1, 2, 3, 4].map(|at| alice.request(&[&format!("web{at}.corp.example")]));
    let own = bob.request(&["bob.corp.example"]);
    carol.approve(&gone);
    let items = vec![
        item(&first),
        DecideItem { digest: own.digest, ..item(&stale) },
        item(&own),
        unknown(0),
        item(&gone),
        item(&last),
    ];
    let decided = bob.call::<RequestDecide>(&all(Verdict::Approve, items.clone(), Some("the autumn batch"))).items;
    let ids: Vec<_> = decided.iter().map(|item| item.id.clone()).collect();
    assert_eq!(ids, items.iter().map(|item| item.id.clone()).collect::<Vec<_>>());
    let mut seqs = Vec::new();
    for at in [0, 5] {
        let result = decided[at].result.as_ref().unwrap_or_else(|| panic!("{:?}", decided[at]));
        assert_eq!((result.state, result.votes.given, &decided[at].error), (RequestState::Approved, 1, &None));
        seqs.push(result.seq);
    }
    for (at, kind, rule) in [
        (1, ErrorKind::StaleContent, Some("stale_content")),
        (2, ErrorKind::TwoPersonIntegrity, Some("requester_decides")),
        (3, ErrorKind::NotFound, None),
        (4, ErrorKind::AlreadyDecided, None),
    ] {
        let error = decided[at].error.as_ref().unwrap_or_else(|| panic!("{:?}", decided[at]));
        assert_eq!((error.data.kind, error.data.rule.as_deref(), &decided[at].result), (kind, rule, &None));
        assert_eq!(error.code, kind.code());
    }
    for request in [&first, &last] {
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    }
    // Each has its own record, in the order of the items, and each refusal by a rule has one too.
    let mut dave = host.user(DAVE);
    let record = |caller: &mut crate::support::Caller, request: &RequestSummary| {
        let record = caller.records(&request.id).pop().unwrap();
        (record.action.as_str(), record.seq, record.details["verb"].as_str().map(str::to_owned))
    };
    assert_eq!(record(&mut dave, &first), ("approval_approved", seqs[0], None));
    assert_eq!(record(&mut dave, &last), ("approval_approved", seqs[1], None));
    assert!(seqs[0] < seqs[1]);
    for request in [&stale, &own] {
        let (action, _, verb) = record(&mut dave, request);
        assert_eq!((action, verb.as_deref()), ("approval_refused", Some("request.approve")));
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions WHERE uid = 62002"), 2);
    let pending = "SELECT count(*) FROM approval_requests WHERE state = 'pending'";
    assert_eq!(host.value::<i64>(pending), 2);
    assert!(dave.call::<AuditVerify>(&NoParams {}).intact);

    // The same again changes nothing.
    let again = bob.call::<RequestDecide>(&all(Verdict::Approve, items, None)).items;
    assert!(again.iter().all(|item| item.result.is_none() && item.error.is_some()), "{again:?}");
}

#[test]
fn a_rejection_of_many_has_its_note_and_the_list_its_limits() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let requests = [1, 2, 3].map(|at| alice.request(&[&format!("web{at}.corp.example")]));
    let items: Vec<_> = requests.iter().map(item).collect();
    let twice = vec![items[0].clone(), items[1].clone(), items[0].clone()];
    for (what, params) in [
        ("no note", all(Verdict::Reject, items.clone(), None)),
        ("none", all(Verdict::Approve, Vec::new(), None)),
        ("too many", all(Verdict::Approve, (0..101).map(unknown).collect(), None)),
        ("one twice", all(Verdict::Approve, twice, None)),
    ] {
        let error = bob.refused::<RequestDecide>(&params, ErrorKind::Invalid);
        assert!(error.message.contains('`'), "{what}: {error:?}");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 0);
    let decided = bob.call::<RequestDecide>(&all(Verdict::Reject, items, Some("not before the freeze ends"))).items;
    assert!(decided.iter().all(|item| item.result.as_ref().is_some_and(|r| r.state == RequestState::Rejected)));
    for request in &requests {
        let waited = alice.wait(&request.id);
        assert_eq!((waited.outcome, waited.why.unwrap().raw()), (Outcome::Rejected, "not before the freeze ends"));
    }
}

#[test]
fn each_refusal_of_many_counts_against_the_patience_with_its_caller() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut mallory = host.user(MALLORY);
    let params = all(Verdict::Approve, (0..100).map(unknown).collect(), None);
    let decided = mallory.call::<RequestDecide>(&params).items;
    let errors: Vec<_> = decided.into_iter().filter_map(|item| item.error).collect();
    let (recorded, told): (Vec<_>, Vec<_>) =
        errors.iter().partition::<Vec<_>, _>(|error| error.data.rule.as_deref() == Some("no_role"));
    // A minute's refusals, and what came back of them meanwhile; beyond these nothing is put on record.
    assert!((60..90).contains(&recorded.len()) && recorded.len() + told.len() == 100, "{}", recorded.len());
    assert!(told.iter().all(|error| error.data.kind == ErrorKind::RateLimited), "{told:?}");
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'";
    assert_eq!(host.value::<i64>(refused), i64::try_from(recorded.len()).unwrap());
    // Nobody else waits for that.
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let decided = host.user(BOB).call::<RequestDecide>(&all(Verdict::Approve, vec![item(&request)], None)).items;
    assert!(decided[0].result.is_some(), "{decided:?}");
}
