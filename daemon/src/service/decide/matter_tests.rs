use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::{RequestKind, RequestState, Verdict};
use countersign_shared::protocol::PersonRef;
use rusqlite::params;

use super::*;
use crate::gate::Delegated;
use crate::identity::{Attestation, Caller};
use crate::service::Actor;
use crate::store::migrations::{migrate, newest};
use crate::store::rows::requests::Login;

const UNTIL: i64 = 1_000;

const POLICY: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice"]
[[person]]
name = "bob"
accounts = ["bob"]
[[person]]
name = "carol"
accounts = ["carol"]
[[person]]
name = "erin"
accounts = ["erin"]
[[group]]
name = "pki"
members = ["person:alice", "person:bob"]
[[grant]]
role = "requester"
to = "person:alice"
[[grant]]
role = "operator"
to = "group:pki"
[[grant]]
role = "admin"
to = "person:carol"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
quorum = [{ group = "pki", need = 1 }]
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "90d"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

fn policy(changes: &[(&str, &str)]) -> Policy {
    let document = changes.iter().fold(POLICY.to_owned(), |document, (from, to)| {
        assert!(document.contains(from), "{from}");
        document.replace(from, to)
    });
    Policy::parse(&document).unwrap().0
}

const CLOSED: (&str, &str) = ("max_validity = \"90d\"", "max_validity = \"90d\"\nallow_delegation = false");

fn account(name: &str) -> Account {
    let uid = ["root", "alice", "bob", "carol", "erin"].iter().position(|known| *known == name).unwrap();
    Account { uid: uid.try_into().unwrap(), name: Some(name.to_owned()), unix_groups: Vec::new() }
}

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, newest()).unwrap();
    connection
}

fn record(connection: &Connection, seq: i64, action: &str, id: &str, actor: &str, details: &str) {
    let record =
        format!(r#"{{"action":"{action}","actor":"{actor}","details":{details},"resource_id":"{id}","seq":{seq}}}"#);
    connection
        .execute(
            "INSERT INTO audit_events (seq, event_id, created_at, actor, actor_type, action, category, resource_type,
                 resource_id, details, record)
             VALUES (?1, ?2, '2026-01-01T00:00:00Z', ?3, 'User', ?4, 'auth', 'delegation', ?5, ?6, ?7)",
            params![seq, format!("ev-{seq}"), actor, action, id, details, record.as_bytes()],
        )
        .unwrap();
}

/// A grant by `giver` to erin.
fn granted(connection: &Connection, seq: i64, giver: &str, more: &str) {
    let (id, uid) = (format!("dg-{seq}"), account(giver).uid);
    let details = format!(r#"{{"person":"{giver}","to":"erin","uid":{uid},"until_tick":{UNTIL}{more}}}"#);
    record(connection, seq, "delegation_granted", &id, giver, &details);
    connection
        .execute(
            "INSERT INTO delegations (id, giver_uid, giver_account, giver_person, to_person, reason, reason_salt,
                 created_at, until_at, until_tick, seq)
             VALUES (?1, ?2, ?3, ?3, 'erin', '', x'', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', ?4, ?5)",
            params![id, uid, giver, UNTIL, seq],
        )
        .unwrap();
}

/// `name`, holding all that was handed to her, as it stands at tick 0 under `policy`.
fn holder(connection: &Connection, policy: &Policy, name: &str) -> Actor {
    let caller = Caller {
        uid: account(name).uid,
        gid: 1,
        pid: 1,
        login_uid: None,
        session: None,
        attestation: Attestation::Pidfd,
        account: account(name),
        login_account: None,
        demo_person: None,
    };
    let mut actor = Actor::resolve(policy, caller, Timestamp::EPOCH);
    let delegated = Delegated::to(connection, name, 0, 32).unwrap().into_iter();
    actor.held = delegated
        .map(|delegated| {
            let giver = account(&delegated.by.account);
            Held::new(policy, delegated, giver, Timestamp::EPOCH, 0)
        })
        .collect();
    actor
}

/// A request of alice's, made under the profile of `made_under`.
fn matter(made_under: Option<&Policy>) -> Matter<'_> {
    let work = Work { certificate_id: CertificateId::fresh(1, 1), job_id: JobId::fresh(1, 1), submission_id: 1 };
    let alice = PersonRef { account: "alice".into(), person: Some("alice".into()), uid: 1 };
    let request = RequestRow {
        id: RequestId::fresh(1, 1),
        kind: if made_under.is_some() { RequestKind::CertIssuance } else { RequestKind::PolicyChange },
        state: RequestState::Pending,
        work: made_under.map(|_| work),
        version: 1,
        digest: Digest::of(&[b"seen"]),
        profile_id: if made_under.is_some() { "p-web".into() } else { "policy".into() },
        requester: alice,
        requester_login: Login::default(),
        requested_seq: 0,
        votes_needed: 1,
        created_tick: 0,
        deadline_tick: i64::MAX,
        decided_at: None,
        decided_by: None,
    };
    let profile = made_under.map(|policy| policy.profile("p-web").unwrap());
    let terms = match (profile, made_under) {
        (Some(profile), Some(policy)) => policy.terms(profile, &account("alice"), false),
        _ => policy(&[]).change_control().terms(),
    };
    Matter {
        requester: Party { person: Some("alice".into()), uid: 1, ..Party::system("alice") },
        request,
        profile: profile.map(Cow::Borrowed),
        version: None,
        made_under: terms.clone(),
        terms,
        needs_login: false,
        demand: None,
        escalated: Vec::new(),
        cast: Vec::new(),
        known: Known::as_recorded(),
    }
}

