//! Says what is wrong with a database, from the records' bytes, the stored content and the certificates, by the
//! test's own table of who is which human. Nothing of the gate is used here: where the two disagree, one is wrong.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::ledger::{Ledger, Record};
use super::places::{Vote, filled};
use super::rules::Rules;
use super::signed::{Job, certificate_is_the_content, digest, jobs};

/// Remembers what it has looked at, so that each look costs what is new.
pub struct Oracle {
    people: BTreeMap<u32, &'static str>,
    ledger: Ledger,
    policies: Vec<(i64, Rules)>,
    looked_at: BTreeSet<String>,
    complaints: Vec<String>,
}

impl Oracle {
    pub fn new(people: &[(u32, &'static str)]) -> Self {
        let people = people.iter().copied().collect();
        let (ledger, policies) = (Ledger::default(), Vec::new());
        Self { people, ledger, policies, looked_at: BTreeSet::new(), complaints: Vec::new() }
    }

    /// Everything that is wrong, by one snapshot.
    pub fn look(&mut self, db: &Connection) -> Vec<String> {
        let snapshot = db.unchecked_transaction().unwrap();
        let mut complaints = std::mem::take(&mut self.complaints);
        self.ledger.read_on(&snapshot, &mut complaints);
        self.complaints = complaints;
        self.read_policies(&snapshot);
        let jobs = jobs(&snapshot);
        self.each_state_has_its_record(&snapshot, &jobs);
        self.each_vote_is_of_another_human(&snapshot);
        self.each_end_was_agreed_to(db, &jobs);
        self.each_certificate_was_agreed_to(&snapshot, &jobs);
        std::mem::take(&mut self.complaints)
    }

    pub fn records(&self) -> &[Record] {
        &self.ledger.records
    }

    fn wrong(&mut self, what: String) {
        self.complaints.push(what);
    }

    fn human(&self, uid: u32) -> &'static str {
        self.people.get(&uid).copied().unwrap_or("somebody whom the test does not know")
    }

    /// The humans behind a record: who acted, and who had logged in.
    fn behind(&self, record: &Record) -> BTreeSet<&'static str> {
        ["uid", "login_uid"].iter().filter_map(|key| record.uid(key)).map(|uid| self.human(uid)).collect()
    }

    /// The policy in force when a record was written.
    fn rules(&self, seq: i64) -> &Rules {
        &self.policies.iter().rev().find(|(since, _)| *since <= seq).expect("a policy was adopted first").1
    }

    /// Each policy but the first was proposed by an admin, and agreed to by somebody else who decides everywhere.
    fn read_policies(&mut self, db: &Connection) {
        let mut statement = db.prepare("SELECT seq, document, sha256 FROM policies ORDER BY version").unwrap();
        let known = self.policies.len();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(i64, String, String)> = rows.collect::<Result<_, _>>().unwrap();
        for (seq, document, sha256) in rows.into_iter().skip(known) {
            if !self.policies.is_empty() {
                self.policy_was_agreed_to(seq, &sha256);
            }
            self.policies.push((seq, Rules::of(&document)));
        }
    }

    fn policy_was_agreed_to(&mut self, seq: i64, sha256: &str) {
        let agreed = || {
            let changed = self.ledger.at(seq).filter(|record| record.action == "policy_changed")?;
            let request = changed.text("request")?;
            let proposed = self.ledger.about(request).find(|record| record.action == "policy_proposed")?;
            let digest = proposed.text("digest")?;
            let names_it = proposed.text("policy_to") == Some(sha256) && changed.about == sha256;
            let votes = self.votes(request, 1, digest, seq);
            let quorum = vec![("everywhere".to_owned(), 1)];
            let behind = self.behind(proposed);
            let by_an_admin = proposed.uid("uid").is_some_and(|uid| self.rules(proposed.seq).is_admin(uid));
            let fills = |vote: &Vote<'_>, _: &str| self.rules(vote.record.seq).agrees_to_policies(vote.right_of);
            (names_it && by_an_admin && filled(&quorum, &votes, &behind, &fills)).then_some(())
        };
        if agreed().is_none() {
            self.wrong(format!("policy {sha256} took force and nobody who may agreed to it"));
        }
    }

