use countersign_shared::digest::Digest;
use serde_json::{Value, json};

use super::*;
use crate::evidence::bundle;

const POLICY: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice", "uid:21"]
[[person]]
name = "bob"
accounts = ["bob", "bob-adm"]
[[person]]
name = "carol"
accounts = ["carol"]
[[group]]
name = "pki"
members = ["person:alice", "group:inner", "user:dave"]
[[group]]
name = "inner"
members = ["person:bob"]
[[group]]
name = "host"
members = ["unixgroup:approvers", "uid:9"]
[[group]]
name = "night"
members = ["user:erin"]
[[grant]]
role = "operator"
to = "group:pki"
profiles = ["p-web"]
[[grant]]
role = "operator"
to = "unixgroup:approvers"
profiles = ["p-host"]
until = 2027-01-01T00:00:00Z
[[grant]]
role = "operator"
to = "user:erin"
[[grant]]
role = "admin"
to = "person:carol"
[[profile]]
id = "p-web"
requires_approval = true
quorum = [{ group = "pki", need = 1 }]
extra_for_scheduler = 1
escalate = [{ after = "1h", groups = ["night"] }]
auto_approve_after = "2h"
issuer = "never read here"
[[profile]]
id = "p-dev"
"#;

/// What happened, and under which documents; each may be changed before it is looked at.
struct Story {
    documents: Vec<String>,
    records: Vec<Value>,
}

impl Story {
    /// Asked for by alice, approved by bob, under one document.
    fn new() -> Self {
        let policy = Digest::of(&[POLICY.as_bytes()]).to_string();
        let asked = json!({ "action": "approval_requested", "actor": "alice", "resource_id": "ar-1", "seq": 0,
            "at": "2026-01-01T00:00:00.000Z", "details": { "uid": 1, "person": "alice", "version": 1, "digest": "d", "tick": 0,
            "profile": "p-web", "kind": "cert_issuance", "policy_sha256": policy, "quorum": ["pki:1"], "ordered": false,
            "reject_threshold": 1 } });
        let vote = json!({ "action": "approval_approved", "actor": "bob", "resource_id": "ar-1", "seq": 1,
            "at": "2026-01-01T00:01:00.000Z", "details": { "uid": 2, "person": "bob", "version": 1, "digest": "d", "tick": 9,
            "profile": "p-web", "policy_sha256": policy, "quorum": ["pki:1"], "ordered": false, "reject_threshold": 1,
            "counts_for": ["pki"], "state": "approved" } });
        Self { documents: vec![POLICY.to_owned()], records: vec![asked, vote] }
    }

    fn with(mut self, record: usize, changes: Value) -> Self {
        for (name, value) in changes.as_object().unwrap() {
            let record = &mut self.records[record];
            let place = if record.get(name).is_some() { record } else { &mut record["details"] };
            place[name] = value.clone();
        }
        self
    }

    /// The records from this one on stand under another document.
    fn under(mut self, from: usize, edits: &[(&str, &str)]) -> Self {
        let document = edits.iter().fold(POLICY.to_owned(), |document, (old, new)| {
            assert!(document.contains(old), "{old}");
            document.replacen(old, new, 1)
        });
        for record in &mut self.records[from..] {
            record["details"]["policy_sha256"] = Digest::of(&[document.as_bytes()]).to_string().into();
        }
        self.documents.push(document);
        self
    }

    fn and(mut self, at: usize, record: Value) -> Self {
        self.records.insert(at, record);
        for (seq, record) in self.records.iter_mut().enumerate() {
            record["seq"] = seq.into();
        }
        self
    }

