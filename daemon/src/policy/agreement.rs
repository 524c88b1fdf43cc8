//! Checks of who has to agree, who is asked besides, and when offices are open.

use std::collections::BTreeSet;

use countersign_shared::time::Span;

use super::calendar::Calendar;
use super::check::Declared;
use super::document::{ChangeControlTable, ProfileTable};
use super::parts::ChangeControl;
use super::profiles::{HOUR, LONGEST_TIMEOUT, SECOND, check_span};
use super::quorum::{Escalation, MAX_NEED, MAX_PEOPLE, MAX_STEPS, QuorumStep, Route, people_needed};
use super::read::Entry;
use super::report::{Place, Report};
use super::subject::{IDENTIFIER_SHAPE, Member, is_identifier};

const DAY: u64 = 86_400;
const MINUTE: Span = Span::from_secs(60);
const LONGEST_WAIT: Span = Span::from_secs(90 * DAY);
const MAX_ROUTES: usize = 32;
const MAX_ESCALATIONS: usize = 4;
const MAX_GROUPS: usize = 8;
const MAX_HOLIDAYS: usize = 512;
const MAX_REJECTIONS: u32 = 10;
const MAX_EXTRA: u32 = 5;

/// The calendars.
pub(super) fn calendars(entries: Vec<Entry<Calendar>>, report: &mut Report) -> Vec<Calendar> {
    let mut calendars = Vec::with_capacity(entries.len());
    for Entry { value: calendar, place } in entries {
        if !is_identifier(&calendar.id) {
            report.error(&place, "id", IDENTIFIER_SHAPE);
        }
        let days: BTreeSet<_> = calendar.days.iter().collect();
        if days.is_empty() || days.len() < calendar.days.len() {
            report.error(&place, "days", "at least one day of mon, tue, wed, thu, fri, sat and sun, each once");
        }
        if calendar.from >= calendar.until {
            let what = format!("{} does not come after {}: it would never be open", calendar.until, calendar.from);
            report.error(&place, "until", what);
        }
        let holidays: BTreeSet<_> = calendar.holidays.iter().collect();
        if holidays.len() < calendar.holidays.len() || holidays.len() > MAX_HOLIDAYS {
            report.error(&place, "holidays", format!("each date once, at most {MAX_HOLIDAYS}"));
        }
        calendars.push(calendar);
    }
    calendars
}

/// What `[change_control]` says, or its defaults.
pub(super) fn change_control(
    entry: Option<&Entry<ChangeControlTable>>,
    declared: &Declared,
    report: &mut Report,
) -> ChangeControl {
    let Some(Entry { value: table, place }) = entry else {
        return ChangeControl::default();
    };
    let quorum = table.quorum.as_ref().map(|list| steps(list, "quorum", declared, place, report));
    check_rejections(table.reject_threshold, place, report);
    let mut control = ChangeControl {
        quorum: quorum.unwrap_or_default(),
        quorum_order: table.quorum_order,
        reject_threshold: table.reject_threshold,
        decision_signature: table.decision_signature,
        ..ChangeControl::default()
    };
    if let Some(timeout) = table.approval_timeout {
        check_span(timeout, SECOND, LONGEST_TIMEOUT, "approval_timeout", place, report);
        control.approval_timeout = timeout;
    }
    control
}

/// Reports what a profile says of agreement and cannot mean; quorum, routes and escalations have their own checks.
pub(super) fn check_profile(table: &ProfileTable, place: &Place, report: &mut Report) {
    check_rejections(table.reject_threshold, place, report);
    if table.extra_for_scheduler > MAX_EXTRA {
        let what = format!("{} is not within 0 to {MAX_EXTRA}", table.extra_for_scheduler);
        report.error(place, "extra_for_scheduler", what);
    }
    if let Some(span) = table.carry_out_within {
        check_span(span, MINUTE, LONGEST_WAIT, "carry_out_within", place, report);
    }
    if let Some(span) = table.auto_approve_after {
        check_span(span, HOUR, LONGEST_WAIT, "auto_approve_after", place, report);
        if table.approval_timeout.is_some_and(|timeout| span >= timeout) {
            report.error(place, "auto_approve_after", "it would never come: approval_timeout ends the request before");
        }
        if table.decision_signature.is_some() {
            report.error(
                place,
                "auto_approve_after",
                "what is approved by nobody is signed by nobody: drop decision_signature",
            );
        }
        let what = "renewals with the same names and the same type of key are approved by nobody when this has passed";
        report.warning(place, "auto_approve_after", what);
    }
    if table.requires_approval {
        return;
    }
    for (key, set) in [
        ("quorum_order", !table.quorum_order.is_parallel()),
        ("reject_threshold", table.reject_threshold != 1),
        ("extra_for_scheduler", table.extra_for_scheduler != 0),
        ("route", table.route.is_some()),
        ("carry_out_within", table.carry_out_within.is_some()),
        ("escalate", table.escalate.is_some()),
        ("calendar", table.calendar.is_some()),
        ("auto_approve_after", table.auto_approve_after.is_some()),
        ("allow_delegation", !table.allow_delegation),
        ("decision_signature", table.decision_signature.is_some()),
    ] {
        if set {
            report.error(place, key, "without requires_approval = true nobody is asked and it has no effect");
        }
    }
}

