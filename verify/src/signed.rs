//! Decisions that were signed: the text that the signer had before them, made again from the rows and the record, and whether
//! the signature that is kept is one of exactly that.
//!
//! Each is an anchor as well: it names the ledger's size and root that its signer saw, over which nobody on this host has power.

use countersign_proof::sshsig::{Hashes, Presence, PublicKey, SshSig};
use countersign_shared::content::CertificateContent;
use countersign_shared::decision_text::{DecisionText, NAMESPACE, Salt, Seen, Subject};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{RequestKind, Verdict};
use countersign_shared::protocol::{Damage, SignatureDemand, Signed};
use countersign_shared::revocation::Revocation;
use countersign_shared::text::Untrusted;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Deserialize;

use crate::damage;

/// A signed decision as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDecision {
    /// The decision's record.
    pub seq: u64,
    /// The armored signature.
    pub sshsig: String,
    /// The key, `TYPE BASE64`.
    pub key: String,
    /// Its fingerprint.
    pub key_fingerprint: String,
    /// The ledger as the signer saw it.
    pub seen: Seen,
    /// What was signed; none where the note was erased since.
    pub text: Option<DecisionText>,
    recorded: Option<Recorded>,
}

/// What a record says of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) signature_sha256: String,
    pub(crate) signed_sha256: String,
    pub(crate) signed_sha512: String,
    pub(crate) signed_key: String,
    pub(crate) signed_size: u64,
    pub(crate) signed_root_sha256: String,
}

/// A signature as a row has it.
pub(crate) struct Kept<'a> {
    pub(crate) sshsig: &'a str,
    pub(crate) key: &'a str,
    pub(crate) key_fingerprint: &'a str,
    pub(crate) seen: &'a Seen,
}

/// The record, as far as the text says it.
#[derive(Deserialize)]
struct Record {
    action: String,
    actor: String,
    resource_id: String,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    version: u32,
    digest: Digest,
    policy_sha256: Digest,
    #[serde(default)]
    person: Option<String>,
    #[serde(flatten)]
    signed: Option<Recorded>,
}

const QUERY: &str = "SELECT s.seq, s.signature, s.key, s.key_fingerprint, s.origin, s.size, s.root, a.record,
        d.note, d.note_salt, r.kind, r.certificate_id, u.content, p.base_sha256, p.sha256 AS to_sha256,
        v.certificate_id AS ends, v.version AS ends_version, v.issuer, v.serial, v.sha256 AS ends_sha256, v.reason
    FROM decision_signatures s
    LEFT JOIN audit_events a ON a.seq = s.seq
    LEFT JOIN decisions d ON d.seq = s.seq
    LEFT JOIN approval_requests r ON r.id = d.request_id
    LEFT JOIN request_terms t ON t.request_id = d.request_id AND t.version = d.version
    LEFT JOIN submissions u ON u.id = coalesce(t.submission_id, iif(r.version = d.version, r.submission_id, NULL))
    LEFT JOIN revocations v ON v.submission_id = u.id
    LEFT JOIN proposals p ON p.request_id = d.request_id";

/// The signature of the decision in record `seq`, where it has one.
pub fn read(connection: &Connection, seq: u64) -> rusqlite::Result<Option<SignedDecision>> {
    connection.prepare_cached(&format!("{QUERY} WHERE s.seq = ?1"))?.query_row([seq], signed).optional()
}

