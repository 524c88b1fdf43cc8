//! From the policy and the configuration to the channels of this moment.

use crate::policy::{Channel, Policy};
use crate::store::routing::Routes;

/// The channels of each kind of message. What the policy leaves out goes by e-mail where that is configured. A channel
/// that the policy names stays, configured or not: where it is not, each message on it fails and is seen to fail.
pub fn routes(policy: &Policy, configured: &[Channel]) -> Routes {
    let mail = || configured.iter().copied().filter(|channel| *channel == Channel::Email).collect::<Vec<_>>();
    let of = |named: &Option<Vec<Channel>>| named.clone().unwrap_or_else(mail);
    let messages = policy.messages();
    Routes { asked: of(&messages.asked), told: of(&messages.told), alarmed: of(&messages.alarmed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(document: &str, configured: &[Channel]) -> Routes {
        routes(&Policy::parse(document).unwrap().0, configured)
    }

    #[test]
    fn what_is_left_out_goes_by_mail_where_there_is_mail() {
        use Channel::{Email, Slack, Wall};
        let nothing = routed("version = 1\n", &[Slack]);
        assert_eq!(nothing, Routes::default());
        let mail = routed("version = 1\n", &[Slack, Email]);
        assert_eq!((mail.asked, mail.told, mail.alarmed), (vec![Email], vec![Email], vec![Email]));
        let named = routed("version = 1\n[messages]\nasked = [\"Wall\", \"Slack\"]\ntold = []\n", &[Email]);
        assert_eq!(named.asked, [Wall, Slack], "not configured, and still there");
        assert_eq!((named.told, named.alarmed), (vec![], vec![Email]));
    }
}
