//! `audit.repair`: damage is not undone. People look at it and acknowledge exactly that; a record says so behind the end of the
//! ledger, and every verification from then on goes past it and names it. Voices are held in memory: each is one person's, for
//! exactly the damage that was shown, until the daemon ends.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category, Damage, DamageFound, RepairParams, RepairResult};
use countersign_shared::voice_text::Act;
use countersign_verify::acknowledged::{Entry, RESOURCE};
use rusqlite::Connection as Database;
use tokio::sync::Notify;

use super::actor::Actor;
use super::audit::reads_ledger;
use super::{Service, signing, voices};
use crate::checkpoint::signed::Signed;
use crate::gate::Cast;
use crate::ipc::Connection;
use crate::ledger::Tail;
use crate::policy::Policy;
use crate::store::Transaction;
use crate::store::integrity::{self, Sieve};
use crate::store::open::OpenError;
use crate::store::rows::acknowledged;
use crate::store::transaction::Failure;

/// Between the answer to the last voice and the daemon's end, so that the answer goes out.
const PARTING: Duration = Duration::from_millis(500);

/// The voices for some damage, and the bell that ends the daemon once it is acknowledged.
#[derive(Default)]
pub struct Repair {
    voices: Mutex<Option<(Digest, Vec<Voice>)>>,
    /// Held by the one look that runs: each reads everything.
    looking: Arc<tokio::sync::Mutex<()>>,
    /// Rung when the daemon is to be started anew.
    pub again: Notify,
}

/// One person's voice, with their signature where they gave one.
#[derive(Clone)]
struct Voice {
    cast: Cast,
    signed: Option<voices::SignedVoice>,
}

/// What a look at everything found.
struct Seen {
    found: Vec<DamageFound>,
    blocked: Option<Damage>,
    digest: Digest,
    /// How many records there are, and the root over them, damaged ones by the hash that is recorded.
    size: u64,
    root: Digest,
}

impl Seen {
    fn look(connection: &Database, state: &Path) -> Result<Self, Failure> {
        let signed = Signed::read(state);
        let mut sieve = Sieve::collecting(signed.size().into_iter().collect());
        let look = integrity::check_through(connection, Tail::default(), &mut sieve, &mut |_, _| ());
        let mut verified = look.map_err(|error| match error {
            OpenError::Sqlite(error) => Failure::Database(error),
            other => Failure::Api(ApiError::new(ErrorKind::Unavailable, other.to_string())),
        })?;
        if verified.damage.is_none() {
            let root_at = |size| verified.roots.get(&size).copied().ok_or(rusqlite::Error::QueryReturnedNoRows);
            verified.damage = signed.compare(&verified.tail, root_at)?;
        }
        let found = sieve.into_found();
        let mut all = Vec::new();
        for damage in &found {
            all.extend_from_slice(entry(damage).to_string().as_bytes());
            all.push(b'\n');
        }
        if let Some(blocked) = &verified.damage {
            all.extend_from_slice(format!("blocked {} {}\n", blocked.rule, blocked.text).as_bytes());
        }
        // Of this state of the ledger: what was acknowledged is where it stood then.
        let size = verified.tail.size().to_be_bytes();
        let digest = Digest::of(&[b"countersign-damage-v1\0", &size, &all]);
        let (size, root) = (verified.tail.size(), verified.tail.frontier().root());
        Ok(Self { found, blocked: verified.damage, digest, size, root })
    }
}

fn entry(damage: &DamageFound) -> Entry {
    Entry { seq: damage.seq, rule: damage.rule.clone(), expected: damage.expected_sha256, found: damage.found_sha256 }
}

