//! Checks of renewal policies. Nothing acts on them yet; a policy is right from the start all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::document::RenewalPolicyTable;
use super::parts::RenewalPolicy;
use super::profiles::check_id;
use super::read::Entry;
use super::report::Report;

/// The renewal policies.
pub(super) fn renewal_policies(entries: &[Entry<RenewalPolicyTable>], report: &mut Report) -> Vec<RenewalPolicy> {
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
        let mut alert_severity_map = BTreeMap::new();
        for (raw, severity) in &table.alert_severity_map {
            let canonical = raw.parse::<u32>().ok().filter(|day| *day <= 365 && day.to_string() == *raw);
            match canonical {
                Some(day) => drop(alert_severity_map.insert(day, *severity)),
                None => {
                    report.error(place, "alert_severity_map", format!("`{raw}` is not a number of days from 0 to 365"))
                }
            }
        }
        if alert_severity_map.is_empty() {
            report.error(place, "alert_severity_map", "at least one threshold needs a severity");
        }
        policies.push(RenewalPolicy {
            id: table.id.clone(),
            renewal_window_days,
            auto_renew: table.auto_renew,
            max_retries,
            retry_interval_seconds,
            alert_thresholds_days: thresholds.into_iter().rev().collect(),
            alert_severity_map,
            alert_channels: table.alert_channels.clone(),
        });
    }
    policies
}
