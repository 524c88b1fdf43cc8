//! Renewal policies as they are written: every limit from both sides, and channels that nobody knows.

use super::tests::{POLICY, errors};
use super::*;

fn with(line: &str) -> String {
    POLICY.replace(
        "
id = \"rp-std\"",
        &format!(
            "
id = \"rp-std\"
{line}"
        ),
    )
}

fn renewal(line: &str) -> RenewalPolicy {
    Policy::parse(&with(line)).unwrap().0.renewal_policy("rp-std").unwrap().clone()
}

#[test]
fn limits_hold_on_both_sides_and_name_the_field() {
    for (key, low, high) in
        [("renewal_window_days", 1, 365), ("max_retries", 0, 10), ("retry_interval_seconds", 60, 86_400)]
    {
        for good in [low, high] {
            assert_eq!(errors(&with(&format!("{key} = {good}"))), Vec::<String>::new(), "{key} = {good}");
        }
        for bad in [low - 1, high + 1, i64::MAX, i64::MIN, 1 << 32, (1 << 32) + low] {
            let found = errors(&with(&format!("{key} = {bad}")));
            let expected = format!("{key}: {bad} is not within {low} to {high}");
            assert!(found.len() == 1 && found[0].ends_with(&expected), "{key} = {bad}: {found:?}");
        }
        for bad in ["\"30\"", "30.0", "true", "[]", "9223372036854775808"] {
            let found = errors(&with(&format!("{key} = {bad}")));
            assert!(found.len() == 1 && found[0].contains(&format!("{key}: ")), "{key} = {bad}: {found:?}");
        }
    }
    let kept = renewal("renewal_window_days = 365\nmax_retries = 0\nretry_interval_seconds = 86400");
    assert_eq!((kept.renewal_window_days, kept.max_retries, kept.retry_interval_seconds), (365, 0, 86_400));
}

#[test]
fn thresholds_and_severities_are_refused_with_their_field() {
    for (line, expected) in [
        ("alert_thresholds_days = [30, -1]", "alert_thresholds_days: -1 is not within 0 to 365"),
        ("alert_thresholds_days = [366, 0]", "alert_thresholds_days: 366 is not within 0 to 365"),
        ("alert_thresholds_days = [30.5]", "alert_thresholds_days: "),
        ("alert_thresholds_days = 30", "alert_thresholds_days: "),
        ("auto_renew = \"yes\"", "auto_renew: "),
        ("alert_severity_map = {}", "alert_severity_map: at least one threshold needs a severity"),
        ("alert_severity_map = { \"07\" = \"warning\" }", "alert_severity_map: `07` is not a number of days"),
        ("alert_severity_map = { \"+7\" = \"warning\" }", "alert_severity_map: `+7` is not a number of days"),
        ("alert_severity_map = { \"-1\" = \"warning\" }", "alert_severity_map: `-1` is not a number of days"),
        ("alert_severity_map = { \"7\" = \"urgent\" }", "alert_severity_map: unknown variant `urgent`"),
        ("alert_channels = { urgent = [\"Email\"] }", "alert_channels: unknown field `urgent`"),
        ("alert_channels = { warning = \"Email\" }", "alert_channels: "),
        ("alert_channels = { warning = [\"email\"] }", "alert_channels: unknown variant `email`"),
        ("alert_window = 3", "alert_window: unknown field"),
    ] {
        let found = errors(&with(line));
        assert!(found.len() == 1 && found[0].contains("[[renewal_policy]] rp-std: "), "{line}: {found:?}");
        assert!(found[0].contains(expected), "{line}: {found:?}");
    }
    assert_eq!(renewal("alert_thresholds_days = [0, 365, 7]").alert_thresholds_days, [365, 7, 0]);
}

#[test]
fn what_is_allowed_and_surprising_is_warned_of() {
    for (line, expected) in [
        ("alert_thresholds_days = []", "no thresholds: nobody hears of a certificate before it has expired"),
        ("alert_thresholds_days = [7, 7]", "a threshold is there twice"),
        ("alert_severity_map = { \"30\" = \"warning\" }", "nothing says how urgent 0 days are, nor fewer: critical"),
        (
            "alert_severity_map = { \"0\" = \"warning\", \"7\" = \"critical\" }",
            "7 days are critical and 0 days only warning",
        ),
        ("alert_channels = { warning = [\"Wall\", \"Wall\"] }", "warning: Wall is there twice"),
    ] {
        let (_, warnings) = Policy::parse(&with(line)).unwrap();
        assert!(warnings.len() == 1 && warnings[0].ends_with(expected), "{line}: {warnings:?}");
    }
}

