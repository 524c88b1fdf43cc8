//! The crowd: one random verb by one random caller at a time, or time, a signal, or the end of the process.

use std::collections::BTreeMap;

use countersign_shared::digest::Digest;
use countersign_shared::id::CertificateId;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::method::{
    CertificateRenew, CertificateRetire, CertificateRevoke, DelegationGrant, DelegationRevoke, JobRetry, Method,
    PolicyPropose, RequestAmend, RequestApprove, RequestComment, RequestDecide, RequestReject, RequestSubmit,
    RequestVoid, RequestWithdraw,
};
use countersign_shared::protocol::{
    AmendParams, CommentParams, DecideItem, DecideManyParams, DecideParams, DelegateParams, DelegationIdParams,
    EndParams, JobIdParams, ProposeParams, RenewParams, RetireParams, RetireReason, RevokeParams, SubmitParams,
};
use countersign_shared::revocation::RevocationReason;
use countersign_shared::time::{Span, Timestamp};
use nix::sys::signal::Signal;

use super::Chance;
use super::world::{ADMINS, DOCUMENTS, DOMAINS, NAMES, SESSIONS, document};
use crate::renewal::expires;
use crate::support::{Caller, Host, ask, csr, until};

/// See the module.
pub struct Crowd {
    pub host: Host,
    /// How often each verb was taken, and refused.
    pub told: BTreeMap<&'static str, (u32, u32)>,
    chance: Chance,
    callers: BTreeMap<usize, Caller>,
}

/// A request as it stands.
struct Open {
    id: String,
    version: i64,
    digest: Digest,
    requester: u32,
    /// A change of the policy, which admins decide.
    of_the_policy: bool,
}

impl Crowd {
    pub fn new(host: Host, chance: Chance) -> Self {
        Self { host, told: BTreeMap::new(), chance, callers: BTreeMap::new() }
    }

    /// Does something; says what.
    pub fn does_something(&mut self) -> String {
        let session = usize::try_from(self.chance.below(SESSIONS.len() as u64)).unwrap();
        let what = match self.chance.below(100) {
            0..15 => self.submits(session),
            15..17 => self.renews(session),
            17..18 => self.retires(session),
            18..20 => self.lets_one_end(),
            20..24 => self.revokes(session),
            24..56 => self.decides(session),
            56..62 => self.decides_many(session),
            62..68 => self.ends(session),
            68..75 => self.amends(session),
            75..77 => self.comments(session),
            77..84 => self.hands_over(session),
            84..89 => self.proposes(session),
            89..93 => self.retries(session),
            93..98 => self.lets_time_pass(),
            _ => self.ends_the_daemon(),
        };
        format!("{:?}: {what}", SESSIONS[session])
    }

    fn call<M: Method>(&mut self, session: usize, params: &M::Params) -> bool {
        let (uid, login) = SESSIONS[session];
        let socket = self.host.socket.clone();
        let connect = || Caller::user(&socket, uid, login).expect("the daemon serves");
        let caller = self.callers.entry(session).or_insert_with(connect);
        let answer = caller.attempt::<M>(params).expect("the daemon answers");
        let told = self.told.entry(M::NAME).or_default();
        match &answer {
            Ok(_) => told.0 += 1,
            Err(_) => told.1 += 1,
        }
        answer.is_ok()
    }

    fn submits(&mut self, session: usize) -> String {
        // What passes by time has to be issued first, and asked for again by its owner.
        let domain = if self.chance.one_in(6) { "auto" } else { *self.chance.pick(DOMAINS) };
        let name = format!("w{}.{domain}.example", self.chance.below(4));
        let more = format!("x.{domain}.example");
        let names = if self.chance.one_in(5) { vec![name.as_str(), more.as_str()] } else { vec![name.as_str()] };
        let not_before = self.chance.one_in(6).then(in_an_hour);
        let batch = self.chance.one_in(4).then(|| "monday".to_owned());
        let taken = self.call::<RequestSubmit>(session, &SubmitParams { not_before, batch, ..ask(&names) });
        format!("submit {names:?}: {taken}")
    }

    /// Mostly what is pending, now and then what has ended.
    fn request(&mut self) -> Option<Open> {
        let which = if self.chance.one_in(8) { "1" } else { "state = 'pending'" };
        let db = self.host.db();
        let sql = format!(
            "SELECT id, version, digest, requester_uid, kind = 'policy_change' FROM approval_requests WHERE {which} ORDER BY row DESC LIMIT 12"
        );
        let mut statement = db.prepare(&sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            let digest: String = row.get(2)?;
            Ok(Open {
                id: row.get(0)?,
                version: row.get(1)?,
                digest: digest.parse().unwrap(),
                requester: row.get(3)?,
                of_the_policy: row.get(4)?,
            })
        };
        let mut open: Vec<Open> = statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
        let count = open.len() as u64;
        (count > 0).then(|| open.swap_remove(usize::try_from(self.chance.below(count)).unwrap()))
    }

