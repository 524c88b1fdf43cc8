//! Checks of renewal policies. Wrong values are refused with their field; values that are allowed and surprising are
//! warned of.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::text::Untrusted;

use super::calendar::Calendar;
use super::check::Declared;
use super::document::{AlertChannels, Channel, ChannelNames, InventoryTable, RenewalPolicyTable, Severity};
use super::parts::RenewalPolicy;
use super::profiles::check_id;
use super::read::{Entry, Reading};
use super::report::{Place, Report};

/// Characters that are kept of a channel's name that nobody knows.
const MAX_UNKNOWN: usize = 64;

/// What they are read for, and what they refer to.
pub(super) struct Surroundings<'a> {
    pub reading: Reading,
    pub calendars: &'a [Calendar],
    pub declared: &'a Declared,
}

/// The renewal policies.
pub(super) fn renewal_policies(
    entries: &[Entry<RenewalPolicyTable>],
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Vec<RenewalPolicy> {
    let mut policies = Vec::with_capacity(entries.len());
    for Entry { value: table, place } in entries {
        check_id(&table.id, "rp-", place, report);
        let mut number = |key: &str, value: i64, low: u32, high: u32| {
            let found = u32::try_from(value).ok().filter(|value| (low..=high).contains(value));
            if found.is_none() {
                report.error(place, key, format!("{value} is not within {low} to {high}"));
            }
            found.unwrap_or(low)
        };
        let renewal_window_days = number("renewal_window_days", table.renewal_window_days, 1, 365);
        let max_retries = number("max_retries", table.max_retries, 0, 10);
        let retry_interval_seconds = number("retry_interval_seconds", table.retry_interval_seconds, 60, 86_400);
        let days = table.alert_thresholds_days.iter();
        let thresholds: BTreeSet<u32> = days.map(|day| number("alert_thresholds_days", *day, 0, 365)).collect();
        let alert_severity_map = severities(table, place, report);
        let (alert_channels, unknown_channels) = channels(&table.alert_channels, around.reading, place, report);
        let policy = RenewalPolicy {
            id: table.id.clone(),
            renewal_window_days,
            auto_renew: table.auto_renew,
            max_retries,
            retry_interval_seconds,
            alert_thresholds_days: thresholds.into_iter().rev().collect(),
            alert_severity_map,
            alert_channels,
            unknown_channels,
            informational_calendar: calendar(table, around, place, report),
        };
        surprises(table, &policy, place, report);
        policies.push(policy);
    }
    policies
}

/// What `[inventory]` says of alerts.
pub(super) fn found_plan(
    entry: Option<&Entry<InventoryTable>>,
    declared: &Declared,
    report: &mut Report,
) -> Option<String> {
    let Entry { value: table, place } = entry?;
    let id = table.renewal_policy.as_ref()?;
    if !declared.has("renewal_policy", id) {
        report.error(place, "renewal_policy", format!("there is no [[renewal_policy]] `{id}`"));
    }
    Some(id.clone())
}

fn severities(table: &RenewalPolicyTable, place: &Place, report: &mut Report) -> BTreeMap<u32, Severity> {
    let mut map = BTreeMap::new();
    for (raw, severity) in &table.alert_severity_map {
        let canonical = raw.parse::<u32>().ok().filter(|day| *day <= 365 && day.to_string() == *raw);
        match canonical {
            Some(day) => drop(map.insert(day, *severity)),
            None => report.error(place, "alert_severity_map", format!("`{raw}` is not a number of days from 0 to 365")),
        }
    }
    if table.alert_severity_map.is_empty() {
        report.error(place, "alert_severity_map", "at least one threshold needs a severity");
    }
    map
}

/// A proposal with a channel that does not exist is refused. A document that is in force already may come from a
/// program that knew more channels: the others still fire, and what was left out is named.
fn channels(
    names: &ChannelNames,
    reading: Reading,
    place: &Place,
    report: &mut Report,
) -> (AlertChannels, Vec<(Severity, Untrusted)>) {
    let mut unknown: Vec<(Severity, Untrusted)> = Vec::new();
    let mut tier = |severity: Severity, names: Option<&Vec<String>>| {
        let (known, others) = known(names?, ("alert_channels", severity.as_str()), reading, place, report);
        for name in others {
            let kept = (severity, Untrusted::new(name.chars().take(MAX_UNKNOWN).collect::<String>()));
            if !unknown.contains(&kept) {
                unknown.push(kept);
            }
        }
        Some(known)
    };
    let channels = AlertChannels {
        informational: tier(Severity::Informational, names.informational.as_ref()),
        warning: tier(Severity::Warning, names.warning.as_ref()),
        critical: tier(Severity::Critical, names.critical.as_ref()),
    };
    (channels, unknown)
}

/// The channels that a list names, each once, and the names of others; `list` within `key` is where it stands. Unknown
/// ones are refused where the document is to take force.
pub(super) fn known<'n>(
    names: &'n [String],
    (key, list): (&str, &str),
    reading: Reading,
    place: &Place,
    report: &mut Report,
) -> (Vec<Channel>, Vec<&'n str>) {
    let (mut known, mut others): (Vec<Channel>, Vec<&str>) = (Vec::new(), Vec::new());
    let of = if list.is_empty() { String::new() } else { format!("{list}: ") };
    for name in names {
        match name.parse::<Channel>() {
            Ok(channel) if known.contains(&channel) => {
                report.warning(place, key, format!("{of}{name} is there twice"));
            }
            Ok(channel) => known.push(channel),
            Err(expected) if reading == Reading::Strict => {
                report.error(place, key, format!("unknown variant `{name}`: {expected}"));
            }
            Err(_) => {
                report.warning(place, key, format!("{of}`{name}` is no channel that this program has"));
                others.push(name);
            }
        }
    }
    (known, others)
}

/// The calendar that informational alerts wait for.
fn calendar(
    table: &RenewalPolicyTable,
    around: &Surroundings<'_>,
    place: &Place,
    report: &mut Report,
) -> Option<Calendar> {
    let id = table.informational_calendar.as_ref()?;
    if !around.declared.has("calendar", id) {
        report.error(place, "informational_calendar", format!("there is no [[calendar]] `{id}`"));
    }
    around.calendars.iter().find(|calendar| calendar.id == *id).cloned()
}

/// What is allowed and deserves a look.
fn surprises(table: &RenewalPolicyTable, policy: &RenewalPolicy, place: &Place, report: &mut Report) {
    if policy.alert_thresholds_days.is_empty() {
        let what = "no thresholds: nobody hears of a certificate before it has expired";
        report.warning(place, "alert_thresholds_days", what);
    }
    if policy.alert_thresholds_days.len() < table.alert_thresholds_days.len() {
        report.warning(place, "alert_thresholds_days", "a threshold is there twice");
    }
    let map = &policy.alert_severity_map;
    if let Some(first) = map.keys().next()
        && let Some(days) = policy.alert_thresholds_days.iter().rev().find(|days| *days < first)
    {
        let what = format!("nothing says how urgent {days} days are, nor fewer: critical");
        report.warning(place, "alert_severity_map", what);
    }
    if let Some(((fewer, low), (more, high))) =
        map.iter().zip(map.iter().skip(1)).find(|((_, low), (_, high))| low < high)
    {
        let what = format!("{more} days are {} and {fewer} days only {}", high.as_str(), low.as_str());
        report.warning(place, "alert_severity_map", what);
    }
}
