//! Certificates and messages: what is listed, what is opened, and what leaves a review of them.

use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{RequeueResult, RetireParams, RetireReason, RevokeParams};
use countersign_shared::revocation::RevocationReason;

use super::managed::{alerts, issued};
use super::pictures::picture;
use super::*;
use crate::console::state::{Link, Screen, Stop, Wanted};

fn bench() -> Bench {
    Bench::with(samples::queue(), 120, 40)
}

fn on(keys: &[Key]) -> Bench {
    let mut bench = bench();
    for key in keys {
        bench.keys(&[*key]);
        bench.settle();
    }
    bench
}

fn ids(bench: &Bench) -> Vec<&str> {
    bench
        .state
        .certificates
        .paged
        .list
        .window(100)
        .iter()
        .map(CertificateId::as_str)
        .map(|id| &id[id.len() - 2..])
        .collect()
}

/// Shows the reason, types the name, and stands on the button.
fn fill(bench: &mut Bench, name: &str) {
    bench.keys(&[Key::Tab, Key::Right, Key::Right, Key::Enter]);
    assert_eq!(bench.errand().focus, Stop::Confirm);
    bench.text(name);
    bench.keys(&[Key::Enter]);
}

#[test]
fn what_ends_first_comes_first_although_it_lies_behind_many() {
    let mut bench = bench();
    bench.certificates = (0..500).map(|n| issued(n + 100, "far.corp.example", 80)).collect();
    bench.certificates.push(issued(2, "shop.corp.example", 12));
    bench.certificates.push(issued(1, "mail.corp.example", 2));
    bench.page = 50;
    bench.keys(&[Key::Char('4')]);
    bench.settle();
    let paged = &bench.state.certificates.paged;
    assert_eq!(ids(&bench)[..2], ["01", "02"]);
    assert!(paged.rows.len() < 200 && paged.cursor.is_some(), "{} are loaded", paged.rows.len());
    bench.keys(&[Key::Char('G')]);
    bench.settle();
    assert!(bench.state.certificates.paged.rows.len() > 100, "more is read as the selection comes near the end");
}

#[test]
fn the_selection_follows_the_certificate() {
    let mut bench = on(&[Key::Char('4'), Key::Down, Key::Down]);
    assert_eq!(ids(&bench), ["23", "24", "02", "21", "25"]);
    let selected = bench.state.certificates.paged.list.selected().cloned();
    bench.certificates.push(issued(30, "new.corp.example", 1));
    bench.event(0);
    bench.settle();
    assert_eq!(ids(&bench), ["23", "30", "24", "02", "21", "25"]);
    assert_eq!(bench.state.certificates.paged.list.selected().cloned(), selected);
}

#[test]
fn a_filter_is_counted_as_it_is_typed_and_esc_takes_it_back() {
    let mut bench = on(&[Key::Char('4'), Key::Char('/')]);
    bench.text("ma");
    assert_eq!(ids(&bench), ["24"], "before the daemon answers");
    bench.settle();
    bench.keys(&[Key::Enter, Key::Esc]);
    bench.settle();
    assert_eq!((ids(&bench).len(), bench.state.screen), (5, Screen::Certificates));
    bench.keys(&[Key::Esc]);
    assert_eq!(bench.state.screen, Screen::Queue);
    let mut bench = on(&[Key::Char('4')]);
    for (wanted, count) in [(Wanted::Soon, 3), (Wanted::Issued, 4), (Wanted::Found, 1), (Wanted::All, 5)] {
        bench.keys(&[Key::Char('s')]);
        bench.settle();
        assert_eq!((bench.state.certificates.wanted, ids(&bench).len()), (wanted, count));
    }
}

