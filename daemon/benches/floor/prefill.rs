//! A state directory with a queue, made through the store: every row and record as `request.submit` makes them.

use std::path::Path;
use std::sync::Arc;

use countersign_shared::content::{Purpose, San};
use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::{JobKind, JobState, RequestKind};
use countersign_shared::protocol::{ActorType, AuditAction, Category, Certificate, PersonRef};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use countersignd::clock::{SystemClock, TimeLine};
use countersignd::demo::POLICY;
use countersignd::intake::{Ask, Intake, intake};
use countersignd::ledger::{Draft, Tail};
use countersignd::policy::Policy;
use countersignd::service::actor::{SCHEDULER, system_draft};
use countersignd::service::decide::{account_of, under};
use countersignd::store::migrations::{migrate, newest};
use countersignd::store::open::StateDir;
use countersignd::store::rows::policies::{self, PolicyRow};
use countersignd::store::rows::requests::{NewRequest, Work};
use countersignd::store::rows::submissions::Submission;
use countersignd::store::rows::terms::{self, TermsRow};
use countersignd::store::rows::{certificates, jobs, meta, notifications, requests, submissions};
use countersignd::store::settings::{apply_to_writer, writer_flags};
use countersignd::store::transaction::{Failure, fresh_salt, salted};
use countersignd::store::{Health, Transaction, Writer};
use countersignd::x509::{ParsedCsr, csr};
use rcgen::{CertificateParams, DnType, KeyPair};
use rusqlite::Connection;

use crate::Result;

/// Requests that share a commit while the queue is filled.
const AT_ONCE: u32 = 5000;
/// 72 hours: none expires while it is measured.
const PATIENCE_MILLIS: i64 = 72 * 3_600_000;

/// A request that can be decided: its id and its content digest.
pub type Waiting = (RequestId, Digest);

