//! Scans in time: killed, stopped, due again after downtime, and of what was issued here.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{CertificateGet, CertificateList};
use countersign_shared::protocol::{
    CertificateIdParams, CertificateOrder, CertificateSource, ListCertificatesParams, Outcome,
};
use countersign_shared::time::Span;
use nix::sys::signal::Signal;

use crate::inventory::{Found, Server, found, free_port, possible};
use crate::support::{ALICE, BOB, CAROL, until};

const NUMBER: &str = "SELECT coalesce(max(number), 0) FROM inventory_scans";

#[test]
fn a_scan_that_is_killed_is_not_repeated_at_once_and_the_next_one_completes_it() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("every = \"1h\"");
    found.certificate("web", "web.corp.example", 20);
    // A thousand certificates in as many places, so that there is something to kill.
    let pem = std::fs::read_to_string(found.path("web.pem")).unwrap();
    for at in 0..3000 {
        std::fs::write(found.path(&format!("copy{at}.pem")), &pem).unwrap();
    }
    found.host.launch();
    until("the scan has begun", || {
        found.host.database().exists()
            && found.host.db().query_row(NUMBER, [], |row| row.get::<_, i64>(0)).is_ok_and(|number| number == 1)
    });
    found.host.kill();
    let done: i64 = found.host.value("SELECT count(*) FROM inventory_scans WHERE ended_at IS NOT NULL");
    assert_eq!(done, 0, "it was killed in the middle");
    found.host.start();
    // Nothing is due: a scan that kills the daemon does not kill it again and again.
    assert_eq!(found.host.value::<i64>(NUMBER), 1);
    found.host.pass(Span::from_secs(3 * 86_400));
    found.scanned(2);
    assert_eq!(found.host.value::<i64>("SELECT count(*) FROM inventory WHERE ended_at IS NULL"), 3001);
    assert_eq!((found.watched(), found.host.value::<i64>(NUMBER)), (1, 2), "days of downtime are one scan");
    assert_eq!(found.host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'certificate_imported'"), 1);
    let many = &self::found(&mut found.host.user(CAROL))[0];
    assert_eq!((many.places.len(), many.places_total), (10, 3001));
}

#[test]
fn a_shorter_span_brings_the_next_scan_nearer_and_a_stop_leaves_it_due() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("every = \"30d\"");
    found.certificate("web", "web.corp.example", 20);
    found.host.start();
    found.scanned(1);
    let due = || found.host.value::<i64>("SELECT due_tick - started_tick FROM inventory_scans");
    assert_eq!(due(), 30 * 86_400_000);
    let paths = format!("paths = [{:?}]\n", found.host.path("certs"));
    found.configure(&format!("{paths}every = \"1h\""));
    found.host.signal(Signal::SIGHUP);
    until("it is due sooner", || due() == 3_600_000);
    found.configure(&format!("{paths}every = \"2h\""));
    found.host.signal(Signal::SIGHUP);
    until("the reload is recorded", || {
        found.host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'policy_loaded'") == 3
    });
    assert_eq!(due(), 3_600_000, "never further away");
    found.host.pass(Span::from_secs(4000));
    found.scanned(2);
}

