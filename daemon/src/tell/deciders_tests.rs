//! Who is asked: everybody whose approval would count, and nobody else.

use std::borrow::Cow;
use std::io;

use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::{RequestKind, RequestState, Verdict};
use countersign_shared::protocol::PersonRef;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, params};

use super::*;
use crate::gate::Cast;
use crate::gate::roll::Known;
use crate::identity::directory::{Directory, FixedDirectory};
use crate::policy::Policy;
use crate::store::migrations::{migrate, newest};
use crate::store::rows::requests::{Login, RequestRow, Work};

const POLICY: &str = r#"
version = 1
person = [
    { name = "alice", accounts = ["alice", "alice-adm"], email = "alice@corp.example" },
    { name = "bob", accounts = ["bob"], email = "bob@corp.example" },
    { name = "carol", accounts = ["carol"], email = "carol@corp.example" },
    { name = "erin", accounts = ["erin"], email = "erin@corp.example" },
    { name = "gone", accounts = ["gone"], email = "gone@corp.example" },
    { name = "uma", accounts = ["uma"], email = "uma@corp.example" },
]
[[group]]
name = "pki"
members = ["person:alice", "person:bob", "person:gone", "unixgroup:night"]
[[group]]
name = "sec"
members = ["person:carol"]
[[grant]]
role = "operator"
to = "group:pki"
[[grant]]
role = "operator"
to = "group:sec"
[[grant]]
role = "requester"
to = "person:erin"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
quorum = [{ group = "pki", need = 1 }, { group = "sec", need = 1 }]
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "90d"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

const NAMES: [&str; 7] = ["root", "alice", "bob", "carol", "erin", "uma", "alice-adm"];

fn directory() -> FixedDirectory {
    let account = |(uid, name): (usize, &&str)| Account {
        uid: uid.try_into().unwrap(),
        name: Some((*name).to_owned()),
        unix_groups: if *name == "uma" { vec!["night".to_owned()] } else { Vec::new() },
    };
    FixedDirectory { accounts: NAMES.iter().enumerate().map(account).collect() }
}

fn party(name: &str) -> Party {
    let uid = NAMES.iter().position(|known| *known == name).unwrap();
    Party { person: Some(name.to_owned()), uid: uid.try_into().unwrap(), ..Party::system(name) }
}

/// A request of `requester`'s, with these votes for the groups that they fill.
fn matter<'p>(policy: &'p Policy, requester: &str, votes: &[(&str, &str)]) -> Matter<'p> {
    let (asks, profile) = (party(requester), policy.profile("p-web").unwrap());
    let work = Work { certificate_id: CertificateId::fresh(1, 1), job_id: JobId::fresh(1, 1), submission_id: 1 };
    let request = RequestRow {
        id: RequestId::fresh(1, 1),
        kind: RequestKind::CertIssuance,
        state: RequestState::Pending,
        work: Some(work),
        version: 1,
        digest: Digest::of(&[b"seen"]),
        profile_id: "p-web".into(),
        requester: PersonRef { account: asks.account.clone(), person: asks.person.clone(), uid: asks.uid },
        requester_login: Login::default(),
        requested_seq: 0,
        votes_needed: 2,
        created_tick: 0,
        deadline_tick: 1000,
        decided_at: None,
        decided_by: None,
    };
    let terms = policy.terms(profile, &Account { uid: 9, name: None, unix_groups: Vec::new() }, false);
    let cast = |(name, group): &(&str, &str)| Cast {
        by: party(name),
        giver: None,
        verdict: Verdict::Approve,
        counts_for: vec![(*group).to_owned()],
        seq: 1,
    };
    Matter {
        requester: asks,
        request,
        profile: Some(Cow::Borrowed(profile)),
        version: None,
        made_under: terms.clone(),
        terms,
        needs_login: false,
        demand: None,
        escalated: Vec::new(),
        cast: votes.iter().map(cast).collect(),
        known: Known::by(policy, None),
    }
}

struct Scene {
    policy: Policy,
    connection: Connection,
}