    /// The approving votes on one version and digest, up to a record.
    fn votes<'a>(&'a self, request: &'a str, version: i64, digest: &'a str, last: i64) -> Vec<Vote<'a>> {
        let cast = self.ledger.about(request).filter(move |record| {
            record.action == "approval_approved"
                && record.by_user
                && record.seq <= last
                && record.number("version") == Some(version)
                && record.text("digest") == Some(digest)
        });
        let vote = |record: &'a Record| {
            let giver = record.uid("giver_uid");
            let mut humans = self.behind(record);
            humans.extend(giver.map(|uid| self.human(uid)));
            Some(Vote { record, right_of: giver.or_else(|| record.uid("uid"))?, humans })
        };
        cast.filter_map(vote).collect()
    }

    fn each_state_has_its_record(&mut self, db: &Connection, jobs: &[Job]) {
        let mut statement = db.prepare("SELECT id, state, job_id, decided_at FROM approval_requests").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        let by_id: BTreeMap<&str, &Job> = jobs.iter().map(|job| (job.id.as_str(), job)).collect();
        for row in rows {
            let (id, state, job, decided_at): (String, String, Option<String>, Option<String>) = row.unwrap();
            let ends: Vec<(&str, i64, &str)> = self.ledger.about(&id).filter_map(end_of).collect();
            let recorded = ends.first().map_or("pending", |(state, ..)| state);
            let at = ends.first().map(|(.., at)| (*at).to_owned());
            let seq = ends.first().map(|(_, seq, _)| *seq);
            let (count, is_recorded) = (ends.len(), recorded == state && at == decided_at);
            if count > 1 || !is_recorded {
                self.wrong(format!("{id} is {state}, and the ledger has {count} ends of it"));
            }
            let Some(job) = job.as_deref().and_then(|job| by_id.get(job)) else { continue };
            let follows = match state.as_str() {
                "pending" => job.state == "awaiting_approval",
                "approved" => job.record_seq == seq && !matches!(job.state.as_str(), "awaiting_approval" | "cancelled"),
                _ => job.state == "cancelled",
            };
            if !follows {
                self.wrong(format!("{id} is {state}, and its job {} is {}", job.id, job.state));
            }
        }
        for job in jobs.iter().filter(|job| matches!(job.state.as_str(), "completed" | "failed")) {
            if !self.looked_at.insert(format!("end of {}", job.id)) {
                continue;
            }
            let action = match (job.state.as_str(), job.kind.as_str()) {
                ("completed", "revoke") => "certificate_revoked",
                ("completed", _) => "certificate_issued",
                _ => "job_failed",
            };
            let recorded = self.ledger.records.iter().filter(|record| {
                record.action == action && (record.about == job.id || record.text("job") == Some(&job.id))
            });
            let recorded = recorded.count();
            if recorded != 1 {
                self.wrong(format!("{} is {}, and {recorded} records say so", job.id, job.state));
            }
        }
    }

    /// On one version of a request, nobody's say is used twice, and nobody's who is behind the request.
    fn each_vote_is_of_another_human(&mut self, db: &Connection) {
        let mut statement = db.prepare("SELECT id FROM approval_requests").unwrap();
        let ids: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let mut wrong = Vec::new();
        for id in &ids {
            let mut used: BTreeMap<(i64, &str), i64> = BTreeMap::new();
            let mut behind = BTreeSet::new();
            for record in self.ledger.about(id) {
                match record.action.as_str() {
                    "approval_requested" | "approval_amended" | "policy_proposed" => behind.extend(self.behind(record)),
                    "approval_approved" | "approval_rejected" if record.by_user => {
                        let own = self.behind(record);
                        if own.len() != 1 {
                            wrong.push(format!(
                                "record {} is the vote of a session that somebody else logged in to",
                                record.seq
                            ));
                        }
                        let giver = record.uid("giver_uid").map(|uid| self.human(uid));
                        for human in own.into_iter().chain(giver) {
                            let version = record.number("version").unwrap_or(0);
                            if let Some(first) = used.insert((version, human), record.seq) {
                                wrong
                                    .push(format!("{human} has two votes on {id}: records {first} and {}", record.seq));
                            }
                            if behind.contains(human) {
                                wrong.push(format!("record {}: {human} is behind {id} and decided on it", record.seq));
                            }
                            if human == "root" {
                                wrong.push(format!("record {}: root decided on {id}", record.seq));
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        for what in wrong {
            if self.looked_at.insert(what.clone()) {
                self.wrong(what);
            }
        }
    }

    fn each_certificate_was_agreed_to(&mut self, db: &Connection, jobs: &[Job]) {
        let by_id: BTreeMap<&str, &Job> = jobs.iter().map(|job| (job.id.as_str(), job)).collect();
        let mut statement = db
            .prepare("SELECT job_id, certificate_id, chain_pem, seq, state <> 'quarantined' FROM certificate_versions")
            .unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .unwrap();
        let mut used: BTreeMap<i64, String> = BTreeMap::new();
        for row in rows {
            let (id, certificate, chain, seq, given_out): (String, String, String, i64, bool) = row.unwrap();
            let Some(job) = by_id.get(id.as_str()) else {
                self.wrong(format!("{certificate} has a version of no job"));
                continue;
            };
            if let Some(allowed_by) = job.record_seq.filter(|_| given_out)
                && let Some(other) = used.insert(allowed_by, id.clone())
            {
                self.wrong(format!("{id} and {other} made two certificates under record {allowed_by}"));
            }
            if !self.looked_at.insert(id.clone()) {
                continue;
            }
            if job.certificate != certificate {
                self.wrong(format!("{certificate} has a version of another certificate's job {id}"));
            }
            let before = self.ledger.at(seq).is_some_and(|record| {
                matches!(record.action.as_str(), "certificate_issued" | "job_failed")
                    && job.record_seq.is_some_and(|allowed_by| allowed_by < seq)
            });
            if !before {
                self.wrong(format!("{id} has a certificate and no record that came before it allows it"));
            }
            if let Err(why) = self.allowed(db, job) {
                self.wrong(format!("{id} has a certificate, and {why}"));
            }
            if given_out && let Err(why) = certificate_is_the_content(db, job, &chain) {
                self.wrong(format!("{id} has a certificate, and {why}"));
            }
        }
    }

    /// What is revoked was agreed to like what is issued, and whoever is asked for a certificate gets none of these.
    fn each_end_was_agreed_to(&mut self, db: &Connection, jobs: &[Job]) {
        let by_id: BTreeMap<&str, &Job> = jobs.iter().map(|job| (job.id.as_str(), job)).collect();
        let mut statement = db
            .prepare(
                "SELECT v.certificate_id || ' version ' || v.version, v.certificate_id, e.job_id
                 FROM certificate_versions v LEFT JOIN crl_entries e USING (certificate_id, version)
                 WHERE v.state = 'revoked' OR e.job_id IS NOT NULL",
            )
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        for row in rows {
            let (what, certificate, id): (String, String, Option<String>) = row.unwrap();
            let job = id.as_deref().and_then(|id| by_id.get(id));
            let Some(job) = job.filter(|job| job.kind == "revoke" && job.certificate == certificate) else {
                self.wrong(format!("{what} is revoked by no job of its own"));
                continue;
            };
            if self.looked_at.insert(format!("end of {what}"))
                && let Err(why) = self.allowed(db, job)
            {
                self.wrong(format!("{what} is revoked, and {why}"));
            }
        }
    }

    fn allowed(&self, db: &Connection, job: &Job) -> Result<(), String> {
        let record = job.record_seq.and_then(|seq| self.ledger.at(seq)).ok_or("no record allows it")?;
        let digest = digest(db, job, not_before(record, job, &self.ledger).as_deref())?;
        if record.text("digest") != Some(digest.as_str()) {
            return Err("its content is not what its record allows".to_owned());
        }
        let Some(request) = &job.request else {
            let asks = self.rules(record.seq).asks_somebody(&job.profile);
            let action = if job.kind == "revoke" { "revocation_requested" } else { "issuance_requested" };
            let unattended = record.action == action && record.about == job.id && !asks;
            return if unattended { Ok(()) } else { Err("nobody was asked, and its profile asks people".to_owned()) };
        };
        if record.about != *request || record.action != "approval_approved" {
            return Err("the record that it names does not approve its request".to_owned());
        }
        let version = record.number("version").unwrap_or(0);
        let made = self.ledger.about(request).filter(|made| {
            matches!(made.action.as_str(), "approval_requested" | "approval_amended") && made.seq < record.seq
        });
        let made: Vec<&Record> = made.collect();
        let newest = made.last().ok_or("nobody asked for it")?;
        if newest.number("version") != Some(version) || newest.text("digest") != Some(digest.as_str()) {
            return Err("another version of its request was the newest when it was approved".to_owned());
        }
        if record.flag("auto_approved") {
            return self.passed_by_time(job, record, newest, made.len());
        }
        let behind: BTreeSet<&str> = made.iter().flat_map(|record| self.behind(record)).collect();
        let quorum = self.rules(newest.seq).quorum(&job.profile, job.owner);
        let votes = self.votes(request, version, &digest, record.seq);
        let fills = |vote: &Vote<'_>, group: &str| self.fills(job, request, vote, group);
        if filled(&quorum, &votes, &behind, &fills) {
            return Ok(());
        }
        let cast: Vec<_> = votes.iter().map(|vote| (vote.record.seq, vote.right_of, &vote.humans)).collect();
        Err(format!("no quorum {quorum:?} of different people over its exact content: {cast:?}, behind it {behind:?}"))
    }

    /// Whether a vote could stand in a place, by the policy when it was cast, the groups that had been brought in,
    /// and the delegation that it names.
    fn fills(&self, job: &Job, request: &str, vote: &Vote<'_>, group: &str) -> bool {
        let rules = self.rules(vote.record.seq);
        let may = rules.fills(vote.right_of, "*", &job.profile);
        let brought_in = self.ledger.about(request).any(|record| {
            record.action == "approval_escalated"
                && record.seq < vote.record.seq
                && record.list("groups").iter().any(|group| rules.is_in_group(vote.right_of, group))
        });
        (rules.fills(vote.right_of, group, &job.profile) || (may && brought_in)) && self.was_handed_over(job, vote)
    }

    fn was_handed_over(&self, job: &Job, vote: &Vote<'_>) -> bool {
        let Some(giver) = vote.record.uid("giver_uid") else { return true };
        let Some(id) = vote.record.text("delegation") else { return false };
        let so_far = || self.ledger.about(id).filter(|record| record.seq < vote.record.seq);
        let granted = so_far().find(|record| record.action == "delegation_granted" && record.uid("uid") == Some(giver));
        let ended = so_far().any(|record| record.action == "delegation_ended");
        let to_the_voter = |granted: &&Record| {
            let uid = vote.record.uid("uid").unwrap_or(0);
            let rules = self.rules(vote.record.seq);
            let profiles = granted.list("profiles");
            granted.text("to").is_some_and(|name| rules.is_person(uid, name))
                && granted.number("until_tick") > vote.record.number("tick")
                && (granted.details.get("profiles").is_none() || profiles.contains(&job.profile.as_str()))
        };
        !ended && granted.filter(to_the_voter).is_some()
    }

    /// A renewal that changes nothing, under a profile that says so then and when it was made, an hour after it was
    /// made, where nobody objected.
    fn passed_by_time(&self, job: &Job, record: &Record, made: &Record, versions: usize) -> Result<(), String> {
        const HOUR: i64 = 3_600_000;
        let waited = record.number("tick").unwrap_or(0) - made.number("tick").unwrap_or(i64::MAX);
        let says_so = [made.seq, record.seq].iter().all(|seq| self.rules(*seq).passes_by_time(&job.profile));
        let objected =
            self.ledger.about(&record.about).any(|other| other.action == "approval_rejected" && other.seq < record.seq);
        let renewed = self
            .ledger
            .about(&job.certificate)
            .any(|other| other.action == "certificate_issued" && other.seq < made.seq);
        let in_order = !record.by_user && record.actor == "system-scheduler" && job.kind == "renew" && versions == 1;
        if in_order && says_so && renewed && !objected && waited >= HOUR {
            return Ok(());
        }
        Err(format!("it passed by the passing of time against the rules (waited {waited} ms)"))
    }
}

/// The state that a record ends a request in.
fn end_of(record: &Record) -> Option<(&str, i64, &str)> {
    let state = match record.action.as_str() {
        "approval_approved" | "approval_rejected" => match record.text("state") {
            Some("pending") => return None,
            Some(state) => state,
            None => "a state that it does not name",
        },
        "approval_bypassed" => "approved by the bypass",
        "approval_expired" => "expired",
        "approval_voided" => "voided",
        "approval_withdrawn" => "withdrawn",
        _ => return None,
    };
    Some((state, record.seq, &record.at))
}

/// The scheduled start that the record of the approved version names.
fn not_before(record: &Record, job: &Job, ledger: &Ledger) -> Option<String> {
    let made = ledger.about(job.request.as_deref()?).filter(|made| made.seq < record.seq);
    let made = made.filter(|made| matches!(made.action.as_str(), "approval_requested" | "approval_amended"));
    made.last()?.text("not_before").map(str::to_owned)
}
