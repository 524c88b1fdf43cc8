//! What the watch keeps in `meta` between passes and across restarts: which time it was, and by which plan.

use countersign_shared::digest::Digest;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::reckoning::{Reading, Reckoning, reckon};
use crate::clock::TimeLine;
use crate::store::rows::meta;

const RECKONING: &str = "expiry_reckoning";
const EPOCH: &str = "expiry_epoch";

/// A plan of all certificates: counted up when another policy takes force and when time went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    epoch: u64,
    policy_sha256: Digest,
}

/// Which time it is, by the clocks and by what was kept. Nothing is written.
pub fn now(connection: &Connection, line: &TimeLine) -> rusqlite::Result<Timestamp> {
    let kept = get::<Reckoning>(connection, RECKONING)?;
    Ok(reckon(kept, line.wall().unix_millis(), line.tick(), line.mark().offset).now)
}

/// Reads the clocks against what was kept, and keeps what they say: the time, and the epoch under the policy `sha256`. `wall`
/// is in milliseconds since 1970, `tick` of the same moment on its `line`.
pub fn read_clocks(
    connection: &Connection,
    (wall, tick, line): (i64, i64, i64),
    sha256: Digest,
) -> rusqlite::Result<(Reading, u64)> {
    let reading = reckon(get::<Reckoning>(connection, RECKONING)?, wall, tick, line);
    put(connection, RECKONING, &reading.kept)?;
    let before: Option<Epoch> = get(connection, EPOCH)?;
    let epoch = match before {
        Some(before) if before.policy_sha256 == sha256 && !reading.went_back => return Ok((reading, before.epoch)),
        Some(before) => before.epoch.saturating_add(1),
        // Whatever was planned before is stale.
        None => connection.query_row("SELECT coalesce(max(epoch), 0) + 1 FROM expiry_watch", [], |row| row.get(0))?,
    };
    put(connection, EPOCH, &Epoch { epoch, policy_sha256: sha256 })?;
    Ok((reading, epoch))
}

/// What cannot be read counts as not kept: the clocks are believed anew, and everything is planned anew.
fn get<T: serde::de::DeserializeOwned>(connection: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    let Some(raw) = meta::get(connection, key)? else { return Ok(None) };
    Ok(serde_json::from_str(&raw).inspect_err(|error| tracing::warn!("`{key}` of meta is begun anew: {error}")).ok())
}

fn put(connection: &Connection, key: &str, value: &impl Serialize) -> rusqlite::Result<()> {
    let text = serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    meta::set(connection, key, &text)
}

#[cfg(test)]
mod tests {
    use super::super::pass_tests::END;
    use super::super::plan_tests::plan;
    use super::super::reckoning::BEHIND_SETTLES;
    use super::super::rows_tests::House;
    use super::*;

    #[test]
    fn the_epoch_counts_policies_and_times_that_went_back() {
        let connection = House::new(plan("")).connection;
        let (one, other) = (Digest::of(&[b"1"]), Digest::of(&[b"2"]));
        let at = |wall: i64, tick: i64, policy| read_clocks(&connection, (wall, tick, 1), policy).unwrap();
        assert_eq!(at(END, END, one).1, 1);
        assert_eq!(at(END + 1000, END + 1000, one).1, 1, "also across restarts: nothing else is remembered");
        assert_eq!(at(END + 2000, END + 2000, other).1, 2);
        assert_eq!(at(END + 2000, END + 2000, one).1, 3);
        // A day and more behind, for a day.
        let behind = |later: i64| (END - 100 * BEHIND_SETTLES + later, END + 3000 + later);
        let (reading, epoch) = at(behind(0).0, behind(0).1, one);
        assert_eq!((reading.now.unix_millis(), epoch), (END + 3000, 3));
        let (reading, epoch) = at(behind(BEHIND_SETTLES).0, behind(BEHIND_SETTLES).1, one);
        assert_eq!((reading.now.unix_millis(), epoch), (behind(BEHIND_SETTLES).0, 4));
    }

    #[test]
    fn what_was_lost_or_cannot_be_read_makes_every_plan_stale() {
        let house = House::new(plan(""));
        house.watch("mc-1", 1, END);
        house.connection.execute_batch("UPDATE expiry_watch SET epoch = 9").unwrap();
        for broken in ["", "{}", "{\"epoch\":-1}"] {
            meta::set(&house.connection, EPOCH, broken).unwrap();
            meta::set(&house.connection, RECKONING, broken).unwrap();
            let (reading, epoch) = read_clocks(&house.connection, (END, END, 1), Digest::of(&[])).unwrap();
            assert_eq!((reading.now.unix_millis(), epoch), (END, 10), "{broken}");
        }
    }
}
