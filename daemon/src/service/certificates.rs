//! `certificate.list`, `certificate.get`.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{CertificateDetail, CertificateIdParams, CertificatePage, ListCertificatesParams};

use super::Service;
use super::decide::not_found;
use super::list::check_text;
use super::sight;
use crate::ipc::Connection;
use crate::store::rows::certificates;
use crate::store::rows::page::Window;

/// Versions that one answer holds.
const VERSIONS: u32 = 100;

/// A page of what the caller may see.
pub async fn list(
    service: &Service,
    connection: &Connection,
    params: ListCertificatesParams,
) -> Result<CertificatePage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    check_text(params.text.as_deref())?;
    let sight = sight::of(&service.actor(connection)?, &service.policy.now())?;
    let page = move |connection: &rusqlite::Connection| {
        let (certificates, next_cursor) = certificates::page(connection, &params, window, &sight)?;
        Ok(CertificatePage { certificates, next_cursor })
    };
    service.readers.read_for(connection.peer.uid(), page).await
}

/// One certificate with its versions and chain.
pub async fn get(
    service: &Service,
    connection: &Connection,
    params: CertificateIdParams,
) -> Result<CertificateDetail, ApiError> {
    let sight = sight::of(&service.actor(connection)?, &service.policy.now())?;
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let certificate = certificates::get(&snapshot, &params.id, &sight)?.ok_or_else(|| not_found(&params.id))?;
            let versions = certificates::versions(&snapshot, &params.id, VERSIONS)?;
            let chain_pem = certificates::chain_in_force(&snapshot, &params.id)?;
            snapshot.finish()?;
            Ok(CertificateDetail { certificate, versions, chain_pem })
        })
        .await
}
