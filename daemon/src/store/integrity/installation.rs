//! What holds for the installation as a whole: its policies are those that the ledger says were adopted, and it is
//! a demo where the ledger says so.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use rusqlite::{Connection, OptionalExtension};

use crate::store::open::OpenError;
use crate::store::rows::{meta, policies};

/// A row that no adopting record explains, or out of the order of the records.
const UNEXPLAINED: &str = "SELECT p.version FROM policies p LEFT JOIN audit_events a ON a.seq = p.seq
     WHERE a.action IS NULL OR a.action NOT IN ('policy_loaded', 'policy_changed')
        OR a.resource_id IS NOT p.sha256 OR a.details ->> '$.adopted' IS NOT 1
        OR EXISTS (SELECT 1 FROM policies n WHERE n.version > p.version AND n.seq <= p.seq) LIMIT 1";

/// An adopting record whose policy is not there.
const GONE: &str = "SELECT a.seq FROM audit_events a WHERE a.action IN ('policy_loaded', 'policy_changed')
     AND a.details ->> '$.adopted' IS 1 AND NOT EXISTS (SELECT 1 FROM policies p WHERE p.seq = a.seq) LIMIT 1";

/// A record of another kind of installation than this: a start of the other kind, or people of a demo.
const OTHER_KIND: &str = "SELECT seq FROM audit_events
     WHERE (action = 'daemon_started' AND details ->> '$.demo' IS NOT ?1)
        OR (?1 = 0 AND details ->> '$.demo' IS 1) LIMIT 1";

/// The policies that are stored are those that were adopted, and no other has ever been in force.
pub(super) fn policy(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    let damage = |seq, text: String| Ok(Some(Damage { seq, rule: "policy".into(), text }));
    let unexplained: Option<u32> = connection.query_row(UNEXPLAINED, [], |row| row.get(0)).optional()?;
    if let Some(version) = unexplained {
        return damage(None, format!("no ledger record says that policy {version} was adopted as it stands"));
    }
    let gone: Option<u64> = connection.query_row(GONE, [], |row| row.get(0)).optional()?;
    if gone.is_some() {
        return damage(gone, "the policy that this record adopted is not there".to_owned());
    }
    let in_force = policies::in_force(connection)?;
    let begun: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM audit_events)", [], |row| row.get(0))?;
    match in_force {
        None if begun => damage(None, "the ledger has begun and no policy is in force".to_owned()),
        Some(policy) if Digest::of(&[policy.document.as_bytes()]) != policy.sha256 => {
            damage(None, "the policy in force is not the document that was adopted".to_owned())
        }
        _ => Ok(None),
    }
}

/// A demo, where anybody may be anybody, never turns into a real installation, nor the other way round.
pub(super) fn demo(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    let demo = meta::get(connection, meta::DEMO)?.as_deref() == Some("yes");
    let other: Option<u64> = connection.query_row(OTHER_KIND, [demo], |row| row.get(0)).optional()?;
    Ok(other.map(|seq| {
        let kind = if demo { "a demo" } else { "no demo" };
        Damage {
            seq: Some(seq),
            rule: "demo".into(),
            text: format!("the state says {kind}, this record says otherwise"),
        }
    }))
}
