//! From a document to a policy: what is written has to make sense as a whole.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::digest::Digest;

use super::calendar::Calendar;
use super::parts::Issuer;
use super::read::{Reading, Source, read};
use super::report::{Place, Report};
use super::subject::Member;
use super::{Policy, agreement, issuers, ledger, messages, people, profiles, reach, renewal, roles, signers};

/// The most accounts that a document names, whoever they belong to.
const MAX_ACCOUNTS: usize = 4096;

/// See [`Policy::parse`] and [`Policy::parse_stored`].
pub(super) fn check(document: &str, reading: Reading) -> Result<(Policy, Vec<String>), Vec<String>> {
    let mut report = Report::default();
    let mut source = read(document, &mut report);
    let declared = Declared::of(&source, &mut report);
    let readable = report.is_clean();

    let mut unix_groups = BTreeSet::new();
    let (people, owners) = people::people(&source.people, &mut report);
    let (groups, written_groups) = people::groups(&source.groups, &declared, &mut unix_groups, &mut report);
    let roles = roles::roles(&source.roles, reading, &mut report);
    let grants = people::grants(&source.grants, &roles, &declared, &mut unix_groups, &mut report);
    roles::check_granted(&source.roles, &grants, &mut report);
    let issuers = issuers::issuers(&source.issuers, &mut report);
    let places: Vec<Place> = source.profiles.iter().map(|entry| entry.place.clone()).collect();
    let calendars = agreement::calendars(std::mem::take(&mut source.calendars), &mut report);
    let informed = renewal::Surroundings { reading, calendars: &calendars, declared: &declared };
    let renewal_policies = renewal::renewal_policies(&source.renewal_policies, &informed, &mut report);
    let surroundings = Surroundings { issuers: &issuers, calendars: &calendars, declared: &declared };
    let profiles = profiles::profiles(&source.profiles, &surroundings, &mut unix_groups, &mut report);
    let change_control = agreement::change_control(source.change_control.as_ref(), &declared, &mut report);
    let messages = messages::messages(source.messages.as_ref(), reading, &mut report);
    let recipients = messages::recipients(&source.recipients, &declared, &mut report);

    let ledger = ledger::ledger(source.ledger.as_ref(), &mut report);
    let found_plan = renewal::found_plan(source.inventory.as_ref(), &declared, &mut report);

    let sha256 = Digest::of(&[document.as_bytes()]);
    let document = document.to_owned();
    let policy = Policy {
        sha256,
        document,
        people,
        owners,
        groups,
        written_groups,
        roles,
        grants,
        profiles,
        renewal_policies,
        issuers,
        calendars,
        change_control,
        found_plan,
        ledger,
        messages,
        recipients,
        unix_groups,
    };
    let accounts = policy.known_accounts().len();
    if accounts > MAX_ACCOUNTS {
        let what = format!("the document names {accounts} accounts; at most {MAX_ACCOUNTS} are allowed");
        report.line_error(1, format!("{what}: name unix groups instead"));
    }
    // Half a policy would make this one complain about the other half.
    if readable && policy.profiles.len() == places.len() && report.is_clean() {
        owners_are_known(&policy, &places, &mut report);
        let change_control = source.change_control.as_ref().map(|entry| &entry.place);
        reach::check(&policy, &places, change_control, &mut report);
        signers::check(&policy, &places, change_control, &mut report);
    }
    report.finish().map(|warnings| (policy, warnings))
}

/// What a profile refers to.
pub(super) struct Surroundings<'a> {
    pub issuers: &'a [Issuer],
    pub calendars: &'a [Calendar],
    pub declared: &'a Declared,
}

/// The name service is asked about callers, not about the owners of certificates: nobody is an owner by a unix group.
fn owners_are_known(policy: &Policy, places: &[Place], report: &mut Report) {
    for (profile, place) in policy.profiles.iter().zip(places) {
        for route in &profile.rules().routes {
            let by_unix_group = |member: &Member| matches!(member, Member::UnixGroup(_));
            if by_unix_group(&route.owner) {
                let what = format!("{}: nobody is an owner by a unix group: name people or accounts", route.owner);
                report.error(place, "route", what);
            }
            if let Member::Group(group) = &route.owner
                && policy.groups.get(group).is_some_and(|members| members.iter().any(by_unix_group))
            {
                let what = format!("{}: its unix groups make nobody an owner; its people and accounts do", route.owner);
                report.warning(place, "route", what);
            }
        }
    }
}

/// The ids and names that the document declares, unreadable tables included.
pub(super) struct Declared(BTreeMap<&'static str, BTreeSet<String>>);

impl Declared {
    fn of(source: &Source, report: &mut Report) -> Self {
        let mut declared = Self(BTreeMap::new());
        for (table, label) in &source.unreadable {
            declared.0.entry(table).or_default().insert(label.clone());
        }
        let places = (source.people.iter().map(|entry| &entry.place))
            .chain(source.groups.iter().map(|entry| &entry.place))
            .chain(source.roles.iter().map(|entry| &entry.place))
            .chain(source.profiles.iter().map(|entry| &entry.place))
            .chain(source.renewal_policies.iter().map(|entry| &entry.place))
            .chain(source.issuers.iter().map(|entry| &entry.place))
            .chain(source.calendars.iter().map(|entry| &entry.place));
        for place in places {
            if !declared.0.entry(place.table).or_default().insert(place.label.clone()) {
                let key = if place.keys.contains_key("id") { "id" } else { "name" };
                report.error(place, key, format!("a second [[{}]] of that {key}", place.table));
            }
        }
        declared
    }

    /// Whether the table declares that id or name.
    pub fn has(&self, table: &str, label: &str) -> bool {
        self.0.get(table).is_some_and(|labels| labels.contains(label))
    }

    /// Reports a member that names a person or group that is not declared; true where there is nothing to report.
    pub fn resolves(&self, member: &Member, place: &Place, key: &str, report: &mut Report) -> bool {
        let (table, name) = match member {
            Member::Person(name) => ("person", name),
            Member::Group(name) => ("group", name),
            Member::User(_) | Member::Uid(_) | Member::UnixGroup(_) => return true,
        };
        let found = self.has(table, name);
        if !found {
            report.error(place, key, format!("{member}: there is no [[{table}]] of that name"));
        }
        found
    }
}
