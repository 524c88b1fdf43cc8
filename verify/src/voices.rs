//! Voices that were signed, for acknowledging damage and for erasing a text: the text that each signer had before them, made
//! again from the record and what stands beside it, and whether the signature that is kept is one of exactly that. Each is an
//! anchor, as a [signed decision](crate::signed) is.

use countersign_proof::sshsig::{Hashes, Presence, PublicKey};
use countersign_shared::decision_text::{Salt, Seen};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AuditAction, ErasableText};
use countersign_shared::text::Untrusted;
use countersign_shared::voice_text::{Act, VoiceText};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Deserialize;

use crate::signed::{Head, Kept, Recorded, UNTOLD, root, wrong};

/// A signed voice as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedVoice {
    /// The record.
    pub seq: u64,
    /// Which of the record's voices, from 0.
    pub index: u32,
    /// The account that spoke.
    pub account: String,
    /// The armored signature.
    pub sshsig: String,
    /// The key, `TYPE BASE64`.
    pub key: String,
    /// Its fingerprint.
    pub key_fingerprint: String,
    /// The ledger as the signer saw it.
    pub seen: Seen,
    /// What was signed; none where no record says what it was about.
    pub text: Option<VoiceText>,
    recorded: Option<Recorded>,
}

/// What the record of an acknowledgement says of one signed voice: `INDEX SIGNATURE_SHA256 SIGNED_SHA256 KEY SIZE ROOT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which of the record's voices, from 0.
    pub index: u32,
    /// Of the armored signature.
    pub signature_sha256: Digest,
    /// Of the text.
    pub signed_sha256: Digest,
    /// The key's fingerprint.
    pub key: String,
    /// How many records the signer saw.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { index, signature_sha256, signed_sha256, key, size, root } = self;
        write!(f, "{index} {signature_sha256} {signed_sha256} {key} {size} {root}")
    }
}

impl Listed {
    /// As the record has it; none where it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [index, signature, signed, key, size, root] = words.as_slice() else { return None };
        let listed = Self {
            index: index.parse().ok()?,
            signature_sha256: signature.parse().ok()?,
            signed_sha256: signed.parse().ok()?,
            key: (*key).to_owned(),
            size: size.parse().ok()?,
            root: root.parse().ok()?,
        };
        (listed.to_string() == text).then_some(listed)
    }
}

#[derive(Deserialize)]
struct Record {
    action: String,
    actor: String,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    policy_sha256: Option<Digest>,
    // Of an erasure.
    record_seq: Option<u64>,
    what: Option<ErasableText>,
    text_sha256: Option<Digest>,
    person: Option<String>,
    #[serde(flatten)]
    signed: Option<Recorded>,
    // Of an acknowledgement.
    damage_sha256: Option<Digest>,
    #[serde(default)]
    damage: Vec<String>,
    #[serde(default)]
    voices: Vec<String>,
    #[serde(default)]
    signatures: Vec<String>,
}

const QUERY: &str =
    "SELECT s.seq, s.idx, s.root, s.size, s.origin, s.salt, s.account, s.signature, s.key, s.key_fingerprint,
        a.record, e.reason
    FROM voice_signatures s
    LEFT JOIN audit_events a ON a.seq = s.seq
    LEFT JOIN erasure_reasons e ON e.seq = s.seq";

/// The signature of a voice of the record `seq`, where it has one.
pub fn read(connection: &Connection, seq: u64, index: u32) -> rusqlite::Result<Option<SignedVoice>> {
    let sql = format!("{QUERY} WHERE s.seq = ?1 AND s.idx = ?2");
    connection.prepare_cached(&sql)?.query_row((seq, index), signed).optional()
}

/// Tells `hears` of each record whose voices have more or fewer signatures than it says, and of each signature that is none,
/// until it has heard enough.
pub fn each_wrong<E: From<rusqlite::Error>>(
    connection: &Connection,
    mut hears: impl FnMut(u64, String) -> Result<bool, E>,
) -> Result<(), E> {
    // An unreadable column is another rule's finding, and says nothing here.
    let mut statement = connection.prepare(
        "SELECT a.seq FROM audit_events a WHERE a.action IN ('erasure_asked', 'damage_acknowledged')
            AND iif(json_valid(a.details), CASE a.action
                    WHEN 'erasure_asked' THEN a.details ->> '$.signature_sha256' IS NOT NULL
                    ELSE coalesce(json_array_length(a.details, '$.signatures'), 0) END, 0)
                > (SELECT count(*) FROM voice_signatures s WHERE s.seq = a.seq) ORDER BY a.seq",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !hears(row.get(0)?, "lacks its signature".to_owned())? {
            return Ok(());
        }
    }
    let mut statement = connection.prepare(&format!("{QUERY} ORDER BY s.seq, s.idx"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get("seq")?;
        let why = match signed(row) {
            Ok(kept) => kept.check().err(),
            Err(rusqlite::Error::FromSqlConversionFailure(_, _, why)) => Some(format!("it cannot be read: {why}")),
            Err(error) => return Err(error.into()),
        };
        if let Some(why) = why
            && !hears(seq, format!("has a signature that is none: {why}"))?
        {
            break;
        }
    }
    Ok(())
}