impl Scene {
    fn with(changes: &[(&str, &str)]) -> Self {
        let document = changes.iter().fold(POLICY.to_owned(), |document, (from, to)| {
            assert!(document.contains(from), "{from}");
            document.replace(from, to)
        });
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        Self { policy: Policy::parse(&document).unwrap().0, connection }
    }

    fn people(&self, matter: &Matter<'_>, directory: &dyn Directory) -> (Vec<String>, bool) {
        self.told(directory, |house| of(house, matter).unwrap())
    }

    fn told(&self, directory: &dyn Directory, whom: impl Fn(House<'_>) -> People) -> (Vec<String>, bool) {
        let host = "pki1".into();
        let house = House {
            connection: &self.connection,
            policy: &self.policy,
            directory,
            origin: "o",
            host: &host,
            now: Timestamp::EPOCH,
            tick: 5,
        };
        let people = whom(house);
        let names = people.addresses().map(|mail| mail.raw().split('@').next().unwrap().to_owned()).collect();
        (names, people.has_unlisted())
    }

    fn asked(&self, requester: &str, votes: &[(&str, &str)]) -> Vec<String> {
        let (names, unlisted) = self.people(&matter(&self.policy, requester, votes), &directory());
        assert!(!unlisted);
        names
    }
}

#[test]
fn everybody_is_asked_whose_approval_would_count() {
    let scene = Scene::with(&[]);
    assert_eq!(scene.asked("erin", &[]), ["alice", "bob", "carol", "uma"], "`gone` has no account any more");
    assert_eq!(scene.asked("alice", &[]), ["bob", "carol", "uma"], "not the requester");
    assert_eq!(scene.asked("alice-adm", &[]), ["bob", "carol", "uma"], "not by another account of theirs");
    assert_eq!(scene.asked("erin", &[("bob", "pki")]), ["carol"], "the place of pki is filled");
    assert_eq!(scene.asked("erin", &[("carol", "sec")]), ["alice", "bob", "uma"]);
}

/// The operators of the policy have a role of its own instead.
fn with_a_role_of_the_policy(permissions: &str) -> Scene {
    let role = format!("[[role]]\nname = \"night\"\npermissions = [{permissions}]\n[[group]]\nname = \"sec\"");
    Scene::with(&[("role = \"operator\"", "role = \"night\""), ("[[group]]\nname = \"sec\"", &role)])
}

#[test]
fn whoever_may_approve_is_asked_whatever_their_role_is_called() {
    let scene = with_a_role_of_the_policy("\"request.read\", \"request.approve\"");
    assert_eq!(scene.asked("erin", &[]), ["alice", "bob", "carol", "uma"]);
    assert_eq!(scene.asked("alice", &[("carol", "sec")]), ["bob", "uma"]);
}

#[test]
fn alarms_go_to_whoever_may_be_told_of_them() {
    let alarmed = |scene: &Scene| scene.told(&directory(), super::alarmed);
    let nobody: (Vec<String>, bool) = (Vec::new(), false);
    assert_eq!(alarmed(&Scene::with(&[])), nobody, "operators are not");
    assert_eq!(alarmed(&with_a_role_of_the_policy("\"request.read\", \"request.approve\"")), nobody);
    let told = with_a_role_of_the_policy("\"request.read\", \"request.approve\", \"alarm.receive\"");
    assert_eq!(alarmed(&told).0, ["alice", "bob", "carol", "uma"]);
    let admin = Scene::with(&[("role = \"requester\"", "role = \"admin\"")]);
    assert_eq!(alarmed(&admin).0, ["erin"]);
}

#[test]
fn an_ordered_quorum_asks_one_step_after_the_other() {
    let scene = Scene::with(&[("requires_approval = true", "requires_approval = true\nquorum_order = \"ordered\"")]);
    assert_eq!(scene.asked("erin", &[]), ["alice", "bob", "uma"]);
    assert_eq!(scene.asked("erin", &[("bob", "pki")]), ["carol"]);
}

#[test]
fn whoever_had_logged_in_to_the_requesters_session_is_not_asked() {
    let scene = Scene::with(&[]);
    let mut asked_by_erin = matter(&scene.policy, "erin", &[]);
    asked_by_erin.requester.login_uid = Some(2);
    assert_eq!(scene.people(&asked_by_erin, &directory()).0, ["alice", "carol", "uma"]);
}

#[test]
fn a_deadline_that_has_passed_asks_nobody() {
    let scene = Scene::with(&[]);
    let mut late = matter(&scene.policy, "erin", &[]);
    late.request.deadline_tick = 5;
    assert_eq!(scene.people(&late, &directory()).0, [""; 0]);
}

#[test]
fn whoever_holds_a_say_is_asked_in_the_place_of_its_giver_too() {
    let scene = Scene::with(&[]);
    let record = r#"{"action":"delegation_granted","actor":"carol","details":{"person":"carol","to":"erin","uid":3,"until_tick":900},"resource_id":"dg-1","seq":0}"#;
    scene
        .connection
        .execute(
            "INSERT INTO audit_events (seq, event_id, created_at, actor, actor_type, action, category, resource_type,
                 resource_id, details, record) VALUES (0, 'ev-0', '2026-01-01T00:00:00Z', 'carol', 'User',
                 'delegation_granted', 'auth', 'delegation', 'dg-1', '{}', ?1)",
            params![record.as_bytes()],
        )
        .unwrap();
    let sql = "INSERT INTO delegations (id, giver_uid, giver_account, giver_person, to_person, reason, reason_salt,
                   created_at, until_at, until_tick, seq)
               VALUES ('dg-1', 3, 'carol', 'carol', 'erin', '', x'', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 900, 0)";
    scene.connection.execute(sql, []).unwrap();
    assert_eq!(scene.asked("bob", &[]), ["alice", "carol", "erin", "uma"]);
    assert_eq!(scene.asked("erin", &[]), ["alice", "bob", "carol", "uma"], "not on a request of their own");
    assert_eq!(scene.asked("bob", &[("carol", "sec")]), ["alice", "uma"], "the say was used by its giver");
    assert_eq!(scene.asked("carol", &[]), ["alice", "bob", "uma"], "not with the say of the requester");
}