    /// What is wrong, and what is said.
    fn told(&self) -> (Vec<String>, Vec<String>) {
        let policies = self.documents.iter().map(|document| {
            json!({ "part": "policy", "seq": 0, "sha256": Digest::of(&[document.as_bytes()]), "document": document })
        });
        let records = self.records.iter().map(|record| {
            let text = record.to_string();
            let hash = countersign_proof::tree::leaf_hash(text.as_bytes());
            json!({ "part": "record", "seq": record["seq"], "record_sha256": hash, "record": text, "path": [] })
        });
        let lines = policies.chain(records).map(|line| {
            let mut members = line.as_object().unwrap().clone();
            let part = members.remove("part").unwrap();
            format!("{{\"part\":{part},{}\n", &Value::Object(members).to_string()[1..])
        });
        let text: String = lines.collect();
        let bundle = bundle::read(text.as_bytes(), &mut Findings::default()).unwrap();
        assert_eq!(bundle.records.len(), self.records.len());
        let (mut findings, mut notes) = (Findings::default(), Vec::new());
        check(&bundle, &mut findings, &mut notes);
        assert!(findings.0.iter().all(|found| found.rule == RULE));
        (findings.0.into_iter().map(|found| found.text).collect(), notes)
    }
}

fn right(what: &str, story: &Story) -> Vec<String> {
    let (wrong, notes) = story.told();
    assert_eq!(wrong, [""; 0], "{what}");
    notes
}

fn wrong(words: &str, story: &Story) {
    let (wrong, _) = story.told();
    assert!(wrong.iter().any(|text| text.contains(words)), "{words}: {wrong:?}");
}

#[test]
fn what_the_policy_says_is_derived_and_what_contradicts_it_is_named() {
    let notes = right("as it was", &Story::new());
    assert!(notes[0].contains("1 versions") && notes[0].contains("1 votes"), "{notes:?}");
    assert_eq!(notes.len(), 1, "nothing was taken from the records: {notes:?}");

    wrong("pki:1", &Story::new().with(0, json!({ "quorum": ["inner:1"] })));
    wrong("the terms of the version", &Story::new().with(0, json!({ "reject_threshold": 2 })));
    wrong("the terms of the version", &Story::new().with(0, json!({ "ordered": true })));
    wrong("is not in its policy", &Story::new().with(0, json!({ "profile": "p-gone" })));
    wrong("asks for nobody's approval", &Story::new().with(0, json!({ "profile": "p-dev" })));
    wrong("the terms that it was judged by", &Story::new().with(1, json!({ "quorum": ["*:1"], "counts_for": ["*"] })));
    wrong("which nobody asked", &Story::new().with(1, json!({ "counts_for": ["night"] })));
    wrong("counts for no step", &Story::new().with(1, json!({ "counts_for": [] })));
    wrong("mallory may not decide", &Story::new().with(1, json!({ "actor": "mallory", "uid": 6, "person": "" })));
    wrong("mallory was not in it", &Story::new().with(1, json!({ "actor": "mallory", "uid": 6, "person": "" })));
    wrong("erin was not in it", &Story::new().with(1, json!({ "actor": "erin", "uid": 5, "person": "" })));
    wrong("bob is bob by the policy", &Story::new().with(1, json!({ "person": "" })));
    wrong("mallory is nothing by the policy", &Story::new().with(1, json!({ "actor": "mallory", "person": "bob" })));
    wrong("who asked for it", &Story::new().with(1, json!({ "actor": "x", "uid": 21, "person": "alice" })));
    // Root is nobody, whatever its name.
    wrong("may not decide", &Story::new().with(1, json!({ "uid": 0, "person": "" })));
}

#[test]
fn an_admin_fills_any_place_and_so_does_whoever_was_asked_in_the_end() {
    right("an admin", &Story::new().with(1, json!({ "actor": "carol", "uid": 3, "person": "carol" })));
    let erin = || Story::new().with(1, json!({ "actor": "erin", "uid": 5, "person": "" }));
    let escalated = |object: &str| {
        json!({ "action": "approval_escalated", "actor": "system-scheduler", "resource_id": object, "seq": 0,
            "details": { "level": 0, "version": 1 } })
    };
    right("escalated", &erin().and(1, escalated("ar-1")));
    wrong("erin was not in it", &erin().and(1, escalated("ar-2")));
    wrong("erin was not in it", &erin().and(2, escalated("ar-1")));
    let taken_back = erin().and(1, escalated("ar-1")).under(2, &[("groups = [\"night\"]", "groups = [\"host\"]")]);
    wrong("erin was not in it", &taken_back);
}