/// Tells `hears` of each decision whose signature is none, and why, until it has heard enough.
pub fn each_wrong<E: From<rusqlite::Error>>(
    connection: &Connection,
    mut hears: impl FnMut(u64, String) -> Result<bool, E>,
) -> Result<(), E> {
    let mut statement = connection.prepare(&format!("{QUERY} ORDER BY s.seq"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get("seq")?;
        let why = match signed(row) {
            Ok(kept) => kept.check().err(),
            Err(rusqlite::Error::FromSqlConversionFailure(_, _, why)) => Some(format!("it cannot be read: {why}")),
            Err(error) => return Err(error.into()),
        };
        if let Some(why) = why
            && !hears(seq, why)?
        {
            break;
        }
    }
    Ok(())
}

/// The sizes and roots that signers saw, each once.
pub fn heads(connection: &Connection) -> rusqlite::Result<Vec<Head>> {
    let mut statement =
        connection.prepare("SELECT min(seq), size, root FROM decision_signatures GROUP BY size, root ORDER BY size")?;
    let heads = statement.query_map([], |row| Head::of(row, "decision"))?;
    heads.collect()
}

/// A state of the ledger that somebody signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The record of the first signature that covers it.
    pub seq: u64,
    /// How many records.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// What was signed: a decision, or a voice.
    of: &'static str,
}

impl Head {
    pub(crate) fn of(row: &Row<'_>, of: &'static str) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, size: row.get(1)?, root: root(row, 2)?, of })
    }

    /// What is wrong where the records have another root, or are fewer; `found` is none for the latter.
    pub fn compare(&self, found: Option<Digest>, records: u64) -> Option<Damage> {
        let Self { seq, size, root, of } = self;
        let text = match found {
            Some(found) if found == *root => return None,
            Some(found) => format!(
                "the {of} in record {seq} was signed over {size} records with the root {root}, theirs is {found}: one \
                 of them was changed after it was signed"
            ),
            None => format!("the {of} in record {seq} was signed over {size} records, {records} are there"),
        };
        Some(damage(Some(*seq), RULE, text))
    }
}

/// The rule under which a ledger that was changed behind something signed is named.
pub const RULE: &str = "signed_decision";

impl SignedDecision {
    /// Checks that the signature is what the record says, that the text is the one that was signed, and that the signature
    /// is one of it by the key.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self) -> Result<Presence, String> {
        let recorded = self.recorded.as_ref().ok_or(UNTOLD)?;
        let Self { sshsig, key, key_fingerprint, seen, .. } = self;
        let text = self.text.as_ref().map(ToString::to_string);
        recorded.check(&Kept { sshsig, key, key_fingerprint, seen }, text.as_deref())
    }

    /// The key; none where it is malformed.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::parse(&self.key).ok()
    }

    /// As it is shown.
    pub fn to_view(&self) -> Signed {
        Signed {
            key_fingerprint: self.key_fingerprint.clone(),
            key: self.key.clone(),
            sshsig: self.sshsig.clone(),
            size: self.seen.size,
            root_sha256: self.seen.root,
            text: self.text.as_ref().map(ToString::to_string),
        }
    }
}

/// Of a row whose record says nothing of it.
pub(crate) const UNTOLD: &str = "its record tells of no signature";

impl Recorded {
    /// Whether a signature is the recorded one, of the recorded text, which is `text` where that can still be made.
    pub(crate) fn check(&self, kept: &Kept<'_>, text: Option<&str>) -> Result<Presence, String> {
        if Digest::of(&[kept.sshsig.as_bytes()]).to_string() != self.signature_sha256 {
            return Err("the signature is not the one that was recorded".into());
        }
        let seen_as_recorded = kept.seen.size == self.signed_size
            && kept.seen.root.to_string() == self.signed_root_sha256
            && kept.key_fingerprint == self.signed_key;
        if !seen_as_recorded {
            return Err("it names another key or state of the ledger than was recorded".into());
        }
        let hashes = Hashes::from_hex(&self.signed_sha256, &self.signed_sha512)
            .ok_or("its record names no digests of the text")?;
        if text.is_some_and(|text| Hashes::of(text.as_bytes()) != hashes) {
            return Err("what was decided is not what was signed".into());
        }
        let signature = SshSig::parse(kept.sshsig).map_err(|error| error.to_string())?;
        if signature.key().to_string() != kept.key || signature.key().fingerprint() != kept.key_fingerprint {
            return Err("the signature names another key".into());
        }
        signature.verify(NAMESPACE, &hashes).map_err(|error| error.to_string())
    }
}