/// Answers for accounts, and for groups in one of the ways that directories do.
struct Partial(fn() -> io::Result<Vec<String>>);

impl Directory for Partial {
    fn account(&self, uid: u32, with_groups: bool) -> io::Result<Account> {
        directory().account(uid, with_groups)
    }
    fn uid_of(&self, name: &str) -> io::Result<Option<u32>> {
        directory().uid_of(name)
    }
    fn gid_of(&self, name: &str) -> io::Result<Option<u32>> {
        directory().gid_of(name)
    }
    fn listed_in(&self, _: &str) -> io::Result<Vec<String>> {
        (self.0)()
    }
}

/// Answers nothing.
struct Down;

impl Directory for Down {
    fn account(&self, _: u32, _: bool) -> io::Result<Account> {
        Err(io::Error::other("sssd is down"))
    }
    fn uid_of(&self, _: &str) -> io::Result<Option<u32>> {
        Err(io::Error::other("sssd is down"))
    }
    fn gid_of(&self, _: &str) -> io::Result<Option<u32>> {
        Err(io::Error::other("sssd is down"))
    }
    fn listed_in(&self, _: &str) -> io::Result<Vec<String>> {
        Err(io::Error::other("sssd is down"))
    }
}

#[test]
fn what_no_directory_lists_is_said_to_be_unlisted() {
    let scene = Scene::with(&[]);
    let asked = matter(&scene.policy, "alice", &[("bob", "pki")]);
    for directory in [Partial(|| Ok(Vec::new())), Partial(|| Err(io::Error::other("no enumeration")))] {
        let (names, unlisted) = scene.people(&asked, &directory);
        assert!(unlisted && names == ["carol"], "{names:?}");
    }
    let (names, unlisted) = scene.people(&matter(&scene.policy, "alice", &[]), &Down);
    assert!(unlisted);
    assert_eq!(names, ["bob", "carol", "gone"], "as the document has them, and never the requester");
    let without = Scene::with(&[(", \"unixgroup:night\"", "")]);
    let (names, unlisted) = without.people(&matter(&without.policy, "bob", &[]), &directory());
    assert_eq!((names, unlisted), (vec!["alice".to_owned(), "carol".to_owned()], false));
}