#[test]
fn what_only_the_host_knew_is_taken_from_the_record_and_named() {
    let host = ("{ group = \"pki\", need = 1 }", "{ group = \"host\", need = 1 }");
    let by = |name: &str, uid: u32| {
        let story = Story::new().under(0, &[host, ("p-host", "p-web")]).with(0, json!({ "quorum": ["host:1"] }));
        story.with(1, json!({ "quorum": ["host:1"], "counts_for": ["host"], "actor": name, "uid": uid, "person": "" }))
    };
    let notes = right("a unix group", &by("frank", 8));
    assert!(
        notes.iter().any(|note| note.contains("taken from the record") && note.contains("frank may decide")),
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.contains("counts for host")), "{notes:?}");
    // The grant had ended by then; what the document itself says of the group is not left to the record.
    wrong("may not decide", &by("frank", 8).with(1, json!({ "at": "2027-01-01T00:00:00.000Z" })));
    let notes = right("by number", &by("frank", 9));
    assert!(!notes.iter().any(|note| note.contains("counts for host")), "{notes:?}");
    // Whose certificate it was, the bundle of a renewal need not say.
    let route =
        ("extra_for_scheduler = 1", "route = [{ owner = \"person:bob\", quorum = [{ group = \"inner\", need = 1 }] }]");
    let routed = || Story::new().under(0, &[route]);
    let notes = right("whoever asks first is the owner", &routed());
    assert_eq!(notes.len(), 1, "{notes:?}");
    wrong("pki:1", &routed().with(0, json!({ "quorum": ["inner:1"] })));
    let renewal = |steps: &str, counts: &str| {
        let story = routed().with(0, json!({ "kind": "cert_renewal", "quorum": [steps] }));
        story.with(1, json!({ "quorum": [steps], "counts_for": [counts] }))
    };
    let notes = right("a renewal, by the route", &renewal("inner:1", "inner"));
    assert!(notes.iter().any(|note| note.contains("whose certificate it is")), "{notes:?}");
    right("a renewal, by the profile", &renewal("pki:1", "pki"));
    wrong("inner:1", &renewal("night:1", "night"));
}

#[test]
fn a_policy_in_force_that_asks_for_more_is_what_is_judged_by() {
    let stricter = ("need = 1 }]\nextra", "need = 2 }]\nextra");
    wrong("the terms that it was judged by", &Story::new().under(1, &[stricter]));
    let judged = Story::new().under(1, &[stricter]).with(1, json!({ "quorum": ["pki:2"], "state": "pending" }));
    right("judged by the stricter one", &judged);
    let laxer = Story::new().under(1, &[("{ group = \"pki\", need = 1 }", "{ group = \"inner\", need = 1 }")]);
    right("what it was made under stands", &laxer);
    let gone = Story::new().under(1, &[("id = \"p-web\"\nrequires_approval = true", "id = \"p-web\"")]);
    right("where nobody is asked any more, too", &gone);
    // Amended: of the version before and the policy in force what is stricter.
    let amended = json!({ "action": "approval_amended", "actor": "alice", "resource_id": "ar-1", "seq": 1, "details": {
        "uid": 1, "person": "alice", "version": 2, "digest": "e", "profile": "p-web", "quorum": ["pki:2"], "ordered": false,
        "reject_threshold": 1 } });
    let story = |steps: &str| {
        let mut amended = amended.clone();
        amended["details"]["quorum"] = json!([steps]);
        let vote = json!({ "version": 2, "digest": "e", "quorum": [steps], "state": "pending" });
        Story::new().and(1, amended).under(1, &[stricter]).with(2, vote)
    };
    right("amended under the stricter one", &story("pki:2"));
    wrong("the terms of the version", &story("pki:1"));
    // A renewal that no human asked for.
    let scheduled = |steps: Value| {
        let asked = json!({ "actor": "system-scheduler", "kind": "cert_renewal", "quorum": steps, "uid": null });
        Story::new().with(0, asked).with(1, json!({ "quorum": steps, "state": "pending" }))
    };
    right("one more where the scheduler asks", &scheduled(json!(["pki:1", "*:1"])));
    wrong("pki:1 *:1", &scheduled(json!(["pki:1"])));
}

