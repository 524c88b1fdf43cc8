//! `certificate.revoke`: ask for the end of a certificate before its time, under the quorum of its profile.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::{Certificate, MAX_TEXT, RevokeParams, RevokeResult, Risk, VersionState};
use countersign_shared::revocation::Revocation;
use countersign_shared::text::Untrusted;

use super::actor::Actor;
use super::decide::not_found;
use super::inventory::not_issued;
use super::submit::content::{Reason, given};
use super::submit::step::Stored;
use super::submit::{attended, unattended};
use super::{Facts, Service, permissions_now, refusal, sight};
use crate::gate::two_person::own_session;
use crate::intake;
use crate::ipc::Connection;
use crate::policy::{IssuerKind, Justification, Permission, Policy, Profile};
use crate::store::Transaction;
use crate::store::rows::revocations::Version;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{certificates, jobs, requests, revocations, submissions};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;

/// The name of the verb in records.
const VERB: &str = "certificate.revoke";
/// The longest serial number in hexadecimal digits (RFC 5280 §4.1.2.2: 20 octets).
const MAX_SERIAL: usize = 40;
/// Issuers that may have given out one serial number, as far as they are looked at.
const MAX_SAME: u32 = 16;

/// Takes it in.
pub async fn revoke(
    service: &Service,
    connection: &Connection,
    params: RevokeParams,
) -> Result<RevokeResult, ApiError> {
    let params = in_shape(params)?;
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit(service, &actor, None).await?;
    let (policy, asking, facts) = (service.policy.clone(), actor, service.facts.clone());
    service
        .writer
        .write(move |transaction| {
            let named = params.certificate_id.as_ref().map(ToString::to_string).or_else(|| params.serial.clone());
            let named = named.unwrap_or_default();
            refusal::or_record(transaction, &asking, VERB, ("certificate", &named), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = asking.under(&rules, transaction.now());
                let step = Step { policy: &rules, actor: &actor, params: &params, facts: &facts };
                step.carry_out(transaction)
            })
        })
        .await?
}

/// Something is named, a serial number as rows hold it, and the note is short enough to read.
fn in_shape(params: RevokeParams) -> Result<RevokeParams, ApiError> {
    const SHAPE: &str = "`serial` has 1 to 40 hexadecimal digits, with or without colons";
    if params.certificate_id.is_none() && params.serial.is_none() {
        return Err(ApiError::invalid("`certificate_id` or `serial` is missing")
            .hint("countersign show mc-… names the serial number of each version"));
    }
    let octets = params.note.as_ref().map_or(0, |note| note.raw().len());
    if octets > MAX_TEXT {
        return Err(ApiError::invalid(format!("`note` has {octets} octets; at most {MAX_TEXT} are allowed")));
    }
    let serial = params.serial.as_deref().map(|raw| {
        if raw.len() > 2 * MAX_SERIAL {
            return Err(ApiError::invalid(SHAPE));
        }
        let digits: String = raw.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
        let fits = (1..=MAX_SERIAL).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(digits) } else { Err(ApiError::invalid(SHAPE)) }
    });
    Ok(RevokeParams { serial: serial.transpose()?, ..params })
}

struct Step<'a> {
    policy: &'a Policy,
    actor: &'a Actor,
    params: &'a RevokeParams,
    facts: &'a Facts,
}

