//! What a policy says of alerts, filled in.

use super::plan::{AlertPlan, Target};
use super::stage::Stage;
use crate::policy::{Channel, Policy, RenewalPolicy, Severity};

/// A renewal policy with these lines.
pub(super) fn renewal_policy(lines: &str) -> RenewalPolicy {
    let document = format!("version = 1\n[[renewal_policy]]\nid = \"rp-t\"\n{lines}\n");
    Policy::parse_stored(&document).unwrap().0.renewal_policy("rp-t").unwrap().clone()
}

pub(super) fn plan(lines: &str) -> AlertPlan {
    AlertPlan::of(&renewal_policy(lines))
}

/// The matrix of the issue.
pub(super) const MATRIX: &str = r#"
alert_channels = { informational = ["Slack"], warning = ["Slack", "Email"], critical = ["PagerDuty", "OpsGenie", "Email"] }
"#;

#[test]
fn a_threshold_that_is_not_in_the_map_takes_the_nearest_stricter_neighbour() {
    use Severity::{Critical, Informational, Warning};
    let map = "alert_severity_map = { \"30\" = \"informational\", \"14\" = \"warning\", \"5\" = \"critical\" }";
    let of = plan(&format!("alert_thresholds_days = [365, 31, 30, 29, 15, 14, 13, 6, 5, 4, 0]\n{map}"));
    let severities: Vec<(i32, Severity)> = of.thresholds().iter().map(|(stage, of)| (stage.days(), *of)).collect();
    assert_eq!(
        severities,
        [
            (365, Informational),
            (31, Informational),
            (30, Informational),
            (29, Warning),
            (15, Warning),
            (14, Warning),
            (13, Critical),
            (6, Critical),
            (5, Critical),
            // Nothing in the map is stricter than these; the end itself is.
            (4, Critical),
            (0, Critical),
        ]
    );
    let mild = plan("alert_severity_map = { \"0\" = \"informational\" }");
    assert_eq!(mild.severity(Stage::new(-3)), Informational, "after the end as at the end");
    assert_eq!(plan("alert_thresholds_days = [7]").severity(Stage::new(-1)), Critical);
}

#[test]
fn channels_left_out_are_mail_an_empty_list_is_nobody_and_unknown_ones_are_named() {
    let lines = r#"alert_channels = { informational = [], critical = ["Pigeon", "Wall", "Wall", "xn--bcher-kva"] }"#;
    let of = plan(lines);
    assert_eq!(of.targets(Severity::Informational), [Target::Nobody]);
    assert_eq!(of.targets(Severity::Warning), [Target::Channel(Channel::Email)]);
    let unknown = |name: &str| Target::Unknown(name.into());
    let critical = [Target::Channel(Channel::Wall), unknown("Pigeon"), unknown("xn--bcher-kva")];
    assert_eq!(of.targets(Severity::Critical), critical);
    let only = plan(r#"alert_channels = { warning = ["Pigeon"] }"#);
    assert_eq!(only.targets(Severity::Warning), [Target::Nobody, unknown("Pigeon")]);
    for target in critical.iter().chain(only.targets(Severity::Warning)) {
        assert_eq!(target.column().parse().as_ref(), Ok(target));
    }
    assert_eq!(unknown("a\u{202E}b").to_string(), "`a<U+202E>b`, which is no channel");
}

#[test]
fn a_profile_without_a_renewal_policy_alerts_as_one_that_says_nothing() {
    assert_eq!(AlertPlan::default(), plan(""));
}

#[test]
fn labels_are_a_closed_set() {
    assert_eq!([30, 0, -1, -400].map(|days| Stage::new(days).label()), ["30", "0", "expired", "expired"]);
}