fn signed(row: &Row<'_>) -> rusqlite::Result<SignedDecision> {
    let seen = Seen { origin: row.get("origin")?, size: row.get("size")?, root: root(row, 6)? };
    let record =
        row.get::<_, Option<Vec<u8>>>("record")?.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    let text = match &record {
        Some(record) => text(row, record, &seen)?,
        None => None,
    };
    Ok(SignedDecision {
        seq: row.get("seq")?,
        sshsig: row.get("signature")?,
        key: row.get("key")?,
        key_fingerprint: row.get("key_fingerprint")?,
        seen,
        text,
        recorded: record.and_then(|record| record.details.signed),
    })
}

/// The text, from the record and from the rows that it speaks of. Whatever of these was changed makes another text, and is
/// noticed by its digest; a note that was erased with its salt makes none.
fn text(row: &Row<'_>, record: &Record, seen: &Seen) -> rusqlite::Result<Option<DecisionText>> {
    let Some(salt) = row.get::<_, Option<Vec<u8>>>("note_salt")?.filter(|salt| !salt.is_empty()) else {
        return Ok(None);
    };
    let malformed = |what: &str| wrong(format!("a signed decision with {what}"));
    let salt: [u8; 16] = salt.try_into().map_err(|_| malformed("a salt that is none"))?;
    let verdict = match record.action.as_str() {
        "approval_approved" => Verdict::Approve,
        "approval_rejected" => Verdict::Reject,
        _ => return Err(malformed("a record of something else")),
    };
    let kind: RequestKind = word(row, "kind")?;
    let subject = subject(row)?.ok_or_else(|| malformed("nothing that it is about"))?;
    Ok(Some(DecisionText {
        request: record.resource_id.parse().map_err(|_| malformed("an id that is none"))?,
        kind,
        version: record.details.version,
        content: record.details.digest,
        subject,
        verdict,
        person: record.details.person.clone().ok_or_else(|| malformed("nobody who signed"))?,
        account: record.actor.clone(),
        note: Untrusted::new(row.get::<_, String>("note")?),
        salt: Salt::from_bytes(salt),
        policy: record.details.policy_sha256,
        seen: seen.clone(),
    }))
}

fn subject(row: &Row<'_>) -> rusqlite::Result<Option<Subject>> {
    if row.get::<_, Option<String>>("to_sha256")?.is_some() {
        return Ok(Some(Subject::Policy { from: word(row, "base_sha256")?, to: word(row, "to_sha256")? }));
    }
    let Some(content) = row.get::<_, Option<String>>("content")? else { return Ok(None) };
    let content: CertificateContent = serde_json::from_str(&content).map_err(|error| wrong(error.to_string()))?;
    let revocation = match row.get::<_, Option<String>>("ends")? {
        None => None,
        Some(_) => Some(Revocation {
            certificate_id: word(row, "ends")?,
            version: row.get("ends_version")?,
            issuer: row.get("issuer")?,
            serial: row.get("serial")?,
            sha256: word(row, "ends_sha256")?,
            reason: word(row, "reason")?,
        }),
    };
    Ok(Some(Subject::Certificate { id: word(row, "certificate_id")?, content: Box::new(content), revocation }))
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    row.get::<_, String>(column)?.parse().map_err(|error: T::Err| wrong(format!("{column}: {error}")))
}

pub(crate) fn root(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let octets: Vec<u8> = row.get(column)?;
    octets.try_into().map(Digest::from_bytes).map_err(|_| wrong("a root has 32 octets".into()))
}

pub(crate) fn wrong(what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, what.into())
}
/// Whether a signature that was made with that presence is what is demanded.
pub fn satisfies(demand: SignatureDemand, presence: Presence) -> bool {
    match demand {
        SignatureDemand::Ssh => true,
        SignatureDemand::Fido2 => matches!(presence, Presence::Touched | Presence::Verified),
        SignatureDemand::Fido2Verified => presence == Presence::Verified,
    }
}
