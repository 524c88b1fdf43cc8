//! All that bears on a decision, read in one place for `request.get` and for the decision itself.

use std::borrow::Cow;
use std::collections::BTreeSet;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::{SignatureDemand, Votes};
use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use crate::gate::Cast;
use crate::gate::judge::{Case, Given, Say};
use crate::gate::quorum::Tally;
use crate::gate::roll::Known;
use crate::gate::signed;
use crate::gate::two_person::Party;
use crate::identity::directory::Account;
use crate::policy::{ANYBODY, Permission, Permissions, Policy, Profile, Terms};
use crate::service::actor::SCHEDULER;
use crate::service::delegations::Held;
use crate::store::rows::requests::{RequestRow, Work};
use crate::store::rows::terms::{Scheduled, TermsRow};
use crate::store::rows::{certificates, delegations, policies, submissions, terms, timers};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;

/// See the module.
pub struct Matter<'p> {
    /// The request.
    pub request: RequestRow,
    /// Who asked for it, as attested then and as the policy in force knows them now.
    pub requester: Party,
    /// The rules that the current version was made under; none for a change of the policy.
    pub profile: Option<Cow<'p, Profile>>,
    /// What the current version was made under; none for a request from before versions had terms of their own.
    pub version: Option<TermsRow>,
    /// The terms that it was made under.
    pub made_under: Terms,
    /// The terms to judge by: those, or those of the policy in force where they are stricter.
    pub terms: Terms,
    /// Whether the rules that it was made under, or those in force, demand a login session.
    pub needs_login: bool,
    /// Whether decisions have to be signed: by the rules that it was made under, or by those in force, whichever is more.
    pub demand: Option<SignatureDemand>,
    /// The levels of escalation that it has reached.
    pub escalated: Vec<u32>,
    /// Votes on the current version.
    pub cast: Vec<Cast>,
    /// The policies by which humans are told apart.
    pub known: Known<'p>,
}

impl<'p> Matter<'p> {
    /// Reads what bears on a request.
    pub fn read(connection: &Connection, policy: &'p Policy, request: RequestRow) -> Result<Self, Failure> {
        let in_force = policy.profile(&request.profile_id);
        let profile = match &request.work {
            Some(work) => Some(submissions::profile(connection, work.submission_id, policy, &request.profile_id)?),
            None => None,
        };
        let version = terms::get(connection, &request.id, request.version)?;
        let made_under = match (&version, &profile) {
            (Some(version), _) => version.terms.clone(),
            (None, Some(profile)) => policy.terms(profile, &account_of(&request.requester.account, 0), false),
            (None, None) => return Err(ApiError::internal(format!("{} has no terms", request.id)).into()),
        };
        let now = terms_in_force(connection, policy, &request)?;
        let terms = now.map_or_else(|| made_under.clone(), |now| made_under.or_stricter(&now));
        let rules = profile.as_deref().map(Profile::rules);
        let escalated = match rules {
            Some(rules) if !rules.escalations.is_empty() => timers::escalated(connection, &request.id)?,
            _ => Vec::new(),
        };
        let demands = |profile: &Profile| profile.rules().require_login_session;
        let needs_login = profile.as_deref().is_some_and(demands) || in_force.is_some_and(demands);
        let digest = request.digest.to_string();
        let mut cast = Cast::on(connection, &request.id, request.version, &digest, &made_under)?;
        let demand = signed::demanded(policy, profile.as_deref(), &request);
        signed::only_signed(connection, policy, demand, &mut cast)?;
        let requester = requester_now(policy, &request);
        let known = known(connection, policy, &request)?;
        Ok(Self {
            request,
            requester,
            profile,
            version,
            made_under,
            terms,
            needs_login,
            demand,
            escalated,
            cast,
            known,
        })
    }

    /// When the current version is to be carried out at the earliest.
    pub fn not_before(&self) -> Option<Scheduled> {
        self.version.as_ref().and_then(|version| version.not_before)
    }

    /// Whether time brings anything about while it is pending.
    pub fn has_timers(&self) -> bool {
        let rules = self.profile.as_deref().map(Profile::rules);
        rules.is_some_and(|rules| !rules.escalations.is_empty() || rules.auto_approve_after.is_some())
    }