/// A profile's own quorum; empty where the key is left out.
pub(super) fn quorum(table: &ProfileTable, declared: &Declared, place: &Place, report: &mut Report) -> Vec<QuorumStep> {
    let Some(list) = &table.quorum else {
        return Vec::new();
    };
    if !table.requires_approval {
        report.error(place, "quorum", "a quorum without requires_approval = true would not be asked");
    }
    steps(list, "quorum", declared, place, report)
}

/// The routes. The unix groups that they name are added to `unix_groups`.
pub(super) fn routes(
    table: &ProfileTable,
    declared: &Declared,
    unix_groups: &mut BTreeSet<String>,
    place: &Place,
    report: &mut Report,
) -> Vec<Route> {
    let routes = table.route.clone().unwrap_or_default();
    if routes.len() > MAX_ROUTES || table.route.as_ref().is_some_and(Vec::is_empty) {
        report.error(place, "route", format!("1 to {MAX_ROUTES} routes, or leave the key out"));
        return Vec::new();
    }
    for (i, route) in routes.iter().enumerate() {
        if let Member::UnixGroup(name) = &route.owner {
            unix_groups.insert(name.clone());
        }
        declared.resolves(&route.owner, place, "route", report);
        if routes[..i].iter().any(|earlier| earlier.owner == route.owner) {
            report.error(place, "route", format!("a second route for {}: it would never be taken", route.owner));
        }
        steps(&route.quorum, "route", declared, place, report);
    }
    routes
}

/// The escalations.
pub(super) fn escalations(
    table: &ProfileTable,
    declared: &Declared,
    place: &Place,
    report: &mut Report,
) -> Vec<Escalation> {
    let list = table.escalate.clone().unwrap_or_default();
    if list.len() > MAX_ESCALATIONS || table.escalate.as_ref().is_some_and(Vec::is_empty) {
        report.error(place, "escalate", format!("1 to {MAX_ESCALATIONS} escalations, or leave the key out"));
        return Vec::new();
    }
    for (i, escalation) in list.iter().enumerate() {
        check_span(escalation.after, SECOND, LONGEST_TIMEOUT, "escalate", place, report);
        if i > 0 && list[i - 1].after >= escalation.after {
            report.error(place, "escalate", format!("{} does not come after {}", escalation.after, list[i - 1].after));
        }
        if table.approval_timeout.is_some_and(|timeout| escalation.after >= timeout) {
            let what = format!("{} would never come: approval_timeout ends the request before", escalation.after);
            report.error(place, "escalate", what);
        }
        let different: BTreeSet<&String> = escalation.groups.iter().collect();
        if different.is_empty() || different.len() < escalation.groups.len() || different.len() > MAX_GROUPS {
            report.error(place, "escalate", format!("groups: 1 to {MAX_GROUPS}, each once"));
        }
        for group in different {
            check_group(group, "escalate", declared, place, report);
        }
    }
    list
}

/// The calendar that a profile names.
pub(super) fn calendar(
    table: &ProfileTable,
    calendars: &[Calendar],
    declared: &Declared,
    place: &Place,
    report: &mut Report,
) -> Option<Calendar> {
    let id = table.calendar.as_ref()?;
    if !declared.has("calendar", id) {
        report.error(place, "calendar", format!("there is no [[calendar]] `{id}`"));
    }
    calendars.iter().find(|calendar| calendar.id == *id).cloned()
}

fn steps(list: &[QuorumStep], key: &str, declared: &Declared, place: &Place, report: &mut Report) -> Vec<QuorumStep> {
    if list.is_empty() {
        let what = "an empty quorum agrees to everything: name a step";
        let or = if key == "quorum" { ", or leave the key out for one operator" } else { "" };
        report.error(place, key, format!("{what}{}", if place.table == "profile" { or } else { "" }));
    }
    if list.len() > MAX_STEPS {
        report.error(place, key, format!("{} steps; at most {MAX_STEPS} are allowed", list.len()));
        return Vec::new();
    }
    for (i, step) in list.iter().enumerate() {
        check_group(&step.group, key, declared, place, report);
        if step.need == 0 {
            report.error(place, key, "need is at least 1");
        } else if step.need > MAX_NEED {
            report.error(place, key, format!("need = {}; at most {MAX_NEED} are allowed", step.need));
        }
        if list[..i].iter().any(|earlier| earlier.group == step.group) {
            report.error(place, key, format!("a second step of group `{}`: raise `need` of the first", step.group));
        }
    }
    let people = people_needed(list);
    if people > MAX_PEOPLE {
        report.error(place, key, format!("{people} people in all; at most {MAX_PEOPLE} are allowed"));
    }
    list.to_vec()
}

fn check_group(group: &str, key: &str, declared: &Declared, place: &Place, report: &mut Report) {
    if !declared.has("group", group) {
        report.error(place, key, format!("there is no [[group]] `{group}`"));
    }
}

fn check_rejections(threshold: u32, place: &Place, report: &mut Report) {
    if !(1..=MAX_REJECTIONS).contains(&threshold) {
        report.error(place, "reject_threshold", format!("{threshold} is not within 1 to {MAX_REJECTIONS}"));
    }
}

#[cfg(test)]
#[path = "agreement_tests.rs"]
mod tests;