fn givers(says: Vec<Say>) -> Vec<String> {
    says.into_iter().map(|say| say.given.map_or_else(|| "own".to_owned(), |given| given.by.voter())).collect()
}

#[test]
fn the_rules_of_both_times_and_of_both_people_have_to_allow_it() {
    let open = policy(&[]);
    let closed = policy(&[CLOSED]);
    let gone = policy(&[("\"p-web\"", "\"p-other\"")]);
    let left = policy(&[("to = \"group:pki\"", "to = \"person:alice\"")]);
    let out = policy(&[("[\"person:alice\", \"person:bob\"]", "[\"person:alice\"]")]);
    let renamed = policy(&[("name = \"bob\"", "name = \"robert\""), ("\"person:bob\"", "\"person:robert\"")]);
    let moved = policy(&[("accounts = [\"erin\"]", "accounts = [\"erin-2\"]")]);
    let connection = database();
    granted(&connection, 0, "bob", "");
    for (what, made_under, in_force, tick, expected) in [
        ("it holds", Some(&open), &open, 0, &["bob"][..]),
        ("to the last moment", Some(&open), &open, UNTIL - 1, &["bob"]),
        ("its time is over", Some(&open), &open, UNTIL, &[]),
        ("made under rules that forbid it", Some(&closed), &open, 0, &[]),
        ("forbidden since", Some(&open), &closed, 0, &[]),
        ("the profile has gone", Some(&open), &gone, 0, &[]),
        ("a change of the policy", None, &open, 0, &[]),
        ("the giver lost the role", Some(&open), &left, 0, &[]),
        ("the giver left the group", Some(&open), &out, 0, &[]),
        ("the account is another person's", Some(&open), &renamed, 0, &[]),
        ("the holder's account is no longer hers", Some(&open), &moved, 0, &[]),
    ] {
        // What was looked up before the verb was looked up under the policy of then.
        let erin = holder(&connection, &open, "erin");
        assert_eq!(erin.held.len(), 1, "{what}");
        let says = matter(made_under).says(&connection, in_force, erin.who(), Timestamp::EPOCH, tick).unwrap();
        assert_eq!(givers(says), expected, "{what}");
    }
}

#[test]
fn an_end_on_record_holds_whatever_the_row_says() {
    let policy = policy(&[]);
    let connection = database();
    granted(&connection, 0, "bob", "");
    let erin = holder(&connection, &policy, "erin");
    let says = |erin: &Actor| {
        givers(matter(Some(&policy)).says(&connection, &policy, erin.who(), Timestamp::EPOCH, 0).unwrap())
    };
    assert_eq!(says(&erin), ["bob"]);
    record(&connection, 1, "delegation_ended", "dg-0", "bob", "{}");
    assert_eq!(says(&erin), [""; 0]);
    assert!(holder(&connection, &policy, "erin").held.is_empty());
}

#[test]
fn ones_own_comes_first_and_a_login_is_asked_of_the_giver_too() {
    let policy =
        policy(&[("[\"person:alice\", \"person:bob\"]", "[\"person:alice\", \"person:bob\", \"person:erin\"]")]);
    let connection = database();
    granted(&connection, 0, "bob", "");
    granted(&connection, 1, "carol", r#","login_uid":3"#);
    granted(&connection, 2, "alice", r#","profiles":["p-other"]"#);
    let erin = holder(&connection, &policy, "erin");
    let mut matter = matter(Some(&policy));
    let says =
        |matter: &Matter<'_>| givers(matter.says(&connection, &policy, erin.who(), Timestamp::EPOCH, 0).unwrap());
    assert_eq!(says(&matter), ["own", "bob", "carol"]);
    matter.needs_login = true;
    assert_eq!(says(&matter), ["own", "carol"]);
}

#[test]
fn who_could_decide_with_whose_say() {
    let policy = policy(&[]);
    let connection = database();
    granted(&connection, 0, "bob", "");
    granted(&connection, 1, "alice", "");
    let mut matter = matter(Some(&policy));
    let others = matter.others(&policy, Timestamp::EPOCH);
    assert_eq!(others, ["bob", "carol"]);
    let delegates = |tick| matter.delegates(&connection, &policy, &others, tick).unwrap();
    assert_eq!(delegates(0), ["erin (for bob)"]);
    assert_eq!(delegates(UNTIL), [""; 0]);
    // Whoever has voted could not do so again, by whatever say.
    let erin = Party { person: Some("erin".into()), uid: 4, ..Party::system("erin") };
    let cast = Cast { by: erin, giver: None, verdict: Verdict::Approve, counts_for: vec!["pki".into()], seq: 5 };
    matter.cast.push(cast);
    assert_eq!(matter.delegates(&connection, &policy, &others, 0).unwrap(), [""; 0]);
}