impl Step<'_> {
    fn carry_out(&self, transaction: &mut Transaction<'_>) -> Result<RevokeResult, Failure> {
        own_session(&self.actor.party)?;
        let sight = sight::of(self.actor, self.policy)?;
        let (certificate, version) = self.named(transaction, &sight)?;
        let profile = self.policy.profile(&certificate.profile_id).ok_or_else(|| {
            let message = format!("profile {} is not in the policy in force", certificate.profile_id);
            ApiError::new(ErrorKind::Conflict, message)
                .hint("its quorum is that of no profile; have the profile put back (countersign policy propose)")
        })?;
        self.may_ask(transaction, profile, &certificate)?;
        self.can_end(transaction, &version)?;
        self.make(transaction, profile, &certificate, &version)
    }

    /// The version that is named, of a certificate that the caller may see.
    fn named(&self, transaction: &Transaction<'_>, sight: &Sight) -> Result<(Certificate, Version), Failure> {
        let (connection, params) = (transaction.connection(), self.params);
        let Some(serial) = &params.serial else {
            let id = params.certificate_id.as_ref().ok_or_else(|| ApiError::internal("nothing is named"))?;
            let Some(certificate) = certificates::get(connection, id, sight)? else {
                return Err(not_issued(connection, id, sight, "revoked")?.into());
            };
            let version = revocations::version_in_force(connection, id)?.ok_or_else(|| {
                ApiError::new(ErrorKind::Conflict, format!("{id} has no version in force"))
                    .hint("name an earlier version by its serial number: countersign show lists them")
            })?;
            return Ok((certificate, version));
        };
        let mut found = Vec::new();
        for version in revocations::versions_by_serial(connection, serial, MAX_SAME)? {
            if params.certificate_id.as_ref().is_some_and(|id| *id != version.certificate_id) {
                continue;
            }
            if let Some(certificate) = certificates::get(connection, &version.certificate_id, sight)? {
                found.push((certificate, version));
            }
        }
        if found.len() > 1 {
            let message = format!("{} certificates have the serial number {serial}", found.len());
            return Err(ApiError::new(ErrorKind::Conflict, message).hint("name the certificate as well").into());
        }
        Ok(found.pop().ok_or_else(|| not_found(&format!("certificate with the serial number {serial}")))?)
    }

    /// The owner, where they may ask under the profile at all; or whoever may decide there. Under a profile that asks
    /// people, whoever may ask for a certificate may ask for the end of one.
    fn may_ask(
        &self,
        transaction: &Transaction<'_>,
        profile: &Profile,
        certificate: &Certificate,
    ) -> Result<(), ApiError> {
        let permissions = permissions_now(self.policy, self.actor, transaction.now());
        let may_submit = permissions.allows(Permission::Submit(profile.id()));
        let people_are_asked = profile.rules().requires_approval;
        let allowed = permissions.allows(Permission::Decide(profile.id()))
            || (may_submit && (people_are_asked || owns(self.actor, certificate)));
        if !allowed {
            let message = format!("{} may not have {} revoked", self.actor.party.account, certificate.id);
            return Err(ApiError::new(ErrorKind::Forbidden, message)
                .hint("its owner may, and whoever decides under its profile")
                .rule("no_role"));
        }
        if profile.rules().require_login_session && self.actor.party.login_uid.is_none() {
            let message = format!("profile {} takes requests from login sessions alone", profile.id());
            return Err(ApiError::new(ErrorKind::Forbidden, message)
                .hint("log in (ssh, console); a service or container has no login")
                .rule("login_required"));
        }
        let given = self.params.note.as_ref().is_some_and(|note| !note.is_blank());
        if !given && profile.rules().justification == Justification::Required {
            let message = format!("profile {} requires a reason in words", profile.id());
            return Err(ApiError::new(ErrorKind::Forbidden, message)
                .hint("say why with --note")
                .rule("profile.justification"));
        }
        Ok(())
    }

    fn can_end(&self, transaction: &Transaction<'_>, version: &Version) -> Result<(), Failure> {
        let (id, number) = (&version.certificate_id, version.version);
        let conflict = |message: String, hint: &str| Err(ApiError::new(ErrorKind::Conflict, message).hint(hint).into());
        match version.state {
            VersionState::Active | VersionState::Superseded => {}
            VersionState::Revoked | VersionState::Quarantined => {
                let message = format!("version {number} of {id} is {} already", version.state);
                return conflict(message, "what is revoked stays revoked; there is nothing to do");
            }
        }
        if version.not_after < transaction.now() {
            let message = format!("version {number} of {id} ended by itself ({})", version.not_after);
            return conflict(message, "nobody takes it any more; there is nothing to revoke");
        }
        let issuer = self.policy.issuer(&version.issuer);
        if !issuer.is_some_and(|issuer| issuer.kind == IssuerKind::LocalCa) {
            let message = format!("issuer {} keeps no list of what was revoked here", version.issuer);
            return conflict(message, "revoke it where it was issued");
        }
        if let Some(job) = revocations::open_for(transaction.connection(), id, number)? {
            let message = format!("{job} is to revoke version {number} of {id} already");
            return conflict(message, &format!("wait for it to end: countersign wait {job}"));
        }
        Ok(())
    }

    fn make(
        &self,
        transaction: &mut Transaction<'_>,
        profile: &Profile,
        certificate: &Certificate,
        version: &Version,
    ) -> Result<RevokeResult, Failure> {
        let revocation = Revocation {
            certificate_id: version.certificate_id.clone(),
            version: version.version,
            issuer: version.issuer.clone(),
            serial: version.serial.clone(),
            sha256: version.sha256,
            reason: self.params.reason,
        };
        let submission = self.submission(transaction, profile, version, &revocation)?;
        let submission_id = submissions::insert(transaction.connection(), &submission)?;
        revocations::insert(transaction.connection(), submission_id, &revocation)?;
        let job = transaction.fresh_job()?;
        let risks = self.risks(certificate);
        let stored = Stored {
            actor: self.actor,
            facts: self.facts,
            certificate,
            kind: RequestKind::CertRevocation,
            submission: &submission,
            submission_id,
            version: 1,
            job: &job,
            risks: &risks,
            policy: self.policy,
            not_before: None,
            batch: None,
            revocation: Some(&revocation),
        };
        if profile.rules().requires_approval {
            attended::make(transaction, &stored)?;
        } else {
            unattended::make(transaction, &stored)?;
        }
        let connection = transaction.connection();
        let made =
            jobs::get(connection, &job)?.ok_or_else(|| ApiError::internal("the job that was made is missing"))?;
        let request = match &made.job.request_id {
            Some(id) => requests::summary(connection, id, &Sight::All)?,
            None => None,
        };
        Ok(RevokeResult { request, job: made.job, revocation })
    }

    /// What the certificate says, with the CSR that it came from, under the rules of now: people are shown what is to
    /// end. What they agree to is the digest of the revocation.
    fn submission(
        &self,
        transaction: &Transaction<'_>,
        profile: &Profile,
        version: &Version,
        revocation: &Revocation,
    ) -> Result<Submission, Failure> {
        let connection = transaction.connection();
        let missing = || ApiError::internal(format!("what {} was issued for is missing", version.certificate_id));
        let issued = jobs::get(connection, &version.job_id)?.ok_or_else(missing)?;
        let issued = submissions::get(connection, issued.submission_id)?;
        let mut content = version.content.clone();
        profile.id().clone_into(&mut content.profile_id);
        content.profile_digest = profile.digest();
        let checks = intake::ticket(self.params.ticket.as_ref(), profile)?;
        let mut submission = Submission {
            content,
            profile: profile.clone(),
            policy_sha256: self.policy.sha256(),
            changes: Vec::new(),
            checks,
            reason: Untrusted::default(),
            reason_salt: Vec::new(),
            reason_sha256: None,
            ticket: given(self.params.ticket.as_ref()),
            ..issued
        };
        Reason::fresh(self.params.note.as_ref())?.put_into(&mut submission);
        let digest = submission.revocation_digest(revocation);
        submission.digest = digest.map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(submission)
    }

    fn risks(&self, certificate: &Certificate) -> Vec<Risk> {
        let mut risks = Vec::new();
        if !owns(self.actor, certificate) {
            risks.push(Risk::OtherOwner);
        }
        if self.facts.bypass {
            risks.push(Risk::Bypass);
        }
        risks
    }
}

