//! What the policies in a bundle say again of what its records say: whether people had to agree, who had to, and whether each
//! vote was by somebody who had one.
//!
//! Each record is held against the policy that it stands under, which the bundle has. What only the host knew, who was in a unix
//! group, and whose certificate it was where no record of the bundle says it, is taken from the record, and named.

mod document;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use countersign_proof::sshsig::{Hashes, SshSig};
use countersign_shared::decision_text::NAMESPACE;
use countersign_shared::protocol::{EvidencePart, SignatureDemand};
use countersign_shared::time::Timestamp;

use self::document::{ANYBODY, Document, Profile};
use self::standing::{Account, Held, Say};
use super::bundle::{Bundle, Record};
use super::quorum::{Human, Terms, tally};
use super::{Findings, policies, shown, votes};
use crate::signed::satisfies;

/// The rule of every finding here.
const RULE: &str = "by_policy";
/// Who asks where no human does.
const SCHEDULER: &str = "system-scheduler";

pub(super) fn check(bundle: &Bundle, findings: &mut Findings, notes: &mut Vec<String>) {
    let mut derived = Derived::read(bundle, findings, notes);
    for (seq, record) in &bundle.records {
        match record.action() {
            "approval_requested" | "approval_amended" | "policy_proposed" => derived.version(*seq, record),
            "approval_bypassed" => derived.bypassed(*seq, record),
            "issuance_requested" | "revocation_requested" => derived.unattended(*seq, record),
            "approval_approved" if record.flag("auto_approved") => derived.passed(*seq, record),
            "approval_approved" | "approval_rejected" => derived.vote(*seq, record),
            _ => {}
        }
    }
    derived.tell(notes);
}

/// What was derived so far.
struct Derived<'a> {
    bundle: &'a Bundle,
    documents: BTreeMap<String, Document>,
    findings: &'a mut Findings,
    /// Versions whose terms are those of the policy, and votes whose voters had them.
    versions: usize,
    votes: usize,
    unattended: usize,
    /// What was taken from records, and why.
    taken: BTreeSet<String>,
}

/// What a decision was on.
struct Made<'a> {
    record: &'a Record,
    policy: &'a Document,
    /// None for a change of the policy.
    profile: Option<&'a Profile>,
}

impl<'a> Derived<'a> {
    fn read(bundle: &'a Bundle, findings: &'a mut Findings, notes: &mut Vec<String>) -> Self {
        let mut documents = BTreeMap::new();
        for sha256 in bundle.records.values().map(|record| record.text("policy_sha256")).collect::<BTreeSet<_>>() {
            let Some(text) = policies::document(bundle, sha256) else { continue };
            match Document::read(&text) {
                Ok(document) => {
                    documents.insert(sha256.to_owned(), document);
                }
                Err(why) => {
                    notes.push(format!("policy {}: nothing is derived from it: {}", shown(sha256), shown(&why)));
                }
            }
        }
        Self { bundle, documents, findings, versions: 0, votes: 0, unattended: 0, taken: BTreeSet::new() }
    }

    fn tell(self, notes: &mut Vec<String>) {
        let Self { versions, votes, unattended, taken, .. } = self;
        if versions + votes + unattended > 0 {
            notes.push(format!(
                "derived again from the policies in the bundle: who had to agree, for {versions} versions of requests; that \
                 the voter had the vote, for {votes} votes; that nobody had to agree, for {unattended} jobs"
            ));
        }
        notes.extend(taken.into_iter().map(|what| format!("taken from the record, and not derived: {what}")));
    }

    fn wrong(&mut self, seq: u64, record: &Record, text: impl std::fmt::Display) {
        self.findings.add(record.line, "record", Some(seq), RULE, text);
    }

    fn taken(&mut self, seq: u64, what: impl std::fmt::Display) {
        self.taken.insert(format!("{what} (record {seq})"));
    }

    /// The policy that a record stands under. One that is not there was told where policies are checked.
    fn policy_of(&self, record: &Record) -> Option<&Document> {
        self.documents.get(record.text("policy_sha256"))
    }

