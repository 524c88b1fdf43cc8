//! What was found takes its place in the database: from a scan of the daemon's own (`schedule::inventory`) and from
//! `certificate.import`, by the same steps.

pub mod book;
pub mod import;
mod intake;

#[cfg(test)]
mod book_tests;

pub use book::{Book, Owners, Seer, rest};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::decide::not_found;
use crate::store::rows::found;
use crate::store::sight::Sight;

/// Why nothing is done (`what`: renewed, revoked) to a certificate that is not among those that were issued. Whoever sees
/// one that was found is not told that it is not there.
pub fn not_issued(
    connection: &Connection,
    id: &CertificateId,
    sight: &Sight,
    what: &str,
) -> rusqlite::Result<ApiError> {
    let Some(found) = found::get(connection, id, sight, Timestamp::EPOCH)? else { return Ok(not_found(id)) };
    let message = format!("{id} was found here and not issued: it is not {what} here");
    let hint = match found.issued_as {
        Some(issued) => format!("it is a version of {issued} that was replaced: have what presents it reloaded"),
        None => "whoever issued it does that; one of your own for its names: countersign request".to_owned(),
    };
    Ok(ApiError::new(ErrorKind::Conflict, message).hint(hint))
}
