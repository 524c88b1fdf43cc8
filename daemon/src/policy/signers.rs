//! Whether a demand for signed decisions can be met at all: somebody has to have a key for it.

use countersign_shared::protocol::SignatureDemand;

use super::report::{Place, Report};
use super::{Policy, quorum};

/// Reports demands that fewer people can meet than have to agree.
pub(super) fn check(policy: &Policy, places: &[Place], change_control: Option<&Place>, report: &mut Report) {
    for (profile, place) in policy.profiles().iter().zip(places) {
        let Some(demand) = profile.rules().decision_signature else { continue };
        enough(policy, demand, profile.votes_needed(), place, report);
    }
    let control = policy.change_control();
    if let (Some(demand), Some(place)) = (control.decision_signature, change_control) {
        enough(policy, demand, quorum::people_needed(&control.quorum), place, report);
    }
}

fn enough(policy: &Policy, demand: SignatureDemand, needed: u32, place: &Place, report: &mut Report) {
    let able = policy.people().iter().filter(|person| person.signing_keys(Some(demand)).next().is_some()).count();
    let needed = usize::try_from(needed.max(1)).unwrap_or(usize::MAX);
    if able < needed {
        let kind = if demand == SignatureDemand::Ssh { "an SSH" } else { "a FIDO2" };
        let what = format!("{needed} have to sign, and {able} people have {kind} key: add keys to [[person]]");
        report.error(place, "decision_signature", what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB bob";
    const CAROL: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC carol";

    fn errors(bob: &str, carol: &str, profile: &str) -> Vec<String> {
        let document = format!(
            r#"
version = 1
[[person]]
name = "bob"
accounts = ["bob"]
keys = [{bob}]
[[person]]
name = "carol"
accounts = ["carol"]
keys = [{carol}]
[[grant]]
role = "operator"
to = "person:bob"
[[grant]]
role = "operator"
to = "person:carol"
[[grant]]
role = "requester"
to = "user:alice"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
{profile}
[[issuer]]
id = "local-ca"
type = "local-ca"
"#
        );
        Policy::parse(&document).err().unwrap_or_default()
    }

    #[test]
    fn a_demand_needs_keys_and_each_key_one_holder() {
        let (bob, carol) = (format!("\"{BOB}\""), format!("\"{CAROL}\""));
        let demand = "decision_signature = \"ssh\"";
        let table = [
            (bob.as_str(), carol.as_str(), demand, None),
            (&bob, "", demand, None),
            ("", "", "", None),
            ("", "", demand, Some("1 have to sign, and 0 people have an SSH key")),
            ("\"ssh-ed25519 AAAAx\"", "", demand, Some("0 people have an SSH key")),
            (&bob, &carol, "decision_signature = \"fido2\"", Some("0 people have a FIDO2 key")),
            (&bob, &carol, "decision_signature = \"gpg\"", Some("unknown variant")),
            (&bob, &bob.replace(" bob", " carol"), "", Some("one of bob already: one key is one human")),
            (&format!("{bob}, {bob}"), "", "", Some("a key is there twice")),
            (&bob, "", "decision_signature = \"ssh\"\nauto_approve_after = \"1h\"", Some("signed by nobody")),
        ];
        for (bob, carol, profile, expected) in table {
            let found = errors(bob, carol, profile);
            match expected {
                None => assert_eq!(found, Vec::<String>::new(), "{bob} {carol} {profile}"),
                Some(expected) => assert!(found.iter().any(|error| error.contains(expected)), "{found:?}"),
            }
        }
    }
}
