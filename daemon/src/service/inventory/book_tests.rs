//! The inventory in the tables of the migration: what is watched, and until when.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use std::collections::BTreeSet;

use super::{Book, Owners, Seer, rest};
use crate::clock::{SystemClock, TimeLine};
use crate::inventory::testing::Pki;
use crate::inventory::{Place, Plan, Scan, scan, take_in};
use crate::ledger::Tail;
use crate::store::migrations::{migrate, newest};
use crate::store::rows::found;
use crate::store::rows::inventory::Scope;
use crate::store::rows::inventory_intake::Intake;
use crate::store::settings::{apply_to_writer, writer_flags};
use crate::store::{Health, Writer};

/// A database with its writer, and files to look at.
struct Host {
    pki: Pki,
    writer: Writer,
    db: Connection,
    _place: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("countersign.db");
        let open = || {
            let connection = Connection::open_with_flags(&path, writer_flags()).unwrap();
            apply_to_writer(&connection).unwrap();
            connection
        };
        let mut connection = open();
        migrate(&mut connection, newest()).unwrap();
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let (writer, _) = Writer::start(connection, Tail::default(), line, Health::default(), |_| {}).unwrap();
        Self { pki: Pki::new(), writer, db: open(), _place: place }
    }

    async fn look(&self, names: &[&str]) -> (usize, u64) {
        let roots: Vec<PathBuf> = names.iter().map(|name| self.pki.path(name)).collect();
        let plan = Plan { roots, ..Plan::default() };
        self.take(scan(&plan, now(), &AtomicBool::new(false)), Scope::Everything).await
    }

    /// How many were new, and how many sightings ended.
    async fn take(&self, mut scan: Scan, scope: Scope) -> (usize, u64) {
        let named = scan.covered.clone();
        // Parts name single places.
        scan.covered.extend(scan.sightings.iter().map(|sighting| sighting.place.clone()));
        self.writer
            .write(move |transaction| {
                let owners = Owners::new();
                let mut book = Book::open(transaction, Seer::Scan(&owners), scope, &named);
                take_in(&mut book, &scan)?;
                Ok((book.new.len(), book.ended))
            })
            .await
            .unwrap()
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let mut statement = self.db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn states(&self) -> Vec<String> {
        self.rows("SELECT state FROM inventory ORDER BY row")
    }

    /// Name, version and end of what is watched.
    fn watched(&self) -> Vec<String> {
        self.rows(
            "SELECT c.primary_name || ' ' || w.version FROM expiry_watch w JOIN found_certificates f ON f.id = w.certificate_id
             JOIN inventory_certificates c ON c.sha256 = f.sha256 WHERE w.not_after = f.usable_until ORDER BY f.row",
        )
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix_millis(1_800_000_000_000).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_on_disk() {
    let host = Host::new();
    assert_eq!(host.look(&["leaf.pem"]).await, (1, 0));
    assert_eq!(host.watched(), ["www.corp.example 1"]);
    assert_eq!(host.look(&["leaf.pem"]).await, (0, 0));
    let first = host.rows("SELECT id FROM found_certificates").remove(0);
    host.pki.leaf("leaf", "www.corp.example", 180);
    assert_eq!(host.look(&["leaf.pem"]).await, (1, 1));
    assert_eq!(host.states(), ["succeeded", "present"]);
    assert_eq!(host.watched().len(), 1);
    assert_ne!(host.rows("SELECT certificate_id FROM expiry_watch"), std::slice::from_ref(&first));
    let told = found::get(&host.db, &first.parse().unwrap(), &crate::store::sight::Sight::All, now()).unwrap().unwrap();
    assert_eq!(told.successor.unwrap().id.unwrap().as_str(), host.rows("SELECT certificate_id FROM expiry_watch")[0]);
    assert!(!told.there && !told.watched && told.places_total == 1);

    // A keystore nobody can open hides what was there; it goes on being watched. A file that went away does not.
    host.pki.openssl("pkcs12 -export -in leaf.pem -inkey leaf.key -out leaf.p12 -passout pass:s3cret");
    std::fs::rename(host.pki.path("leaf.p12"), host.pki.path("leaf.pem")).unwrap();
    host.look(&["leaf.pem"]).await;
    assert_eq!((host.states()[1].as_str(), host.watched().len()), ("unknown", 1));
    std::fs::remove_file(host.pki.path("leaf.pem")).unwrap();
    host.look(&["leaf.pem"]).await;
    assert_eq!((host.states()[1].as_str(), host.watched().len()), ("gone", 0));
    let records = host.rows("SELECT action || ' ' || resource_id FROM audit_events ORDER BY seq");
    assert_eq!(records.len(), 2);
    assert_eq!(records[0], format!("certificate_imported {first}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_was_succeeded_is_not_watched_and_one_that_comes_back_is() {
    let host = Host::new();
    std::fs::copy(host.pki.path("leaf.pem"), host.pki.path("old.pem")).unwrap();
    let both = ["leaf.pem", "old.pem"];
    host.look(&both).await;
    assert_eq!((host.watched().len(), host.states().len()), (1, 2));
    host.pki.leaf("leaf", "www.corp.example", 180);
    host.look(&both).await;
    assert_eq!(host.watched().len(), 1);
    assert_eq!(host.rows("SELECT there || watched FROM found_certificates ORDER BY row"), ["10", "11"]);
    // Somebody goes back: the old one is in use again, and was told of under the same version before.
    std::thread::sleep(std::time::Duration::from_millis(5));
    std::fs::copy(host.pki.path("old.pem"), host.pki.path("leaf.pem")).unwrap();
    host.look(&both).await;
    assert_eq!(host.rows("SELECT there || watched FROM found_certificates ORDER BY row"), ["11", "00"]);
    assert_eq!(host.watched(), ["www.corp.example 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_moves_to_an_alias_of_a_later_part_is_watched_all_the_time() {
    let host = Host::new();
    host.pki.leaf("other", "other.corp.example", 200);
    let octets = |name: &str| host.pki.bytes(&format!("{name}.pem"));
    let path = host.pki.path("store.jks");
    let whole = [octets("leaf"), octets("other")].concat();
    let whole = crate::inventory::scan_octets(&path, whole, None, 0, Default::default(), now());
    let sightings = |aliases: &[(&str, usize)]| Scan {
        sightings: aliases
            .iter()
            .map(|(alias, which)| crate::inventory::Sighting {
                alias: Some((*alias).into()),
                ..whole.sightings[*which].clone()
            })
            .collect(),
        ..whole.clone()
    };
    // As many sightings in a part as are given.
    let take = async |scan: Scan, first: usize| {
        let taken = host.writer.write(move |transaction| {
            let (owners, named) = (Owners::new(), BTreeSet::new());
            let mut book = Book::open(transaction, Seer::Scan(&owners), Scope::Everything, &named);
            book.first = first;
            take_in(&mut book, &scan)?;
            Ok((book.ended, rest(&scan, first)))
        });
        taken.await.unwrap()
    };
    // They became known in the order of their fingerprints.
    let watched = || BTreeSet::from_iter(host.watched());
    let [www, other] = ["www.corp.example 1", "other.corp.example 1"].map(str::to_owned);
    let both = BTreeSet::from([www, other.clone()]);
    take(sightings(&[("early", 0), ("b", 1)]), 9).await;
    assert_eq!(watched(), both);
    let (ended, parts) = take(sightings(&[("b", 1), ("late", 0)]), 1).await;
    assert_eq!((ended, parts.len()), (1, 1));
    assert_eq!(watched(), both, "between the parts");
    for part in parts {
        take(part, 1).await;
    }
    assert_eq!(watched(), both);
    // It is gone where no part has it.
    take(sightings(&[("b", 1), ("c", 1)]), 1).await;
    assert_eq!(watched(), BTreeSet::from([other]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_that_ends_first_takes_its_leaf_with_it_and_another_end_is_another_version() {
    let host = Host::new();
    host.pki.openssl(
        "req -x509 -key sub.key -days 30 -subj /CN=Sub -out short.pem -CA ca.pem -CAkey ca.key -addext \
         basicConstraints=critical,CA:TRUE",
    );
    let with = |name: &str| host.pki.write("both.pem", host.pki.text("leaf.pem") + &host.pki.text(name));
    with("short.pem");
    host.look(&["both.pem"]).await;
    let ends = "SELECT (w.not_after < c.not_after) || ' ' || w.version FROM expiry_watch w JOIN found_certificates f
                ON f.id = w.certificate_id JOIN inventory_certificates c ON c.sha256 = f.sha256";
    assert_eq!(host.rows(ends), ["1 1"]);
    with("sub.pem");
    host.look(&["both.pem"]).await;
    assert_eq!(host.rows(ends), ["0 2"]);
    assert_eq!(host.watched(), ["www.corp.example 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_are_watched_where_their_file_was_named() {
    let host = Host::new();
    std::fs::create_dir(host.pki.path("store")).unwrap();
    std::fs::copy(host.pki.path("ca.pem"), host.pki.path("store/ca.pem")).unwrap();
    assert_eq!(host.look(&["store"]).await, (0, 0));
    assert_eq!(host.states(), ["present"]);
    assert_eq!(host.look(&["store", "ca.pem"]).await, (1, 0));
    assert_eq!(host.watched(), ["Root 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_importers_word_ends_nothing_that_others_see() {
    let host = Host::new();
    host.look(&["leaf.pem"]).await;
    let path = host.pki.path("leaf.pem");
    let of = |uid: u32| Scope::Of(format!("uid:{uid}"));
    let said = |octets: Vec<u8>| crate::inventory::scan_octets(&path, octets, None, 7, Default::default(), now());
    // Somebody says that another certificate stands there, or none.
    host.pki.leaf("other", "other.corp.example", 9);
    assert_eq!(host.take(said(host.pki.bytes("other.pem")), of(7)).await, (1, 0));
    assert_eq!(host.take(said(Vec::new()), of(8)).await, (0, 0));
    assert_eq!(host.watched(), ["www.corp.example 1", "other.corp.example 1"]);
    assert_eq!(host.take(said(Vec::new()), of(7)).await, (0, 1));
    assert_eq!(host.watched(), ["www.corp.example 1"]);
    // The daemon has the last word.
    host.take(said(host.pki.bytes("other.pem")), of(7)).await;
    host.look(&["leaf.pem"]).await;
    assert_eq!(host.watched(), ["www.corp.example 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_account_brings_in_a_day_has_a_measure() {
    let host = Host::new();
    let take = async |uids: Vec<u32>, most: Intake| {
        let mut whole: Option<Scan> = None;
        for (i, uid) in uids.into_iter().enumerate() {
            let name = format!("n{i}");
            host.pki.leaf(&name, &format!("{name}.corp.example"), 9);
            let path = PathBuf::from(format!("/srv/{uid}/{name}.pem"));
            let octets = host.pki.bytes(&format!("{name}.pem"));
            let one = crate::inventory::scan_octets(&path, octets, None, uid, Default::default(), now());
            match &mut whole {
                None => whole = Some(one),
                Some(whole) => {
                    whole.certificates.extend(one.certificates);
                    whole.sightings.extend(one.sightings);
                    whole.covered.extend(one.covered);
                }
            }
        }
        let mut scan = whole.unwrap();
        host.writer
            .write(move |transaction| {
                let (owners, named) = (Owners::new(), BTreeSet::new());
                let mut book = Book::open(transaction, Seer::Scan(&owners), Scope::Everything, &named);
                book.most = most;
                let over = book.admit(&mut scan)?;
                take_in(&mut book, &scan)?;
                Ok((book.new.len(), over.iter().map(|over| over.place.to_string()).collect::<Vec<_>>()))
            })
            .await
            .unwrap()
    };
    let most = Intake { sightings: 2, octets: 1 << 20 };
    // Certificates are new each time: one account comes to its end, others and root do not.
    assert_eq!(take(vec![4000, 4000, 4000, 4001, 0, 0, 0], most).await, (6, vec!["file:/srv/4000/n2.pem".to_owned()]));
    assert_eq!(take(vec![4000, 4001, 4001], most).await.0, 1);
    // What was at the place of one that was refused is not gone.
    let unknown = "SELECT place FROM inventory WHERE state = 'unknown' ORDER BY place";
    assert_eq!(host.rows(unknown), ["file:/srv/4000/n0.pem"]);
    assert_eq!(host.rows("SELECT who || ' ' || sightings FROM inventory_intake"), ["uid:4000 2", "uid:4001 2"]);
    assert_eq!(take(vec![4002], Intake { sightings: 9, octets: 100 }).await.0, 0);
    assert_eq!(host.rows("SELECT count(*) || '' FROM audit_events"), ["7"]);
    host.db.execute("UPDATE inventory_intake SET day = '2026-01-01'", []).unwrap();
    assert_eq!(take(vec![4000], most).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_one_place_ends_no_watch_of_another_place() {
    let host = Host::new();
    host.look(&["leaf.pem"]).await;
    let leaf = host.pki.bytes("leaf.pem");
    host.pki.leaf("other", "www.corp.example", 200);
    let other = host.pki.bytes("other.pem");
    // Certificates are public: a copy, and then what looks like its successor. By a file of one's own, and by an import.
    let own = |octets: &[u8], uid| {
        let path = std::path::Path::new("/home/mallory/x.pem");
        crate::inventory::scan_octets(path, octets.to_vec(), None, uid, Default::default(), now())
    };
    for scope in [Scope::Everything, Scope::Of("uid:4000".to_owned())] {
        host.take(own(&leaf, 4000), scope.clone()).await;
        assert_eq!(host.take(own(&other, 4000), scope.clone()).await.1, 1);
        assert!(host.watched().contains(&"www.corp.example 1".to_owned()), "{scope:?}: {:?}", host.watched());
        let first = "SELECT watched FROM found_certificates WHERE row = 1";
        assert_eq!(host.db.query_row(first, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "{scope:?}");
        host.take(own(b"", 4000), scope).await;
    }
    // Nor where the place seems to be root's at first, by a link to it; but what root replaces was replaced.
    host.take(own(&leaf, 0), Scope::Everything).await;
    host.take(own(&other, 4000), Scope::Everything).await;
    let watched = "SELECT watched FROM found_certificates WHERE row = 1";
    assert_eq!(host.db.query_row(watched, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    host.take(own(&leaf, 0), Scope::Everything).await;
    host.take(own(&other, 0), Scope::Everything).await;
    assert_eq!(host.db.query_row(watched, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_somebody_else_moves_no_end() {
    let host = Host::new();
    let path = std::path::Path::new("/etc/ssl/web.pem");
    let bundle = host.pki.bytes("bundle.pem");
    let scan = crate::inventory::scan_octets(path, bundle, None, 0, Default::default(), now());
    host.take(scan, Scope::Everything).await;
    let end = "SELECT usable_until || ' ' || version FROM found_certificates WHERE row = 1";
    let before = host.rows(end);
    // Another authority of the same name and key, which ends tomorrow.
    let sub = "req -x509 -days 1 -key sub.key -subj /CN=Sub -addext basicConstraints=critical,CA:TRUE -out short.pem";
    host.pki.openssl(sub);
    let octets = [host.pki.bytes("leaf.pem"), host.pki.bytes("short.pem")].concat();
    let path = std::path::Path::new("/home/mallory/x.pem");
    let scan = crate::inventory::scan_octets(path, octets, None, 4000, Default::default(), now());
    assert!(scan.sightings[0].usable_until.to_string() < before[0]);
    host.take(scan.clone(), Scope::Of("uid:4000".to_owned())).await;
    host.take(scan, Scope::Everything).await;
    assert_eq!(host.rows(end), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_no_longer_is_left_out() {
    let host = Host::new();
    host.look(&["leaf.pem"]).await;
    let place = Place::File(host.pki.path("leaf.pem"));
    host.writer
        .write(move |transaction| {
            let (owners, named) = (Owners::new(), BTreeSet::new());
            Book::open(transaction, Seer::Scan(&owners), Scope::Everything, &named).leave_out(&BTreeSet::from([place]))
        })
        .await
        .unwrap();
    assert_eq!((host.states(), host.watched()), (vec!["left_out".to_owned()], vec![]));
    host.look(&["leaf.pem"]).await;
    assert_eq!(host.watched(), ["www.corp.example 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_refuse_what_cannot_be() {
    let host = Host::new();
    host.look(&["leaf.pem"]).await;
    for (sql, why) in [
        ("UPDATE inventory_certificates SET not_after = '2999-01-01T00:00:00.000Z'", "does not change"),
        ("DELETE FROM inventory_certificates", "is kept"),
        ("DELETE FROM inventory", "are kept"),
        ("DELETE FROM found_certificates", "is kept"),
        ("UPDATE inventory SET place = 'file:/x'", "stays the same"),
        ("UPDATE inventory SET state = 'gone'", "CHECK"),
        ("UPDATE inventory SET state = 'succeeded', ended_at = last_seen", "CHECK"),
        ("UPDATE inventory SET state = 'succeeded', ended_at = last_seen, successor = sha256, lineage = 'key'", "CHECK"),
        (
            "INSERT INTO inventory SELECT 99, place, alias, sha256, seen_by, role, counts, chain, usable_until, owner_uid,
                 state, first_seen, last_seen, ended_at, successor, lineage, successor_uid FROM inventory",
            "UNIQUE",
        ),
        ("UPDATE found_certificates SET owner_uid = 7, owner_account = 'x'", "stays the one"),
        ("UPDATE found_certificates SET usable_until = '2999-01-01T00:00:00.000Z'", "another version"),
        ("UPDATE found_certificates SET version = version + 1", "another version"),
        ("UPDATE found_certificates SET there = 0", "CHECK"),
        ("INSERT INTO inventory_findings VALUES ('file:/x', 'odd', '', '', '', 1)", "CHECK"),
    ] {
        let error = host.db.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    }
    host.db.execute("UPDATE inventory SET state = 'gone', ended_at = last_seen", []).unwrap();
    let back = host.db.execute("UPDATE inventory SET state = 'present', ended_at = NULL", []).unwrap_err();
    assert!(back.to_string().contains("seen anew"), "{back}");
}
