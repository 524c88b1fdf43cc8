//! `certificate.list`, `certificate.get`.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{
    Certificate, CertificateDetail, CertificateIdParams, CertificateOrder, CertificatePage, CertificateSource,
    ListCertificatesParams, MAX_LIMIT,
};
use countersign_shared::time::Timestamp;
use rusqlite::Connection as Database;

use super::Service;
use super::decide::not_found;
use super::list::check_text;
use super::sight;
use crate::ipc::Connection;
use crate::store::rows::page::Window;
use crate::store::rows::{by_end, certificates, found};
use crate::store::sight::Sight;
use crate::x509::pem;

/// Versions that one answer holds.
const VERSIONS: u32 = 100;

/// The furthest end that is asked for, in days: a hundred years.
const FURTHEST: u32 = 36_500;
/// What the cursor of a page begins with that goes on among those that were found.
const FOUND: char = 'f';

/// A page of what the caller may see: those that were issued, newest first, and after the last of them those that were
/// found, newest first. Each table is read by its own index from its own row on; a cursor names the table and the row.
pub async fn list(
    service: &Service,
    connection: &Connection,
    params: ListCertificatesParams,
) -> Result<CertificatePage, ApiError> {
    let from = match params.order.unwrap_or(CertificateOrder::Newest) {
        CertificateOrder::Newest => Order::Newest(Start::new(&params)?),
        CertificateOrder::End => Order::End(by_end::Start::new(&params)?),
    };
    check_text(params.text.as_deref())?;
    if let Some(days) = params.expires_within.filter(|days| *days > FURTHEST) {
        return Err(ApiError::invalid(format!("`expires_within` is {days}; 0 to {FURTHEST} days are looked ahead")));
    }
    let sight = sight::of(&service.actor(connection)?, &service.policy.now())?;
    let now = service.line.wall();
    let page = move |connection: &Database| {
        let snapshot = connection.unchecked_transaction()?;
        let page = match &from {
            Order::Newest(from) => from.read(&snapshot, &params, &sight, now)?,
            Order::End(from) => {
                let mut page = from.read(&snapshot, &params, &sight, now)?;
                for certificate in &mut page.certificates {
                    seen(&snapshot, certificate, now)?;
                }
                page
            }
        };
        snapshot.finish()?;
        Ok(page)
    };
    service.readers.read_for(connection.peer.uid(), page).await
}

enum Order {
    Newest(Start),
    End(by_end::Start),
}

/// Where a page begins that has the newest first.
#[derive(Debug)]
struct Start {
    issued: Option<Window>,
    found: Option<Window>,
    limit: u32,
}

impl Start {
    fn new(params: &ListCertificatesParams) -> Result<Self, ApiError> {
        let source = params.source.unwrap_or(CertificateSource::Issued);
        // What was found has neither.
        let managed = params.profile.is_some() || params.environment.is_some();
        let among_found = params.cursor.as_deref().and_then(|cursor| cursor.strip_prefix(FOUND));
        let limit = Window::new(params.limit, None)?.limit;
        let issued = match (source, among_found) {
            (CertificateSource::Found, _) | (_, Some(_)) => None,
            _ => Some(Window::new(params.limit, params.cursor.as_deref())?),
        };
        let found = match source {
            CertificateSource::Issued => None,
            _ if managed => None,
            _ => Some(Window::new(params.limit, among_found)?),
        };
        let own = match source {
            CertificateSource::Issued => among_found.is_none(),
            CertificateSource::Found => params.cursor.is_none() || among_found.is_some(),
            CertificateSource::All => true,
        };
        match own {
            true => Ok(Self { issued, found, limit }),
            false => Err(ApiError::invalid("`cursor` is not one that a page of this source gave")
                .hint("pass next_cursor unchanged, and the same source")),
        }
    }

    fn read(
        &self,
        connection: &Database,
        params: &ListCertificatesParams,
        sight: &Sight,
        now: Timestamp,
    ) -> rusqlite::Result<CertificatePage> {
        let mut page = CertificatePage { certificates: Vec::new(), found: Vec::new(), next_cursor: None };
        if let Some(window) = self.issued {
            (page.certificates, page.next_cursor) = certificates::page(connection, params, window, sight, now)?;
            for certificate in &mut page.certificates {
                seen(connection, certificate, now)?;
            }
            if page.next_cursor.is_some() {
                return Ok(page);
            }
        }
        let Some(window) = self.found else { return Ok(page) };
        let rest = self.limit.saturating_sub(u32::try_from(page.certificates.len()).unwrap_or(MAX_LIMIT));
        if rest == 0 {
            // The first found one may be there: the next page says.
            page.next_cursor = Some(format!("{FOUND}{}", window.before));
            return Ok(page);
        }
        let (found, next) = found::page(connection, params, Window { limit: rest, ..window }, sight, now)?;
        page.found = found;
        page.next_cursor = next.map(|row| format!("{FOUND}{row}"));
        Ok(page)
    }
}

/// Adds what the clock and the inventory say of the version in force.
fn seen(connection: &Database, certificate: &mut Certificate, now: Timestamp) -> rusqlite::Result<()> {
    if let Some(version) = &certificate.current {
        certificate.days_left = Some(found::days_left(version.not_after, now));
        (certificate.places, certificate.places_total) = found::places(connection, &version.sha256)?;
    }
    Ok(())
}

/// One certificate with its versions or places, and its chain.
pub async fn get(
    service: &Service,
    connection: &Connection,
    params: CertificateIdParams,
) -> Result<CertificateDetail, ApiError> {
    let sight = sight::of(&service.actor(connection)?, &service.policy.now())?;
    let now = service.line.wall();
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let detail = match certificates::get(&snapshot, &params.id, &sight)? {
                Some(mut certificate) => {
                    seen(&snapshot, &mut certificate, now)?;
                    CertificateDetail {
                        versions: certificates::versions(&snapshot, &params.id, VERSIONS)?,
                        chain_pem: certificates::chain_in_force(&snapshot, &params.id)?,
                        certificate: Some(certificate),
                        found: None,
                    }
                }
                None => {
                    let found = found::get(&snapshot, &params.id, &sight, now)?.ok_or_else(|| not_found(&params.id))?;
                    let chain = found::chain(&snapshot, &found.sha256)?;
                    let chain = chain.iter().map(|der| pem::encode("CERTIFICATE", der)).collect();
                    CertificateDetail {
                        certificate: None,
                        found: Some(found),
                        versions: Vec::new(),
                        chain_pem: Some(chain),
                    }
                }
            };
            snapshot.finish()?;
            Ok(detail)
        })
        .await
}
