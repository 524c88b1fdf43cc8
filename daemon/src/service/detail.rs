//! `request.get`: everything that a decision needs, on one page.

use countersign_shared::content::{CertificateContent, San};
use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::{CsrView, Difference, MayDecide, RequestDetail, RequestIdParams, Votes};
use countersign_shared::text::Untrusted;

use super::Service;
use super::actor::Actor;
use super::decide::{not_found, others, requester_now};
use super::sight;
use crate::gate::judge::{Case, given, may_decide};
use crate::ipc::Connection;
use crate::policy::Policy;
use crate::store::rows::decisions::DecisionRow;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{certificates, decisions, jobs, requests, submissions};
use crate::store::sight::Sight;
use crate::x509::pem;

/// One request, where the caller may see it.
pub async fn get(
    service: &Service,
    connection: &Connection,
    params: RequestIdParams,
) -> Result<RequestDetail, ApiError> {
    let actor = service.actor(connection)?;
    let policy = service.policy.now();
    let sight = sight::of(&actor, &policy)?;
    let (tick, now) = (service.line.tick(), service.line.wall());
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let summary = requests::summary(&snapshot, &params.id, &sight)?.ok_or_else(|| not_found(&params.id))?;
            let row = requests::get(&snapshot, &params.id)?.ok_or_else(|| not_found(&params.id))?;
            let submission = submissions::get(&snapshot, row.submission_id)?;
            let votes = decisions::of(&snapshot, &row.id, row.version)?;
            let job = jobs::newest_of_request(&snapshot, &row.id)?.ok_or_else(|| not_found(&row.job_id))?.job;
            let in_force = certificates::get(&snapshot, &row.certificate_id, &Sight::All)?
                .filter(|certificate| certificate.current.is_some());
            let before = certificates::content_in_force(&snapshot, &row.certificate_id)?;
            snapshot.finish()?;

            let requester = requester_now(&policy, &row);
            let who_may_decide = others(&policy, &submission.profile, &requester, now);
            let needs_login = submission.profile.rules().require_login_session;
            let case = Case {
                request: &row,
                requester: &requester,
                decider: &actor.party,
                has_vote: has_vote(&policy, &submission, &actor, now),
                needs_login,
                votes: &votes,
                others: &who_may_decide,
                tick,
            };
            let you = you(may_decide(&case));
            Ok(RequestDetail {
                profile_name: submission.profile.rules().name.clone(),
                csr: csr_view(&submission),
                differences: before.map(|before| differences(&before, &submission.content)).unwrap_or_default(),
                in_force,
                votes: votes_of(&row, &votes),
                decisions: votes.into_iter().map(|vote| vote.decision).collect(),
                who_may_decide,
                you,
                job,
                policy_sha256: submission.policy_sha256,
                content: submission.content,
                changes: submission.changes,
                checks: submission.checks,
                request: summary,
            })
        })
        .await
}

fn has_vote(policy: &Policy, submission: &Submission, actor: &Actor, now: countersign_shared::time::Timestamp) -> bool {
    let decides = actor.permissions.allows(crate::policy::Permission::Decide(submission.profile.id()));
    decides && policy.counts_for(&submission.profile, &actor.account, now)
}

fn you(judged: Result<(), ApiError>) -> MayDecide {
    match judged {
        Ok(()) => MayDecide { allowed: true, rule: None, why: String::new() },
        Err(error) => MayDecide { allowed: false, rule: error.rule.map(str::to_owned), why: error.message },
    }
}

fn votes_of(row: &RequestRow, votes: &[DecisionRow]) -> Votes {
    Votes { given: given(votes), needed: row.votes_needed }
}

fn csr_view(submission: &Submission) -> CsrView {
    CsrView {
        pem: pem::encode("CERTIFICATE REQUEST", &submission.csr),
        sha256: Digest::of(&[&submission.csr]),
        subject: submission.csr_subject.clone(),
        key: submission.content.key,
        spki_sha256: submission.content.spki_sha256,
    }
}

/// What the successor says otherwise than the certificate in force.
pub fn differences(before: &CertificateContent, after: &CertificateContent) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut differ = |field: &str, before: Option<Untrusted>, after: Option<Untrusted>| {
        if before != after {
            all.push(Difference { field: field.to_owned(), before, after });
        }
    };
    differ("common_name", before.common_name.clone(), after.common_name.clone());
    let removed: Vec<&San> = before.sans.iter().filter(|san| !after.sans.contains(san)).collect();
    let added: Vec<&San> = after.sans.iter().filter(|san| !before.sans.contains(san)).collect();
    for san in removed {
        differ("san", Some(Untrusted::new(san.tagged())), None);
    }
    for san in added {
        differ("san", None, Some(Untrusted::new(san.tagged())));
    }
    let text = |value: String| Some(Untrusted::new(value));
    differ("key", text(before.key.to_string()), text(after.key.to_string()));
    differ("spki_sha256", text(before.spki_sha256.to_string()), text(after.spki_sha256.to_string()));
    differ("ca", text(before.ca.to_string()), text(after.ca.to_string()));
    let names = |list: Vec<&str>| text(list.join(", "));
    differ(
        "key_usage",
        names(before.key_usage.iter().map(|usage| usage.as_str()).collect()),
        names(after.key_usage.iter().map(|usage| usage.as_str()).collect()),
    );
    differ(
        "extended_key_usage",
        names(before.extended_key_usage.iter().map(|usage| usage.as_str()).collect()),
        names(after.extended_key_usage.iter().map(|usage| usage.as_str()).collect()),
    );
    let subject = |content: &CertificateContent| {
        let parts: Vec<String> = content.subject.iter().map(|(name, value)| format!("{name}={value}")).collect();
        text(parts.join(", "))
    };
    differ("subject", subject(before), subject(after));
    differ("validity", text(before.valid_for.to_string()), text(after.valid_for.to_string()));
    differ("issuer", text(before.issuer.clone()), text(after.issuer.clone()));
    all
}