/// Makes a demo's state directory with `count` pending requests by alice, one host each.
pub fn fill(state: &Path, count: u32) -> Result<Vec<Waiting>> {
    let held = StateDir::hold(state)?;
    let mut connection = Connection::open_with_flags(held.database(), writer_flags())?;
    apply_to_writer(&connection)?;
    migrate(&mut connection, newest())?;
    meta::set(&connection, meta::ORIGIN, "countersign/benchmark")?;
    meta::set(&connection, meta::DEMO, "yes")?;
    // Nothing here has to outlive a power cut, and the rows are read through the cache of the system.
    connection.pragma_update(None, "synchronous", 0)?;
    let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
    let (writer, thread) = Writer::start(connection, Tail::default(), line, Health::default(), |_| {})?;
    let template = Arc::new(Template::make()?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let adopting = template.clone();
    runtime.block_on(writer.write(move |transaction| adopting.adopt(transaction)))?;
    let mut waiting = Vec::with_capacity(count as usize);
    for from in (0..count).step_by(AT_ONCE as usize) {
        let (template, until) = (template.clone(), count.min(from + AT_ONCE));
        let mut made = runtime.block_on(writer.write(move |transaction| {
            (from..until).map(|number| template.submit(transaction, number)).collect::<std::result::Result<Vec<_>, _>>()
        }))?;
        waiting.append(&mut made);
    }
    drop(writer);
    thread.join().map_err(|_| "the writer failed")?;
    Ok(waiting)
}

/// What one host's request looks like; the others differ in the name.
struct Template {
    policy: Policy,
    csr: ParsedCsr,
    intake: Intake,
    requester: PersonRef,
    reason: Untrusted,
}

impl Template {
    fn make() -> Result<Self> {
        let (policy, _) = Policy::parse(POLICY).map_err(|errors| errors.join("; "))?;
        let name = "host-0000000.corp.example";
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let csr = csr::parse(&params.serialize_request(&KeyPair::generate()?)?.pem()?)?;
        let reason = Untrusted::from("scheduled replacement of the host's certificate");
        let ask = Ask { reason: Some(&reason), ..Ask::default() };
        let intake = intake(&policy, &csr, &ask, |profile| profile.id() == "p-web")?;
        let requester =
            PersonRef { account: "alice (DEMO)".to_owned(), person: Some("alice".to_owned()), uid: 4_200_000_000 };
        Ok(Self { policy, csr, intake, requester, reason })
    }

    /// The first record of every installation.
    fn adopt(&self, transaction: &mut Transaction<'_>) -> std::result::Result<(), Failure> {
        let (sha256, document) = (self.policy.sha256(), self.policy.document().to_owned());
        let draft = system_draft(SCHEDULER, AuditAction::PolicyLoaded, Category::Config, "policy", sha256)
            .text("policy_sha256", sha256)
            .flag("adopted", true);
        let recorded = transaction.record(draft)?;
        let row = PolicyRow { version: 1, sha256, document, in_force_since: transaction.now() };
        Ok(policies::insert(transaction.connection(), &row, recorded.seq)?)
    }

    fn submit(&self, transaction: &mut Transaction<'_>, number: u32) -> std::result::Result<Waiting, Failure> {
        let (now, tick) = (transaction.now(), transaction.tick());
        let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
        let (certificate, job, request) =
            (CertificateId::fresh(millis, number), JobId::fresh(millis, number), RequestId::fresh(millis, number));
        let (submission, primary_name) = self.submission(&certificate, number)?;
        let rules = submission.profile.rules();
        let connection = transaction.connection();
        certificates::insert(
            connection,
            &Certificate {
                id: certificate.clone(),
                profile_id: rules.id.clone(),
                environment: rules.environment.clone(),
                primary_name: primary_name.clone(),
                owner: self.requester.clone(),
                created_at: now,
                current: None,
                days_left: None,
                revoked: None,
                places: Vec::new(),
                places_total: 0,
            },
        )?;
        let submission_id = submissions::insert(connection, &submission)?;
        let terms = self.policy.terms(&submission.profile, &account_of("alice", self.requester.uid), false);
        let draft = self.draft(&submission, &certificate, &job, &request).number("votes_needed", terms.places());
        let recorded = transaction.record(under(draft, &terms))?;
        let connection = transaction.connection();
        jobs::insert(
            connection,
            &jobs::NewJob {
                id: &job,
                kind: JobKind::Issue,
                state: JobState::AwaitingApproval,
                certificate_id: &certificate,
                profile_id: &rules.id,
                request_id: Some(&request),
                submission_id,
                record_seq: None,
                retry_of: None,
                requester: &self.requester,
                created_at: now,
            },
        )?;
        let expires_at = Timestamp::from_unix_millis(now.unix_millis() + PATIENCE_MILLIS).unwrap_or(now);
        requests::insert(
            connection,
            &NewRequest {
                id: &request,
                kind: RequestKind::CertIssuance,
                work: Some(&Work { certificate_id: certificate.clone(), job_id: job.clone(), submission_id }),
                digest: submission.digest,
                profile_id: &rules.id,
                environment: &rules.environment,
                requester: &self.requester,
                requester_login: &Default::default(),
                requester_session: None,
                primary_name: &primary_name,
                sans: &submission.content.sans,
                risks: &self.intake.risks,
                votes_needed: terms.places(),
                created_at: now,
                expires_at,
                created_tick: tick,
                deadline_tick: tick + PATIENCE_MILLIS,
                seq: recorded.seq,
            },
        )?;
        let made_under = TermsRow {
            version: 1,
            digest: submission.digest,
            submission_id: Some(submission_id),
            terms,
            not_before: None,
            batch: None,
            created_at: now,
            seq: recorded.seq,
        };
        terms::insert(connection, &request, &made_under)?;
        notifications::skip(connection, ("approval_requested", request.as_str()), "", now, recorded.seq)?;
        Ok((request, submission.digest))
    }

    fn submission(
        &self,
        certificate: &CertificateId,
        number: u32,
    ) -> std::result::Result<(Submission, Untrusted), Failure> {
        let name = Untrusted::from(format!("host-{number:07}.corp.example"));
        let mut content = self.intake.content.clone();
        content.common_name = Some(name.clone());
        content.sans = vec![San::Dns(name.clone())];
        let salt = fresh_salt()?;
        let reason_sha256 = Some(salted(&salt, self.reason.raw()));
        let purpose = Purpose {
            kind: RequestKind::CertIssuance,
            certificate_id: certificate.as_str(),
            csr_sha256: self.csr.sha256,
            reason: reason_sha256,
            ticket: None,
            not_before: None,
        };
        let digest = content
            .digest(&purpose)
            .map_err(|error| countersign_shared::error::ApiError::internal(error.to_string()))?;
        let submission = Submission {
            digest,
            content,
            csr: self.csr.der.clone(),
            csr_subject: self.csr.subject.clone(),
            profile: self.intake.profile.clone(),
            policy_sha256: self.policy.sha256(),
            changes: self.intake.changes.clone(),
            checks: self.intake.checks.clone(),
            reason: self.reason.clone(),
            reason_salt: salt.to_vec(),
            reason_sha256,
            ticket: None,
        };
        Ok((submission, name))
    }

    fn draft(&self, submission: &Submission, certificate: &CertificateId, job: &JobId, request: &RequestId) -> Draft {
        let draft = Draft {
            actor: self.requester.account.clone(),
            actor_type: ActorType::User,
            action: AuditAction::ApprovalRequested,
            category: Category::CertLifecycle,
            resource_type: "request",
            resource_id: request.to_string(),
            details: std::collections::BTreeMap::new(),
        };
        draft
            .number("uid", i64::from(self.requester.uid))
            .number("pid", i64::from(std::process::id()))
            .text_if("person", self.requester.person.as_deref())
            .flag("demo", true)
            .number("caller_uid", i64::from(nix::unistd::geteuid().as_raw()))
            .number("version", 1)
            .text("digest", submission.digest)
            .text("policy_sha256", submission.policy_sha256)
            .text("profile", submission.profile.id())
            .text("certificate", certificate)
            .text("kind", RequestKind::CertIssuance.as_str())
            .text("spki_sha256", submission.content.spki_sha256)
            .text_if("reason_sha256", submission.reason_sha256)
            .text("job", job)
    }
}
