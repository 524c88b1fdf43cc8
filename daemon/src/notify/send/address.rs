//! Where an HTTP service stands.

use hyper::Uri;

/// A base address: scheme, authority, and the beginning of the path.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::notify) struct BaseAddress {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// What `Host` says: with the port, where it is not the scheme's.
    pub authority: String,
    /// Path and query, beginning with `/`, without a `/` at the end of a bare base.
    pub path: String,
}

impl BaseAddress {
    /// Reads `https://host[:port][/path]`. `http://` is taken for this host itself, or where `plain` allows it.
    ///
    /// # Errors
    /// Another scheme, no host, a user name, or plain HTTP that was not allowed. The address is not repeated: it may
    /// be a secret.
    pub fn parse(raw: &str, plain: bool) -> Result<Self, String> {
        let uri: Uri = raw.parse().map_err(|_| "is not an address like https://host/path".to_owned())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("has no scheme or no host".to_owned());
        };
        if authority.as_str().contains('@') {
            return Err("has a user name in it; name a secret instead".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match scheme {
            "https" => true,
            "http" if plain || is_this_host(&host) => false,
            "http" => return Err("is http:// to another host; set `plain_http = true` to send in the clear".to_owned()),
            _ => return Err("has a scheme other than https and http".to_owned()),
        };
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("", |path| path.as_str()).trim_end_matches('/').to_owned();
        Ok(Self { tls, host, port, authority: authority.as_str().to_owned(), path })
    }

    /// The same server, and the path of `other` behind this base: a relay stands in for `other`.
    pub fn standing_in_for(&self, other: &Self) -> Self {
        Self { path: format!("{}{}", self.path, other.path), ..self.clone() }
    }
}

/// Shows the server and not the path, which may be a secret.
impl std::fmt::Debug for BaseAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}/…", if self.tls { "https" } else { "http" }, self.authority)
    }
}

fn is_this_host(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_what_is_refused() {
        let hook = BaseAddress::parse("https://hooks.slack.com/services/T/B/secret", false).unwrap();
        assert_eq!((hook.tls, hook.host.as_str(), hook.port), (true, "hooks.slack.com", 443));
        assert_eq!(format!("{hook:?}"), "https://hooks.slack.com/…");
        let relay = BaseAddress::parse("http://[::1]:8080/slack/", false).unwrap();
        assert_eq!((relay.tls, relay.host.as_str(), relay.port), (false, "::1", 8080));
        assert_eq!(relay.standing_in_for(&hook).path, "/slack/services/T/B/secret");
        assert!(BaseAddress::parse("http://relay.corp.example", true).is_ok());
        for (bad, why) in [
            ("http://relay.corp.example/s3cret", "in the clear"),
            ("ftp://x/s3cret", "scheme"),
            ("https://u:s3cret@x/", "user name"),
            ("/s3cret", "no scheme"),
            ("https:// x/s3cret", "not an address"),
            ("https://x/s3cret\r\nX: y", "not an address"),
        ] {
            let refused = BaseAddress::parse(bad, false).unwrap_err();
            assert!(refused.contains(why) && !refused.contains("s3cret"), "{bad}: {refused}");
        }
    }
}
