//! `certificate.import`: certificates in files that the caller has read, and the daemon has not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    ImportItem, ImportParams, ImportResult, ImportedCertificate, ImportedItem, MAX_IMPORT,
};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use data_encoding::BASE64;

use super::intake::MOST as MOST_IN_A_DAY;
use super::{Book, Seer};
use crate::inventory::{Limits, Place, Scan, Sighting, scan_octets, take_in};
use crate::ipc::Connection;
use crate::policy::Permission;
use crate::service::actor::Actor;
use crate::service::{Service, refusal};
use crate::store::Transaction;
use crate::store::rows::found;
use crate::store::rows::inventory::{Scope, places_below, standing};
use crate::store::rows::inventory_intake::Intake;
use crate::store::transaction::Failure;

/// How long the files of one call may take to be read; keystores cost what their files ask for.
const TIME: Duration = Duration::from_secs(10);
/// The longest path, in octets as it is written.
const MAX_PATH: usize = 4096;
/// The longest password, in octets.
const MAX_PASSWORD: usize = 1024;
/// Certificates that one account has imported and that are looked after, at most.
const MOST: u64 = 5000;
/// Problems of one file that are told.
const TOLD: usize = 20;

/// Imports that run: one at a time, since each may cost seconds of computing.
#[derive(Debug)]
pub struct Imports(tokio::sync::Semaphore);

impl Default for Imports {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(1))
    }
}

/// A file as it was read, with the place it stands for.
struct Read {
    item: ImportItem,
    place: Place,
    /// Nothing where the file is gone.
    scan: Scan,
}

/// Takes files in: all of them, or none.
pub async fn import(
    service: &Service,
    connection: &Connection,
    params: ImportParams,
) -> Result<ImportResult, ApiError> {
    let places = check_shape(&params)?;
    let gone_alone = params.items.iter().all(|item| item.octets.is_none());
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit_record(service, &actor)?;
    let rows = if may_import(&actor, gone_alone).is_ok() {
        let turn = service.imports.0.acquire().await;
        let _turn = turn.map_err(|_| ApiError::new(ErrorKind::Unavailable, "the daemon stops"))?;
        let (uid, now) = (actor.party.uid, service.line.wall());
        let read = tokio::task::spawn_blocking(move || read_all(params, places, uid, now)).await;
        read.map_err(|_| ApiError::internal("a fault of the daemon ended the thread that read the files"))??
    } else {
        // Nothing is computed for whoever may not; the transaction says so, and that is recorded.
        Vec::new()
    };
    let (policy, by) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &by, "certificate.import", ("certificate", "any"), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = &*by.under(&rules, transaction.now());
                may_import(actor, gone_alone)?;
                let items = rows.into_iter().map(|read| take(transaction, actor, read)).collect::<Result<_, _>>()?;
                not_too_many(transaction, actor)?;
                Ok(items)
            })
        })
        .await?
        .map(|items| ImportResult { items })
}

/// Whoever may import, and whoever looks after what was found where all that is said is that files are gone.
fn may_import(actor: &Actor, gone_alone: bool) -> Result<(), ApiError> {
    if gone_alone && actor.permissions.allows(Permission::ManageFound) {
        return Ok(());
    }
    if actor.permissions.allows(Permission::ImportCertificates) {
        return Ok(());
    }
    let message = format!("{} is no requester, and requesters import certificates", actor.party.account);
    Err(ApiError::new(ErrorKind::Forbidden, message)
        .hint(Permission::ImportCertificates.needed())
        .rule("not_requester"))
}

/// What was imported alerts until it is dealt with: nobody makes others look after any number of certificates.
fn not_too_many(transaction: &Transaction<'_>, actor: &Actor) -> Result<(), Failure> {
    let count = found::imported_by(transaction.connection(), actor.party.uid)?;
    if count <= MOST {
        return Ok(());
    }
    let message = format!("{} would have {count} imported certificates; at most {MOST} are taken", actor.party.account);
    let error = ApiError::new(ErrorKind::RateLimited, message);
    Err(error.hint("end what is there no longer with countersign import --gone, or have the daemon look there").into())
}

fn check_shape(params: &ImportParams) -> Result<Vec<Place>, ApiError> {
    let count = params.items.len();
    if !(1..=MAX_IMPORT).contains(&count) {
        return Err(ApiError::invalid(format!("`items` has {count} files; one call takes 1 to {MAX_IMPORT}")));
    }
    let mut places = Vec::with_capacity(count);
    for item in &params.items {
        let shown = || format!("{:.128}", item.path.safe().to_string());
        let place = match item.path.raw() {
            path if path.len() > MAX_PATH => Err("it is too long"),
            path => format!("file:{path}").parse::<Place>(),
        };
        let place = place.map_err(|why| ApiError::invalid(format!("`path` {}: {why}", shown())))?;
        if item.password.as_ref().is_some_and(|password| password.len() > MAX_PASSWORD) {
            let message = format!("`password` of {}: at most {MAX_PASSWORD} octets", shown());
            return Err(ApiError::invalid(message));
        }
        places.push(place);
    }
    if places.iter().collect::<BTreeSet<_>>().len() < count {
        return Err(ApiError::invalid("`items` names a file twice"));
    }
    Ok(places)
}