#[test]
fn a_revocation_names_exactly_the_version_seen() {
    let mut bench = on(&[Key::Char('4'), Key::Down, Key::Char('x')]);
    assert_eq!(bench.errand().focus, Stop::Cancel);
    bench.keys(&[Key::Char('y'), Key::Enter]);
    assert!(bench.deeds().is_empty(), "no reason, and no name");
    let mut bench = on(&[Key::Char('4'), Key::Down, Key::Char('x')]);
    fill(&mut bench, "mail.corp.example");
    assert_eq!(bench.errand().focus, Stop::Commit);
    bench.keys(&[Key::Enter, Key::Enter, Key::Char('y')]);
    let [Deed::Revoke(sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    let expected = RevokeParams {
        certificate_id: Some(bench.certificates[3].id.clone()),
        serial: Some("4f0a0002".into()),
        reason: RevocationReason::ALL[1],
        note: None,
        ticket: None,
    };
    assert_eq!(*sent, expected);
}

#[test]
fn a_name_that_is_not_typed_exactly_revokes_nothing() {
    for typed in ["", "mail.corp.exampl", "MAIL.corp.example", "mail.corp.example "] {
        let mut bench = on(&[Key::Char('4'), Key::Down, Key::Char('x')]);
        fill(&mut bench, typed);
        assert_eq!(bench.errand().focus, Stop::Confirm, "{typed:?} keeps the focus");
        bench.keys(&[Key::Tab, Key::Tab, Key::Enter, Key::Char('y')]);
        assert!(bench.deeds().is_empty(), "{typed:?}");
    }
}

#[test]
fn what_the_profile_asks_for_is_asked_for() {
    let mut bench = bench();
    let profile = bench.certificates[3].profile.as_mut().unwrap();
    (profile.justification_required, profile.ticket_pattern) = (true, Some("^SECOPS-[0-9]+$".into()));
    bench.keys(&[Key::Char('4')]);
    bench.settle();
    bench.keys(&[Key::Down, Key::Char('x')]);
    bench.settle();
    fill(&mut bench, "mail.corp.example");
    assert_eq!(bench.errand().focus, Stop::Ticket);
    bench.text("SECOPS-8");
    bench.keys(&[Key::Enter]);
    assert_eq!((bench.errand().focus, bench.deeds().len()), (Stop::Note, 0));
    bench.text("lost stick");
    bench.keys(&[Key::Enter, Key::Enter]);
    let [Deed::Revoke(sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    let text = |text: &Option<countersign_shared::text::Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
    assert_eq!((text(&sent.ticket), text(&sent.note)), (Some("SECOPS-8".into()), Some("lost stick".into())));
}

#[test]
fn a_certificate_that_is_replaced_meanwhile_stops_its_revocation() {
    let mut bench = on(&[Key::Char('4'), Key::Down, Key::Char('x')]);
    let certificate = bench.certificates[3].detail.certificate.as_mut().unwrap();
    let version = certificate.current.as_mut().unwrap();
    (version.version, version.sha256) = (3, countersign_shared::digest::Digest::of(&[b"third"]));
    bench.event(0);
    bench.settle();
    assert!(bench.errand().changed.as_ref().is_some_and(|why| why.contains("Version 3 is in force now")));
    bench.keys(&[Key::Tab, Key::Right, Key::Tab]);
    bench.text("mail.corp.example");
    bench.keys(&[Key::Enter, Key::Char('y'), Key::Enter]);
    assert!(bench.deeds().is_empty());
}

#[test]
fn nothing_typed_before_it_can_be_read_counts_and_nothing_leaves_offline() {
    let mut bench = on(&[Key::Char('4'), Key::Down]);
    bench.keys(&[Key::Char('x'), Key::Char('y'), Key::Tab, Key::Right]);
    bench.settle();
    assert_eq!((bench.errand().focus, bench.errand().reason), (Stop::Cancel, None));
    fill(&mut bench, "mail.corp.example");
    bench.act(Action::Disconnected { why: "gone".into() });
    bench.keys(&[Key::Enter, Key::Char('y')]);
    assert!(bench.deeds().is_empty() && matches!(bench.state.link, Link::Offline { .. }));
    bench.keys(&[Key::Esc, Key::Char('x')]);
    assert!(bench.state.dialog.is_none(), "none is opened offline");
    assert_eq!(ids(&bench).len(), 5, "what was read stays");
}

#[test]
fn what_has_ended_or_was_asked_for_has_nothing_to_review() {
    let mut bench = on(&[Key::Char('4'), Key::Char('G'), Key::Char('x')]);
    assert!(bench.errand().missing().is_some_and(|why| why.contains("revoked already")));
    bench.keys(&[Key::Esc, Key::Char('g'), Key::Char('n')]);
    bench.settle();
    assert!(bench.errand().missing().is_some_and(|why| why.contains("was found and not issued here")));
    assert_eq!(bench.errand().stops(), [Stop::Cancel]);
    let mut bench = self::bench();
    let mut pending = samples::queue()[1].clone();
    pending.decided_at = None;
    bench.certificates[1].requests = Some(vec![pending.clone()]);
    bench.keys(&[Key::Char('4')]);
    bench.settle();
    bench.keys(&[Key::Down, Key::Down, Key::Char('n')]);
    bench.settle();
    assert!(bench.errand().missing().is_some_and(|why| why.contains(pending.id.as_str())));
    bench.keys(&[Key::Esc, Key::Char('o')]);
    bench.settle();
    assert_eq!(bench.state.screen, Screen::Detail);
    assert_eq!(bench.state.detail.as_ref().map(|detail| &detail.id), Some(&pending.id));
    bench.keys(&[Key::Esc]);
    assert_eq!(bench.state.screen, Screen::Certificates, "Esc comes back");
}

#[test]
fn a_renewal_is_asked_for() {
    let mut bench = on(&[Key::Char('4'), Key::Down, Key::Char('n')]);
    bench.keys(&[Key::Char('y')]);
    let [Deed::Renew(sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    assert_eq!((&sent.certificate_id, &sent.csr, &sent.reason), (&bench.certificates[3].id, &None, &None));
}

#[test]
fn a_dead_message_is_sent_again_and_no_other() {
    let mut bench = on(&[Key::Char('5')]);
    assert_eq!(dead(&bench), 1, "the header counts it");
    bench.keys(&[Key::Down, Key::Char('u')]);
    assert!(matches!(&bench.state.dialog, Some(Dialog::Message(said)) if said.text.contains("failed")));
    bench.keys(&[Key::Esc, Key::Up, Key::Char('u')]);
    bench.settle();
    assert_eq!(bench.errand().focus, Stop::Cancel);
    bench.keys(&[Key::Char('y')]);
    let [Deed::Requeue(sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    assert_eq!((sent.id, sent.all_dead), (Some(9), false));
    bench.alerts[0].state = AlertState::Queued;
    bench.done(Ok(Done::Requeued(RequeueResult { requeued: 1, left: 0, seq: Some(12) })));
    bench.settle();
    assert_eq!((dead(&bench), bench.state.dialog.is_none()), (0, true));
    assert_eq!(bench.state.alerts.paged.selected().map(|one| one.state), Some(AlertState::Queued));
}

#[test]
fn messages_are_filtered_by_state_and_lead_to_what_they_are_about() {
    let mut bench = on(&[Key::Char('5'), Key::Char('s')]);
    assert_eq!((bench.state.alerts.state, bench.state.alerts.paged.list.count()), (Some(AlertState::Dead), 1));
    for _ in 0..AlertState::ALL.len() {
        bench.keys(&[Key::Char('s')]);
        bench.settle();
    }
    assert_eq!(bench.state.alerts.paged.list.count(), alerts().len());
    bench.keys(&[Key::Char('g'), Key::Enter, Key::Char('o')]);
    bench.settle();
    assert_eq!(bench.state.managed.as_ref().map(|managed| managed.id.as_str()), Some("mc-01k8z3v5d20002"));
    let mut bench = on(&[Key::Char('5'), Key::Down, Key::Down, Key::Char('o')]);
    assert_eq!(bench.state.detail.as_ref().map(|detail| detail.id.as_str()), Some("ar-01k8z3v5d20001"));
    bench.keys(&[Key::Char('q')]);
    assert_eq!(bench.state.screen, Screen::Alerts, "q goes back where something is open");
}

fn dead(bench: &Bench) -> u64 {
    bench.state.daemon.as_ref().and_then(|daemon| daemon.alerts).map_or(0, |alerts| alerts.dead)
}

#[test]
fn what_was_revoked_says_so_in_the_list() {
    let bench = on(&[Key::Char('4')]);
    let shown = picture(&bench);
    let row = shown.lines().find(|line| line.contains("old.corp.example")).unwrap_or_else(|| panic!("{shown}"));
    assert!(row.contains("REVOKED"), "{row}");
}

#[test]
fn what_has_ended_is_retired_by_its_name_and_nothing_else_is() {
    let mut bench = on(&[Key::Char('4'), Key::Down, Key::Char('t')]);
    assert_eq!(bench.errand().stops(), [Stop::Cancel], "it has not ended: there is nothing to type");
    bench.keys(&[Key::Char('y'), Key::Enter]);
    assert!(bench.deeds().is_empty());
    // One that was found and has ended three days ago.
    let mut bench = on(&[Key::Char('4'), Key::Char('t')]);
    bench.keys(&[Key::Char('y'), Key::Enter]);
    assert!(bench.deeds().is_empty(), "no reason, and no name");
    let mut bench = on(&[Key::Char('4'), Key::Char('t')]);
    fill(&mut bench, "pay.corp.example");
    assert_eq!(bench.errand().focus, Stop::Commit);
    bench.keys(&[Key::Enter, Key::Enter, Key::Char('y')]);
    let [Deed::Retire(sent)] = bench.deeds()[..] else { panic!("{:?}", bench.open) };
    let id = bench.certificates[2].id.clone();
    assert_eq!(*sent, RetireParams { certificate_id: id, reason: RetireReason::ALL[1] });
}

/// Time alone makes the console call nothing, on every screen and with everything that can lie over it.
#[test]
fn an_idle_console_calls_nothing() {
    let ways = ["", "1", "2", "3", "4", "5", "4\r", "5\r", "4x", "4n", "5u", "?", ":", "a", "4/", "5/"];
    for way in ways {
        let keys: Vec<Key> = way.chars().map(|c| if c == '\r' { Key::Enter } else { Key::Char(c) }).collect();
        let mut bench = on(&keys);
        bench.open.retain(|effect| !matches!(effect, Effect::Subscribe { .. }));
        assert!(bench.open.is_empty(), "{way:?}: {:?}", bench.open);
        for seconds in [1, 59, 60, 61, 3_600, 86_400, 10 * 86_400] {
            bench.act(Action::Tick(samples::at(seconds)));
        }
        assert!(bench.open.is_empty(), "{way:?}: {:?}", bench.open);
    }
}

#[test]
fn whoever_comes_to_look_at_messages_sees_them_as_they_are() {
    let mut bench = on(&[Key::Char('5'), Key::Char('1')]);
    // No record tells of it.
    bench.alerts[1].state = AlertState::Dead;
    bench.keys(&[Key::Char('5')]);
    bench.settle();
    assert_eq!(dead(&bench), 2);
    assert!(picture(&bench).lines().filter(|line| line.contains(" DEAD ")).count() >= 2, "{}", picture(&bench));
}
