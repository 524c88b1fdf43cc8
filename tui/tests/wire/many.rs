//! `approve` and `reject` on several requests without a terminal.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_shared::error::ErrorKind;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, OTHER, REQUEST};

fn deciding() -> FakeDaemon {
    FakeDaemon::start(|method, params| match method {
        "request.get" if params["id"] == OTHER => Answer::refusal(ErrorKind::NotFound),
        "request.get" => Answer::of(&samples::detail("www.corp.example")),
        _ => Answer::of(&samples::decided_many()),
    })
}

#[test]
fn each_goes_with_its_digest_and_the_worst_is_the_status() {
    let daemon = deciding();
    let seen = "ab".repeat(32);
    let ran = daemon.run(&format!("approve {REQUEST} {OTHER}@{seen} --note fine"));
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.out.contains(&format!("{REQUEST} approved, 1 of 1 votes, record 7")), "{}", ran.out);
    assert!(ran.out.contains(&format!("{OTHER} refused (stale_content): version 2 was amended")), "{}", ran.out);
    assert!(ran.out.contains("look at it again"), "{}", ran.out);
    assert_eq!(daemon.methods(), ["request.get", "request.decide"], "what was seen is not looked at again");
    let items = json!([{ "id": REQUEST, "digest": samples::digest() }, { "id": OTHER, "digest": seen }]);
    assert_eq!(daemon.calls()[1].1, json!({ "verdict": "approve", "items": items, "note": "fine" }));

    let ran = daemon.run(&format!("reject {REQUEST}@{seen} {OTHER}@{seen} --note no --json"));
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!(ran.out, serde_json::to_string(&samples::decided_many()).unwrap() + "\n");
    assert_eq!(daemon.calls()[2].1["verdict"], "reject");
}

#[test]
fn who_may_not_look_at_one_of_them_still_reaches_the_gate() {
    let daemon = deciding();
    assert_eq!(daemon.run(&format!("approve {REQUEST} {OTHER}")).code, 5);
    let items = &daemon.calls()[2].1["items"];
    assert_eq!(items[0]["digest"], json!(samples::digest()));
    assert_eq!(items[1]["digest"], "0".repeat(64));
}

#[test]
fn a_batch_is_what_is_pending_of_it_page_after_page() {
    let daemon = FakeDaemon::start(|method, params| match (method, params["cursor"].as_str()) {
        ("request.list", None) => {
            let mut page = samples::page(vec![samples::request("www.corp.example")]);
            page.next_cursor = Some("c1".to_owned());
            Answer::of(&page)
        }
        ("request.list", Some(_)) => {
            let mut other = samples::request("shop.corp.example");
            other.id = OTHER.parse().unwrap();
            Answer::of(&samples::page(vec![other]))
        }
        _ => Answer::of(&samples::decided_many()),
    });
    assert_eq!(daemon.run("approve --batch spring").code, 5);
    assert_eq!(daemon.methods(), ["request.list", "request.list", "request.decide"]);
    let calls = daemon.calls();
    assert_eq!(calls[0].1, json!({ "state": "pending", "batch": "spring", "limit": 500 }));
    assert_eq!(calls[1].1["cursor"], "c1");
    let digest = samples::digest();
    assert_eq!(calls[2].1["items"], json!([{ "id": REQUEST, "digest": digest }, { "id": OTHER, "digest": digest }]));

    let empty = FakeDaemon::start(|_, _| Answer::of(&samples::page(vec![])));
    let ran = empty.run("approve --batch spring");
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("no request of batch spring is pending"), "{ran:?}");
    assert_eq!(empty.methods(), ["request.list"]);
}

#[test]
fn more_than_one_call_takes_are_sent_in_parts() {
    let daemon = FakeDaemon::start(|_, params| {
        let items: Vec<_> = params["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        let error = json!({ "code": -32003, "message": "two-person integrity",
            "data": { "kind": "two_person_integrity", "hint": "" } });
        let answers: Vec<_> = items.iter().map(|id| json!({ "id": id, "error": error })).collect();
        Answer::Result(json!({ "items": answers }).to_string())
    });
    let seen = "cd".repeat(32);
    let all: Vec<String> = (0..250).map(|number| format!("ar-{number:03}@{seen}")).collect();
    let ran = daemon.run(&format!("approve {} --json", all.join(" ")));
    assert_eq!(ran.code, 3);
    assert_eq!(ran.out.lines().count(), 3);
    let sizes: Vec<usize> =
        daemon.calls().iter().map(|(_, params)| params["items"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[test]
fn what_was_decided_before_the_daemon_went_away_is_told() {
    let turn = AtomicUsize::new(0);
    let daemon = FakeDaemon::start(move |_, params| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => {
            let ids = params["items"].as_array().unwrap().iter().map(|item| item["id"].clone());
            let made = |id| json!({ "id": id, "result": samples::decided() });
            Answer::Result(json!({ "items": ids.map(made).collect::<Vec<_>>() }).to_string())
        }
        _ => Answer::Close,
    });
    let seen = "cd".repeat(32);
    let all: Vec<String> = (0..150).map(|number| format!("ar-{number:03}@{seen}")).collect();
    let ran = daemon.run(&format!("approve {}", all.join(" ")));
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.out.contains("ar-099 approved") && !ran.out.contains("ar-100"), "{ran:?}");
    assert!(ran.err.contains("50 of 150 requests have no answer"), "{ran:?}");
}

#[test]
fn a_list_without_an_end_is_a_fault() {
    let daemon = FakeDaemon::start(|_, _| {
        let mut page = samples::page(vec![]);
        page.next_cursor = Some("c1".to_owned());
        Answer::of(&page)
    });
    assert_eq!(daemon.run("approve --batch spring").code, 1);
    assert_eq!(daemon.methods(), ["request.list", "request.list"]);
}

#[test]
fn an_answer_on_something_else_is_a_fault() {
    let seen = "ab".repeat(32);
    for (first, second) in [(OTHER, REQUEST), (REQUEST, REQUEST)] {
        let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::decided_many()));
        let ran = daemon.run(&format!("approve {first}@{seen} {second}@{seen}"));
        assert_eq!(ran.code, if first == second { 2 } else { 1 }, "{ran:?}");
    }
    let neither =
        FakeDaemon::start(|_, _| Answer::Result(json!({ "items": [{ "id": REQUEST }, { "id": OTHER }] }).to_string()));
    assert_eq!(neither.run(&format!("approve {REQUEST}@{seen} {OTHER}@{seen}")).code, 1);
}

#[test]
fn a_digest_is_named_once_and_belongs_to_one() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::decided()));
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    for line in [
        format!("approve {REQUEST} {OTHER} --digest {one}"),
        format!("approve {REQUEST}@{one} --digest {two}"),
        format!("approve --batch b --digest {one}"),
    ] {
        assert_eq!(daemon.run(&line).code, 2, "{line}");
    }
    assert!(daemon.calls().is_empty());
    assert_eq!(daemon.run(&format!("approve {REQUEST}@{one}")).code, 0);
    assert_eq!(daemon.calls(), [("request.approve".to_owned(), json!({ "id": REQUEST, "digest": one }))]);
}
