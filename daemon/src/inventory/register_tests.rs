//! The proposed tables, filled as the trait says.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use rusqlite::{Connection, params};

use super::testing::{Pki, now};
use super::*;

struct Tables(Connection);

impl Tables {
    fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON").unwrap();
        connection.execute_batch(include_str!("tables.sql")).unwrap();
        Self(connection)
    }

    fn rows(&self) -> Vec<(String, Option<String>)> {
        let mut statement = self.0.prepare("SELECT state, lineage FROM inventory ORDER BY row").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    fn end(&self, place: &Place, sha256: &str, state: &str, to: Option<(String, &str)>) -> rusqlite::Result<()> {
        let (successor, lineage) = to.unzip();
        let sql = "UPDATE inventory SET state = ?3, ended_at = 'now', successor = ?4, lineage = ?5
                   WHERE place = ?1 AND sha256 = ?2 AND ended_at IS NULL";
        self.0.execute(sql, params![place.to_string(), sha256, state, successor, lineage]).map(drop)
    }
}

impl Register for Tables {
    type Error = rusqlite::Error;

    fn known(&self, scan: &Scan) -> Result<Vec<Seen>, Self::Error> {
        let sql = "SELECT place, alias, role, sha256, spki_sha256, names, not_before, not_after
                   FROM inventory JOIN inventory_certificates USING (sha256) WHERE ended_at IS NULL";
        let mut statement = self.0.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let text = |i| row.get::<_, String>(i);
            let names: BTreeSet<String> = serde_json::from_str(&text(5)?).unwrap();
            Ok(Seen {
                place: text(0)?.parse().unwrap(),
                alias: Some(text(1)?).filter(|alias| !alias.is_empty()).map(Into::into),
                role: if text(2)? == "leaf" { Role::Leaf } else { Role::Authority },
                sha256: text(3)?.parse().unwrap(),
                spki_sha256: text(4)?.parse().unwrap(),
                names,
                not_before: text(6)?.parse().unwrap(),
                not_after: text(7)?.parse().unwrap(),
            })
        })?;
        let known: Vec<Seen> = rows.collect::<Result<_, _>>()?;
        Ok(known.into_iter().filter(|seen| scan.covered.iter().any(|area| seen.place.within(area))).collect())
    }

    fn record(&mut self, scan: &Scan, changes: &Changes) -> Result<(), Self::Error> {
        let at = scan.taken_at.to_string();
        for found in scan.certificates.values() {
            self.0.execute(
                "INSERT INTO inventory_certificates VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 ON CONFLICT DO NOTHING",
                params![
                    found.sha256.to_string(),
                    found.der,
                    found.serial_hex,
                    found.issuer.raw(),
                    found.subject.raw(),
                    found.primary_name().raw(),
                    serde_json::to_string(&names(found)).unwrap(),
                    found.names_total as i64,
                    found.key,
                    found.spki_sha256.to_string(),
                    found.ca,
                    found.not_before.to_string(),
                    found.not_after.to_string(),
                    at
                ],
            )?;
        }
        for change in &changes.succeeded {
            let to = Some((change.to.to_string(), change.by.as_str()));
            self.end(&change.place, &change.from.to_string(), "succeeded", to)?;
        }
        for seen in &changes.gone {
            self.end(&seen.place, &seen.sha256.to_string(), "gone", None)?;
        }
        for sighting in &scan.sightings {
            let chain: Vec<String> = sighting.chain.iter().map(ToString::to_string).collect();
            self.0.execute(
                "INSERT INTO inventory (place, alias, sha256, role, chain, usable_until, owner_uid, state, first_seen,
                     last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'present', ?8, ?8)
                 ON CONFLICT (place, alias, sha256) WHERE state IN ('present', 'unknown')
                 DO UPDATE SET last_seen = ?8, chain = ?5, usable_until = ?6, role = ?4, state = 'present'",
                params![
                    sighting.place.to_string(),
                    sighting.alias.as_ref().map_or("", |alias| alias.raw()),
                    sighting.sha256.to_string(),
                    sighting.role.as_str(),
                    serde_json::to_string(&chain).unwrap(),
                    sighting.usable_until.to_string(),
                    sighting.owner_uid,
                    at
                ],
            )?;
        }
        for seen in &changes.unknown {
            let sql = "UPDATE inventory SET state = 'unknown' WHERE place = ?1 AND sha256 = ?2 AND ended_at IS NULL";
            self.0.execute(sql, params![seen.place.to_string(), seen.sha256.to_string()])?;
        }
        for finding in &scan.findings {
            self.0.execute(
                "INSERT INTO inventory_findings VALUES (?1, ?2, ?3, ?4, ?4)
                 ON CONFLICT DO UPDATE SET detail = ?3, last_seen = ?4",
                params![finding.place.to_string(), finding.problem.kind(), finding.problem.to_string(), at],
            )?;
        }
        Ok(())
    }
}

