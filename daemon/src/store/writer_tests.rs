use std::sync::Arc;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::{AuditAction, Category};
use countersign_shared::time::Timestamp;

use super::*;
use crate::clock::SystemClock;
use crate::in_force::PolicyInForce;
use crate::ledger::verify::{verify, verify_from};
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::migrations::{migrate, newest};
use crate::store::open::OpenError;
use crate::store::routing::Routes;
use crate::store::settings::{apply_to_writer, writer_flags};

struct Rig {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    writer: Writer,
}

fn rig() -> Rig {
    rig_with(|_| {})
}

fn rig_with(after_commit: impl FnMut(Vec<Effect>) + Send + 'static) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("countersign.db");
    let open = || -> Result<Connection, OpenError> {
        let mut connection = Connection::open_with_flags(&path, writer_flags())?;
        apply_to_writer(&connection)?;
        migrate(&mut connection, newest())?;
        Ok(connection)
    };
    let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
    let (writer, _) = Writer::start(open().unwrap(), Tail::default(), line, Health::default(), after_commit).unwrap();
    Rig { _dir: dir, path, writer }
}

fn note(transaction: &mut Transaction<'_>, resource: &str) -> Result<u64, Failure> {
    let draft = system_draft(SCHEDULER, AuditAction::PolicyLoaded, Category::Config, "policy", resource);
    Ok(transaction.record(draft)?.seq)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_or_panics_leaves_nothing_and_disturbs_nobody() {
    let rig = rig();
    let mut commands = Vec::new();
    for number in 0..200 {
        let writer = rig.writer.clone();
        commands.push(tokio::spawn(async move {
            writer
                .write(move |transaction| {
                    let seq = note(transaction, &number.to_string())?;
                    match number % 4 {
                        1 => Err(ApiError::invalid("refused after writing").into()),
                        2 => panic!("a fault that the test makes"),
                        3 => transaction.attempt(|inner| {
                            note(inner, "inner")?;
                            panic!("a fault deeper down, that the test makes")
                        }),
                        _ => Ok(seq),
                    }
                })
                .await
        }));
    }
    let mut kept = 0;
    for (number, command) in commands.into_iter().enumerate() {
        match (number % 4, command.await.unwrap()) {
            (0, Ok(_)) => kept += 1,
            (1, Err(error)) => assert_eq!(error.kind, ErrorKind::Invalid),
            (2 | 3, Err(error)) => assert_eq!(error.kind, ErrorKind::Internal),
            (_, other) => panic!("{number}: {other:?}"),
        }
    }
    let reader = Connection::open(&rig.path).unwrap();
    let verified = verify(&reader).unwrap();
    assert_eq!(verified.damage, None);
    assert_eq!((verified.tail.size(), rig.writer.tail().size()), (kept, kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_durable_and_in_order() {
    let rig = rig();
    let commands: Vec<_> = (0..500)
        .map(|number: u32| {
            let writer = rig.writer.clone();
            tokio::spawn(async move { writer.write(move |transaction| note(transaction, &number.to_string())).await })
        })
        .collect();
    let mut seqs = Vec::new();
    for command in commands {
        seqs.push(command.await.unwrap().unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (0..500).collect::<Vec<u64>>());
    let reader = Connection::open(&rig.path).unwrap();
    assert_eq!(verify(&reader).unwrap().tail, rig.writer.tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_after_the_commit_loses_no_answer_and_no_writer() {
    let rig = rig_with(|_| panic!("a fault that the test makes"));
    for seq in 0..3 {
        assert_eq!(rig.writer.write(|transaction| note(transaction, "x")).await.unwrap(), seq);
    }
}

type Steps = fn(&mut Transaction<'_>) -> Result<(), Failure>;

/// What a command does to the transaction that it runs in.
struct Step(Steps);

impl Command for Step {
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        self.0(transaction)
    }
    fn fail(&mut self, _: Failure) {}
    fn answer(self: Box<Self>, _: Result<(), ApiError>) {}
}

#[test]
fn a_transaction_that_is_gone_or_cannot_be_undone_fails_the_whole_group() {
    let steps: [Steps; 4] = [
        |transaction| {
            transaction.connection().execute_batch("ROLLBACK")?;
            Err(ApiError::invalid("refused").into())
        },
        |transaction| Ok(transaction.connection().execute_batch("ROLLBACK")?),
        |transaction| {
            transaction.connection().execute_batch("RELEASE attempt")?;
            Err(ApiError::invalid("refused").into())
        },
        |transaction| Ok(transaction.connection().execute_batch("RELEASE attempt")?),
    ];
    for (at, step) in steps.into_iter().enumerate() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let (mut tail, health) = (Tail::default(), Health::default());
        let fine: Steps = |transaction| note(transaction, "fine").map(drop);
        let mut commands: Vec<Box<dyn Command>> =
            vec![Box::new(Step(fine)), Box::new(Step(step)), Box::new(Step(fine))];
        group::run(&connection, &mut tail, &line, &Routes::default(), &mut commands, &health)
            .expect_err(&format!("step {at}"));
        assert!(connection.is_autocommit(), "step {at}");
        assert_eq!((tail.size(), integrity::read_tail(&connection).unwrap().unwrap().size()), (0, 0), "step {at}");
        assert_eq!(verify(&connection).unwrap().damage, None, "step {at}");
        group::run(&connection, &mut tail, &line, &Routes::default(), &mut commands[..1], &health).unwrap();
        assert_eq!(tail.size(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_process_holds_is_unavailable_and_nothing_else() {
    let rig = rig();
    let other = Connection::open(&rig.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = rig.writer.write(|transaction| note(transaction, "x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(rig.writer.write(|transaction| note(transaction, "x")).await.unwrap(), 0);
}

/// Policies that are told apart by their digests; they name no issuer.
fn rules(number: u32) -> crate::policy::Policy {
    crate::policy::Policy::parse(&format!("version = 1\n# {number}\n")).unwrap().0
}

/// A rig whose commits put policies in force.
fn rig_under(policy: &PolicyInForce) -> Rig {
    let policy = policy.clone();
    rig_with(move |effects| {
        for effect in effects {
            if let Effect::PolicyChanged(next) = effect {
                policy.replace(next);
            }
        }
    })
}

/// Keeps the writer busy until the answer is dropped or sent to.
async fn held(writer: &Writer) -> std::sync::mpsc::Sender<()> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, begin) = oneshot::channel();
    let holding = writer.clone();
    tokio::spawn(async move {
        let held = holding.write(move |_| {
            let _ = begun.send(());
            let _ = wait.recv();
            Ok(())
        });
        held.await
    });
    begin.await.unwrap();
    go
}

/// Queues a command after those that wait already.
async fn queued<T: Send + 'static>(
    writer: &Writer,
    steps: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure> + Send + 'static,
) -> tokio::task::JoinHandle<Result<T, ApiError>> {
    let (depth, sender) = (writer.queue_depth(), writer.clone());
    let command = tokio::spawn(async move { sender.write(steps).await });
    while writer.queue_depth() == depth {
        tokio::task::yield_now().await;
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn another_policy_holds_for_the_very_next_command_and_is_durable_by_then() {
    let policy = PolicyInForce::without_issuers(rules(1));
    let rig = rig_under(&policy);
    let go = held(&rig.writer).await;
    let next = policy.prepare(rules(2), Timestamp::EPOCH).unwrap();
    let changing = policy.clone();
    let change = queued(&rig.writer, move |transaction| {
        let seq = note(transaction, "the change")?;
        transaction.after_commit(Effect::PolicyChanged(next));
        // Whatever else this command does is judged by it, and nobody else sees it yet.
        Ok((seq, transaction.rules(&changing).sha256(), changing.now().sha256()))
    });
    let change = change.await;
    let mut after = Vec::new();
    for _ in 0..3 {
        let policy = policy.clone();
        let look = move |transaction: &mut Transaction<'_>| {
            Ok((transaction.durable_size(), policy.now().sha256(), transaction.rules(&policy).sha256()))
        };
        after.push(queued(&rig.writer, look).await);
    }
    go.send(()).unwrap();
    let (old, new) = (rules(1).sha256(), rules(2).sha256());
    assert_eq!(change.await.unwrap().unwrap(), (0, new, old));
    for look in after {
        assert_eq!(look.await.unwrap().unwrap(), (1, new, new));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_commit_or_command_fails_never_holds() {
    let policy = PolicyInForce::without_issuers(rules(1));
    let rig = rig_under(&policy);
    let old = rules(1).sha256();
    let change = |policy: &PolicyInForce| Effect::PolicyChanged(policy.prepare(rules(2), Timestamp::EPOCH).unwrap());

    // The group that it stands in cannot be committed.
    let go = held(&rig.writer).await;
    let broken = queued(&rig.writer, |transaction| {
        let db = transaction.connection();
        db.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        db.execute_batch(
            "INSERT INTO remarks (request_id, version, kind, uid, account, text, text_salt, at, seq)
             VALUES ('ar-none', 1, 'comment', 1, 'a', '', x'', 't', 0)",
        )?;
        Ok(())
    });
    let broken = broken.await;
    let effect = change(&policy);
    let lost = queued(&rig.writer, move |transaction| {
        note(transaction, "the change")?;
        transaction.after_commit(effect);
        Ok(())
    });
    let lost = lost.await;
    let seen = policy.clone();
    let next = queued(&rig.writer, move |transaction| Ok((transaction.durable_size(), seen.now().sha256()))).await;
    go.send(()).unwrap();
    assert!(broken.await.unwrap().is_err() && lost.await.unwrap().is_err());
    let _ = next.await.unwrap();
    assert_eq!((rig.writer.tail().size(), policy.now().sha256()), (0, old));

    // The command that brings it is undone.
    let effect = change(&policy);
    let undone = rig.writer.write::<(), _>(move |transaction| {
        note(transaction, "the change")?;
        transaction.after_commit(effect);
        Err(ApiError::invalid("refused after all").into())
    });
    assert!(undone.await.is_err());
    let seen = policy.clone();
    let now = rig.writer.write(move |transaction| Ok(transaction.rules(&seen).sha256())).await.unwrap();
    assert_eq!((now, policy.now().sha256()), (old, old));
}

#[test]
fn what_a_failed_commit_would_have_done_is_handed_over() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, newest()).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
    let (mut tail, health) = (Tail::default(), Health::default());
    let step: Steps = |transaction| {
        note(transaction, "x")?;
        transaction.after_commit(Effect::JobReady);
        transaction.connection().execute_batch(
            "PRAGMA defer_foreign_keys = ON;
             INSERT INTO remarks (request_id, version, kind, uid, account, text, text_salt, at, seq)
             VALUES ('ar-none', 1, 'comment', 1, 'a', '', x'', 't', 0)",
        )?;
        Ok(())
    };
    let mut commands: Vec<Box<dyn Command>> = vec![Box::new(Step(step))];
    let undone = group::run(&connection, &mut tail, &line, &Routes::default(), &mut commands, &health).unwrap_err();
    let (would_be, effects) = *undone.unless_durable.unwrap();
    assert_eq!((would_be.size(), effects, tail.size()), (1, vec![Effect::JobReady], 0));
    assert!(connection.is_autocommit());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_goes_on_where_the_one_before_ended_and_keeps_the_roots_it_is_asked_for() {
    let rig = rig();
    let write = |count: u32| {
        let writer = rig.writer.clone();
        async move {
            for number in 0..count {
                writer.write(move |transaction| note(transaction, &number.to_string())).await.unwrap();
            }
            writer.tail()
        }
    };
    let first = write(40).await;
    let reader = Connection::open(&rig.path).unwrap();
    let begun = verify_from(&reader, Tail::default(), &[7, 40, 60], &mut |_, _| {}).unwrap();
    assert_eq!((begun.damage, &begun.tail), (None, &first));
    assert_eq!(begun.roots.keys().copied().collect::<Vec<_>>(), [7, 40]);
    assert_eq!(begun.roots[&40], first.frontier().root());

    let second = write(40).await;
    let gone_on = verify_from(&reader, first.clone(), &[7, 40, 80], &mut |_, _| {}).unwrap();
    assert_eq!((gone_on.damage, &gone_on.tail), (None, &second));
    assert_eq!(gone_on.roots.keys().copied().collect::<Vec<_>>(), [40, 80]);
    // It vouches for nothing before its begin, and for all behind it.
    for (number, (sql, gone_on, whole)) in [
        ("UPDATE audit_events SET actor = 'x' WHERE seq = 50", Some("columns"), "columns"),
        ("UPDATE audit_events SET actor = 'x' WHERE seq = 30", None, "columns"),
        ("DELETE FROM audit_events WHERE seq >= 50", Some("truncated"), "truncated"),
        ("UPDATE ledger_frontier SET size = 32, peaks = zeroblob(32)", Some("truncated"), "inserted"),
        ("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE idx = 0", None, "nodes"),
        ("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE idx = 3", Some("nodes"), "nodes"),
        ("DELETE FROM ledger_nodes WHERE idx = 0", Some("nodes"), "nodes"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = rig.path.with_extension(number.to_string());
        reader.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
        let copy = Connection::open(&path).unwrap();
        let triggers = "DROP TRIGGER audit_events_no_update; DROP TRIGGER audit_events_no_delete;
             DROP TRIGGER ledger_nodes_no_update; DROP TRIGGER ledger_nodes_no_delete;";
        copy.execute_batch(&format!("{triggers} {sql}")).unwrap();
        let rule =
            |begin: Tail| verify_from(&copy, begin, &[], &mut |_, _| {}).unwrap().damage.map(|damage| damage.rule);
        assert_eq!(rule(first.clone()).as_deref(), gone_on, "{sql}");
        assert_eq!(rule(Tail::default()).as_deref(), Some(whole), "{sql}");
    }
}
