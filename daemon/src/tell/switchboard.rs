//! The channels of this host and the routes to them: one handle, replaced in place when the configuration is read again
//! and when another policy takes force.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::in_force::PolicyInForce;
use crate::notify::{Channels, NotifySettings, Problem};
use crate::policy::Channel;
use crate::store::Routing;
use crate::tell::routes;

/// See the module; cheap to clone.
#[derive(Clone, Debug)]
pub struct Switchboard {
    channels: Arc<RwLock<Arc<Channels>>>,
    routing: Routing,
    /// Counts how often they were opened anew.
    reopened: watch::Sender<u64>,
}

impl Switchboard {
    /// With the channels of a start. Nobody is told of anything until [`Switchboard::route`] says so.
    pub fn new(channels: Channels, routing: Routing) -> Self {
        Self { channels: Arc::new(RwLock::new(Arc::new(channels))), routing, reopened: watch::Sender::new(0) }
    }

    /// The channels of this moment.
    pub fn channels(&self) -> Arc<Channels> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes when the channels were opened anew.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.reopened.subscribe()
    }

    /// The routes, for the writer.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Opens the channels that `settings` name; one that cannot be opened stays as it is, and stands among the problems.
    /// Reads files: not for a thread that serves sockets.
    pub fn reopen(&self, settings: &NotifySettings, policy: &PolicyInForce) -> Vec<Problem> {
        let (channels, problems) = Channels::reopen(settings, &self.channels());
        *self.channels.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(channels);
        self.route(policy);
        self.reopened.send_modify(|count| *count += 1);
        problems
    }

    /// Routes what is told from now on.
    pub fn route(&self, policy: &PolicyInForce) {
        // One at a time, each by the policy of its moment: whoever comes last is right.
        let channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        let configured: Vec<Channel> = channels.configured().collect();
        self.routing.replace(routes(&policy.now(), &configured));
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;
    use crate::store::Routes;

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn settings(text: &str) -> NotifySettings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_cannot_be_opened_any_more_stays_and_what_is_new_or_gone_is_followed() {
        let policy = PolicyInForce::without_issuers(Policy::parse("version = 1\n").unwrap().0);
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("key");
        std::fs::write(&secret, "k1").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let key = format!("[pagerduty]\nkey = \"file:{}\"\nbase_url = \"http://127.0.0.1:9\"\n", secret.display());
        let mail = "[email]\nhost = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"a@corp.example\"\n";
        let routing = Routing::default();
        let (channels, problems) = Channels::open(&settings(&key));
        assert_eq!(problems, []);
        let board = Switchboard::new(channels, routing.clone());
        board.route(&policy);
        assert_eq!(*routing.now(), Routes::default());

        std::fs::remove_file(&secret).unwrap();
        let problems = board.reopen(&settings(&format!("{key}{mail}")), &policy);
        assert_eq!(problems.iter().map(|problem| problem.channel).collect::<Vec<_>>(), [Channel::PagerDuty]);
        assert_eq!(board.channels().configured().collect::<Vec<_>>(), [Channel::Email, Channel::PagerDuty]);
        assert_eq!(routing.now().told, [Channel::Email]);
        let still = format!("{:?}", board.channels());
        assert!(!still.contains("Err("), "the old one stays usable: {still}");

        assert_eq!(board.reopen(&settings(""), &policy), []);
        assert_eq!((board.channels().configured().count(), routing.now().told.len()), (0, 0));
    }
}
