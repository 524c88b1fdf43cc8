//! Durable decisions over the socket beside the file system's own append-and-fdatasync, and syncs a decision.
//!
//! The decision is a rejection: one commit and nothing behind it. An approval is the same commit and then an
//! order to the issuer, whose two commits share the disk with the next decisions; it has a row of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::DecideParams;
use countersign_shared::protocol::method::{RequestApprove, RequestReject};
use tokio::task::LocalSet;

use crate::caller::{Caller, frame};
use crate::daemon::Daemon;
use crate::disk::{DISKS, Disk, append_rate};
use crate::prefill::{Waiting, fill};
use crate::table::{Aim, Table};
use crate::{Bench, Result, measure};

const ROUNDS: usize = 5;
/// How long each side of a round takes.
const SPAN: Duration = Duration::from_millis(500);
/// Requests that wait on each disk: more than are decided there.
const QUEUE: u32 = 120_000;

/// Measures them.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for disk in DISKS {
        let state = bench.work.join(format!("decisions-{}", disk.micros.unwrap_or(0)));
        let waiting = Rc::new(RefCell::new(fill(&state, QUEUE)?));
        let daemon = Daemon::start(bench, &state, disk)?;
        for callers in [1, 8, 64] {
            let side = Side { bench, daemon: &daemon, waiting: &waiting, callers, verdict: Verdict::Reject };
            let mut syncs = Vec::new();
            let pair =
                measure::in_turns(ROUNDS, || side.rate(&mut syncs), || append_rate(&bench.shim, disk, &state, SPAN))?;
            let noun = if callers == 1 { "caller" } else { "callers" };
            let name = format!("{}: rejections, {callers} {noun}", disk.name);
            table.add(&name, "/s", &pair, aim(disk, callers));
            let syncs_aim = if callers == 1 { Aim::AtMost(1.05) } else { Aim::None };
            table.add_alone(format!("{}: syncs a rejection, {callers} {noun}", disk.name), "", &syncs, syncs_aim);
        }
        let side = Side { bench, daemon: &daemon, waiting: &waiting, callers: 1, verdict: Verdict::Approve };
        let mut syncs = Vec::new();
        let pair =
            measure::in_turns(ROUNDS, || side.rate(&mut syncs), || append_rate(&bench.shim, disk, &state, SPAN))?;
        table.add(format!("{}: approvals with issuing, 1 caller", disk.name), "/s", &pair, Aim::None);
    }
    Ok(())
}

fn aim(disk: Disk, callers: usize) -> Aim {
    match (disk.micros, callers) {
        (Some(50), 1) => Aim::AtLeast(0.5),
        (Some(50), 64) => Aim::AtLeast(1.0),
        (Some(5000), 1) => Aim::AtLeast(0.95),
        (Some(5000), 64) => Aim::AtLeast(30.0),
        _ => Aim::None,
    }
}

struct Side<'a> {
    bench: &'a Bench,
    daemon: &'a Daemon,
    waiting: &'a Rc<RefCell<Vec<Waiting>>>,
    callers: usize,
    verdict: Verdict,
}

impl Side<'_> {
    /// Decisions a second of all callers together; each asks again when it has its answer.
    fn rate(&self, syncs: &mut Vec<f64>) -> Result<f64> {
        let local = LocalSet::new();
        let verdict = self.verdict;
        let (rate, syncs_each) = local.block_on(&self.bench.runtime, async {
            let mut callers = Vec::with_capacity(self.callers);
            for _ in 0..self.callers {
                callers.push(Caller::acting_as(&self.daemon.socket, "bob").await?);
            }
            let done = Rc::new(Cell::new(0_u32));
            let (before, begin) = (self.daemon.syncs.read()?, Instant::now());
            let tasks: Vec<_> = callers
                .into_iter()
                .map(|caller| local.spawn_local(decide(caller, verdict, self.waiting.clone(), done.clone(), begin)))
                .collect();
            for task in tasks {
                task.await??;
            }
            let decided = f64::from(done.get());
            let rate = decided / begin.elapsed().as_secs_f64();
            Result::Ok((rate, (self.daemon.syncs.read()? - before) as f64 / decided))
        })?;
        syncs.push(syncs_each);
        Ok(rate)
    }
}

async fn decide(
    mut caller: Caller,
    verdict: Verdict,
    waiting: Rc<RefCell<Vec<Waiting>>>,
    done: Rc<Cell<u32>>,
    begin: Instant,
) -> Result<()> {
    while begin.elapsed() < SPAN {
        let next = waiting.borrow_mut().pop();
        let (id, digest) = next.ok_or("the queue is empty: it has to be longer for this machine")?;
        let params = DecideParams { id, digest, note: Some("not this one".into()), signature: None };
        let frame = match verdict {
            Verdict::Approve => frame::<RequestApprove>(&params)?,
            Verdict::Reject => frame::<RequestReject>(&params)?,
        };
        caller.ask(&frame).await?;
        done.set(done.get() + 1);
    }
    Ok(())
}
