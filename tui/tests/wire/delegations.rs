//! `delegate`, `delegations`, `undelegate`.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::DelegationPage;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, DELEGATION};

#[test]
fn a_say_is_handed_over_for_a_time_and_taken_back() {
    let daemon = FakeDaemon::start(|method, _| Answer::of(&samples::delegation(method == "delegation.grant")));
    let ran = daemon.run("delegate dan --for 7d --profile p-web --profile p-mail --reason leave");
    assert_eq!(ran.code, 0, "{ran:?}");
    for shown in ["2027-02-07T08:00:00Z", "p-web, p-mail", &format!("countersign undelegate {DELEGATION}"), "on leave"]
    {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    let ran = daemon.run(&format!("undelegate {DELEGATION}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("by system-reaper") && !ran.out.contains("countersign undelegate"), "{}", ran.out);
    daemon.run("delegate dan --for 36h");
    let params = |to: usize| daemon.calls().remove(to).1;
    assert_eq!(params(0), json!({ "to": "dan", "duration": "7d", "profiles": ["p-web", "p-mail"], "reason": "leave" }));
    assert_eq!(params(1), json!({ "id": DELEGATION }));
    assert_eq!(params(2), json!({ "to": "dan", "duration": "36h" }));
    assert_eq!(daemon.methods(), ["delegation.grant", "delegation.revoke", "delegation.grant"]);
    let ran = daemon.run("delegate dan --for 7d --json");
    assert_eq!(ran.out, serde_json::to_string(&samples::delegation(true)).unwrap() + "\n");
}

#[test]
fn delegations_are_listed_a_page_at_a_time() {
    let page = DelegationPage {
        delegations: vec![samples::delegation(true), samples::delegation(false)],
        next_cursor: Some("c1".to_owned()),
    };
    let answer = page.clone();
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&answer));
    let ran = daemon.run("delegations --active --limit 2");
    assert_eq!((ran.code, ran.err.as_str()), (0, "there is more: add --cursor c1\n"), "{ran:?}");
    assert!(ran.out.lines().nth(1).unwrap().contains("carol"), "{}", ran.out);
    assert_eq!(daemon.calls()[0], ("delegation.list".to_owned(), json!({ "active": true, "limit": 2 })));
    assert_eq!(daemon.run("delegations --json").out, serde_json::to_string(&page).unwrap() + "\n");
    assert_eq!(daemon.calls()[1].1, json!({ "active": false }));

    let none = FakeDaemon::start(|_, _| Answer::of(&DelegationPage { delegations: vec![], next_cursor: None }));
    assert_eq!(none.run("delegations").out, "no delegations\n");
    let refused = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::TwoPersonIntegrity));
    assert_eq!(refused.run("delegate dan --for 7d").code, 3);
}
