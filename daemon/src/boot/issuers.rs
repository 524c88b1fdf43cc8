//! Every issuer that the policy names, ready to sign.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::time::Timestamp;

use super::BootError;
use crate::issuer::Issuer;
use crate::issuer::exec::ExecIssuer;
use crate::issuer::local_ca::{CaNames, LocalCa};
use crate::policy::{IssuerKind, Policy};
use crate::schedule::executor::Issuers;
use crate::store::Health;

/// Where they stand in the state directory.
pub const ISSUERS: &str = "issuers";

/// Opens or makes them. On a damaged installation none is opened: nothing is signed there.
pub fn open(
    policy: &Policy,
    state: &Path,
    origin: &str,
    now: Timestamp,
    health: &Health,
) -> Result<Arc<Issuers>, BootError> {
    let mut issuers = Issuers::new();
    if health.damage().is_some() {
        return Ok(Arc::new(issuers));
    }
    let directory = state.join(ISSUERS);
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(BootError(format!("{}: {error}", directory.display())));
        }
        _ => {}
    }
    for issuer in policy.issuers() {
        let refuse = |why: String| BootError(format!("issuer {}: {why}", issuer.id));
        let opened: Arc<dyn Issuer> = match &issuer.kind {
            IssuerKind::LocalCa => {
                let names = names(&issuer.id, origin);
                let ca = LocalCa::open_or_create(&directory.join(&issuer.id), &names, now);
                Arc::new(ca.map_err(|error| refuse(error.to_string()))?)
            }
            IssuerKind::Exec { command, timeout } => {
                let [program, arguments @ ..] = command.as_slice() else {
                    return Err(refuse("its command is empty".into()));
                };
                let arguments = arguments.iter().map(Into::into).collect();
                let timeout = Duration::from_millis(timeout.millis());
                Arc::new(ExecIssuer::new(PathBuf::from(program), arguments, timeout).map_err(refuse)?)
            }
        };
        issuers.insert(issuer.id.clone(), opened);
    }
    Ok(Arc::new(issuers))
}

/// Distinct for each installation, so that two roots in one trust store are told apart.
fn names(issuer: &str, origin: &str) -> CaNames {
    let mark: String = origin.rsplit('/').next().unwrap_or(origin).chars().take(8).collect();
    CaNames {
        organization: None,
        root: format!("countersign {issuer} root {mark}"),
        intermediate: format!("countersign {issuer} issuing {mark}"),
    }
}
