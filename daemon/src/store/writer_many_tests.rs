//! Many writers at the same time, and many rows.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;

/// Rows of the ledger that each run makes.
const ROWS: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_lose_nothing_and_the_order_is_the_sequence() {
    written_by(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_lose_nothing_and_the_order_is_the_sequence() {
    written_by(64).await;
}

/// Each writer has one command on the way at a time, of as many records as fill the groups in either run.
async fn written_by(writers: usize) {
    let rig = rig();
    let begin = Instant::now();
    let a_time = 640 / writers;
    let mut running = Vec::new();
    for name in 0..writers {
        let writer = rig.writer.clone();
        let each = ROWS / writers + usize::from(name < ROWS % writers);
        running.push(tokio::spawn(async move {
            let mut numbers = Vec::with_capacity(each);
            while numbers.len() < each {
                let (from, to) = (numbers.len(), each.min(numbers.len() + a_time));
                let some = writer.write(move |transaction| {
                    (from..to).map(|at| note(transaction, &format!("{name}-{at}"))).collect::<Result<Vec<u64>, _>>()
                });
                numbers.extend(some.await.unwrap());
            }
            numbers
        }));
    }
    let mut told = BTreeMap::new();
    for (name, running) in running.into_iter().enumerate() {
        let numbers = running.await.unwrap();
        assert!(numbers.is_sorted(), "writer {name} saw its own records out of order");
        told.extend(numbers.into_iter().enumerate().map(|(at, seq)| (seq, format!("{name}-{at}"))));
    }
    let took = begin.elapsed();
    assert_eq!(told.len(), ROWS);
    assert_eq!(told.keys().copied().collect::<Vec<u64>>(), (0..ROWS as u64).collect::<Vec<u64>>());

    let reader = Connection::open(&rig.path).unwrap();
    let verified = verify(&reader).unwrap();
    assert_eq!((verified.damage, verified.tail.size()), (None, ROWS as u64));
    assert_eq!(verified.tail, rig.writer.tail());
    let mut statement = reader.prepare("SELECT seq, resource_id FROM audit_events ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))).unwrap();
    assert!(rows.map(Result::unwrap).eq(told), "what was answered is not what is there");
    eprintln!("{writers} writers, {ROWS} rows: written in {took:?}, verified in {:?}", begin.elapsed() - took);
}