#[test]
fn a_channel_that_nobody_knows_is_refused_in_a_proposal_and_left_out_of_what_is_stored() {
    let line = "alert_channels = { warning = [\"Slack\", \"Pi\\u202Egeon\", \"Email\", \"Pi\\u202Egeon\"], critical = [\"Drum\"] }";
    let refused = errors(&with(line));
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(
        refused[0].contains("alert_channels: unknown variant `Pi<U+202E>geon`: a channel is one of"),
        "{refused:?}"
    );

    let (policy, warnings) = Policy::parse_stored(&with(line)).unwrap();
    assert!(warnings.len() == 3 && warnings[2].contains("critical: `Drum` is no channel"), "{warnings:?}");
    let renewal = policy.renewal_policy("rp-std").unwrap();
    assert_eq!(renewal.alert_channels.warning, Some(vec![Channel::Slack, Channel::Email]));
    assert_eq!(renewal.alert_channels.critical, Some(vec![]), "left out, and not e-mail instead");
    assert_eq!(renewal.alert_channels.informational, None);
    let unknown = [(Severity::Warning, "Pi\u{202E}geon".into()), (Severity::Critical, "Drum".into())];
    assert_eq!(renewal.unknown_channels, unknown);

    // Whoever removes it sees that it goes.
    let (without, _) =
        Policy::parse(&with("alert_channels = { warning = [\"Slack\", \"Email\"], critical = [] }")).unwrap();
    let differences = differences(&policy, &without);
    assert!(format!("{differences:?}").contains("Drum (unknown)"), "{differences:?}");

    let long = with(&format!("alert_channels = {{ warning = [\"{}\"] }}", "x".repeat(1000)));
    let (policy, _) = Policy::parse_stored(&long).unwrap();
    assert_eq!(policy.renewal_policy("rp-std").unwrap().unknown_channels[0].1.raw().len(), 64);
}

#[test]
fn a_stored_policy_is_lenient_in_nothing_else() {
    for line in ["max_retries = 11", "alert_channels = { urgent = [] }", "alert_severity_map = {}", "what = 1"] {
        assert_eq!(Policy::parse_stored(&with(line)).unwrap_err(), errors(&with(line)));
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for channel in Channel::ALL {
        assert_eq!(channel.as_str().parse(), Ok(channel));
        assert_eq!(channel.as_str(), format!("{channel:?}"));
    }
    for severity in [Severity::Informational, Severity::Warning, Severity::Critical] {
        assert_eq!(severity.as_str().parse(), Ok(severity));
    }
    assert!("pager_duty".parse::<Channel>().is_err() && "Warning".parse::<Severity>().is_err());
}

#[test]
fn what_was_found_has_the_plan_that_the_policy_names() {
    let document = |table: &str| format!("version = 1\n[[renewal_policy]]\nid = \"rp-found\"\n{table}");
    let parse = |table: &str| Policy::parse(&document(table));
    assert_eq!(parse("").unwrap().0.found_plan(), None);
    assert_eq!(parse("[inventory]").unwrap().0.found_plan(), None);
    let named = parse("[inventory]\nrenewal_policy = \"rp-found\"").unwrap().0;
    assert_eq!(named.found_plan(), Some("rp-found"));
    for (table, words) in [
        (
            "[inventory]\nrenewal_policy = \"rp-gone\"",
            "line 5: [inventory]: renewal_policy: there is no [[renewal_policy]] `rp-gone`",
        ),
        ("[inventory]\npaths = []", "line 5: [inventory]: paths: unknown field"),
        ("[[inventory]]", "inventory is one table, written as [inventory]"),
    ] {
        let errors = parse(table).unwrap_err();
        assert!(errors.iter().any(|error| error.contains(words)), "{table}: {errors:?}");
    }
    let plain = parse("").unwrap().0;
    let differences = crate::policy::differences(&plain, &named);
    let [difference] = differences.as_slice() else { panic!("{differences:?}") };
    assert_eq!((difference.table.as_str(), difference.key.as_str()), ("inventory", "renewal_policy"));
    assert_eq!((difference.before.as_deref(), difference.after.as_deref()), (None, Some("rp-found")));
    assert_eq!(difference.effect, crate::policy::Effect::Neutral);
}
