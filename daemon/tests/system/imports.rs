//! `certificate.import` and the command: by whom, of what, and what stays of it.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AlertPlan_, CertificateAssign, CertificateGet, CertificateImport, CertificateRenew, CertificateRevoke,
};
use countersign_shared::protocol::{
    AlertPlanParams, AssignParams, AuditAction, CertificateIdParams, FoundBy, ImportItem, ImportParams, ImportResult,
    RenewParams, RevokeParams,
};
use countersign_shared::revocation::RevocationReason;
use data_encoding::BASE64;

use crate::inventory::{Found, found, possible};
use crate::support::{ALICE, BOB, CAROL, Caller, DAVE, MALLORY, policy};

fn item(path: &str, octets: Option<&[u8]>) -> ImportItem {
    let octets = octets.map(|octets| BASE64.encode(octets));
    ImportItem { path: path.into(), octets, password: None, below: false }
}

fn import(caller: &mut Caller, items: Vec<ImportItem>) -> ImportResult {
    caller.call::<CertificateImport>(&ImportParams { items })
}

#[test]
fn requesters_import_and_nobody_else() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    found.certificate("web", "web.corp.example", 20);
    let pem = std::fs::read(found.path("web.pem")).unwrap();
    // Nothing is looked at.
    std::fs::write(found.host.path("countersign.toml"), "").unwrap();
    found.host.start();
    let params = ImportParams { items: vec![item("/srv/web.pem", Some(&pem))] };
    for uid in [MALLORY, DAVE, 0] {
        let refused = found.host.user(uid).refused::<CertificateImport>(&params, ErrorKind::Forbidden);
        assert!(refused.message.contains("requester"), "{refused:?}");
    }
    let refusals = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
                    AND details ->> '$.verb' = 'certificate.import' AND details ->> '$.rule' = 'not_requester'";
    assert_eq!(found.host.value::<i64>(refusals), 3);
    assert_eq!(found.host.value::<i64>("SELECT count(*) FROM inventory_certificates"), 0);

    let mut alice = found.host.user(ALICE);
    let taken = import(&mut alice, params.items.clone());
    let [certificate] = &taken.items[0].certificates[..] else { panic!("{taken:?}") };
    assert!(certificate.new && !certificate.issued);
    let id = certificate.id.clone().unwrap();
    let again = import(&mut alice, params.items);
    assert!(!again.items[0].certificates[0].new);
    let list = self::found(&mut found.host.user(CAROL));
    assert_eq!(
        (list[0].id.clone(), list[0].source, list[0].owner.as_ref().unwrap().uid),
        (id.clone(), FoundBy::Import, ALICE)
    );
    assert_eq!(list[0].places[0].place.raw(), "file:/srv/web.pem");
    let record = &found.host.user(DAVE).records(&id)[0];
    assert_eq!((record.action, record.details["uid"].as_u64()), (AuditAction::CertificateImported, Some(ALICE.into())));
    assert_eq!(found.watched(), 1);
}

