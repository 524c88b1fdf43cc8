//! What deserves a second look, beyond what the content alone tells.

use countersign_shared::protocol::{Certificate, Risk};

use crate::intake::Intake;
use crate::service::actor::Actor;

/// How the content stands to the certificate in force, its owner, and the daemon's settings.
pub fn risks(intake: &Intake, certificate: &Certificate, actor: &Actor, bypass: bool) -> Vec<Risk> {
    let mut risks = intake.risks.clone();
    if let Some(current) = &certificate.current {
        if intake.content.sans.iter().any(|san| !current.sans.contains(san)) {
            risks.push(Risk::NamesAdded);
        }
        if current.spki_sha256 != intake.content.spki_sha256 {
            risks.push(Risk::KeyChanged);
        }
    }
    let (owner, asks) = (&certificate.owner, &actor.party);
    let own = owner.account == asks.account || (owner.person.is_some() && owner.person == asks.person);
    if !own && !actor.is_daemon {
        risks.push(Risk::OtherOwner);
    }
    if bypass {
        risks.push(Risk::Bypass);
    }
    risks
}
