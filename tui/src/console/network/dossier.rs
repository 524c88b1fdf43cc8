//! A certificate and what stands around it, in one answer.

use countersign_shared::id::CertificateId;
use countersign_shared::protocol::method::{AlertList, CertificateGet, Method, ProfileGet, RequestList};
use countersign_shared::protocol::{CertificateIdParams, ListAlertsParams, ListRequestsParams, ProfileIdParams};

use crate::client::{Client, ClientError};
use crate::console::state::Dossier;

/// Requests and messages that are shown of one certificate, of each.
const NEWEST: u32 = 20;

/// Reads it. What the daemon refuses besides the certificate is left out; a connection that is lost ends it.
pub fn read(client: &mut Client, id: CertificateId) -> Result<Dossier, ClientError> {
    let detail = client.call::<CertificateGet>(&CertificateIdParams { id: id.clone() })?;
    let profile = match &detail.certificate {
        Some(certificate) => around::<ProfileGet>(client, &ProfileIdParams { id: certificate.profile_id.clone() })?,
        None => None,
    };
    let asked = ListRequestsParams { certificate: Some(id.clone()), limit: Some(NEWEST), ..Default::default() };
    let requests = around::<RequestList>(client, &asked)?.map(|page| page.requests);
    let told = ListAlertsParams { certificate: Some(id.clone()), limit: Some(NEWEST), ..Default::default() };
    let alerts = around::<AlertList>(client, &told)?.map(|page| page.alerts);
    Ok(Dossier { id, detail, profile, requests, alerts })
}

fn around<M: Method>(client: &mut Client, params: &M::Params) -> Result<Option<M::Result>, ClientError> {
    match client.call::<M>(params) {
        Ok(result) => Ok(Some(result)),
        Err(error) if error.refusal().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}