#[test]
fn all_of_a_call_or_nothing_and_no_word_about_what_others_have_imported() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    found.certificate("web", "web.corp.example", 20);
    found.certificate("new", "web.corp.example", 200);
    found.openssl("pkcs12 -export -in web.pem -inkey ../web.key -out web.p12 -passout pass:s3cret");
    let read = |name: &str| std::fs::read(found.path(name)).unwrap();
    let (web, new, p12) = (read("web.pem"), read("new.pem"), read("web.p12"));
    std::fs::write(found.host.path("countersign.toml"), "").unwrap();
    found.host.start();
    let (mut alice, mut bob, mut carol) = (found.host.user(ALICE), found.host.user(BOB), found.host.user(CAROL));

    let broken = ImportItem { octets: Some("no base 64".into()), ..item("/b", None) };
    let bad = |items| ImportParams { items };
    for items in [
        vec![item("/a", Some(&web)), broken],
        vec![item("/a", Some(&web)), item("relative", Some(&web))],
        vec![item("/a", Some(&web)), item("/a", Some(&web))],
        vec![],
    ] {
        alice.refused::<CertificateImport>(&bad(items), ErrorKind::Invalid);
    }
    assert_eq!(found.host.value::<i64>("SELECT count(*) FROM inventory_certificates"), 0);

    let locked =
        |password: Option<&str>| ImportItem { password: password.map(str::to_owned), ..item("/srv/k.p12", Some(&p12)) };
    let taken = import(&mut alice, vec![item("/srv/garbage", Some(b"garbage")), locked(None)]);
    assert!(taken.items.iter().all(|item| item.certificates.is_empty() && item.problems.len() == 1), "{taken:?}");
    let wrong = import(&mut alice, vec![locked(Some("hunter2"))]);
    assert!(wrong.items[0].problems[0].raw().contains("password"), "{wrong:?}");
    let opened = import(&mut alice, vec![locked(Some("s3cret"))]);
    assert_eq!(opened.items[0].certificates.len(), 1);
    for secret in ["hunter2", "s3cret"] {
        assert!(!found.host.log().contains(secret));
        let rows = format!("SELECT count(*) FROM audit_events WHERE instr(record, '{secret}') > 0");
        assert_eq!(found.host.value::<i64>(&rows), 0);
    }

    import(&mut bob, vec![item("/srv/web.pem", Some(&web))]);
    // Of what bob has imported from there alice can say nothing.
    assert_eq!(import(&mut alice, vec![item("/srv/web.pem", None)]).items[0].ended, 0);
    import(&mut alice, vec![item("/srv/k.p12", None)]);
    assert_eq!(found.watched(), 1);
    let renewed = import(&mut bob, vec![item("/srv/web.pem", Some(&new))]);
    assert_eq!((renewed.items[0].ended, found.watched()), (1, 1));
    // Of a directory, all that was imported from below it, by the same.
    import(&mut alice, vec![item("/srv/d/a.pem", Some(&web)), item("/srv/d/b/c.pem", Some(&web))]);
    import(&mut alice, vec![item("/srv/d0.pem", Some(&web)), item("/srv/d-.pem", Some(&web))]);
    assert_eq!(import(&mut bob, vec![item("/srv/d", None)]).items[0].ended, 0);
    assert_eq!(import(&mut alice, vec![item("/srv/d", None)]).items[0].ended, 2);
    assert_eq!(import(&mut alice, vec![item("/srv/d0.pem", None), item("/srv/d-.pem", None)]).items[1].ended, 1);
    // An admin can, when bob has left.
    assert_eq!(import(&mut carol, vec![item("/srv/web.pem", None)]).items[0].ended, 1);
    assert_eq!(found.watched(), 0);
}