    /// Mostly the right digest; else that of another request, of another version, or of nothing.
    fn digest(&mut self, open: &Open) -> Digest {
        if !self.chance.one_in(7) {
            return open.digest;
        }
        let of_a_record: Option<String> = self
            .host
            .db()
            .query_row(
                "SELECT details ->> '$.digest' FROM audit_events WHERE details ->> '$.digest' IS NOT NULL
                 ORDER BY seq * ?1 % 101 LIMIT 1",
                [i64::try_from(self.chance.below(100)).unwrap()],
                |row| row.get(0),
            )
            .ok();
        of_a_record.and_then(|digest| digest.parse().ok()).unwrap_or_else(|| Digest::of(&[b"nothing"]))
    }

    /// Mostly a session of the requester's account; else the one that was drawn.
    fn of_the_requester(&mut self, session: usize, open: &Open) -> usize {
        let own: Vec<usize> = (0..SESSIONS.len()).filter(|at| SESSIONS[*at].0 == open.requester).collect();
        if own.is_empty() || self.chance.one_in(3) { session } else { *self.chance.pick(&own) }
    }

    fn decides(&mut self, session: usize) -> String {
        let Some(open) = self.request() else { return "nothing to decide".to_owned() };
        let session = if open.of_the_policy && !self.chance.one_in(4) { *self.chance.pick(&ADMINS) } else { session };
        let digest = self.digest(&open);
        let params =
            DecideParams { id: open.id.parse().unwrap(), digest, note: Some("as it stands".into()), signature: None };
        if self.chance.one_in(7) {
            return format!("reject {} v{}: {}", open.id, open.version, self.call::<RequestReject>(session, &params));
        }
        format!("approve {} v{}: {}", open.id, open.version, self.call::<RequestApprove>(session, &params))
    }

    fn decides_many(&mut self, session: usize) -> String {
        let count = 1 + self.chance.below(5);
        let items: Vec<DecideItem> = (0..count)
            .filter_map(|_| {
                let open = self.request()?;
                Some(DecideItem { digest: self.digest(&open), id: open.id.parse().unwrap(), signature: None })
            })
            .collect();
        let verdict = if self.chance.one_in(6) { Verdict::Reject } else { Verdict::Approve };
        let what = format!("{verdict:?} {items:?}");
        let params = DecideManyParams { verdict, items, note: Some("all of them".into()) };
        format!("{what}: {}", self.call::<RequestDecide>(session, &params))
    }

    fn ends(&mut self, session: usize) -> String {
        let Some(open) = self.request() else { return "nothing to end".to_owned() };
        let params = EndParams { id: open.id.parse().unwrap(), reason: Some("not wanted".into()) };
        if self.chance.one_in(3) {
            return format!("void {}: {}", open.id, self.call::<RequestVoid>(session, &params));
        }
        let session = self.of_the_requester(session, &open);
        format!("withdraw {}: {}", open.id, self.call::<RequestWithdraw>(session, &params))
    }

    /// Other content under the name that it has, so that an amendment gets through where its caller may.
    fn amends(&mut self, session: usize) -> String {
        let Some(open) = self.request() else { return "nothing to amend".to_owned() };
        let session = self.of_the_requester(session, &open);
        let sql = "SELECT primary_name FROM approval_requests WHERE id = ?1";
        let name: String = self.host.db().query_row(sql, [&open.id], |row| row.get(0)).unwrap();
        let domain = name.split_once('.').map_or("one.example", |(_, domain)| domain);
        let more = format!("y{}.{domain}", self.chance.below(3));
        let other_key = self.chance.one_in(2).then(|| csr(&[&name, &more]));
        let params = AmendParams {
            id: open.id.parse().unwrap(),
            digest: self.digest(&open),
            csr: other_key,
            reason: Some("something changed".into()),
            ticket: None,
            valid_for: None,
            not_before: self.chance.one_in(5).then(in_an_hour),
        };
        format!("amend {} v{}: {}", open.id, open.version, self.call::<RequestAmend>(session, &params))
    }

    fn comments(&mut self, session: usize) -> String {
        let Some(open) = self.request() else { return "nothing to remark on".to_owned() };
        let params = CommentParams { id: open.id.parse().unwrap(), text: "approved by everybody".into() };
        format!("comment on {}: {}", open.id, self.call::<RequestComment>(session, &params))
    }

    fn hands_over(&mut self, session: usize) -> String {
        if self.chance.one_in(4) {
            let sql = "SELECT id FROM delegations ORDER BY row DESC LIMIT 1";
            let Ok(id) = self.host.db().query_row(sql, [], |row| row.get::<_, String>(0)) else {
                return "nothing to take back".to_owned();
            };
            let params = DelegationIdParams { id: id.parse().unwrap() };
            return format!("revoke {id}: {}", self.call::<DelegationRevoke>(session, &params));
        }
        let to = *self.chance.pick(NAMES);
        let profiles = self.chance.one_in(3).then(|| vec![format!("p-{}", self.chance.pick(DOMAINS))]);
        let duration = Span::from_secs(3600 * (1 + self.chance.below(6)));
        let params = DelegateParams { to: to.to_owned(), duration, profiles, reason: Some("away".into()) };
        format!("delegate to {to}: {}", self.call::<DelegationGrant>(session, &params))
    }

