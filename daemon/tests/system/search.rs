//! Looking for a text in the queue and among certificates.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{CertificateList, RequestList, RequestSubmit};
use countersign_shared::protocol::{ListCertificatesParams, ListRequestsParams};

use crate::support::{ALICE, Caller, Host, ask, can_be_people, policy};

fn found(caller: &mut Caller, text: &str) -> Vec<String> {
    let params: ListRequestsParams = serde_json::from_value(serde_json::json!({ "text": text })).unwrap();
    let page = caller.call::<RequestList>(&params);
    let mut names: Vec<String> = page.requests.iter().map(|request| request.primary_name.raw().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_text_is_found_anywhere_in_any_case_and_stands_for_nothing_but_itself() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    for (name, reason) in [("web1.corp.example", "100% of the load"), ("web2.corp.example", "Big_Launch")] {
        let mut ask = ask(&[name, "shared.corp.example"]);
        ask.reason = Some(reason.into());
        alice.call::<RequestSubmit>(&ask);
    }
    let (one, two) = ("web1.corp.example", "web2.corp.example");
    for (text, expected) in [
        ("", vec![one, two]),
        ("SHARED.corp", vec![one, two]),
        ("eb1.c", vec![one]),
        ("100%", vec![one]),
        ("big_launch", vec![two]),
        ("%", vec![one]),
        ("_", vec![two]),
        ("web_", vec![]),
        ("web\\", vec![]),
    ] {
        assert_eq!(found(&mut alice, text), expected, "{text:?}");
    }
}

#[test]
fn a_text_that_costs_much_to_look_for_is_refused() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    assert_eq!(found(&mut alice, &"a".repeat(128)), Vec::<String>::new());
    let text = serde_json::json!({ "text": "a".repeat(129) });
    let requests: ListRequestsParams = serde_json::from_value(text.clone()).unwrap();
    let certificates: ListCertificatesParams = serde_json::from_value(text).unwrap();
    for error in [
        alice.refused::<RequestList>(&requests, ErrorKind::Invalid),
        alice.refused::<CertificateList>(&certificates, ErrorKind::Invalid),
    ] {
        assert!(error.message.contains("129 octets; at most 128"), "{error:?}");
    }
}