/// Shows the damage, or takes a voice for it.
pub async fn repair(
    service: &Service,
    connection: &Connection,
    params: RepairParams,
) -> Result<RepairResult, ApiError> {
    reads_ledger(service, connection)?;
    let (turn, state) = (service.repair.looking.clone().lock_owned().await, service.state.clone());
    let look = move |connection: &Database| {
        // It ends with the look, which goes on where its caller has gone.
        let _turn = turn;
        Seen::look(connection, &state)
    };
    let seen = service.readers.read_apart(look).await?;
    let policy = service.policy.now();
    let actor = service.actor_with_patience(connection)?;
    let needs = Needs { policy: &policy, actor: &actor, origin: &service.facts.origin };
    let Some(named) = params.damage_sha256 else {
        let spoken = service.repair.voices_for(&seen.digest);
        return Ok(needs.shown(seen, &spoken, None));
    };
    let counts_for = voices::has_a_voice(&actor, &policy, service.line.wall())?;
    if service.health.damage().is_none() {
        return Err(ApiError::new(ErrorKind::Conflict, "no damage was found, and nothing is acknowledged")
            .hint("countersign audit verify looks at all of it"));
    }
    acceptable(&seen, &named)?;
    let signed = needs.signed(&seen, &params)?;
    let mine = Voice { cast: voices::cast(actor.party.clone(), counts_for, 0), signed };
    let spoken = service.repair.speak(&policy, named, mine)?;
    if !voices::tally(&policy, &casts(&spoken)).is_complete() {
        let needed = voices::terms(&policy).places();
        tracing::warn!(damage = %named, by = actor.party.account, "a voice acknowledges the damage; {needed} are needed");
        return Ok(needs.shown(seen, &spoken, None));
    }
    let (agreed, state, last, policy_sha256) = (spoken.clone(), service.state.clone(), actor.clone(), policy.sha256());
    let acknowledged = move |transaction: &mut Transaction<'_>| {
        acknowledge(transaction, &last, &agreed, (named, policy_sha256), &state)
    };
    let (writer, repair) = (service.writer.clone(), service.repair.clone());
    // What is acknowledged ends the daemon, also where the caller has gone.
    let mending = tokio::spawn(async move {
        let mended = writer.mend(acknowledged).await;
        repair.forget();
        let seq = mended?;
        tracing::error!(
            seq,
            "the damage is acknowledged by a quorum; the daemon ends, to be started anew and look at all of it"
        );
        tokio::spawn(async move {
            tokio::time::sleep(PARTING).await;
            repair.again.notify_one();
        });
        Ok::<u64, ApiError>(seq)
    });
    let seq = mending.await.map_err(|_| ApiError::internal("the acknowledgement ended without a result"))??;
    Ok(needs.shown(seen, &spoken, Some(seq)))
}

fn casts(voices: &[Voice]) -> Vec<Cast> {
    voices.iter().map(|voice| voice.cast.clone()).collect()
}

fn acceptable(seen: &Seen, named: &Digest) -> Result<(), ApiError> {
    if seen.digest != *named {
        let message = format!("the damage is not the one that was shown: it is {} now", seen.digest);
        return Err(ApiError::new(ErrorKind::StaleContent, message)
            .hint("look at it again: countersign audit repair")
            .rule("stale_content"));
    }
    if let Some(blocked) = &seen.blocked {
        let message = format!("no acknowledgement is taken for this damage ({}): {}", blocked.rule, blocked.text);
        return Err(ApiError::new(ErrorKind::Conflict, message)
            .hint("restore a backup from before it, keep this database as evidence: docs/operations.md"));
    }
    Ok(())
}

/// Who looks, and by which rules.
struct Needs<'a> {
    policy: &'a Policy,
    actor: &'a Actor,
    origin: &'a str,
}