    /// Mostly by somebody who may.
    fn proposes(&mut self, session: usize) -> String {
        let session = if self.chance.one_in(4) { session } else { *self.chance.pick(&ADMINS) };
        let number = self.chance.below(DOCUMENTS);
        let params = ProposeParams { document: document(number), reason: "a better one".into(), base_sha256: None };
        format!("propose document {number}: {}", self.call::<PolicyPropose>(session, &params))
    }

    /// Mostly what is in force, now and then any version.
    fn revokes(&mut self, session: usize) -> String {
        let which = if self.chance.one_in(3) { "1" } else { "state = 'active'" };
        let sql =
            format!("SELECT certificate_id, serial FROM certificate_versions WHERE {which} ORDER BY seq DESC LIMIT 1");
        let found = self.host.db().query_row(&sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let Ok((certificate, serial)) = found else { return "nothing to revoke".to_owned() };
        let params = RevokeParams {
            certificate_id: Some(certificate.parse().unwrap()),
            serial: self.chance.one_in(2).then(|| serial.clone()),
            reason: *self.chance.pick(RevocationReason::ALL),
            note: Some("not wanted any more".into()),
            ticket: None,
        };
        format!("revoke {certificate} {serial}: {}", self.call::<CertificateRevoke>(session, &params))
    }

    /// Any certificate, with the key that it has or another, for its names or others.
    fn renews(&mut self, session: usize) -> String {
        let sql = "SELECT id, primary_name FROM certificates ORDER BY row * ?1 % 101 LIMIT 1";
        let chance = i64::try_from(self.chance.below(100)).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let Ok((id, name)) = self.host.db().query_row(sql, [chance], read) else {
            return "nothing to renew".to_owned();
        };
        let name = if self.chance.one_in(4) { "other.one.example".to_owned() } else { name };
        let csr = self.chance.one_in(2).then(|| csr(&[&name]));
        let params =
            RenewParams { certificate_id: id.parse().unwrap(), csr, reason: Some("it ends".into()), ticket: None };
        format!("renew {id}: {}", self.call::<CertificateRenew>(session, &params))
    }

    fn retires(&mut self, session: usize) -> String {
        let Some(id) = self.watched() else { return "nothing to retire".to_owned() };
        let params = RetireParams { certificate_id: id.clone(), reason: RetireReason::Unused };
        format!("retire {id}: {}", self.call::<CertificateRetire>(session, &params))
    }

    fn watched(&mut self) -> Option<CertificateId> {
        let chance = i64::try_from(self.chance.below(100)).unwrap();
        let sql = "SELECT w.certificate_id FROM expiry_watch w ORDER BY w.seq * ?1 % 101 LIMIT 1";
        let id: Option<String> = self.host.db().query_row(sql, [chance], |row| row.get(0)).ok();
        id.map(|id| id.parse().unwrap())
    }

    /// The daemon asks for its renewal by itself.
    fn lets_one_end(&mut self) -> String {
        let Some(id) = self.watched() else { return "nothing ends".to_owned() };
        self.callers.clear();
        expires(&mut self.host, &id);
        until("its renewal is looked at", || {
            let due = "SELECT count(*) FROM expiry_watch WHERE renew_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
            self.host.value::<i64>(due) == 0
        });
        format!("{id} is about to end")
    }

    fn retries(&mut self, session: usize) -> String {
        let which = if self.chance.one_in(3) { "1" } else { "state = 'failed'" };
        let sql = format!("SELECT id FROM jobs WHERE {which} ORDER BY row DESC LIMIT 1");
        let Ok(id) = self.host.db().query_row(&sql, [], |row| row.get::<_, String>(0)) else {
            return "nothing to retry".to_owned();
        };
        format!("retry {id}: {}", self.call::<JobRetry>(session, &JobIdParams { id: id.parse().unwrap() }))
    }

    fn lets_time_pass(&mut self) -> String {
        let hours = *self.chance.pick(&[1, 2, 3, 9]);
        self.callers.clear();
        self.host.pass(Span::from_secs(hours * 3600 + 60));
        format!("{hours} hours pass")
    }

    fn ends_the_daemon(&mut self) -> String {
        if self.chance.one_in(2) {
            // The file lies there with what would let everything through.
            std::fs::write(self.host.path("policy.toml"), document(2)).unwrap();
            self.host.signal(Signal::SIGHUP);
            return "SIGHUP".to_owned();
        }
        self.callers.clear();
        self.host.kill();
        self.host.start();
        "kill -9".to_owned()
    }
}

fn in_an_hour() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap() + 3_600_000).unwrap()
}
