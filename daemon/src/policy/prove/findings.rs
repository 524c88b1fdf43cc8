//! Proofs in words.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::protocol::{Finding, FindingLevel};

use super::crowd::{Human, Part};
use super::places::{Fits, assign};
use super::{Possible, Prover, Survey};
use crate::policy::quorum::QuorumStep;
use crate::policy::terms::made_of;
use crate::policy::{Profile, Terms};

/// Names that a finding lists.
const NAMED: usize = 5;

/// What findings about changes of the policy have as their subject.
const CHANGE_CONTROL: &str = "change_control";

/// Terms to look at, with the words for it.
struct Question<'q> {
    /// None for changes of the policy.
    profile: Option<&'q Profile>,
    terms: Terms,
    /// Before a text: for which certificates.
    when: String,
}

/// A smallest set of humans.
pub(super) struct Together {
    pub number: u32,
    names: String,
}

/// What is proved of a profile. Gives the humans that it takes; none where nobody is asked.
pub(super) fn profile(prover: &Prover<'_>, profile: &Profile, found: &mut Vec<Finding>) -> Option<u32> {
    let rules = profile.rules();
    let note = |rule: &str, text: String| finding(FindingLevel::Note, rule, profile.id(), text);
    if !rules.requires_approval {
        let text = "1 human alone gets a certificate: nobody else is asked".to_owned();
        found.push(note("collusion", text));
        return None;
    }
    if let Some(wait) = rules.auto_approve_after {
        let text = format!("1 human alone renews with the same names, {wait} later, where nobody objects");
        found.push(note("collusion", text));
    }
    let terms = |steps: &[QuorumStep], order| made_of(steps, order, rules.reject_threshold);
    let own = Question { profile: Some(profile), terms: terms(&rules.quorum, rules.quorum_order), when: String::new() };
    let routes = rules.routes.iter().map(|route| Question {
        profile: Some(profile),
        terms: terms(&route.quorum, route.quorum_order),
        when: format!("for certificates of {}: ", route.owner),
    });
    let smallest = std::iter::once(own).chain(routes).filter_map(|question| {
        let together = question.answer(prover, found)?;
        let text = format!("{}{} get a certificate", question.when, together.in_words());
        found.push(note("collusion", text));
        Some(together.number)
    });
    smallest.min()
}

/// What is proved of changes of the policy, and the humans that they take.
pub(super) fn change_control(prover: &Prover<'_>, found: &mut Vec<Finding>) -> Option<Together> {
    let terms = prover.policy.change_control().terms();
    Question { profile: None, terms, when: String::new() }.answer(prover, found)
}

/// Who changes the rules gets past all of them.
pub(super) fn by_way_of_the_policy(changes: Option<Together>, needs: &[(&str, u32)], found: &mut Vec<Finding>) {
    let Some(changes) = changes else { return };
    let harder: Vec<String> = needs
        .iter()
        .filter(|(_, need)| *need > changes.number)
        .map(|(profile, need)| format!("{profile} (which takes {need})"))
        .collect();
    let mut text = format!("{} can change every rule", changes.in_words());
    let level = if harder.is_empty() {
        FindingLevel::Note
    } else {
        text.push_str(&format!(", and by that get past {}", listed(&harder)));
        FindingLevel::Warning
    };
    found.push(finding(level, "collusion", CHANGE_CONTROL, text));
}

/// Accounts that count as a human each, and may not be one.
pub(super) fn identities(prover: &Prover<'_>, found: &mut Vec<Finding>) {
    let decide = |human: &&Human| !human.is_person && prover.crowd.may_decide_somewhere(human);
    let alone: Vec<String> = prover.crowd.humans.iter().filter(decide).map(|human| human.name.clone()).collect();
    if !alone.is_empty() {
        let text = format!(
            "{} may decide and belong to no [[person]]: each counts as a human of its own, whoever uses it",
            listed(&alone)
        );
        found.push(finding(FindingLevel::Warning, "identity", "", text));
    }
}

