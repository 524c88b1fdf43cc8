//! `[inventory]` of `countersign.toml`: which certificates of this host are looked for, and how often.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;
use serde::{Deserialize, Deserializer, de};

use crate::inventory::listener::Target;
use crate::inventory::{PasswordFiles, Place, Plan};

/// The most entries of each list.
const MAX_LIST: usize = 256;
const SHORTEST: Span = Span::from_secs(5 * 60);
const LONGEST: Span = Span::from_secs(30 * 86_400);
const DAILY: Span = Span::from_secs(86_400);

/// What is looked at, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "InventoryTable")]
pub struct InventorySettings {
    /// What to look at.
    pub plan: Plan,
    /// From one look to the next.
    pub every: Span,
}

impl Default for InventorySettings {
    fn default() -> Self {
        Self { plan: Plan::default(), every: DAILY }
    }
}

impl InventorySettings {
    /// True where there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        let Plan { roots, passwords, listeners, discover_except, .. } = &self.plan;
        roots.is_empty() && passwords.0.is_empty() && listeners.is_empty() && discover_except.is_none()
    }

    /// Tells one plan from another.
    pub fn plan_sha256(&self) -> Digest {
        Digest::of(&[format!("{:?}", self.plan).as_bytes()])
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InventoryTable {
    #[serde(default, deserialize_with = "paths")]
    paths: Vec<PathBuf>,
    #[serde(default, deserialize_with = "listeners")]
    listeners: Vec<Target>,
    #[serde(default)]
    discover_listeners: bool,
    #[serde(default)]
    except_ports: Vec<u16>,
    #[serde(default = "daily", deserialize_with = "every")]
    every: Span,
    #[serde(default)]
    keystore: Vec<KeystoreTable>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeystoreTable {
    #[serde(deserialize_with = "path")]
    path: PathBuf,
    #[serde(deserialize_with = "path")]
    password_file: PathBuf,
}

const fn daily() -> Span {
    DAILY
}

impl TryFrom<InventoryTable> for InventorySettings {
    type Error = String;

    fn try_from(table: InventoryTable) -> Result<Self, String> {
        if !table.except_ports.is_empty() && !table.discover_listeners {
            return Err("inventory.except_ports: it says what discover_listeners leaves alone, which is not on".into());
        }
        if table.keystore.len() > MAX_LIST {
            return Err(format!("inventory.keystore: at most {MAX_LIST} are allowed"));
        }
        let mut passwords = BTreeMap::new();
        for KeystoreTable { path, password_file } in table.keystore {
            let shown = Untrusted::new(path.to_string_lossy()).safe().to_string();
            if passwords.insert(path, password_file).is_some() {
                return Err(format!("inventory.keystore: `{shown}` is there twice"));
            }
        }
        let plan = Plan {
            roots: table.paths,
            listeners: table.listeners,
            discover_except: table.discover_listeners.then_some(table.except_ports),
            passwords: PasswordFiles(passwords),
            ..Plan::default()
        };
        Ok(Self { plan, every: table.every })
    }
}

fn refused<E: de::Error>(key: &str, value: &str, why: &str) -> E {
    E::custom(format!("inventory.{key}: `{}`: {why}", Untrusted::from(value).safe()))
}

fn absolute<E: de::Error>(key: &str, raw: &str) -> Result<PathBuf, E> {
    let path = PathBuf::from(raw);
    // As the kernel would have it, a component at a time: `..` behind a symlink is somewhere else.
    let plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    match path.is_absolute() && plain && !raw.contains('\0') {
        true => Ok(path.components().collect()),
        false => Err(refused(key, raw, "an absolute path without `..` is needed")),
    }
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    absolute("keystore", &String::deserialize(deserializer)?)
}

fn list<'de, D: Deserializer<'de>>(key: &str, deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<String>::deserialize(deserializer)?;
    if list.len() > MAX_LIST {
        return Err(de::Error::custom(format!(
            "inventory.{key}: {} entries; at most {MAX_LIST} are allowed",
            list.len()
        )));
    }
    Ok(list)
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    list("paths", deserializer)?.iter().map(|raw| absolute("paths", raw)).collect()
}

fn listeners<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Target>, D::Error> {
    list("listeners", deserializer)?.iter().map(|raw| target(raw)).collect()
}

/// An address and a port, and after a space the server name to ask for.
fn target<E: de::Error>(raw: &str) -> Result<Target, E> {
    let (address, name) = match raw.split_once(' ') {
        Some((address, name)) => (address, Some(name)),
        None => (raw, None),
    };
    let address: SocketAddr = address
        .parse()
        .map_err(|_| refused("listeners", raw, "an IP address, a colon and a port are needed, as in 192.0.2.7:443"))?;
    if address.port() == 0 {
        return Err(refused("listeners", raw, "nobody listens on port 0"));
    }
    if name.is_some_and(|name| !is_dns_name(name)) {
        return Err(refused("listeners", raw, "the server name after the space is no DNS name"));
    }
    let target = Target { address, server_name: name.map(str::to_ascii_lowercase) };
    // What is stored of it has to read back.
    match target.place().to_string().parse::<Place>() {
        Ok(_) => Ok(target),
        Err(why) => Err(refused("listeners", raw, why)),
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    (1..=253).contains(&name.len()) && name.split('.').all(label) && name.parse::<std::net::IpAddr>().is_err()
}

fn every<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let raw = String::deserialize(deserializer)?;
    let span: Span = raw.parse().map_err(|why: &str| refused("every", &raw, why))?;
    match (SHORTEST..=LONGEST).contains(&span) {
        true => Ok(span),
        false => Err(refused("every", &raw, "5m to 30d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<InventorySettings, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn nothing_is_looked_at_unless_it_is_said() {
        assert!(InventorySettings::default().is_empty());
        assert_eq!(read("").unwrap(), InventorySettings::default());
        assert!(!read("discover_listeners = true").unwrap().is_empty());
    }

    #[test]
    fn every_key_is_read() {
        let whole = read(
            "paths = [\"/etc/ssl/corp\", \"/srv/x.pem/\"]\nlisteners = [\"192.0.2.7:443\", \"[::1]:8443 WWW.corp.example\"]
             discover_listeners = true\nexcept_ports = [22]\nevery = \"1h\"
             [[keystore]]\npath = \"/srv/k.p12\"\npassword_file = \"/run/k\"",
        )
        .unwrap();
        assert_eq!(whole.plan.roots, ["/etc/ssl/corp", "/srv/x.pem"].map(PathBuf::from));
        let places: Vec<String> = whole.plan.listeners.iter().map(|target| target.place().to_string()).collect();
        assert_eq!(places, ["tls:192.0.2.7:443", "tls:[::1]:8443 www.corp.example"]);
        assert_eq!(whole.plan.discover_except, Some(vec![22]));
        assert_eq!(whole.plan.passwords.0[&PathBuf::from("/srv/k.p12")], PathBuf::from("/run/k"));
        assert_eq!(whole.every, Span::from_secs(3600));
        assert_ne!(whole.plan_sha256(), InventorySettings::default().plan_sha256());
    }

    #[test]
    fn a_keystore_is_no_root_that_is_walked() {
        let alone = read("[[keystore]]\npath = \"/srv/k.p12\"\npassword_file = \"/p\"").unwrap();
        assert!(alone.plan.roots.is_empty());
        assert!(!alone.is_empty());
        let below = read("paths = [\"/srv\"]\n[[keystore]]\npath = \"/srv/k.p12\"\npassword_file = \"/p\"").unwrap();
        assert_eq!(below.plan.roots, [PathBuf::from("/srv")]);
        assert_eq!(below.plan.passwords, alone.plan.passwords);
    }

    #[test]
    fn wrong_values_are_refused_with_their_field() {
        for (text, words) in [
            ("paths = [\"etc\"]", "inventory.paths: `etc`: an absolute path"),
            ("paths = [\"/a/../b\"]", "inventory.paths"),
            ("paths = [\"\"]", "inventory.paths"),
            ("listeners = [\"localhost:443\"]", "inventory.listeners: `localhost:443`: an IP address"),
            ("listeners = [\"127.0.0.1\"]", "inventory.listeners"),
            ("listeners = [\"127.0.0.1:0\"]", "port 0"),
            ("listeners = [\"127.0.0.1:1 \"]", "no DNS name"),
            ("listeners = [\"127.0.0.1:1 a b\"]", "no DNS name"),
            ("listeners = [\"127.0.0.1:1 a_b\"]", "no DNS name"),
            ("listeners = [\"127.0.0.1:1 \\u001b[2J\"]", "<U+001B>"),
            ("every = \"4m\"", "inventory.every: `4m`: 5m to 30d"),
            ("every = \"31d\"", "inventory.every"),
            ("every = \"soon\"", "inventory.every: `soon`"),
            ("except_ports = [22]", "inventory.except_ports"),
            ("except_ports = [65536]", "65536"),
            ("path = []", "unknown field `path`"),
            ("[[keystore]]\npath = \"k\"\npassword_file = \"/p\"", "inventory.keystore: `k`"),
            ("[[keystore]]\npath = \"/k\"", "password_file"),
            (
                "[[keystore]]\npath = \"/k\"\npassword_file = \"/p\"\n[[keystore]]\npath = \"/k\"\npassword_file = \"/q\"",
                "`/k` is there twice",
            ),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