fn read_all(params: ImportParams, places: Vec<Place>, uid: u32, now: Timestamp) -> Result<Vec<Read>, ApiError> {
    let begin = Instant::now();
    let mut all = Vec::with_capacity(places.len());
    for (item, place) in params.items.into_iter().zip(places) {
        if begin.elapsed() > TIME {
            let message = format!("reading the files took more than {} s; nothing was imported", TIME.as_secs());
            return Err(ApiError::new(ErrorKind::Unavailable, message)
                .hint("import fewer at once; keystores with many rounds of key derivation take long"));
        }
        let scan = match (&item.octets, place.path()) {
            (Some(octets), Some(path)) => {
                let octets = BASE64.decode(octets.as_bytes()).map_err(|error| {
                    let path = item.path.safe().to_string();
                    ApiError::invalid(format!("`octets` of {path:.128}: no base 64: {error}"))
                })?;
                scan_octets(path, octets, item.password.as_deref(), uid, Limits::default(), now)
            }
            _ => nothing_at(&place, now),
        };
        all.push(Read { item: ImportItem { octets: None, password: None, ..item }, place, scan });
    }
    Ok(all)
}

/// A look that found no file.
fn nothing_at(place: &Place, now: Timestamp) -> Scan {
    Scan {
        taken_at: now,
        certificates: Default::default(),
        sightings: Vec::new(),
        findings: Vec::new(),
        findings_left_out: 0,
        covered: BTreeSet::from([place.clone()]),
        unseen: BTreeSet::new(),
    }
}

fn take(transaction: &mut Transaction<'_>, actor: &Actor, mut read: Read) -> Result<ImportedItem, Failure> {
    let own = || Scope::Of(format!("uid:{}", actor.party.uid));
    let is_gone = read.scan.sightings.is_empty() && read.scan.findings.is_empty();
    let scope = if is_gone && actor.permissions.allows(Permission::ManageFound) { Scope::Imports } else { own() };
    if is_gone {
        // Of a directory that is gone, all that was below it.
        read.scan.covered.extend(places_below(transaction.connection(), &read.place, &scope)?);
    }
    let named = if read.item.below { BTreeSet::new() } else { BTreeSet::from([read.place.clone()]) };
    let mut book = Book::open(transaction, Seer::Importer(actor), scope, &named);
    if !book.admit(&mut read.scan)?.is_empty() {
        let Intake { sightings, octets } = MOST_IN_A_DAY;
        let message = format!(
            "{} has brought as many new certificates today as are taken in a day: {sightings}, or {} MiB",
            actor.party.account,
            octets >> 20
        );
        let error = ApiError::new(ErrorKind::RateLimited, message);
        return Err(error.hint("go on tomorrow, or have the daemon look there").into());
    }
    take_in(&mut book, &read.scan)?;
    let (new, ended) = (book.new, book.ended);
    let told = |sighting: &Sighting| imported(transaction, &read.scan, sighting, new.contains(&sighting.sha256));
    let certificates = read.scan.sightings.iter().filter_map(|sighting| told(sighting).transpose());
    let certificates = certificates.collect::<Result<Vec<_>, Failure>>()?;
    let problems = read.scan.findings.iter().take(TOLD);
    let problems = problems.map(|finding| Untrusted::new(finding.problem.to_string())).collect();
    Ok(ImportedItem { path: read.item.path, certificates, problems, ended })
}

fn imported(
    transaction: &Transaction<'_>,
    scan: &Scan,
    sighting: &Sighting,
    new: bool,
) -> Result<Option<ImportedCertificate>, Failure> {
    let Some(certificate) = scan.certificates.get(&sighting.sha256) else { return Ok(None) };
    let issued = standing(transaction.connection(), &sighting.sha256)?.issued;
    let id = match &issued {
        Some((id, _)) => Some(id.clone()),
        None => found::stored(transaction.connection(), &sighting.sha256)?.map(|stored| stored.id),
    };
    Ok(Some(ImportedCertificate {
        id,
        issued: issued.is_some(),
        new,
        alias: sighting.alias.clone(),
        primary_name: certificate.primary_name(),
        sha256: sighting.sha256,
        not_after: certificate.not_after,
        usable_until: sighting.usable_until,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str, octets: Option<&str>) -> ImportItem {
        ImportItem { path: path.into(), octets: octets.map(str::to_owned), password: None, below: false }
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        let many = |count: usize| ImportParams { items: (0..count).map(|i| item(&format!("/{i}"), None)).collect() };
        assert_eq!(check_shape(&many(MAX_IMPORT)).unwrap().len(), MAX_IMPORT);
        for bad in [
            many(0),
            many(MAX_IMPORT + 1),
            ImportParams { items: vec![item("relative", None)] },
            ImportParams { items: vec![item("/a\\b", None)] },
            ImportParams { items: vec![item(&format!("/{}", "a".repeat(MAX_PATH)), None)] },
            ImportParams { items: vec![item("/a", None), item("/a", Some(""))] },
            ImportParams {
                items: vec![ImportItem { password: Some("x".repeat(MAX_PASSWORD + 1)), ..item("/a", None) }],
            },
        ] {
            assert_eq!(check_shape(&bad).unwrap_err().kind, ErrorKind::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn octets_are_base_64_and_garbage_is_a_problem_not_a_failure() {
        let read = |octets: &str| {
            let params = ImportParams { items: vec![item("/a.pem", Some(octets))] };
            let places = check_shape(&params).unwrap();
            read_all(params, places, 7, Timestamp::EPOCH)
        };
        assert_eq!(read("?").err().unwrap().kind, ErrorKind::Invalid);
        let garbage = read(&BASE64.encode(b"garbage")).unwrap();
        assert!(garbage[0].scan.sightings.is_empty());
        assert_eq!(garbage[0].scan.findings.len(), 1);
    }

    #[test]
    fn a_password_is_in_no_debug_output() {
        let secret = ImportItem { password: Some("hunter2".into()), ..item("/a", Some("AAAA")) };
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
