use std::sync::Arc;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::{AuditAction, Category};

use super::*;
use crate::clock::SystemClock;
use crate::ledger::verify::verify;
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::migrations::{migrate, newest};
use crate::store::open::OpenError;
use crate::store::settings::{apply_to_writer, writer_flags};

struct Rig {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    writer: Writer,
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("countersign.db");
    let open = || -> Result<Connection, OpenError> {
        let mut connection = Connection::open_with_flags(&path, writer_flags())?;
        apply_to_writer(&connection)?;
        migrate(&mut connection, newest())?;
        Ok(connection)
    };
    let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
    let (writer, _) = Writer::start(open().unwrap(), Tail::default(), line, Health::default(), |_| {}).unwrap();
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
