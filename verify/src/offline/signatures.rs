//! Signed decisions and voices of a copied database: each is checked, and each is an anchor, whoever owns the host.

use countersign_proof::anchor::Roots as _;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use crate::acknowledged::Acknowledgements;
use crate::damage;
use crate::pass::Pass;
use crate::signed::{self, Head};
use crate::voices;

/// What is wrong with a signature.
const RULE: &str = "signature";
/// The tables that a signed decision is made of again. A copy from before decisions could be signed lacks the first.
const OF_DECISIONS: [&str; 8] = [
    "decision_signatures",
    "audit_events",
    "decisions",
    "approval_requests",
    "request_terms",
    "submissions",
    "revocations",
    "proposals",
];

/// Those of a signed voice.
const OF_VOICES: [&str; 3] = ["voice_signatures", "audit_events", "erasure_reasons"];

/// The states of the ledger that were signed; what cannot be read, and what is gone, is a finding.
pub fn heads(connection: &Connection, acknowledged: &Acknowledgements, findings: &mut Vec<Damage>) -> Vec<Head> {
    match read(connection, acknowledged) {
        Ok((heads, gone)) => {
            findings.extend(gone);
            heads
        }
        Err(error) => {
            findings.push(unreadable(&error));
            Vec::new()
        }
    }
}

fn read(connection: &Connection, acknowledged: &Acknowledgements) -> rusqlite::Result<(Vec<Head>, Option<Damage>)> {
    let missing = missing(connection, &OF_DECISIONS)?;
    let kept = if missing.is_none() { "(SELECT seq FROM main.decision_signatures)" } else { "()" };
    let told = "iif(json_valid(details), details ->> '$.signature_sha256', NULL) IS NOT NULL";
    let sql = format!(
        "SELECT seq FROM main.audit_events WHERE action IN ('approval_approved', 'approval_rejected') AND {told}
            AND seq NOT IN {kept} ORDER BY seq"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut gone = None;
    while let Some(row) = rows.next()?.filter(|_| gone.is_none()) {
        // What a damaged record says of a signature says nothing.
        gone = Some(row.get(0)?).filter(|seq: &u64| !acknowledged.is_damaged(*seq));
    }
    let gone = gone.map(|seq| match missing {
        Some(table) => {
            damage(Some(seq), RULE, format!("the decision in record {seq} was signed; there is no table {table}"))
        }
        None => damage(Some(seq), RULE, format!("the decision in record {seq} was signed; its signature is gone")),
    });
    let mut heads = if missing.is_none() { signed::heads(connection)? } else { Vec::new() };
    if spoken(connection)? {
        heads.extend(voices::heads(connection)?);
    }
    Ok((heads, gone))
}

/// Whether there is what signed voices are made of again; a copy from before voices could be signed lacks it.
fn spoken(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(missing(connection, &OF_VOICES)?.is_none())
}

/// The first signature that is none, of decisions and of voices, and the first state that the records never had.
pub fn check(
    connection: &Connection,
    heads: &[Head],
    (pass, acknowledged): (&Pass, &Acknowledgements),
    findings: &mut Vec<Damage>,
) {
    match voices_wrong(connection, acknowledged) {
        Ok(wrong) => findings.extend(wrong),
        Err(error) => findings.push(unreadable(&error)),
    }
    if heads.is_empty() {
        return;
    }
    let mut wrong = None;
    let looked = signed::each_wrong::<rusqlite::Error>(connection, |seq, why| {
        let text = format!("the decision in record {seq} has a signature that is none: {why}");
        wrong = Some(damage(Some(seq), RULE, text)).filter(|_| !acknowledged.is_damaged(seq));
        Ok(wrong.is_none())
    });
    findings.extend(looked.err().map(|error| unreadable(&error)));
    findings.extend(wrong);
    let size = pass.size();
    findings.extend(heads.iter().find_map(|head| {
        let found = if head.size <= size { pass.root_at(head.size).ok() } else { None };
        head.compare(found, size)
    }));
}

/// The first record whose voices are not signed as it says.
fn voices_wrong(connection: &Connection, acknowledged: &Acknowledgements) -> rusqlite::Result<Option<Damage>> {
    if !spoken(connection)? {
        let sql = "SELECT seq FROM main.audit_events WHERE action IN ('erasure_asked', 'damage_acknowledged')
            AND iif(json_valid(details), details ->> '$.signature_sha256' IS NOT NULL
                OR json_array_length(details, '$.signatures') > 0, 0) ORDER BY seq";
        let mut statement = connection.prepare(sql)?;
        let told = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u64>>>()?;
        let told = told.into_iter().find(|seq| !acknowledged.is_damaged(*seq));
        return Ok(told
            .map(|seq| damage(Some(seq), RULE, format!("a voice in record {seq} was signed; its signature is gone"))));
    }
    let mut wrong = None;
    voices::each_wrong::<rusqlite::Error>(connection, |seq, why| {
        wrong = Some(damage(Some(seq), RULE, format!("a voice in record {seq} {why}")))
            .filter(|_| !acknowledged.is_damaged(seq));
        Ok(wrong.is_none())
    })?;
    Ok(wrong)
}

/// The first of these that is not there. Only tables count: a view of the file's own could go on for ever.
fn missing<'t>(connection: &Connection, tables: &[&'t str]) -> rusqlite::Result<Option<&'t str>> {
    for table in tables {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 AND type = 'table' AND sql NOT LIKE '%VIRTUAL%'";
        if connection.query_row(sql, [table], |row| row.get::<_, u32>(0))? != 1 {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

fn unreadable(error: &rusqlite::Error) -> Damage {
    let text = format!("signatures of decisions and voices cannot be read: {error}");
    damage(None, RULE, Untrusted::new(text).safe().to_string())
}