    /// The groups of which an account's say fills places: its own right, nothing that was handed over.
    pub fn counts_for(&self, policy: &Policy, account: &Account, now: Timestamp) -> Vec<String> {
        let permissions = Permissions::of(policy, account, now);
        let may = match &self.profile {
            Some(profile) => permissions.allows(Permission::Decide(profile.id())),
            // Whoever is in a group that change control asks may decide; besides them, admins. Where it asks no group,
            // it takes whoever may propose, and anybody else who may agree.
            None => true,
        };
        if !may {
            return Vec::new();
        }
        let mine = policy.groups_of(self.escalated_groups(policy).chain(self.terms.groups()), account);
        let is_in = |group: &str| mine.iter().any(|own| own == group);
        let fills_any = permissions.is_admin() || self.escalated_groups(policy).any(is_in);
        let any_operator = self.profile.is_some() || permissions.allows(Permission::AgreeToPolicy);
        let fills = |group: &str| fills_any || is_in(group) || (group == ANYBODY && any_operator);
        self.terms.groups().filter(|group| fills(group)).map(str::to_owned).collect()
    }

    /// The groups that escalation has brought in, as far as the policy in force still brings them in.
    pub fn escalated_groups(&self, policy: &Policy) -> impl Iterator<Item = &str> {
        let in_force = policy.profile(&self.request.profile_id).map(|profile| profile.rules().escalations.clone());
        let still = move |group: &&str| {
            in_force
                .as_ref()
                .is_none_or(|steps| steps.iter().any(|step| step.groups.iter().any(|other| other == group)))
        };
        let rules = self.profile.as_deref().map(Profile::rules);
        let reached = move |level: usize| self.escalated.iter().any(|done| *done as usize == level);
        let levels = rules.into_iter().flat_map(|rules| rules.escalations.iter().enumerate());
        levels
            .filter(move |(level, _)| reached(*level))
            .flat_map(|(_, step)| step.groups.iter().map(String::as_str))
            .filter(still)
    }

    /// By which says somebody could vote: their own first, then those that were handed over, as far as these hold now
    /// and their givers could vote themselves.
    pub fn says(
        &self,
        connection: &Connection,
        policy: &Policy,
        (account, held): (&Account, &[Held]),
        now: Timestamp,
        tick: i64,
    ) -> Result<Vec<Say>, Failure> {
        let own = self.counts_for(policy, account, now);
        let own = (!own.is_empty()).then_some(Say { counts_for: own, given: None });
        let mut says: Vec<Say> = own.into_iter().collect();
        let delegate = policy.person_of(account);
        for held in held.iter().filter(|held| self.takes(policy, held)) {
            let own_person = delegate == Some(held.delegated.to.as_str());
            if !own_person || !held.is_still_theirs(policy) || !held.delegated.holds(connection, tick)? {
                continue;
            }
            let counts_for = self.counts_for(policy, &held.account, now);
            if !counts_for.is_empty() {
                let given = Given { delegation: held.delegated.id.clone(), by: held.delegated.by.clone() };
                says.push(Say { counts_for, given: Some(given) });
            }
        }
        Ok(says)
    }

    /// Whether a say that was handed over is about this request: never for a change of the policy, and only where the
    /// rules it was made under and those in force both let a say be handed over.
    fn takes(&self, policy: &Policy, held: &Held) -> bool {
        self.lets_delegate(policy)
            && held.delegated.covers(&self.request.profile_id)
            && (held.delegated.from_login || !self.needs_login)
    }

    fn lets_delegate(&self, policy: &Policy) -> bool {
        let allows = |profile: &Profile| profile.rules().allow_delegation;
        self.profile.as_deref().is_some_and(allows) && policy.profile(&self.request.profile_id).is_some_and(allows)
    }

    /// Who could decide with the say of one of `others`: `erin (for bob)`.
    pub fn delegates(
        &self,
        connection: &Connection,
        policy: &Policy,
        others: &[String],
        tick: i64,
    ) -> Result<Vec<String>, Failure> {
        if !self.lets_delegate(policy) {
            return Ok(Vec::new());
        }
        let asked = [self.requester.person.as_deref(), self.requester.login_person.as_deref()];
        let (spent, mut named) = (self.spent(), BTreeSet::new());
        for row in delegations::open(connection, tick)? {
            let Some(giver) = row.by().person.as_deref() else { continue };
            let stands = others.iter().any(|other| other == giver) && row.covers(&self.request.profile_id);
            let is_somebody = policy.people().iter().any(|person| person.name == row.to());
            if stands && is_somebody && !asked.contains(&Some(row.to())) && !spent.contains(row.to()) {
                named.insert(format!("{} (for {giver})", row.to()));
            }
        }
        Ok(named.into_iter().collect())
    }

