//! Whether the people whom a document names could ever agree. Ends of grants are not looked at: the document has no
//! clock.

use super::Policy;
use super::authority::synthetic;
use super::places::{Filled, Places};
use super::powers::{Mask, Power, Powers};
use super::profile::Profile;
use super::quorum::QuorumStep;
use super::report::{Place, Report};

/// One account, as far as the document tells: surely in no unix group, and possibly in every one that it names.
struct Known {
    sure: Power,
    possible: Power,
}

/// Everybody there is.
struct People<'a> {
    powers: &'a Powers<'a>,
    /// A person's accounts, or one account that is nobody's.
    identities: Vec<Vec<Known>>,
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
    extra: u32,
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
        people.check(&Asked { profile: None, steps, what, key: "quorum", extra: 0 }, place, report);
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
        Self { powers, identities, stranger: everywhere }
    }

    fn check_profile(&self, position: usize, profile: &Profile, place: &Place, report: &mut Report) {
        let rules = profile.rules();
        if !rules.requires_approval {
            return;
        }
        let key = if rules.quorum.is_empty() { "requires_approval" } else { "quorum" };
        let asked =
            |steps, what, key| Asked { profile: Some(position), steps, what, key, extra: rules.extra_for_scheduler };
        self.check(&asked(&rules.quorum, format!("{} requires approval", profile.id()), key), place, report);
        for route in &rules.routes {
            let what = format!("the route for {} requires approval", route.owner);
            self.check(&asked(&route.quorum, what, "route"), place, report);
        }
        for escalation in &rules.escalations {
            let asks = self.powers.groups(&escalation.groups);
            let reaches = |power: &Power| power.fills_any(position, &asks);
            let somebody = self.identities.iter().flatten().any(|account| reaches(&account.possible));
            if !somebody && !reaches(&self.stranger) {
                let what = format!("nobody in the groups that are asked after {} could decide", escalation.after);
                report.warning(place, "escalate", what);
            }
        }
    }

    fn check(&self, asked: &Asked<'_>, place: &Place, report: &mut Report) {
        let groups: Vec<Mask> =
            asked.steps.iter().map(|step| self.powers.groups(std::slice::from_ref(&step.group))).collect();
        // An account counts by itself: the role of one and the group of another are not added up.
        let fills = |power: &Power| power.fills(asked.profile, &groups);
        let (mut sure, mut possible, mut submitters) = (Filled::default(), Filled::default(), Filled::default());
        for accounts in &self.identities {
            let can = accounts.iter().fold(0, |all, account| all | fills(&account.possible));
            let surely = accounts.iter().fold(0, |all, account| all | fills(&account.sure));
            possible.add(can);
            sure.add(surely);
            let submits = |position| accounts.iter().any(|account| account.sure.submits.has(position));
            if asked.profile.is_some_and(submits) {
                submitters.add(surely);
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
    let with_extra = places.need(all) + asked.extra;
    if unbounded == 0 && possible[usize::from(all)] < with_extra {
        let found = possible[usize::from(all)];
        let what = format!(
            "{route}{with_extra} different people have to agree to what no human asked for, but only {found} could decide"
        );
        return report.error(place, "extra_for_scheduler", what);
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