#[test]
fn two_accounts_of_one_person_are_one_vote_whatever_the_records_say() {
    let two = ("need = 1 }]\nextra", "need = 2 }]\nextra");
    let story = |account: &str, uid: u32, person: &str| {
        let mut first = Story::new().records[1].clone();
        first["details"]["state"] = "pending".into();
        let story = Story::new().and(1, first).under(0, &[two]);
        let story = (0..3).fold(story, |story, at| story.with(at, json!({ "quorum": ["pki:2"] })));
        story.with(2, json!({ "actor": account, "uid": uid, "person": person }))
    };
    right("two people", &story("dave", 4, ""));
    wrong("different people by the policy: expected 2, found 1", &story("bob-adm", 12, "dave"));
    wrong("bob-adm is bob by the policy", &story("bob-adm", 12, "dave"));
}

#[test]
fn a_say_that_was_handed_over_is_judged_by_whose_it_was() {
    let given = json!({ "actor": "zoe", "uid": 26, "person": "", "delegation": "dg-1", "giver_account": "bob",
        "giver_uid": 2, "giver_person": "bob" });
    right("bob's", &Story::new().with(1, given.clone()));
    let mallory = json!({ "giver_account": "mallory", "giver_uid": 6, "giver_person": "" });
    wrong("mallory may not decide", &Story::new().with(1, given.clone()).with(1, mallory));
    let never = [("extra_for_scheduler", "allow_delegation = false\nextra_for_scheduler")];
    wrong("does not allow", &Story::new().with(1, given.clone()).under(0, &never));
    wrong("does not allow", &Story::new().with(1, given).under(1, &never));
}

#[test]
fn nobody_is_asked_where_the_policy_says_so_and_nowhere_else() {
    let job = |profile: &str| {
        let mut story = Story::new();
        story.records.truncate(1);
        story.with(0, json!({ "action": "issuance_requested", "resource_id": "job-1", "profile": profile }))
    };
    let notes = right("an unattended profile", &job("p-dev"));
    assert!(notes[0].contains("1 jobs"), "{notes:?}");
    wrong("demands approval in its policy", &job("p-web"));
    right("a retry goes on from an approval", &job("p-web").with(0, json!({ "request": "ar-1" })));
    let bypassed = Story::new().with(1, json!({ "action": "approval_bypassed", "actor": "system-bypass" }));
    let notes = right("the bypass", &bypassed);
    assert!(notes.iter().any(|note| note.contains("pki:1") && note.contains("nobody was asked")), "{notes:?}");

    let passed = |kind: &str, tick: i64| {
        let story = Story::new().with(0, json!({ "kind": kind }));
        story.with(1, json!({ "auto_approved": true, "actor": "system-scheduler", "tick": tick }))
    };
    right("by time", &passed("cert_renewal", 7_200_000));
    wrong("not waited as long", &passed("cert_renewal", 7_199_999));
    wrong("no renewal", &passed("cert_issuance", 7_200_000));
    let never = [("auto_approve_after = \"2h\"", "")];
    wrong("do not let requests", &passed("cert_renewal", 7_200_000).under(1, &never));
    wrong("a person", &passed("cert_renewal", 7_200_000).with(1, json!({ "actor": "bob" })));
}

