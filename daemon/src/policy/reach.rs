//! Whether the people whom a document names could ever agree. Ends of grants are not looked at: the document has no
//! clock.

use std::collections::HashMap;

use super::Policy;
use super::authority::synthetic;
use super::places::{Filled, Places};
use super::powers::{Power, Powers};
use super::profile::Profile;
use super::quorum::{QuorumStep, people_needed};
use super::report::{Place, Report};

/// People who can do the same: the powers of one of them, and how many they are.
type Class = (Vec<Known>, u32);

/// One account, as far as the document tells: surely in no unix group, and possibly in every one that it names.
#[derive(PartialEq, Eq, Hash)]
struct Known {
    sure: Power,
    possible: Power,
}

/// Everybody there is.
struct People<'a> {
    powers: &'a Powers<'a>,
    /// People with their accounts, and accounts that are nobody's.
    classes: Vec<Class>,
    /// Somebody whom the document does not name, in every unix group that it names.
    stranger: Power,
}

/// A quorum to look at.
struct Asked<'a> {
    /// The profile's position; `None` is the change of the policy itself, for which membership is enough.
    profile: Option<usize>,
    steps: &'a [QuorumStep],
    /// What needs the people: `p-web requires approval`.
    what: String,
    key: &'static str,
}

/// Reports profiles that nobody could decide or submit under, and a change control that nobody could satisfy.
/// `places` is in the order of the policy's profiles.
pub(super) fn check(policy: &Policy, places: &[Place], change_control: Option<&Place>, report: &mut Report) {
    let profiles: Vec<&Profile> = policy.profiles.iter().collect();
    let powers = Powers::of(policy, &profiles, |_| true);
    let people = People::of(policy, &powers);
    for (position, (profile, place)) in profiles.iter().zip(places).enumerate() {
        people.check_profile(position, profile, place, report);
        if !powers.granted.submits.has(position) {
            report.warning(place, "", "no grant lets anybody submit under it");
        }
    }
    if let (Some(place), steps @ [_, ..]) = (change_control, policy.change_control.quorum.as_slice()) {
        let what = "another policy needs agreement".to_owned();
        people.check(&Asked { profile: None, steps, what, key: "quorum" }, place, report);
    }
}

impl<'a> People<'a> {
    fn of(policy: &Policy, powers: &'a Powers<'a>) -> Self {
        let everywhere = powers.of_every_unix_group();
        let mut identities: Vec<Vec<Known>> = policy.people.iter().map(|_| Vec::new()).collect();
        for name in policy.known_accounts() {
            let sure = powers.of_account(&synthetic(Some(&name), Vec::new()));
            let mut possible = sure;
            possible |= everywhere;
            let account = Known { sure, possible };
            match policy.owners.get(&name).and_then(|person| identities.get_mut(*person)) {
                Some(person) => person.push(account),
                None => identities.push(vec![account]),
            }
        }
        let mut classes: HashMap<Vec<Known>, u32> = HashMap::new();
        identities.into_iter().for_each(|accounts| *classes.entry(accounts).or_default() += 1);
        Self { powers, classes: classes.into_iter().collect(), stranger: everywhere }
    }

    fn check_profile(&self, position: usize, profile: &Profile, place: &Place, report: &mut Report) {
        let rules = profile.rules();
        if !rules.requires_approval {
            return;
        }
        let key = if rules.quorum.is_empty() { "requires_approval" } else { "quorum" };
        let asked = |steps, what, key| Asked { profile: Some(position), steps, what, key };
        self.check(&asked(&rules.quorum, format!("{} requires approval", profile.id()), key), place, report);
        for route in &rules.routes {
            let what = format!("the route for {} requires approval", route.owner);
            self.check(&asked(&route.quorum, what, "route"), place, report);
        }
        self.check_extra(position, profile, place, report);
        for escalation in &rules.escalations {
            let asks: Vec<usize> = escalation.groups.iter().map(|group| self.powers.position_of(group)).collect();
            let reaches = |power: &Power| power.fills(Some(position), &asks) != 0;
            let somebody =
                self.classes.iter().any(|(accounts, _)| accounts.iter().any(|account| reaches(&account.possible)));
            if !somebody && !reaches(&self.stranger) {
                let what = format!("nobody in the groups that are asked after {} could decide", escalation.after);
                report.warning(place, "escalate", what);
            }
        }
    }

