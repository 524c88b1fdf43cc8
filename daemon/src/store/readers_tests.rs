use super::super::settings::{apply_to_writer, writer_flags};
use super::*;

/// A query that has no end.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

fn readers(deadline: Duration) -> (tempfile::TempDir, Readers) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.db");
    apply_to_writer(&Connection::open_with_flags(&path, writer_flags()).unwrap()).unwrap();
    (dir, Readers(Arc::new(Pool::new(path, deadline, Health::default()))))
}

fn number(connection: &Connection, sql: &str) -> Result<i64, Failure> {
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

#[tokio::test]
async fn a_query_of_a_caller_ends_at_its_deadline_and_the_connection_goes_on() {
    let (_dir, readers) = readers(Duration::from_millis(50));
    let callers = readers.for_callers();
    for _ in 0..3 {
        let error = callers.read_for(7, |connection| number(connection, ENDLESS)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.hint.contains("narrow the filter"), "{error:?}");
        assert_eq!(callers.read_for(7, |connection| number(connection, "SELECT 5")).await.unwrap(), 5);
    }
    // The deadline of the query before does not reach into what has none.
    let long =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n";
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(readers.read(move |connection| number(connection, long)).await.unwrap(), 1_000_000);
    assert_eq!(callers.read_apart(move |connection| number(connection, long)).await.unwrap(), 1_000_000);
}

#[tokio::test]
async fn a_user_who_reads_for_ever_keeps_neither_the_daemon_nor_others_from_reading() {
    let (_dir, readers) = readers(Duration::from_secs(60));
    let callers = readers.for_callers();
    let (release, _) = tokio::sync::broadcast::channel::<()>(1);
    let mut busy = Vec::new();
    // Three users with more queries than there are turns: two of one run, two of the next, and everything else waits.
    for uid in [1, 1, 1, 1, 1, 1] {
        let (callers, mut until) = (callers.clone(), release.subscribe());
        busy.push(tokio::spawn(async move {
            callers
                .read_for(uid, move |connection| {
                    let _ = until.blocking_recv();
                    number(connection, "SELECT 1")
                })
                .await
        }));
    }
    while callers.0.turns.available_permits() > TURNS - TURNS_PER_UID {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        assert_eq!(callers.read_for(2, |connection| number(connection, "SELECT 2")).await.unwrap(), 2);
        assert_eq!(readers.read(|connection| number(connection, "SELECT 3")).await.unwrap(), 3);
    }
    assert_eq!(callers.0.turns.available_permits(), TURNS - TURNS_PER_UID);
    // All turns taken: the daemon itself still reads.
    for uid in [3, 4] {
        let (callers, mut until) = (callers.clone(), release.subscribe());
        busy.push(tokio::spawn(async move {
            callers
                .read_for(uid, move |connection| {
                    let _ = until.blocking_recv();
                    number(connection, "SELECT 1")
                })
                .await
        }));
    }
    while callers.0.turns.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(readers.read(|connection| number(connection, "SELECT 3")).await.unwrap(), 3);
    drop(release);
    for query in busy {
        assert_eq!(query.await.unwrap().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_turn_lasts_as_long_as_its_query_and_not_as_its_caller() {
    let (_dir, readers) = readers(Duration::from_secs(60));
    let callers = readers.for_callers();
    let (release, mut until) = tokio::sync::broadcast::channel::<()>(1);
    let query = tokio::spawn({
        let callers = callers.clone();
        async move {
            callers
                .read_for(1, move |connection| {
                    let _ = until.blocking_recv();
                    number(connection, "SELECT 1")
                })
                .await
        }
    });
    while callers.0.turns.available_permits() == TURNS {
        tokio::task::yield_now().await;
    }
    query.abort();
    assert!(query.await.unwrap_err().is_cancelled());
    assert_eq!(callers.0.turns.available_permits(), TURNS - 1);
    drop(release);
    while callers.0.turns.available_permits() < TURNS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