#[test]
fn a_life_on_disk() {
    let pki = Pki::new();
    let plan = Plan { roots: vec![pki.path("leaf.pem")], ..Plan::default() };
    let look = || scan(&plan, now(), &AtomicBool::new(false));
    let mut tables = Tables::new();
    assert_eq!(take_in(&mut tables, &look()).unwrap().appeared.len(), 1);
    assert_eq!(take_in(&mut tables, &look()).unwrap(), Changes::default());
    pki.leaf("leaf", "www.corp.example", 180);
    assert_eq!(take_in(&mut tables, &look()).unwrap().succeeded.len(), 1);
    let first = ("succeeded".to_owned(), Some("names".to_owned()));
    assert_eq!(tables.rows(), [first.clone(), ("present".to_owned(), None)]);

    // A keystore nobody can open hides what was there; a file that went away does not.
    pki.openssl("pkcs12 -export -in leaf.pem -inkey leaf.key -out leaf.p12 -passout pass:s3cret");
    std::fs::rename(pki.path("leaf.p12"), pki.path("leaf.pem")).unwrap();
    assert_eq!(take_in(&mut tables, &look()).unwrap().unknown.len(), 1);
    assert_eq!(tables.rows()[1].0, "unknown");
    let problem: String = tables.0.query_row("SELECT problem FROM inventory_findings", [], |row| row.get(0)).unwrap();
    assert_eq!(problem, "needs_password");
    std::fs::remove_file(pki.path("leaf.pem")).unwrap();
    assert_eq!(take_in(&mut tables, &look()).unwrap().gone.len(), 1);
    assert_eq!(tables.rows(), [first, ("gone".to_owned(), None)]);
}

#[test]
fn the_tables_refuse_what_cannot_be() {
    let pki = Pki::new();
    let mut tables = Tables::new();
    let plan = Plan { roots: vec![pki.path("leaf.pem")], ..Plan::default() };
    take_in(&mut tables, &scan(&plan, now(), &AtomicBool::new(false))).unwrap();
    for (sql, why) in [
        ("UPDATE inventory_certificates SET not_after = '2999'", "does not change"),
        ("DELETE FROM inventory_certificates", "FOREIGN KEY"),
        ("UPDATE inventory SET place = 'file:/x'", "stays the same"),
        ("UPDATE inventory SET state = 'gone'", "CHECK"),
        ("UPDATE inventory SET state = 'succeeded', ended_at = 'now'", "CHECK"),
        ("UPDATE inventory SET state = 'succeeded', ended_at = 'now', successor = sha256, lineage = 'key'", "CHECK"),
        (
            "INSERT INTO inventory SELECT 99, place, alias, sha256, role, chain, usable_until, owner_uid, state,
                 first_seen, last_seen, ended_at, successor, lineage FROM inventory",
            "UNIQUE",
        ),
        ("INSERT INTO inventory_findings VALUES ('file:/x', 'odd', '', '', '')", "CHECK"),
    ] {
        let error = tables.0.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    }
    tables.0.execute("UPDATE inventory SET state = 'gone', ended_at = 'now'", []).unwrap();
    let back = tables.0.execute("UPDATE inventory SET state = 'present', ended_at = NULL", []).unwrap_err();
    assert!(back.to_string().contains("seen anew"), "{back}");
}

#[test]
fn every_kind_of_problem_fits_the_table() {
    let sql = include_str!("tables.sql");
    let text = String::new;
    for problem in [
        Problem::PermissionDenied,
        Problem::Missing,
        Problem::Changed,
        Problem::NeedsPassword,
        Problem::WrongPassword,
        Problem::PasswordFile(text()),
        Problem::Unreadable(text()),
        Problem::NoCertificate,
        Problem::TooLarge { size: 1, limit: 0 },
        Problem::Limit { of: "", limit: 0 },
        Problem::OutOfTime,
        Problem::LeadsOut,
        Problem::DeadLink,
        Problem::Special(""),
        Problem::NotListed,
        Problem::Refused,
        Problem::NoAnswer,
        Problem::NotTls(text()),
        Problem::Failed(text()),
    ] {
        assert!(sql.contains(&format!("'{}'", problem.kind())), "{problem:?}");
    }
}
