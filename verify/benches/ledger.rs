//! A large ledger: verified whole, gone on with, and a record of it proved, beside the least that a verification does. See
//! `docs/benchmarks.md`.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_proof::tree::{leaf_hash, prove_inclusion, verify_inclusion};
use countersign_shared::digest::Digest;
use countersign_verify::chain::{Chain, Node};
use countersign_verify::columns::Columns;
use countersign_verify::frontier::{compare_frontier, stored_frontier};
use countersign_verify::nodes::{StoredNodes, compare_count};
use countersign_verify::offline::{self, Against};
use countersign_verify::pass::{Behind, Pass, Threads};
use nix::time::{ClockId, clock_gettime};
use rusqlite::{Connection, OpenFlags, params};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Each side of a comparison, in turns.
const ROUNDS: usize = 3;
/// Records that are added behind those that were verified.
const MORE: u64 = 10_000;
/// Proofs that are timed.
const PROOFS: u64 = 1000;
/// The columns that a verification looks at.
const SAME_COLUMNS: &str =
    "SELECT seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id,
    details, record FROM audit_events ORDER BY seq";

fn main() -> Result<()> {
    // Whoever runs every target as a test does not want to wait for minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rows: u64 = std::env::var("COUNTERSIGN_BENCH_RECORDS").map_or(Ok(10_000_000), |rows| rows.parse())?;
    let base = std::env::var_os("COUNTERSIGN_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let work = tempfile::Builder::new().prefix("ledger").tempdir_in(base)?;
    let kept = std::env::var_os("COUNTERSIGN_BENCH_LEDGER").map(PathBuf::from);
    let path = kept.unwrap_or_else(|| work.path().join("countersign.db"));
    let begin = Instant::now();
    let mut chain = if path.exists() { whole(&reader(&path)?, Threads::Two)? } else { Chain::default() };
    let short = rows.saturating_sub(chain.size());
    grow(&path, &mut chain, short)?;
    let (rows, octets) = (chain.size(), std::fs::metadata(&path)?.len());
    say(&format!("{rows} records, {} MiB, ready after {:.0} s", octets >> 20, begin.elapsed().as_secs_f64()));

    let connection = reader(&path)?;
    // Once for the file: both sides read it from the same cache, or both from the disk.
    bare(&connection)?;
    // What it has now is taken for its peak (proc_pid_clear_refs(5)): writing took more than verifying does.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = peak()?;
    let (mut one, mut two, mut floor, mut wide) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        two.push(timed(|| whole(&connection, Threads::Two))?);
        wide.push(timed(|| bare(&connection))?);
        one.push(timed(|| whole(&connection, Threads::One))?);
        floor.push(timed(|| bare_columns(&connection))?);
    }
    say(&format!("peak memory while verifying: {} KiB more than before", peak()? - before));
    let of = |took: &[Took], part: fn(&Took) -> Duration| took.iter().map(part).collect::<Vec<_>>();
    let (busier, both, clock) = (of(&two, Took::busier), of(&two, |took| took.all), of(&two, |took| took.clock));
    let (one, one_clock) = (of(&one, |took| took.all), of(&one, |took| took.clock));
    let (floor, wide, wide_clock) =
        (of(&floor, |took| took.all), of(&wide, |took| took.all), of(&wide, |took| took.clock));
    rates("verified on two threads, core time of the busier", rows, &busier);
    rates("verified on two threads, core time of both", rows, &both);
    rates("verified on one thread", rows, &one);
    rates("the same columns read, the record hashed", rows, &floor);
    rates("the record read and hashed", rows, &wide);
    ratios("the busier of two threads, beside the record read and hashed", &busier, &wide, 0.6);
    ratios("both of two threads, beside the record read and hashed", &both, &wide, 0.0);
    ratios("one thread, beside the record read and hashed", &one, &wide, 0.0);
    ratios("one thread, beside the same columns read and hashed", &one, &floor, 0.6);
    ratios("by the clock: two threads, beside the record read and hashed", &clock, &wide_clock, 0.0);
    ratios("by the clock: one thread, beside the record read and hashed", &one_clock, &wide_clock, 0.0);
    let hashing = hashed(&connection)?;
    say(&format!("SHA-256 alone: {:.2} million/s", rows as f64 / 1e6 / hashing.as_secs_f64()));

    let offline = timed(|| {
        let report = offline::verify(&path, &Against::default(), &mut |_, _| {})?;
        if report.intact { Ok(()) } else { Err(format!("{report:?}").into()) }
    })?;
    rates("offline, whole, core time of the busier of two threads", rows, &[offline.busier()]);

    let peaks = whole(&connection, Threads::Two)?;
    grow(&path, &mut chain, MORE)?;
    let mut resumed = Vec::new();
    for _ in 0..5 {
        let took = timed(|| gone_on(&connection, peaks.clone(), Threads::Two).map(drop))?;
        resumed.push(took.all.as_secs_f64() * 1e3);
    }
    say(&format!("{MORE} more, gone on with: {} ms of both threads (aim: under 50)", spread(&mut resumed)));

    let mut proofs = Vec::new();
    for number in 0..PROOFS {
        let seq = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows;
        // Too short for what the kernel counts of core time: the clock, of which the median counts.
        let begin = Instant::now();
        proved(&connection, &chain, seq)?;
        proofs.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    say(&format!("a proof of inclusion, made and verified: {} ms (aim: under 1)", spread(&mut proofs)));
    Ok(())
}

/// Appends records as the daemon keeps them.
fn grow(path: &Path, chain: &mut Chain, rows: u64) -> Result<()> {
    let db = Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = off; PRAGMA wal_autocheckpoint = 10000")?;
    if chain.size() == 0 {
        for step in SCHEMA {
            db.execute_batch(step)?;
        }
        db.execute_batch(&format!("PRAGMA application_id = {}; PRAGMA user_version = {}", 0x4353_474E, SCHEMA.len()))?;
    }
    // What guards the order costs a look-up for each record.
    let triggers =
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name IN ('audit_events', 'ledger_nodes')";
    let triggers = db
        .prepare(triggers)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    triggers.iter().try_for_each(|(name, _)| db.execute_batch(&format!("DROP TRIGGER {name}")))?;
    let end = chain.size() + rows;
    while chain.size() < end {
        db.execute_batch("BEGIN")?;
        {
            let mut record =
                db.prepare_cached("INSERT INTO audit_events VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")?;
            let mut node = db.prepare_cached("INSERT INTO ledger_nodes VALUES (?1, ?2, ?3)")?;
            for _ in 0..(end - chain.size()).min(100_000) {
                append(&mut record, &mut node, chain)?;
            }
        }
        let peaks: Vec<u8> = chain.frontier().peaks().iter().flat_map(|peak| *peak.as_bytes()).collect();
        db.execute("INSERT OR REPLACE INTO ledger_frontier VALUES (1, ?1, ?2)", params![chain.size(), peaks])?;
        db.execute_batch("COMMIT")?;
    }
    triggers.iter().try_for_each(|(_, sql)| db.execute_batch(sql))?;
    db.query_row("PRAGMA wal_checkpoint(truncate)", [], |_| Ok(()))?;
    Ok(())
}

/// An approval, as long as those of the daemon are.
fn append(
    record: &mut rusqlite::CachedStatement<'_>,
    node: &mut rusqlite::CachedStatement<'_>,
    chain: &mut Chain,
) -> Result<()> {
    let seq = chain.size();
    let event_id = format!("ev-{seq:013x}{:013x}", seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12);
    let at = format!(
        "2026-02-01T{:02}:{:02}:{:02}.{:03}Z",
        seq / 3_600_000 % 24,
        seq / 60_000 % 60,
        seq / 1000 % 60,
        seq % 1000
    );
    let resource = format!("ar-{:026x}", seq / 4);
    let digest = Digest::of(&[&seq.to_le_bytes()]);
    let details = format!(
        "{{\"boot_id\":\"2f1c9a3e-5d1b-4a5e-9d53-08c1c7a2b9f4\",\"digest\":\"{digest}\",\"login_uid\":61002,\"person\":\"bob\",\
         \"policy_sha256\":\"{digest}\",\"quorum\":[\"web:2\"],\"session\":7,\"state\":\"pending\",\"tick\":{seq},\
         \"uid\":61002,\"version\":1,\"votes\":1,\"votes_needed\":2}}"
    );
    let columns = [
        event_id.as_str(),
        &at,
        "csbob",
        "User",
        "approval_approved",
        "cert_lifecycle",
        "request",
        &resource,
        &details,
    ];
    let [id, created_at, actor, actor_type, action, category, resource_type, resource_id, details] =
        columns.map(str::as_bytes);
    let mut bytes = Vec::with_capacity(1024);
    Columns { seq, event_id: id, created_at, actor, actor_type, action, category, resource_type, resource_id, details }
        .write_record(&chain.prev(), &mut bytes);
    let [id, at, actor, actor_type, action, category, resource_type, resource_id, details] = columns;
    record.execute(params![
        seq,
        id,
        at,
        actor,
        actor_type,
        action,
        category,
        resource_type,
        resource_id,
        details,
        bytes
    ])?;
    let mut stored = Ok(0);
    chain.advance(leaf_hash(&bytes), |Node { level, index, hash }| {
        if stored.is_ok() {
            stored = node.execute(params![level, index, hash.as_bytes()]);
        }
    });
    stored?;
    Ok(())
}

const SCHEMA: &[&str] = &[
    include_str!("../../migrations/0001_init.up.sql"),
    include_str!("../../migrations/0002_two_person.up.sql"),
    include_str!("../../migrations/0003_revocation.up.sql"),
    include_str!("../../migrations/0004_alerts.up.sql"),
    include_str!("../../migrations/0005_inventory.up.sql"),
    include_str!("../../migrations/0006_ledger.up.sql"),
    include_str!("../../migrations/0007_audit_queries.up.sql"),
    include_str!("../../migrations/0008_repair.up.sql"),
    include_str!("../../migrations/0009_signatures.up.sql"),
    include_str!("../../migrations/0010_archives.up.sql"),
];

/// As the daemon's readers are.
fn reader(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA cell_size_check = 1; PRAGMA trusted_schema = 0")?;
    Ok(connection)
}

/// What a piece of work took. Core time is what other programs that want the same cores do not add to.
struct Took {
    /// By the clock.
    clock: Duration,
    /// Core time of this thread, reading included.
    here: Duration,
    /// Core time of all threads.
    all: Duration,
}

impl Took {
    /// Core time of the busier of two threads: what the clock shows where each has a core.
    fn busier(&self) -> Duration {
        self.here.max(self.all.saturating_sub(self.here))
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Took> {
    let here = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
    let all = || clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from);
    let (clock, here_before, all_before) = (Instant::now(), here()?, all()?);
    std::hint::black_box(work()?);
    Ok(Took { clock: clock.elapsed(), here: here()? - here_before, all: all()? - all_before })
}

fn whole(connection: &Connection, threads: Threads) -> Result<Chain> {
    gone_on(connection, Chain::default(), threads)
}

fn gone_on(connection: &Connection, begin: Chain, threads: Threads) -> Result<Chain> {
    let snapshot = connection.unchecked_transaction()?;
    let mut pass = Pass::begin(begin, []);
    pass.records_on(threads, &snapshot, true, Behind::Left, &mut |_, _| {})?;
    let (chain, damage, _) = pass.into_parts();
    let found = damage.or(compare_frontier(&stored_frontier(&snapshot)?, chain.frontier()));
    match found.or(compare_count(&snapshot, chain.size())?) {
        Some(damage) => Err(format!("the ledger does not verify: {}", damage.text).into()),
        None => Ok(chain),
    }
}

/// Each record read and hashed, nothing else.
fn bare(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare("SELECT record FROM audit_events ORDER BY seq")?;
    let (mut rows, mut count) = (statement.query([])?, 0);
    while let Some(row) = rows.next()? {
        std::hint::black_box(Digest::of(&[row.get_ref(0)?.as_blob()?]));
        count += 1;
    }
    Ok(count)
}

/// Every column read, the record hashed; nothing is compared.
fn bare_columns(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare(SAME_COLUMNS)?;
    let (mut rows, mut count) = (statement.query([])?, 0);
    while let Some(row) = rows.next()? {
        for column in 0..10 {
            std::hint::black_box(row.get_ref(column)?);
        }
        std::hint::black_box(Digest::of(&[row.get_ref(10)?.as_blob()?]));
        count += 1;
    }
    Ok(count)
}

/// Only the hashing is timed, not how the octets come into memory.
fn hashed(connection: &Connection) -> Result<Duration> {
    let mut statement = connection.prepare("SELECT record FROM audit_events ORDER BY seq")?;
    let (mut rows, mut took, mut chunk) = (statement.query([])?, Duration::ZERO, Vec::<Vec<u8>>::new());
    loop {
        let row = rows.next()?;
        let ended = row.is_none();
        if let Some(row) = row {
            chunk.push(row.get(0)?);
        }
        if ended || chunk.len() == 10_000 {
            let hashing = timed(|| {
                chunk.drain(..).for_each(|record| {
                    std::hint::black_box(Digest::of(&[&record]));
                });
                Ok(())
            })?;
            took += hashing.here;
        }
        if ended {
            return Ok(took);
        }
    }
}

fn proved(connection: &Connection, chain: &Chain, seq: u64) -> Result<()> {
    let record: Vec<u8> = connection
        .prepare_cached("SELECT record FROM audit_events WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))?;
    let path = prove_inclusion(&StoredNodes(connection), seq, chain.size())?.ok_or("there is no such record")?;
    verify_inclusion(&leaf_hash(&record), seq, chain.size(), &path, &chain.frontier().root())
        .map_err(|error| error.to_string())?;
    Ok(())
}

/// The most memory that this process ever had, in KiB (`VmHWM`, proc_pid_status(5)).
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

fn rates(what: &str, rows: u64, took: &[Duration]) {
    let mut rates: Vec<f64> = took.iter().map(|took| rows as f64 / 1e6 / took.as_secs_f64()).collect();
    say(&format!("{what}: {} million/s", spread(&mut rates)));
}

fn ratios(what: &str, ours: &[Duration], floor: &[Duration], aim: f64) {
    let mut ratios: Vec<f64> =
        ours.iter().zip(floor).map(|(ours, floor)| floor.as_secs_f64() / ours.as_secs_f64()).collect();
    let aim = if aim > 0.0 { format!(" (aim: at least {aim})") } else { String::new() };
    say(&format!("{what}: {}{aim}", spread(&mut ratios)));
}

/// The median, and between what it lies.
fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    match (values.first(), values.get(values.len() / 2), values.last()) {
        (Some(low), Some(median), Some(high)) => format!("{median:.3} ({low:.3} to {high:.3})"),
        _ => "nothing".to_owned(),
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