impl Question<'_> {
    fn subject(&self) -> &str {
        self.profile.map_or(CHANGE_CONTROL, Profile::id)
    }

    fn survey(&self, prover: &Prover<'_>, escalation: &[String]) -> Survey {
        let wanted = prover.crowd.wanted(self.profile.map(Profile::id), &self.terms, escalation);
        prover.survey(&self.terms, &wanted, BTreeSet::new(), Vec::new())
    }

    /// Pushes what is found, and gives a smallest set of humans where the policy names one.
    fn answer(&self, prover: &Prover<'_>, found: &mut Vec<Finding>) -> Option<Together> {
        let rules = self.profile.map(Profile::rules);
        let escalation: Vec<String> =
            rules.into_iter().flat_map(|rules| rules.escalation_groups()).map(str::to_owned).collect();
        let survey = self.survey(prover, &escalation);
        let before = (!escalation.is_empty()).then(|| self.survey(prover, &[]));
        self.satisfiable(prover, &survey, before.as_ref(), found);
        self.indispensable(prover, &survey, found);
        self.rejectable(&survey, found);
        self.together(prover, &survey)
    }

    fn satisfiable(&self, prover: &Prover<'_>, survey: &Survey, before: Option<&Survey>, found: &mut Vec<Finding>) {
        let named = |wanted: &dyn Fn(usize, Part) -> bool| {
            let kinds: Vec<bool> = survey.parts.iter().enumerate().map(|(at, part)| wanted(at, *part)).collect();
            prover.named(|human| kinds.get(human.kind).copied().unwrap_or(false))
        };
        let stuck = named(&|_, part| part.asks && survey.possible(part) == Possible::No);
        let unknown = named(&|_, part| part.asks && survey.possible(part) == Possible::Unknown);
        let hopeful = |part: &Part| part.asks_at_most && survey.possible(*part) != Possible::No;
        let asks = |part: &Part| part.asks_at_most;
        let anybody_asks = survey.parts.iter().any(asks) || survey.stranger.asks_at_most;
        let stranger = survey.stranger.asks_at_most && survey.possible(Part::default()) != Possible::No;
        let nobody_succeeds = !survey.parts.iter().any(hopeful) && !stranger;
        let mut say = |level, rule: &str, text: String| {
            found.push(finding(level, rule, self.subject(), format!("{}{text}", self.when)));
        };
        match self.profile {
            None if !anybody_asks => {
                let text = "nobody could propose another policy: this one would hold for ever".to_owned();
                say(FindingLevel::Error, "satisfiable", text);
            }
            None if nobody_succeeds => {
                let text = format!("nobody besides the proposer could agree to another policy; {}", of(&stuck));
                say(FindingLevel::Error, "satisfiable", text);
            }
            Some(_) if anybody_asks && nobody_succeeds => {
                say(FindingLevel::Error, "satisfiable", format!("nothing could be approved: {}", of(&stuck)));
            }
            _ if !stuck.is_empty() => {
                let verb = if self.profile.is_some() { "submitted" } else { "proposed" };
                let text = format!("what is {verb} by {} could be approved by nobody", listed(&stuck));
                say(FindingLevel::Warning, "satisfiable", text);
            }
            _ => {}
        }
        if !unknown.is_empty() {
            let text = format!(
                "whether anybody could approve requests by {} depends on unix groups, whose members are not known here",
                listed(&unknown)
            );
            say(FindingLevel::Warning, "unix_groups", text);
        }
        let only_escalated = |at: usize, part: Part| {
            let earlier = before.and_then(|before| Some(before.possible(*before.parts.get(at)?)));
            part.asks && survey.possible(part) == Possible::Yes && earlier == Some(Possible::No)
        };
        let late = named(&only_escalated);
        if let (false, Some(first)) = (late.is_empty(), self.first_escalation()) {
            let text = format!(
                "what is submitted by {} could be approved only when it is escalated, after {first}",
                listed(&late)
            );
            say(FindingLevel::Warning, "satisfiable", text);
        }
    }

    fn first_escalation(&self) -> Option<countersign_shared::time::Span> {
        Some(self.profile?.rules().escalations.first()?.after)
    }

    /// Without whom nothing of some requester could be approved.
    fn indispensable(&self, prover: &Prover<'_>, survey: &Survey, found: &mut Vec<Finding>) {
        // Requesters who fit the same need the same people.
        let mut kinds: BTreeMap<Fits, &str> = BTreeMap::new();
        for human in &prover.crowd.humans {
            let asks = survey.parts.get(human.kind).filter(|part| part.asks && !kinds.contains_key(&part.fits_at_most));
            if let Some(part) = asks.filter(|part| survey.possible(**part) != Possible::No) {
                kinds.insert(part.fits_at_most, &human.name);
            }
        }
        let needed: Vec<(&str, Fits)> =
            kinds.into_iter().map(|(fits, name)| (name, survey.at_most.needs_everybody_of(fits))).collect();
        let everywhere = needed.iter().fold(Fits::MAX, |all, (_, steps)| all & steps);
        let fitting = |steps: Fits, besides: &str| -> Vec<String> {
            let fits = |kind| survey.parts.get(kind).is_some_and(|part: &Part| part.fits_at_most & steps != 0);
            prover.named(|human| fits(human.kind) && human.name != besides)
        };
        let Some((example, steps)) = needed.iter().find(|(_, steps)| *steps != 0) else { return };
        let what = if self.profile.is_some() { "nothing" } else { "no other policy" };
        let asks = |part: &Part| part.asks && survey.possible(*part) != Possible::No;
        let asking = prover.named(|human| survey.parts.get(human.kind).is_some_and(asks));
        // Without the only one who asks for what could be approved there is nothing to approve.
        let only = if let [only] = asking.as_slice() { only } else { "" };
        let mut names = fitting(everywhere, only);
        let mut whose = String::new();
        if names.is_empty() {
            names = fitting(*steps, example);
            whose = format!(" of what {example} asks for");
        }
        if names.is_empty() {
            return;
        }
        let text = format!("{}{} {what}{whose} could be approved", self.when, without(&names));
        found.push(finding(FindingLevel::Warning, "single_point_of_failure", self.subject(), text));
    }

    /// Whether so many people as it takes to reject could.
    fn rejectable(&self, survey: &Survey, found: &mut Vec<Finding>) {
        let deciders = survey.at_most.people();
        let threshold = self.terms.reject_threshold;
        if survey.stranger.fits_at_most == 0 && (1..threshold).contains(&deciders) {
            let text = format!("{}{threshold} people have to reject, and only {deciders} could", self.when);
            found.push(finding(FindingLevel::Warning, "reject_threshold", self.subject(), text));
        }
    }

    /// A smallest set: whoever asks, and another human for each place. No human fills two, and none fills one of their
    /// own request.
    fn together(&self, prover: &Prover<'_>, survey: &Survey) -> Option<Together> {
        let number = self.terms.places().saturating_add(1);
        let asks = |part: &Part| part.asks && survey.possible(*part) == Possible::Yes;
        let part = |human: &Human| survey.parts.get(human.kind).copied().unwrap_or_default();
        let Some(requester) = prover.crowd.humans.iter().position(|human| asks(&part(human))) else {
            let somebody = survey
                .parts
                .iter()
                .chain([&survey.stranger])
                .any(|part| part.asks_at_most && survey.possible(*part) != Possible::No);
            return somebody.then(|| Together { number, names: String::new() });
        };
        let others = prover.crowd.humans.iter().enumerate().filter(|(at, _)| *at != requester);
        let others: Vec<(usize, Fits)> = others.map(|(at, human)| (at, part(human).fits)).collect();
        let chosen = assign(&self.terms, &others)?;
        let name = |at: &usize| prover.crowd.humans.get(*at).map(|human| human.name.clone());
        let names: Vec<String> = std::iter::once(&requester).chain(&chosen).filter_map(name).collect();
        Some(Together { number, names: names.join(", ") })
    }
}

impl Together {
    fn in_words(&self) -> String {
        if self.names.is_empty() {
            return format!("{} humans together", self.number);
        }
        format!("{} humans together (such as {})", self.number, self.names)
    }
}

fn of(stuck: &[String]) -> String {
    if stuck.is_empty() {
        return "whoever asks is missing among those who decide".to_owned();
    }
    format!("a request by {} could be approved by nobody", listed(stuck))
}

fn without(names: &[String]) -> String {
    let mut text = format!("without {}", names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" or without "));
    if names.len() > NAMED {
        text.push_str(&format!(" or without one of {} more", names.len() - NAMED));
    }
    text
}

fn finding(level: FindingLevel, rule: &str, subject: &str, text: String) -> Finding {
    Finding { level, rule: rule.to_owned(), subject: subject.to_owned(), text }
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}