#[test]
fn what_was_issued_here_is_joined_and_watched_once_until_a_listener_lags_behind() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    found.host.start();
    let issue = |name: &str| {
        // The key is made by openssl, since a server has to present the certificate.
        let key = found.host.path("web.key");
        if !key.exists() {
            found.openssl("ecparam -name prime256v1 -genkey -noout -out ../web.key");
        }
        found.openssl(&format!(
            "req -new -key ../web.key -subj /CN={name} -addext subjectAltName=DNS:{name} -out ../csr"
        ));
        let csr = std::fs::read_to_string(found.host.path("csr")).unwrap();
        let asked = countersign_shared::protocol::SubmitParams { csr, ..crate::support::ask(&[name]) };
        let submitted = found.host.user(ALICE).call::<countersign_shared::protocol::method::RequestSubmit>(&asked);
        found.host.user(BOB).approve(&submitted.request.unwrap());
        let waited = found.host.user(ALICE).wait(&submitted.job.id);
        assert_eq!(waited.outcome, Outcome::Issued);
        std::fs::write(found.path("web.pem"), waited.chain_pem.unwrap()).unwrap();
        submitted.certificate_id
    };
    let id = issue("web.corp.example");
    let port = free_port();
    let server = Server::start(&found, port, "web");
    let look = |number: i64| {
        found.configure(&format!(
            "paths = [{:?}, \"/nonexistent{number}\"]\nlisteners = [\"127.0.0.1:{port}\"]",
            found.host.path("certs")
        ));
        found.host.signal(Signal::SIGHUP);
        found.scanned(number);
    };
    look(2);
    let get = || {
        let params = CertificateIdParams { id: id.clone() };
        found.host.user(CAROL).call::<CertificateGet>(&params).certificate.unwrap()
    };
    let issued = get();
    assert_eq!(issued.places_total, 2, "{:?}", issued.places);
    assert!(issued.days_left.is_some());
    assert_eq!(self::found(&mut found.host.user(CAROL)), []);
    assert_eq!(found.watched(), 1);

    // Renewed in the file and not in the service: the version that was replaced is watched as what was found.
    assert_eq!(issue("web.corp.example"), id);
    look(3);
    let lagging = self::found(&mut found.host.user(CAROL));
    assert_eq!(lagging.len(), 1, "{lagging:?}");
    assert_eq!((lagging[0].issued_as.as_ref(), lagging[0].watched, found.watched()), (Some(&id), true, 2));
    assert_eq!(get().places_total, 1);
    let params = ListCertificatesParams { source: Some(CertificateSource::All), ..Default::default() };
    let page = found.host.user(CAROL).call::<CertificateList>(&params);
    assert_eq!((page.certificates.len(), page.found.len(), page.next_cursor), (1, 1, None));

    drop(server);
    let _server = Server::start(&found, port, "web");
    look(4);
    assert_eq!((self::found(&mut found.host.user(CAROL)), found.watched()), (vec![], 1));
    assert_eq!(get().places_total, 2);
}

#[test]
fn pages_go_over_both_tables_and_lose_none() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    for at in 0..5 {
        found.certificate(&format!("c{at}"), &format!("c{at}.corp.example"), 20);
    }
    found.host.start();
    found.scanned(1);
    for at in 0..3 {
        found.host.user(ALICE).request(&[&format!("r{at}.corp.example")]);
    }
    let mut carol = found.host.user(CAROL);
    for limit in 1..=8 {
        let mut params =
            ListCertificatesParams { source: Some(CertificateSource::All), limit: Some(limit), ..Default::default() };
        let mut ids = Vec::new();
        for _ in 0..20 {
            let page = carol.call::<CertificateList>(&params);
            assert!(page.certificates.len() + page.found.len() <= limit as usize);
            ids.extend(page.certificates.into_iter().map(|issued| issued.id));
            ids.extend(page.found.into_iter().map(|found| found.id));
            params.cursor = page.next_cursor;
            if params.cursor.is_none() {
                break;
            }
        }
        assert_eq!((params.cursor, ids.len()), (None, 8), "{limit}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 8, "{limit}");
    }
    let text = ListCertificatesParams {
        source: Some(CertificateSource::All),
        text: Some("C3.corp".into()),
        ..Default::default()
    };
    assert_eq!(carol.call::<CertificateList>(&text).found.len(), 1);
    let profile = ListCertificatesParams {
        source: Some(CertificateSource::All),
        profile: Some("p-web".into()),
        ..Default::default()
    };
    let page = carol.call::<CertificateList>(&profile);
    assert_eq!((page.certificates.len(), page.found.len()), (3, 0));
}