/// The sizes and roots that speakers saw, each once.
pub fn heads(connection: &Connection) -> rusqlite::Result<Vec<Head>> {
    let mut statement =
        connection.prepare("SELECT min(seq), size, root FROM voice_signatures GROUP BY size, root ORDER BY size")?;
    let heads = statement.query_map([], |row| Head::of(row, "voice"))?;
    heads.collect()
}

impl SignedVoice {
    /// Checks that the signature is what the record says, that the text is the one that was signed, and that the signature
    /// is one of it by the key.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self) -> Result<Presence, String> {
        let recorded = self.recorded.as_ref().ok_or(UNTOLD)?;
        let text = self.text.as_ref().ok_or("nothing says what it was about")?.to_string();
        let Self { sshsig, key, key_fingerprint, seen, .. } = self;
        recorded.check(&Kept { sshsig, key, key_fingerprint, seen }, Some(&text))
    }

    /// The key; none where it is malformed.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::parse(&self.key).ok()
    }
}

fn signed(row: &Row<'_>) -> rusqlite::Result<SignedVoice> {
    let seen = Seen { origin: row.get("origin")?, size: row.get("size")?, root: root(row, 2)? };
    let index: u32 = row.get("idx")?;
    let salt: [u8; 16] =
        row.get::<_, Vec<u8>>("salt")?.try_into().map_err(|_| wrong("a salt that is none".to_owned()))?;
    let account: String = row.get("account")?;
    let reason: Option<String> = row.get("reason")?;
    let record =
        row.get::<_, Option<Vec<u8>>>("record")?.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    let said = record.and_then(|record| record.said(index, reason));
    let text = said.as_ref().map(|said| VoiceText {
        act: said.act.clone(),
        person: said.person.clone(),
        // An erasure's record names the account; that of an acknowledgement names one person in its list.
        account: said.account.clone().unwrap_or_else(|| account.clone()),
        salt: Salt::from_bytes(salt),
        policy: said.policy,
        seen: seen.clone(),
    });
    let recorded = said.zip(text.as_ref()).and_then(|(said, text)| match said.signed {
        Told::InFull(recorded) => Some(recorded),
        Told::InAList(listed) => Some(Recorded {
            signature_sha256: listed.signature_sha256.to_string(),
            signed_sha256: listed.signed_sha256.to_string(),
            // The list has one digest of each text, which can always be made again.
            signed_sha512: Hashes::of(text.to_string().as_bytes()).sha512_hex(),
            signed_key: listed.key,
            signed_size: listed.size,
            signed_root_sha256: listed.root.to_string(),
        }),
        Told::Nothing => None,
    });
    Ok(SignedVoice {
        seq: row.get("seq")?,
        index,
        account,
        sshsig: row.get("signature")?,
        key: row.get("key")?,
        key_fingerprint: row.get("key_fingerprint")?,
        seen,
        text,
        recorded,
    })
}

/// What a record says of one of its voices.
struct Said {
    act: Act,
    person: String,
    account: Option<String>,
    policy: Digest,
    signed: Told,
}

enum Told {
    InFull(Recorded),
    InAList(Listed),
    Nothing,
}

impl Record {
    fn said(self, index: u32, reason: Option<String>) -> Option<Said> {
        let Details { policy_sha256, person, signed, .. } = self.details;
        let policy = policy_sha256?;
        if self.action == AuditAction::ErasureAsked.as_str() && index == 0 {
            let act = Act::Erase {
                record: self.details.record_seq?,
                what: self.details.what?,
                text_sha256: self.details.text_sha256?,
                reason: Untrusted::new(reason.unwrap_or_default()),
            };
            let signed = signed.map_or(Told::Nothing, Told::InFull);
            return Some(Said { act, person: person?, account: Some(self.actor), policy, signed });
        }
        if self.action != AuditAction::DamageAcknowledged.as_str() {
            return None;
        }
        let act = Act::Acknowledge { damage_sha256: self.details.damage_sha256?, damage: self.details.damage };
        let voice = self.details.voices.get(usize::try_from(index).ok()?)?;
        let person = voice.splitn(3, ' ').nth(2)?.to_owned();
        let mut listed = self.details.signatures.iter().filter_map(|listed| Listed::parse(listed));
        let mine = listed.find(|listed| listed.index == index);
        Some(Said { act, person, account: None, policy, signed: mine.map_or(Told::Nothing, Told::InAList) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_says_of_a_signature_is_read_in_one_form_alone() {
        let [a, b, c] = [1, 2, 3].map(|octet| Digest::from_bytes([octet; 32]));
        let text = format!("0 {a} {b} SHA256:key 7 {c}");
        let listed = Listed::parse(&text).unwrap();
        assert_eq!((listed.size, listed.to_string()), (7, text.clone()));
        let bad = [format!("{text} "), text.replacen("0 ", "00 ", 1), text.replace(" 7 ", " +7 "), String::new()];
        for bad in bad {
            assert_eq!(Listed::parse(&bad), None, "{bad}");
        }
    }
}
