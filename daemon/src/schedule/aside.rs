//! Rows that cannot be read or moved: they are set aside, so that they are in nobody's way.

use countersign_shared::error::ErrorKind;
use rusqlite::ErrorCode;

use crate::store::transaction::Failure;

/// True where the failure lies in the row itself, and is the same however often it is tried.
///
/// Everything else (a full disk, a lock, a page that is damaged) concerns the database as a whole.
pub fn of_the_row(failure: &Failure) -> bool {
    match failure {
        Failure::Api(error) => matches!(error.kind, ErrorKind::Internal | ErrorKind::Conflict),
        Failure::Damage(_) => false,
        Failure::Database(error) => {
            // `Unknown` is SQLite's code for malformed JSON in a column.
            let codes = [ErrorCode::ConstraintViolation, ErrorCode::TypeMismatch, ErrorCode::Unknown];
            error.sqlite_error_code().is_none_or(|code| codes.contains(&code))
        }
    }
}