    /// The case of one caller, for the gate to judge.
    pub fn case<'a>(&'a self, decider: &'a Party, says: &'a [Say], others: &'a [String], tick: i64) -> Case<'a> {
        Case {
            request: &self.request,
            requester: &self.requester,
            decider,
            says,
            needs_login: self.needs_login,
            terms: &self.terms,
            cast: &self.cast,
            known: &self.known,
            others,
            tick,
        }
    }

    /// How the places are filled.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.terms, &self.known.ballots(&self.cast))
    }

    /// Votes given and needed.
    pub fn votes(&self) -> Votes {
        Votes { given: self.tally().given(), needed: self.terms.places() }
    }

    /// Who could decide instead of the requester and of whoever had logged in to the requester's session.
    pub fn others(&self, policy: &Policy, now: Timestamp) -> Vec<String> {
        let spent = self.spent();
        self.voters(policy, now).into_iter().filter(|name| !spent.contains(name)).collect()
    }

    /// The same, whether they have voted or not.
    pub fn voters(&self, policy: &Policy, now: Timestamp) -> Vec<String> {
        let requester = account_of(&self.requester.account, self.requester.uid);
        let mut others = match &self.profile {
            Some(profile) => policy.deciders(profile, &requester, now),
            None => policy.change_deciders(&requester, now),
        };
        others.retain(|name| self.requester.login_person.as_deref() != Some(name));
        others
    }

    /// Whoever has voted, or whose say was used, could not decide any more.
    fn spent(&self) -> BTreeSet<String> {
        let ballots = self.known.ballots(&self.cast).into_iter();
        ballots.flat_map(|ballot| std::iter::once(ballot.voter).chain(ballot.giver)).collect()
    }
}

/// The one in force, and the one that the request was made under. One that cannot be read is a refusal: who its people
/// were is not known.
fn known<'p>(connection: &Connection, policy: &'p Policy, request: &RequestRow) -> Result<Known<'p>, Failure> {
    let Some(work) = &request.work else { return Ok(Known::by(policy, None)) };
    let made_under = submissions::policy_of(connection, work.submission_id)?;
    if made_under == policy.sha256() {
        return Ok(Known::by(policy, None));
    }
    let then = policies::past(connection, &made_under.to_string())?.ok_or_else(|| {
        let message = format!("policy {made_under}, which {} was made under, cannot be read", request.id);
        ApiError::new(ErrorKind::Conflict, message).hint("have it voided, and make a new request")
    })?;
    Ok(Known::by(policy, Some(then)))
}

/// What the policy in force would ask for, where it knows the profile and asks anybody.
fn terms_in_force(connection: &Connection, policy: &Policy, request: &RequestRow) -> Result<Option<Terms>, Failure> {
    let Some(work) = &request.work else { return Ok(Some(policy.change_control().terms())) };
    let profile = policy.profile(&request.profile_id).filter(|profile| profile.rules().requires_approval);
    let Some(profile) = profile else { return Ok(None) };
    let owner = if profile.rules().routes.is_empty() { account_of("", 0) } else { owner(connection, request, work)? };
    Ok(Some(policy.terms(profile, &owner, request.requester.account == SCHEDULER)))
}

fn owner(connection: &Connection, request: &RequestRow, work: &Work) -> Result<Account, Failure> {
    let certificate = certificates::get(connection, &work.certificate_id, &Sight::All)?;
    let certificate = certificate.ok_or_else(|| ApiError::internal("the request's certificate is missing"))?;
    let issued = certificate.current.is_some() || request.kind == RequestKind::CertRevocation;
    let owner = if issued { &certificate.owner } else { &request.requester };
    Ok(account_of(&owner.account, owner.uid))
}

/// An account as rows name it, to look up in the policy.
pub fn account_of(name: &str, uid: u32) -> Account {
    let name = name.trim_end_matches(" (DEMO)");
    Account { uid, name: (!name.is_empty()).then(|| name.to_owned()), unix_groups: Vec::new() }
}

/// The requester as attested when the request was made, and resolved under the policy in force now: accounts
/// that were folded into one person since then are one person.
pub fn requester_now(policy: &Policy, request: &RequestRow) -> Party {
    let (who, login) = (&request.requester, &request.requester_login);
    if who.account == SCHEDULER {
        return Party::system(SCHEDULER);
    }
    let party = Party {
        account: who.account.clone(),
        uid: who.uid,
        login_uid: login.uid,
        login_account: login.account.clone(),
        person: who.person.clone(),
        login_person: login.person.clone(),
    };
    party.resolved(policy)
}

#[cfg(test)]
#[path = "matter_tests.rs"]
mod tests;