#[test]
fn by_end_both_tables_come_as_one_and_nothing_is_lost_or_told_twice() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    // What is issued here ends between d and a.
    for (name, days) in [("a", 300), ("b", 20), ("c", 10), ("d", 30), ("e", 50)] {
        found.certificate(name, &format!("{name}.corp.example"), days);
    }
    found.host.start();
    found.scanned(1);
    for at in 0..4 {
        let submitted = found.host.user(ALICE).submit(&[&format!("r{at}.corp.example")]);
        if at < 2 {
            found.host.user(BOB).approve(&submitted.request.unwrap());
            found.host.user(ALICE).wait(&submitted.job.id);
        }
    }
    let all = |uid: u32, limit: u32, source: CertificateSource, within: Option<u32>| {
        let mut params = ListCertificatesParams {
            source: Some(source),
            limit: Some(limit),
            order: Some(CertificateOrder::End),
            expires_within: within,
            ..Default::default()
        };
        let mut caller = found.host.user(uid);
        let mut names: Vec<String> = Vec::new();
        for _ in 0..20 {
            let page = caller.call::<CertificateList>(&params);
            assert!(page.certificates.len() + page.found.len() <= limit as usize);
            let issued = page.certificates.into_iter().map(|row| {
                (row.current.map_or("~".to_owned(), |version| version.not_after.to_string()), row.primary_name)
            });
            let mut rows: Vec<_> = issued.collect();
            rows.extend(page.found.into_iter().map(|row| (row.usable_until.to_string(), row.primary_name)));
            rows.sort_by(|one, other| one.0.cmp(&other.0));
            names.extend(rows.into_iter().map(|(_, name)| name.raw()[..2].trim_end_matches('.').to_owned()));
            params.cursor = page.next_cursor;
            if params.cursor.is_none() {
                return names;
            }
        }
        panic!("the pages do not end")
    };
    for limit in 1..=10 {
        let (mut names, source) = (all(CAROL, limit, CertificateSource::All, None), CertificateSource::All);
        assert_eq!(names.len(), 9, "{limit}: {names:?}");
        // The two that wait have no end and come last, whichever of them first where a page holds both.
        names[7..].sort();
        assert_eq!(names.split_off(7), ["r2", "r3"], "{limit}");
        let issued = |name: &&String| name.starts_with('r');
        assert_eq!(names.iter().filter(|name| !issued(name)).collect::<Vec<_>>(), ["c", "b", "d", "e", "a"], "{limit}");
        assert_eq!((names[0].as_str(), names[1].as_str(), names[6].as_str()), ("c", "b", "a"), "{limit}");
        assert_eq!(all(CAROL, limit, source, Some(15)), ["c"], "{limit}");
        assert_eq!(all(CAROL, limit, CertificateSource::Found, None), ["c", "b", "d", "e", "a"], "{limit}");
        assert_eq!(all(CAROL, limit, CertificateSource::Issued, None).len(), 4, "{limit}");
    }
    // Another order's cursor, and garbage.
    for cursor in ["5", "f5", "e", "n-1", "e2027-01-01T00:00:00.000Z", "e2027-01-01T00:00:00.000Zx1", "e\u{e9}\u{e9}"] {
        let params = ListCertificatesParams {
            order: Some(CertificateOrder::End),
            cursor: Some(cursor.into()),
            ..Default::default()
        };
        found.host.user(CAROL).refused::<CertificateList>(&params, ErrorKind::Invalid);
    }
}

#[test]
fn a_place_with_many_certificates_is_taken_in_by_parts_and_decisions_slip_in_between() {
    const MANY: i64 = 1000;
    if !possible() {
        return;
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let bundle = |year: i32| -> String {
        let one = |at: i64| {
            let mut params = rcgen::CertificateParams::new(vec![format!("c{at}.corp.example")]).unwrap();
            params.not_before = rcgen::date_time_ymd(2026, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            params.self_signed(&key).unwrap().pem()
        };
        (0..MANY).map(one).collect()
    };
    let mut found = Found::prepared("");
    std::fs::write(found.path("all.pem"), bundle(2040)).unwrap();
    found.host.start();
    let mut parts = std::collections::BTreeSet::new();
    until("all are watched", || {
        let watched = found.watched();
        parts.insert(watched);
        watched == MANY
    });
    parts.retain(|count| (1..MANY).contains(count));
    assert!(!parts.is_empty(), "they came in one piece");
    found.scanned(1);
    let of = |state: &str| found.host.value::<i64>(&format!("SELECT count(*) FROM inventory WHERE state = '{state}'"));
    assert_eq!((of("present"), found.host.value::<i64>("SELECT count(*) FROM found_certificates")), (MANY, MANY));
    found.again(2);
    assert_eq!((of("present"), of("gone"), of("succeeded")), (MANY, 0, 0), "nothing has changed");
    // Each is succeeded by the one of its name.
    std::fs::write(found.path("all.pem"), bundle(2041)).unwrap();
    found.again(3);
    assert_eq!((of("present"), of("gone"), of("succeeded"), found.watched()), (MANY, 0, MANY, MANY));
    std::fs::write(
        found.path("all.pem"),
        bundle(2041).split_inclusive("-----END CERTIFICATE-----\n").take(1).collect::<String>(),
    )
    .unwrap();
    found.again(4);
    assert_eq!((of("present"), of("gone"), found.watched()), (1, MANY - 1, 1));
}
