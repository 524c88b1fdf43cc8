//! Opening a copied database without changing it.
//!
//! SQLite reads a database that nobody writes to as it lies (`immutable`). Where a log lies beside it (`-wal`, or the
//! `-journal` of another mode), what it holds belongs to the database, and reading it writes beside it: then a copy in a
//! private directory is read, which goes with this value.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::Unusable;

/// A database that is read and never changed.
pub struct Opened {
    /// To read.
    pub connection: Connection,
    _copy: Option<TempDir>,
}

/// Opens the database at `path`.
pub fn open(path: &Path) -> Result<Opened, Unusable> {
    let path = std::path::absolute(path)?;
    let logs: Vec<PathBuf> = ["-wal", "-journal"].iter().map(|end| beside(&path, end)).collect();
    let mut filled = Vec::new();
    for log in logs {
        match std::fs::metadata(&log) {
            Ok(found) if is_filled(&found) => filled.push(log),
            Ok(found) if !found.is_file() => {
                return Err(Unusable::Other("what lies beside it under the name of its log is not a plain file"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (connection, copy) = if filled.is_empty() {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        (Connection::open_with_flags(format!("file:{}?immutable=1", escaped(&path)), flags)?, None)
    } else {
        let private = tempfile::Builder::new().prefix("countersign-verify-").tempdir()?;
        let copy = private.path().join("copy.db");
        std::fs::copy(&path, &copy)?;
        for log in filled {
            let end = if log.as_os_str().as_encoded_bytes().ends_with(b"-wal") { "-wal" } else { "-journal" };
            std::fs::copy(&log, beside(&copy, end))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        (Connection::open_with_flags(&copy, flags)?, Some(private))
    };
    guard(&connection)?;
    Ok(Opened { connection, _copy: copy })
}

fn is_filled(found: &Metadata) -> bool {
    found.is_file() && found.len() > 0
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The file is somebody else's: nothing in it runs, and nothing of it is larger than a record can be by far.
fn guard(connection: &Connection) -> rusqlite::Result<()> {
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    ] {
        connection.set_db_config(config, on)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 8 * 1024 * 1024)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "cell_size_check", 1)?;
    connection.pragma_update(None, "query_only", 1)
}

/// A path as the path of a URI (RFC 3986 §2.1): whatever is not plain is escaped, octet by octet.
fn escaped(path: &Path) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-_.~".contains(&octet);
    let octets = path.as_os_str().as_encoded_bytes().iter();
    octets.map(|octet| if plain(*octet) { char::from(*octet).to_string() } else { format!("%{octet:02X}") }).collect()
}
