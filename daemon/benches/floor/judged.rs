//! What a rejection costs the thread that writes, in its own core time: judged, recorded and stored, without the commit,
//! the socket and the hand-over between threads.

use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::ApiError;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::text::Untrusted;
use countersignd::clock::{SystemClock, TimeLine};
use countersignd::demo::POLICY;
use countersignd::identity::directory::Account;
use countersignd::identity::{Attestation, Caller};
use countersignd::policy::Policy;
use countersignd::service::PolicyInForce;
use countersignd::service::actor::Actor;
use countersignd::service::decide::{Ask, one};
use countersignd::store::open::StateDir;
use countersignd::store::settings::{apply_to_writer, writer_flags};
use countersignd::store::{Health, Writer, integrity};
use rusqlite::Connection;

use crate::ledger::core_time;
use crate::prefill::{Waiting, fill};
use crate::table::{Aim, Table};
use crate::{Bench, Result};

const ROUNDS: usize = 7;
/// Decisions that share a transaction.
const AT_ONCE: usize = 1000;

/// Measures it.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let state = bench.work.join("judged");
    let mut waiting = fill(&state, 40_000)?;
    let held = StateDir::hold(&state)?;
    let connection = Connection::open_with_flags(held.database(), writer_flags())?;
    apply_to_writer(&connection)?;
    let tail = integrity::read_tail(&connection)?.map_err(|damage| damage.text)?;
    let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
    let (policy, _) = Policy::parse(POLICY).map_err(|errors| errors.join("; "))?;
    let actor = bob(&policy, &line);
    let policy = PolicyInForce::without_issuers(policy);
    let (writer, thread) = Writer::start(connection, tail, line, Health::default(), |_| {})?;
    let mut micros = Vec::with_capacity(ROUNDS);
    for round in 0..=ROUNDS {
        let asked = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
        let (policy, actor) = (policy.clone(), actor.clone());
        let took = bench.runtime.block_on(writer.write(move |transaction| {
            let begin = core_time().map_err(|error| ApiError::internal(error.to_string()))?;
            for ask in asked.into_iter().map(rejection) {
                one(transaction, &policy, &actor, &ask)??;
            }
            let end = core_time().map_err(|error| ApiError::internal(error.to_string()))?;
            Ok(end - begin)
        }))?;
        if round > 0 {
            micros.push(each(took));
        }
    }
    drop(writer);
    thread.join().map_err(|_| "the writer failed")?;
    table.add_alone("a rejection, in the writer", "us of a core", &micros, Aim::None);
    Ok(())
}

fn each(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / AT_ONCE as f64
}

fn rejection((id, digest): Waiting) -> Ask {
    Ask { id, digest, verdict: Verdict::Reject, note: Untrusted::from("not this one"), signature: None }
}

/// As the demo's daemon knows a caller who acts as bob.
fn bob(policy: &Policy, line: &TimeLine) -> Actor {
    let uid = nix::unistd::geteuid().as_raw();
    let caller = Caller {
        uid,
        gid: nix::unistd::getegid().as_raw(),
        pid: std::process::id(),
        login_uid: None,
        session: None,
        attestation: Attestation::Pidfd,
        account: Account { uid, name: None, unix_groups: Vec::new() },
        login_account: None,
        demo_person: Some("bob".to_owned()),
    };
    Actor::resolve(policy, caller, line.wall())
}