/// By the same account, or by the same person.
fn owns(actor: &Actor, certificate: &Certificate) -> bool {
    let (owner, asks) = (&certificate.owner, &actor.party);
    let same_account = owner.uid == asks.uid && owner.account == asks.account;
    same_account || (owner.person.is_some() && owner.person == asks.person)
}

#[cfg(test)]
mod tests {
    use countersign_shared::revocation::RevocationReason;

    use super::*;

    #[test]
    fn a_serial_number_is_read_as_people_copy_it() {
        let asked = |serial: &str| {
            in_shape(RevokeParams {
                certificate_id: None,
                serial: Some(serial.to_owned()),
                reason: RevocationReason::Superseded,
                note: None,
                ticket: None,
            })
        };
        for (raw, read) in [("4F:0A", "4f0a"), ("4f0a", "4f0a"), (&"a".repeat(40), &*"a".repeat(40))] {
            assert_eq!(asked(raw).unwrap().serial.as_deref(), Some(read));
        }
        for bad in ["", ":", "0x4f", "4g", "%", "' OR 1", &"a".repeat(41), &":".repeat(1_000_000)] {
            assert!(asked(bad).unwrap_err().message.contains("`serial`"), "{bad:.20}");
        }
        let nothing = RevokeParams { serial: None, ..asked("4f").unwrap() };
        assert!(in_shape(nothing.clone()).unwrap_err().message.contains("is missing"));
        let long = RevokeParams { serial: Some("4f".into()), note: Some("x".repeat(MAX_TEXT + 1).into()), ..nothing };
        assert!(in_shape(long).unwrap_err().message.contains("`note`"));
    }
}
