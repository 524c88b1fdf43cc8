//! Every issuer that the policy names, ready to sign.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::time::Timestamp;

use super::BootError;
use crate::in_force::PolicyInForce;
use crate::issuer::Issuer;
use crate::issuer::exec::ExecIssuer;
use crate::issuer::local_ca::{CaNames, LocalCa};
use crate::policy::{self, IssuerKind, Policy};
use crate::store::Health;

/// Where they stand in the state directory.
pub const ISSUERS: &str = "issuers";

/// The policy in force with its issuers opened or made. On a damaged installation none is: nothing is signed there.
pub fn begin(
    policy: Policy,
    state: &Path,
    origin: &str,
    now: Timestamp,
    health: &Health,
) -> Result<PolicyInForce, BootError> {
    if health.damage().is_some() {
        return Ok(PolicyInForce::without_issuers(policy));
    }
    let directory = state.join(ISSUERS);
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(BootError::Failed(format!("{}: {error}", directory.display())));
        }
        _ => {}
    }
    let origin = origin.to_owned();
    let opener = move |issuer: &policy::Issuer, now| open(issuer, &directory, &origin, now);
    PolicyInForce::begin(policy, Arc::new(opener), now).map_err(BootError::Failed)
}

fn open(issuer: &policy::Issuer, directory: &Path, origin: &str, now: Timestamp) -> Result<Arc<dyn Issuer>, String> {
    match &issuer.kind {
        IssuerKind::LocalCa => {
            let names = names(&issuer.id, origin);
            let ca = LocalCa::open_or_create(&directory.join(&issuer.id), &names, now);
            let ca = ca.map_err(|error| error.to_string())?;
            Ok(Arc::new(ca.with_crl_url(issuer.crl.as_ref().and_then(|crl| crl.url.clone()))))
        }
        IssuerKind::Exec { command, timeout } => {
            let [program, arguments @ ..] = command.as_slice() else {
                return Err("its command is empty".into());
            };
            let arguments = arguments.iter().map(Into::into).collect();
            let timeout = Duration::from_millis(timeout.millis());
            Ok(Arc::new(ExecIssuer::new(PathBuf::from(program), arguments, timeout)?))
        }
    }
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