    /// Those who are needed besides for the scheduler's requests are of no group: any operator of the profile will do.
    fn check_extra(&self, position: usize, profile: &Profile, place: &Place, report: &mut Report) {
        let rules = profile.rules();
        let quorums = std::iter::once(&rules.quorum).chain(rules.routes.iter().map(|route| &route.quorum));
        let most = quorums.map(|steps| people_needed(steps)).max().unwrap_or(0);
        let decides = |power: &Power| power.fills(Some(position), &[]) != 0;
        if rules.extra_for_scheduler == 0 || decides(&self.stranger) {
            return;
        }
        let able =
            self.classes.iter().filter(|(accounts, _)| accounts.iter().any(|account| decides(&account.possible)));
        let (found, need) = (able.map(|(_, people)| people).sum::<u32>(), most + rules.extra_for_scheduler);
        if found < need {
            let what = "different people have to agree to what no human asked for, but only";
            report.error(place, "extra_for_scheduler", format!("{need} {what} {found} could decide"));
        }
    }

    fn check(&self, asked: &Asked<'_>, place: &Place, report: &mut Report) {
        let groups: Vec<usize> = asked.steps.iter().map(|step| self.powers.position_of(&step.group)).collect();
        // An account counts by itself: the role of one and the group of another are not added up.
        let fills = |power: &Power| power.fills(asked.profile, &groups);
        let (mut sure, mut possible, mut submitters) = (Filled::default(), Filled::default(), Filled::default());
        for (accounts, people) in &self.classes {
            let can = accounts.iter().fold(0, |all, account| all | fills(&account.possible));
            let surely = if self.stranger == Power::default() {
                can
            } else {
                accounts.iter().fold(0, |all, account| all | fills(&account.sure))
            };
            possible.add(can, *people);
            sure.add(surely, *people);
            let submits = |position| accounts.iter().any(|account| account.sure.submits.has(position));
            if asked.profile.is_some_and(submits) {
                submitters.add(surely, *people);
            }
        }
        let places = Places::of(asked.steps);
        let unbounded = fills(&self.stranger);
        report_shortage(asked, &places, unbounded, [sure, possible, submitters], place, report);
    }
}

fn report_shortage(
    asked: &Asked<'_>,
    places: &Places<'_>,
    unbounded: u8,
    [sure, possible, submitters]: [Filled; 3],
    place: &Place,
    report: &mut Report,
) {
    let (sure, possible, submitters) = (sure.touching(), possible.touching(), submitters.touching());
    let all = places.all();
    if possible[usize::from(all)] == 0 && unbounded == 0 {
        return report.error(place, asked.key, format!("{}, but nobody could decide", asked.what));
    }
    let bounded = |set: &u8| set & unbounded == 0;
    let short =
        |found: &[u32; 256]| places.sets().find(|set| bounded(set) && found[usize::from(*set)] < places.need(*set));
    let route = if asked.key == "route" { format!("{}: ", asked.what) } else { String::new() };
    if let Some(set) = short(&possible) {
        let (need, of, found) = (places.need(set), places.of_groups(set), possible[usize::from(set)]);
        let what = format!("{route}{need} different people{of} have to agree, but only {found} could decide");
        return report.error(place, asked.key, what);
    }
    if let Some(set) = places.sets().find(|set| sure[usize::from(*set)] < places.need(*set)) {
        let (need, of) = (places.need(set), places.of_groups(set));
        let what =
            format!("{route}whether {need} different people{of} could decide depends on unix groups, unknown here");
        return report.warning(place, asked.key, what);
    }
    let tight = |set: &u8| possible[usize::from(*set)] == places.need(*set) && submitters[usize::from(*set)] > 0;
    if let Some(set) = places.sets().filter(bounded).find(tight) {
        let (need, of) = (places.need(set), places.of_groups(set));
        let what = format!("{route}only {need}{of} could decide, and what one of them submits could not be approved");
        report.warning(place, asked.key, what);
    }
}
