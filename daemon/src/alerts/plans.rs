//! The plans of a whole policy: for each profile who is told when, and when its certificates are renewed.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::AlertPlan;
use super::stage::Stage;
use super::step::Rules;
use crate::policy::{Policy, RenewalPolicy};

/// The profile id that [`Watched`](super::rows::Watched) has for what no profile owns.
pub const UNOWNED: &str = "";

/// See the module. Made once for a pass, not for each certificate.
#[derive(Clone, Debug)]
pub struct Plans<'p> {
    named: BTreeMap<&'p str, (AlertPlan, &'p RenewalPolicy)>,
    default: AlertPlan,
}

impl<'p> Plans<'p> {
    /// Those of a policy.
    pub fn of(policy: &'p Policy) -> Self {
        let owned = policy.profiles().iter().map(|profile| (profile.id(), profile.rules().renewal_policy.as_deref()));
        let named = owned.chain([(UNOWNED, unowned(policy))]).filter_map(|(profile, id)| {
            let renewal = policy.renewal_policy(id?)?;
            Some((profile, (AlertPlan::of(renewal), renewal)))
        });
        Self { named: named.collect(), default: AlertPlan::default() }
    }

    /// What holds for the certificates of a profile. Where it names no renewal policy, or is there no more, the default
    /// alerts hold, and they are renewed by hand.
    pub fn rules(&self, profile: &str) -> Rules<'_> {
        match self.named.get(profile) {
            Some((alerts, renewal)) => Rules { alerts, renewal: Some(renewal) },
            None => Rules { alerts: &self.default, renewal: None },
        }
    }

    /// Every threshold that can be crossed under this policy, the days after the end as one.
    pub fn stages(&self) -> BTreeSet<Stage> {
        let plans = self.named.values().map(|(plan, _)| plan).chain([&self.default]);
        let stages = plans.flat_map(|plan| plan.thresholds().iter().map(|(stage, _)| *stage));
        stages.chain([Stage::new(-1)]).collect()
    }
}

/// The renewal policy of certificates that were found and that no profile owns.
fn unowned(policy: &Policy) -> Option<&str> {
    policy.found_plan()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
version = 1
[[renewal_policy]]
id = "rp-web"
alert_thresholds_days = [60, 10]
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
issuer = "local-ca"
keys = ["ed25519"]
max_validity = "90d"
renewal_policy = "rp-web"
[[profile]]
id = "p-bare"
name = "Bare"
environment = "dev"
names = ["*.dev.example"]
issuer = "local-ca"
keys = ["ed25519"]
max_validity = "90d"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

    #[test]
    fn a_profile_has_what_it_names_and_everything_else_the_default() {
        let policy = Policy::parse(POLICY).unwrap().0;
        let plans = Plans::of(&policy);
        let web = plans.rules("p-web");
        assert_eq!(web.alerts.thresholds().iter().map(|(stage, _)| stage.days()).collect::<Vec<_>>(), [60, 10]);
        assert_eq!(web.renewal.map(|renewal| renewal.id.as_str()), Some("rp-web"));
        for other in ["p-bare", "p-gone", UNOWNED] {
            let rules = plans.rules(other);
            assert_eq!((rules.alerts, rules.renewal), (&AlertPlan::default(), None), "{other}");
        }
        let stages: Vec<i32> = plans.stages().into_iter().map(Stage::days).collect();
        assert_eq!(stages, [-1, 0, 7, 10, 14, 30, 60]);
    }
}