impl Needs<'_> {
    fn shown(&self, seen: Seen, voices: &[Voice], acknowledged_seq: Option<u64>) -> RepairResult {
        RepairResult {
            damage_sha256: seen.digest,
            damage: seen.found,
            blocked: seen.blocked,
            voices: voices::people(&casts(voices)),
            needed: voices::terms(self.policy).places(),
            signing: voices::signing(self.policy, self.actor, (self.origin, seen.size, seen.root)),
            acknowledged_seq,
        }
    }

    /// The caller's signature of exactly this voice, where one is given or demanded. Nothing is appended to a damaged ledger:
    /// what they saw is what stands there.
    fn signed(&self, seen: &Seen, params: &RepairParams) -> Result<Option<voices::SignedVoice>, ApiError> {
        let damage = seen.found.iter().map(DamageFound::in_a_record).collect();
        let act = Act::Acknowledge { damage_sha256: seen.digest, damage };
        let matter = voices::Matter {
            what: "acknowledging this damage",
            run: format!("countersign audit repair --acknowledge {}", seen.digest),
            origin: self.origin,
        };
        let as_it_is = |by_signer: &countersign_shared::decision_text::Seen| {
            let found = (by_signer.size == seen.size).then_some(seen.root);
            Ok(signing::was_so(by_signer, found, seen.size)?)
        };
        let signed = voices::check(self.policy, self.actor, &matter, (act, params.signature.as_ref()), as_it_is);
        signed.map_err(|failure| match failure {
            Failure::Api(error) => error,
            other => ApiError::internal(format!("the signature cannot be checked: {other:?}")),
        })
    }
}

/// In the writer's own transaction everything is looked at once more: what is acknowledged is what stands there then.
fn acknowledge(
    transaction: &mut Transaction<'_>,
    actor: &Actor,
    voices: &[Voice],
    (named, policy_sha256): (Digest, Digest),
    state: &Path,
) -> Result<u64, Failure> {
    let seen = Seen::look(transaction.connection(), state)?;
    acceptable(&seen, &named)?;
    if seen.found.is_empty() {
        return Err(ApiError::new(ErrorKind::Conflict, "no damage was found, and nothing is acknowledged").into());
    }
    let entries: Vec<Entry> = seen.found.iter().map(entry).collect();
    let draft = actor
        .draft(AuditAction::DamageAcknowledged, Category::Auth, "ledger", RESOURCE)
        .text("damage_sha256", named)
        .list("damage", &entries)
        .list("voices", voices::in_a_record(&casts(voices)))
        .text("policy_sha256", policy_sha256);
    let signed = || (0..).zip(voices).filter_map(|(index, voice)| Some((index, voice.signed.as_ref()?)));
    let listed: Vec<_> = signed().map(|(index, signed)| signed.listed(index)).collect();
    let draft = if listed.is_empty() { draft } else { draft.list("signatures", listed) };
    let recorded = transaction.record(draft)?;
    acknowledged::insert(transaction.connection(), recorded.seq, &entries)?;
    for (index, signed) in signed() {
        signed.store(transaction.connection(), recorded.seq, index)?;
    }
    Ok(recorded.seq)
}

impl Repair {
    fn voices_for(&self, digest: &Digest) -> Vec<Voice> {
        let voices = self.voices.lock().unwrap_or_else(PoisonError::into_inner);
        voices.as_ref().filter(|(of, _)| of == digest).map(|(_, voices)| voices.clone()).unwrap_or_default()
    }

    /// Adds a voice; other damage than before has no voices.
    fn speak(&self, policy: &Policy, digest: Digest, mine: Voice) -> Result<Vec<Voice>, ApiError> {
        let mut voices = self.voices.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, spoken) = match voices.take().filter(|(of, _)| *of == digest) {
            Some(held) => voices.insert(held),
            None => voices.insert((digest, Vec::new())),
        };
        let by = &mine.cast.by;
        if voices::has_spoken(policy, &casts(spoken), by) {
            let message = format!("{} has acknowledged this damage already: one person, one voice", by.voter());
            let error = ApiError::new(ErrorKind::AlreadyDecided, message);
            return Err(error.hint("somebody else has to look at it").rule("one_vote"));
        }
        spoken.push(mine);
        Ok(spoken.clone())
    }

    fn forget(&self) {
        *self.voices.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