#[test]
fn a_change_of_the_policy_is_asked_of_those_whom_change_control_names() {
    let changed = |more: &str, steps: &str, counts: &str, (account, uid, person): (&str, u32, &str)| {
        let story = Story::new().under(0, &[("version = 1\n", &format!("version = 1\n{more}"))]);
        let story = story.with(0, json!({ "action": "policy_proposed", "profile": "policy", "quorum": [steps] }));
        let vote = json!({ "profile": "policy", "quorum": [steps], "counts_for": [counts], "actor": account, "uid": uid,
            "person": person });
        story.with(1, vote)
    };
    right("an admin where nothing is said", &changed("", "*:1", "*", ("carol", 3, "carol")));
    right("an operator of all profiles", &changed("", "*:1", "*", ("erin", 5, "")));
    wrong("anybody, and bob was not in it", &changed("", "*:1", "*", ("bob", 2, "bob")));
    let control = "[change_control]\nquorum = [{ group = \"inner\", need = 1 }]\n";
    right("a group", &changed(control, "inner:1", "inner", ("bob", 2, "bob")));
    wrong("dave was not in it", &changed(control, "inner:1", "inner", ("dave", 4, "")));
    wrong("inner:1", &changed(control, "*:1", "*", ("carol", 3, "carol")));
    let role = |permission: &str| {
        format!(
            "[[role]]\nname = \"rules\"\npermissions = [\"policy.read\", \"{permission}\"]\n\
             [[grant]]\nrole = \"rules\"\nto = \"user:frank\"\n"
        )
    };
    right("a role of its own", &changed(&role("policy.approve"), "*:1", "*", ("frank", 6, "")));
    wrong("frank was not in it", &changed(&role("policy.propose"), "*:1", "*", ("frank", 6, "")));
    wrong("inner, and frank was not in it", &{
        let both = format!("{}{control}", role("policy.approve"));
        changed(&both, "inner:1", "inner", ("frank", 6, ""))
    });
}

#[test]
fn an_approval_that_is_not_signed_as_demanded_fills_no_place() {
    let demanded = [("requires_approval = true\n", "requires_approval = true\ndecision_signature = \"ssh\"\n")];
    wrong("different people by the policy: expected 1, found 0", &Story::new().under(0, &demanded));
    wrong("different people by the policy: expected 1, found 0", &Story::new().under(1, &demanded));
    let control = [("version = 1\n", "version = 1\n[change_control]\ndecision_signature = \"fido2\"\n")];
    right("what is demanded of changes alone", &Story::new().under(0, &control));
}

#[test]
fn a_role_of_the_documents_own_lets_decide_where_it_says_so_and_is_granted() {
    let by = |permission: &str, profiles: &str| {
        let tables = format!(
            "version = 1\n[[role]]\nname = \"night-shift\"\npermissions = [\"request.read\", \"{permission}\"]\n\
             [[grant]]\nrole = \"night-shift\"\nto = \"user:frank\"\nprofiles = [\"{profiles}\"]\n\
             [[group]]\nname = \"franks\"\nmembers = [\"user:frank\"]\n"
        );
        let asked = "quorum = [{ group = \"franks\", need = 1 }]";
        let told = [("version = 1\n", tables.as_str()), ("quorum = [{ group = \"pki\", need = 1 }]", asked)];
        let story = Story::new().under(0, &told);
        let story = story.with(0, json!({ "quorum": ["franks:1"] }));
        story.with(
            1,
            json!({ "quorum": ["franks:1"], "counts_for": ["franks"], "actor": "frank", "uid": 6, "person": "" }),
        )
    };
    right("the permission, for the profile", &by("request.approve", "p-web"));
    wrong("frank may not decide", &by("request.void", "p-web"));
    wrong("frank may not decide", &by("request.approve", "p-dev"));
}

#[test]
fn documents_of_hostile_shapes_are_said_and_nothing_more() {
    for document in
        ["", "[[profile]]", "x = ", "group = 1", "[[grant]]\nrole = \"admin\"\nto = \"x\"\nuntil = 07:32:00"]
    {
        let mut story = Story::new();
        story.documents = vec![document.to_owned()];
        let sha256 = Digest::of(&[document.as_bytes()]).to_string();
        let story = (0..2).fold(story, |story, at| story.with(at, json!({ "policy_sha256": sha256 })));
        let (_, notes) = story.told();
        assert!(
            document.is_empty() || notes.iter().any(|note| note.contains("nothing is derived")),
            "{document}: {notes:?}"
        );
    }
    // A group in itself, and more members than a policy can have.
    let circle = "version = 1\n[[group]]\nname = \"a\"\nmembers = [\"group:b\"]\n[[group]]\nname = \"b\"\nmembers = [\"group:a\"]\n";
    assert!(Document::read(circle).is_ok());
    let all: String = (0..400).map(|at| format!("\"group:g{at}\",")).collect();
    let dense: String = (0..400).map(|at| format!("[[group]]\nname = \"g{at}\"\nmembers = [{all}]\n")).collect();
    assert!(Document::read(&dense).is_err());
}