#[test]
fn a_found_certificate_is_given_away_by_its_owner_or_an_admin_and_what_was_issued_is_not() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    found.certificate("web", "web.corp.example", 20);
    let pem = std::fs::read(found.path("web.pem")).unwrap();
    std::fs::write(found.host.path("countersign.toml"), "").unwrap();
    // Alice asks, and sees nothing but her own.
    let operators = "role = \"operator\"\nto = ";
    let policy = policy().replacen(&format!("{operators}\"group:pki\""), &format!("{operators}\"person:bob\""), 1);
    std::fs::write(found.host.path("policy.toml"), crate::messages::addressed(&policy)).unwrap();
    found.host.start();
    let (mut alice, mut bob, mut carol) = (found.host.user(ALICE), found.host.user(BOB), found.host.user(CAROL));
    let taken = import(&mut alice, vec![item("/srv/web.pem", Some(&pem))]);
    let id = taken.items[0].certificates[0].id.clone().unwrap();
    let to = |owner: &str| AssignParams { certificate_id: id.clone(), owner: owner.into() };
    let of_bob = to(&format!("uid:{BOB}"));

    // Whoever sees it is not told that it is not there.
    let renew = RenewParams { certificate_id: id.clone(), csr: None, reason: Some("so".into()), ticket: None };
    let revoke = RevokeParams {
        certificate_id: Some(id.clone()),
        serial: None,
        reason: RevocationReason::Superseded,
        note: Some("so".into()),
        ticket: None,
    };
    for caller in [&mut alice, &mut carol] {
        let error = caller.refused::<CertificateRenew>(&renew, ErrorKind::Conflict);
        assert!(error.message.contains("was found here and not issued"), "{error:?}");
        caller.refused::<CertificateRevoke>(&revoke, ErrorKind::Conflict);
    }

    bob.refused::<CertificateAssign>(&of_bob, ErrorKind::Forbidden);
    found.host.user(MALLORY).refused::<CertificateAssign>(&of_bob, ErrorKind::Forbidden);
    found.host.user(DAVE).refused::<CertificateAssign>(&of_bob, ErrorKind::Forbidden);
    found.host.user(0).refused::<CertificateAssign>(&of_bob, ErrorKind::TwoPersonIntegrity);
    // By `sudo -u`, from somebody else's session.
    found.host.user_by(MALLORY, CAROL).refused::<CertificateAssign>(&of_bob, ErrorKind::TwoPersonIntegrity);
    for nobody in ["no-such-account", "uid:4711", "", "uid:-1", "person:bob", "a\r\nb", "system-scheduler"] {
        alice.refused::<CertificateAssign>(&to(nobody), ErrorKind::Invalid);
    }
    let person = carol.refused::<CertificateAssign>(&to("carol"), ErrorKind::Invalid);
    assert!(person.data.hint.contains("one of their accounts"), "{person:?}");

    let reaches = |caller: &mut Caller| format!("{:?}", caller.call::<AlertPlan_>(&AlertPlanParams::default()));
    assert!(reaches(&mut carol).contains("alice@corp.example"));
    let given = alice.call::<CertificateAssign>(&of_bob);
    assert_eq!((given.owner.uid, given.owner.person.as_deref()), (BOB, Some("bob")));
    assert_eq!(given.before.unwrap().uid, ALICE);
    let plan = reaches(&mut carol);
    assert!(plan.contains("bob@corp.example") && !plan.contains("alice@corp.example"), "{plan}");
    // She sees it no more, and nobody learns by trying.
    alice.refused::<CertificateGet>(&CertificateIdParams { id: id.clone() }, ErrorKind::NotFound);
    alice.refused::<CertificateAssign>(&of_bob, ErrorKind::NotFound);
    alice.refused::<CertificateRenew>(&renew, ErrorKind::NotFound);
    assert_eq!(self::found(&mut alice), []);
    carol.refused::<CertificateAssign>(&of_bob, ErrorKind::Conflict);
    let record = found.host.user(DAVE).records(&id).into_iter().find(|one| one.seq == given.seq).unwrap();
    assert_eq!(
        (record.action, record.details["to_uid"].as_u64()),
        (AuditAction::CertificateAssigned, Some(BOB.into()))
    );
    assert_eq!(record.details["from_uid"].as_u64(), Some(ALICE.into()));
    // Who brought it is who has it in their measure still.
    let brought = "SELECT owner_uid FROM found_certificates";
    assert_eq!(found.host.value::<i64>(brought), i64::from(ALICE));
    import(&mut alice, vec![item("/srv/web.pem", Some(&pem))]);
    carol.call::<CertificateAssign>(&to(&format!("uid:{ALICE}")));
    assert_eq!(self::found(&mut alice)[0].owner.as_ref().unwrap().uid, ALICE);

    // The owner of what was issued says who is asked.
    let submitted = alice.submit(&["own.corp.example"]);
    bob.approve(submitted.request.as_ref().unwrap());
    alice.wait(&submitted.job.id);
    let issued = AssignParams { certificate_id: submitted.certificate_id, owner: format!("uid:{BOB}").as_str().into() };
    for caller in [&mut alice, &mut carol] {
        caller.refused::<CertificateAssign>(&issued, ErrorKind::Conflict);
    }
    drop((alice, bob, carol));
    found.host.stop();
    found.host.start();
    assert_eq!(found.host.oneself().status().damage, None);
    for edited in [
        "given_uid = 4711, given_account = 'mallory'",
        "given_uid = NULL, given_account = NULL, given_person = NULL, given_seq = NULL",
        "given_seq = (SELECT min(seq) FROM audit_events WHERE action = 'certificate_assigned')",
    ] {
        found.host.stop();
        let copy = std::fs::read(found.host.database()).unwrap();
        found.host.tamper(&format!("UPDATE found_certificates SET {edited}"));
        found.host.start();
        let damage = found.host.oneself().status().damage.expect("it is damage");
        assert!(damage.text.contains("belongs to somebody else"), "{edited}: {damage:?}");
        found.host.stop();
        for journal in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{journal}", found.host.database().display()));
        }
        std::fs::write(found.host.database(), copy).unwrap();
        found.host.start();
        assert_eq!(found.host.oneself().status().damage, None);
    }
}