    /// The record that made the version that a record is about, with the rules that it was made under.
    fn made(&self, record: &Record) -> Option<Made<'_>> {
        let (_, made) = votes::made(self.bundle, record.member("resource_id"), record.number("version")?)?;
        let policy = self.policy_of(made)?;
        let profile = match made.action() {
            "policy_proposed" => None,
            _ => Some(policy.profile(made.text("profile"))?),
        };
        Some(Made { record: made, policy, profile })
    }

    /// The terms of a version are those that its policy asks for.
    fn version(&mut self, seq: u64, record: &Record) {
        let Some(recorded) = Terms::of(record) else {
            return self.taken(seq, "who had to agree, from before records had terms");
        };
        let Some(policy) = self.policy_of(record) else { return };
        let mut sure = true;
        let asked = if record.action() == "policy_proposed" {
            vec![policy.change_terms()]
        } else {
            let id = record.text("profile");
            let Some(profile) = policy.profile(id) else {
                return self.wrong(seq, record, format!("profile {} is not in its policy", shown(id)));
            };
            if !profile.requires_approval {
                let text = format!("profile {} asks for nobody's approval in its policy", shown(id));
                return self.wrong(seq, record, text);
            }
            let owner = self.owner(record);
            let asked = policy.terms(profile, owner.as_ref(), record.member("actor") == SCHEDULER);
            sure = owner.is_some() || asked.len() == 1;
            asked
        };
        let before = record.number("version").unwrap_or_default() - 1;
        let before = match record.action() {
            "approval_amended" => match votes::made(self.bundle, record.member("resource_id"), before) {
                Some((_, before)) => Terms::of(before),
                None => return self.taken(seq, "who had to agree, by the version before it"),
            },
            _ => None,
        };
        self.is_one_of(seq, record, (&recorded, before.as_ref()), (&asked, sure), "the terms of the version");
    }

    /// Terms that were recorded are those that were asked for; where others held before, the stricter ones.
    fn is_one_of(
        &mut self,
        seq: u64,
        record: &Record,
        (recorded, before): (&Terms, Option<&Terms>),
        (asked, sure): (&[Terms], bool),
        what: &str,
    ) -> bool {
        let expected: Vec<Terms> = asked
            .iter()
            .map(|asked| before.map_or_else(|| asked.clone(), |before| before.or_stricter(asked)))
            .collect();
        if !expected.contains(recorded) {
            let expected = expected.iter().map(Terms::to_string).collect::<BTreeSet<_>>();
            let expected = expected.into_iter().collect::<Vec<_>>().join(", or ");
            let text = format!("{what}: by the policy {}, recorded {}", shown(&expected), shown(&recorded.to_string()));
            self.wrong(seq, record, text);
            return false;
        }
        if !sure && expected.iter().any(|other| other != recorded) {
            self.taken(seq, format_args!("{what}, which depend on whose certificate it is"));
        }
        self.versions += usize::from(what == "the terms of the version");
        true
    }

    /// Whose certificate it is, where the bundle says it: before one was issued, whoever asked for it.
    fn owner(&self, record: &Record) -> Option<Account<'a>> {
        let object = record.member("resource_id");
        let about = |asked: &&Record| asked.action() == "approval_requested" && asked.member("resource_id") == object;
        let asked = self.bundle.records.values().find(about)?;
        let first = asked.text("kind") == "cert_issuance";
        first.then(|| asked.number("uid").map(|uid| Account::new(asked.member("actor"), uid))).flatten()
    }

    /// A profile that asks for nobody.
    fn unattended(&mut self, seq: u64, record: &Record) {
        // A retry under a request goes on from its approval.
        if !record.text("request").is_empty() {
            return;
        }
        let Some(policy) = self.policy_of(record) else { return };
        let id = record.text("profile");
        match policy.profile(id).map(|profile| profile.requires_approval) {
            None => self.wrong(seq, record, format!("profile {} is not in its policy", shown(id))),
            // A retry under a policy that has come to demand approval is written down, and the gate carries it out for nobody.
            Some(true) if !record.text("retry_of").is_empty() && !self.allowed_something(seq) => {
                self.taken(
                    seq,
                    format_args!("that nothing came of a retry, for which profile {} demands approval", shown(id)),
                );
            }
            Some(true) => {
                let text = format!("nobody was asked, and profile {} demands approval in its policy", shown(id));
                self.wrong(seq, record, text);
            }
            Some(false) => self.unattended += 1,
        }
    }

    /// Whether something was carried out by this record's leave.
    fn allowed_something(&self, seq: u64) -> bool {
        self.bundle.records.values().any(|other| other.seq("allowed_by_seq") == Some(seq))
    }

    /// Nobody agreed; the policy says who would have had to.
    fn bypassed(&mut self, seq: u64, record: &Record) {
        let Some(asked) = self.made(record).and_then(|made| Terms::of(made.record)) else { return };
        let what = format!(
            "that the bypass was on; the policy asks for {}, of whom nobody was asked",
            shown(&asked.to_string())
        );
        self.taken(seq, what);
    }

    /// Time alone approved, where both policies let it.
    fn passed(&mut self, seq: u64, record: &Record) {
        let Some((_, asked)) = votes::made(self.bundle, record.member("resource_id"), 1) else { return };
        let policies = [self.policy_of(asked), self.policy_of(record)];
        let [Some(then), Some(now)] = policies else { return };
        let id = asked.text("profile");
        let wait = |policy: &Document| policy.profile(id).and_then(|profile| profile.auto_approve_after);
        let wrong = match (wait(then), wait(now)) {
            (Some(then), Some(now)) => {
                let wait = i64::try_from(then.max(now).millis()).unwrap_or(i64::MAX);
                let waited =
                    record.number("tick").zip(asked.number("tick")).map(|(now, then)| now.saturating_sub(then));
                waited.is_none_or(|waited| waited < wait).then_some("it had not waited as long as its policies say")
            }
            _ => Some("its policies do not let requests of its profile pass by time"),
        };
        let renewal = asked.text("kind") == "cert_renewal" && record.number("version") == Some(1);
        let wrong = wrong.or((!renewal).then_some("it is no renewal as it was first asked for"));
        let wrong = wrong.or((record.member("actor") != SCHEDULER).then_some("a person let it pass"));
        if let Some(why) = wrong {
            return self.wrong(seq, record, format!("it was approved by the passing of time: {why}"));
        }
        self.taken(seq, "that it changes nothing of the certificate in force, and so may pass by time");
    }

    fn vote(&mut self, seq: u64, record: &Record) {
        let (Some(at), Some(judged)) = (record.member("at").parse::<Timestamp>().ok(), Terms::of(record)) else {
            return self.taken(seq, "what the vote counts for, from before records had terms");
        };
        let findings = match (self.made(record), self.policy_of(record)) {
            (Some(made), Some(policy)) => self.judged(record, (&made, policy), &judged, at),
            _ => return,
        };
        let Judged { wrong, taken, terms, sure, made_under } = findings;
        let mut good = wrong.is_empty();
        wrong.into_iter().for_each(|text| self.wrong(seq, record, text));
        taken.into_iter().for_each(|text| self.taken(seq, text));
        if let (Some(made_under), Some(terms)) = (made_under, terms) {
            let asked = (terms.as_slice(), sure);
            good &= self.is_one_of(seq, record, (&judged, Some(&made_under)), asked, "the terms that it was judged by");
        }
        good &= self.different(seq, record, &judged);
        self.votes += usize::from(good);
    }

    fn judged(&self, record: &Record, (made, policy): (&Made<'_>, &Document), judged: &Terms, at: Timestamp) -> Judged {
        let mut out = Judged { made_under: Terms::of(made.record), ..Judged::default() };
        let id = made.record.text("profile");
        let in_force = policy.profile(id).filter(|profile| profile.requires_approval);
        // Where the profile has gone, or asks for nobody any more, what it was made under stands.
        out.terms = match (made.profile, in_force) {
            (None, _) => Some(vec![policy.change_terms()]),
            (Some(_), None) => out.made_under.clone().map(|terms| vec![terms]),
            (Some(_), Some(profile)) => {
                let owner = self.owner(record);
                let asked = self.bundle.records.values().find(|asked| {
                    asked.action() == "approval_requested"
                        && asked.member("resource_id") == record.member("resource_id")
                });
                let scheduled = asked.is_some_and(|asked| asked.member("actor") == SCHEDULER);
                let terms = policy.terms(profile, owner.as_ref(), scheduled);
                out.sure = owner.is_some() || terms.len() == 1;
                // A certificate that was imported meanwhile has an owner of its own, of whom the bundle need not tell.
                let held = |terms: &[Terms]| {
                    let made_under = out.made_under.as_ref();
                    made_under.is_none_or(|made| terms.iter().any(|now| made.or_stricter(now) == *judged))
                };
                if held(&terms) {
                    Some(terms)
                } else {
                    out.sure = false;
                    Some(policy.terms(profile, None, scheduled))
                }
            }
        };
        out.sure |= made.profile.is_none() || in_force.is_none();
        let Some(voter) = Human::of(record) else {
            out.wrong.push("the vote is by no account".to_owned());
            return out;
        };
        let giver = Human::giver(record);
        for human in std::iter::once(&voter).chain(&giver) {
            let derived = policy.standing.person_of(&Account::new(&human.account, human.uid)).unwrap_or_default();
            if derived != human.person {
                let (account, recorded) = (shown(&human.account), shown(&human.person));
                out.wrong.push(format!("{account} is {} by the policy, recorded {recorded}", shown(derived)));
            }
        }
        if giver.is_some() {
            let lets = |profile: Option<&Profile>| profile.is_some_and(|profile| profile.allow_delegation);
            if !lets(made.profile) || !lets(policy.profile(id)) {
                out.wrong.push(format!("a say was handed over, which profile {} does not allow", shown(id)));
            }
        }
        let whose = giver.as_ref().unwrap_or(&voter);
        self.places(record, (made, policy), (judged, whose), at, &mut out);
        out
    }

    /// Whether somebody fills the places that their vote counts for.
    fn places(
        &self,
        record: &Record,
        (made, policy): (&Made<'_>, &Document),
        (judged, whose): (&Terms, &Human),
        at: Timestamp,
        out: &mut Judged,
    ) {
        let (standing, account) = (&policy.standing, Account::new(&whose.account, whose.uid));
        let (id, name) = (made.record.text("profile"), shown(&whose.account));
        let (may, any_operator) = match made.profile {
            Some(_) => {
                let may = standing.has(Say::Decide(id), &account, at);
                (may, may)
            }
            None => (Held::Yes, standing.has(Say::AgreeToPolicy, &account, at)),
        };
        match may {
            Held::No => out.wrong.push(format!("{name} may not decide under profile {} by the policy", shown(id))),
            Held::HostAlone => out.taken.push(format!("that {name} may decide, as a member of a unix group")),
            Held::Yes => {}
        }
        let every_group = standing.has(Say::EveryGroup, &account, at);
        let escalated = self.escalated(record, made, policy.profile(id));
        let fills_any =
            escalated.iter().fold(every_group, |held, group| held.or(|| standing.in_group(group, &account)));
        let Some(counts_for) = record.list("counts_for") else {
            return out.taken.push("what the vote counts for, from before records said it".to_owned());
        };
        if counts_for.is_empty() {
            out.wrong.push("the vote counts for no step".to_owned());
        }
        for group in counts_for {
            if !judged.steps.iter().any(|(asked, _)| asked == group) {
                out.wrong.push(format!("the vote counts for {}, which nobody asked", shown(group)));
                continue;
            }
            let anybody = || if group == ANYBODY { any_operator } else { Held::No };
            match fills_any.or(|| standing.in_group(group, &account)).or(anybody) {
                Held::Yes => {}
                Held::HostAlone => {
                    let who = if group == ANYBODY { "anybody".to_owned() } else { shown(group) };
                    out.taken.push(format!("that the vote of {name} counts for {who}, by who was in a unix group"));
                }
                Held::No => {
                    let who = if group == ANYBODY { "anybody".to_owned() } else { format!("group {}", shown(group)) };
                    out.wrong.push(format!("the vote counts for {who}, and {name} was not in it by the policy"));
                }
            }
        }
    }

    /// Whether there is a signature of that vote as it is demanded; whose it is was looked at with the signature.
    fn is_signed(&self, seq: u64, demand: SignatureDemand) -> bool {
        let mut decisions = self.bundle.parts.iter().filter_map(|(_, part)| match part {
            EvidencePart::Decision(part) if part.seq == seq => part.signature.as_ref(),
            _ => None,
        });
        let record = self.bundle.records.get(&seq);
        let hashes =
            record.and_then(|record| Hashes::from_hex(record.text("signed_sha256"), record.text("signed_sha512")));
        let (Some(signature), Some(hashes)) = (decisions.next(), hashes) else { return false };
        let presence = SshSig::parse(&signature.sshsig).and_then(|parsed| parsed.verify(NAMESPACE, &hashes));
        presence.is_ok_and(|presence| satisfies(demand, presence))
    }

    /// Groups that were asked besides by then, and still are.
    fn escalated(&self, record: &Record, made: &Made<'_>, in_force: Option<&Profile>) -> Vec<String> {
        let Some(rules) = made.profile else { return Vec::new() };
        let earlier = |other: &&Record| {
            other.action() == "approval_escalated"
                && other.member("resource_id") == record.member("resource_id")
                && other.line < record.line
        };
        let levels = self.bundle.records.values().filter(earlier).filter_map(|other| other.seq("level"));
        let steps = levels.filter_map(|level| rules.escalate.get(usize::try_from(level).ok()?));
        let still =
            |group: &&String| in_force.is_none_or(|now| now.escalate.iter().any(|step| step.groups.contains(group)));
        steps.flat_map(|step| &step.groups).filter(still).cloned().collect()
    }

    /// The quorum once more, with who is one human by the policy that the version was made under, and by the one that the
    /// completing vote was judged under.
    fn different(&mut self, seq: u64, record: &Record, judged: &Terms) -> bool {
        if record.action() != "approval_approved" || record.text("state") != "approved" {
            return true;
        }
        let mut wrong = Vec::new();
        if let (Some(made), Some(policy)) = (self.made(record), self.policy_of(record)) {
            for document in [made.policy, policy] {
                let person = |human: &mut Human| {
                    let account = Account::new(&human.account, human.uid);
                    human.person = document.standing.person_of(&account).unwrap_or_default().to_owned();
                };
                let mut votes = votes::votes(self.bundle, record, seq, judged);
                // An approval that is not signed as demanded fills no place, as in the gate; a rejection opens nothing.
                if let Some(demand) = policy.signatures(made.profile) {
                    let unsigned = votes.iter_mut().filter(|vote| vote.approves && !self.is_signed(vote.seq, demand));
                    unsigned.for_each(|vote| vote.counts_for.clear());
                }
                votes.iter_mut().for_each(|vote| {
                    person(&mut vote.by);
                    vote.giver.iter_mut().for_each(person);
                });
                let (given, _) = tally(judged, &votes);
                if given < judged.places() {
                    wrong.push(format!("different people by the policy: expected {}, found {given}", judged.places()));
                }
                let mut asking = Human::of(made.record);
                asking.iter_mut().for_each(person);
                let voters = votes.iter().flat_map(|vote| std::iter::once(&vote.by).chain(&vote.giver));
                let own = voters.filter(|human| asking.as_ref().is_some_and(|asking| asking.is(human)));
                wrong.extend(own.map(|human| format!("{} is, by the policy, who asked for it", shown(human.name()))));
            }
        }
        let good = wrong.is_empty();
        wrong.into_iter().collect::<BTreeSet<_>>().into_iter().for_each(|text| self.wrong(seq, record, text));
        good
    }
}

/// What a policy says of one vote.
#[derive(Default)]
struct Judged {
    wrong: Vec<String>,
    taken: Vec<String>,
    made_under: Option<Terms>,
    /// What the policy in force asked for then.
    terms: Option<Vec<Terms>>,
    /// Whether it is known which of these.
    sure: bool,
}
