//! Where a certificate was seen.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A file, or a TLS listener.
///
/// Its text is what the table holds, and reads back as the same place: `file:` and the path, in which a backslash,
/// control characters and octets that are not UTF-8 stand as `\xNN`; or `tls:` and the address, followed by a
/// space and the server name where one was asked for. It is text from outside: show it as
/// [`countersign_shared::text::Untrusted`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// An absolute path.
    File(PathBuf),
    /// An address, and the server name that was asked for.
    Listener(SocketAddr, Option<String>),
}

impl Place {
    /// `file` or `tls`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Listener(..) => "tls",
        }
    }

    /// The path of a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Listener(..) => None,
        }
    }

    /// True where this is `area` or a file somewhere below it.
    pub fn within(&self, area: &Self) -> bool {
        match (self, area) {
            (Self::File(path), Self::File(area)) => path.starts_with(area),
            (place, area) => place == area,
        }
    }

    /// True where this is one of these, or below one: as many look-ups as the path has parts.
    pub fn within_any(&self, areas: &BTreeSet<Self>) -> bool {
        match self {
            Self::File(path) => path.ancestors().any(|area| areas.contains(&Self::File(area.to_owned()))),
            Self::Listener(..) => areas.contains(self),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => {
                f.write_str("file:")?;
                for chunk in path.as_os_str().as_bytes().utf8_chunks() {
                    for c in chunk.valid().chars() {
                        match c {
                            '\\' | '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", u32::from(c))?,
                            c => write!(f, "{c}")?,
                        }
                    }
                    for octet in chunk.invalid() {
                        write!(f, "\\x{octet:02x}")?;
                    }
                }
                Ok(())
            }
            Self::Listener(address, None) => write!(f, "tls:{address}"),
            Self::Listener(address, Some(name)) => write!(f, "tls:{address} {name}"),
        }
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if let Some(path) = raw.strip_prefix("file:") {
            let path = PathBuf::from(OsString::from_vec(unescaped(path.as_bytes())?));
            return if path.is_absolute() { Ok(Self::File(path)) } else { Err("a file's path begins with /") };
        }
        let listener = raw.strip_prefix("tls:").ok_or("a place begins with file: or tls:")?;
        let (address, name) = match listener.split_once(' ') {
            Some((_, "")) => return Err("the server name is empty"),
            Some((address, name)) => (address, Some(name.to_owned())),
            None => (listener, None),
        };
        let address = address.parse().map_err(|_| "a listener is an IP address, a colon and a port")?;
        Ok(Self::Listener(address, name))
    }
}

fn unescaped(raw: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        rest = match rest {
            [] => return Ok(out),
            [b'\\', b'x', high, low, after @ ..] => {
                let octet = data_encoding::HEXLOWER.decode(&[*high, *low]);
                out.extend(octet.map_err(|_| "\\x is followed by two hexadecimal digits")?);
                after
            }
            [b'\\', ..] => return Err("a backslash is written \\x5c"),
            [octet, after @ ..] => {
                out.push(*octet);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_as_text() {
        let odd = Place::File(PathBuf::from(OsString::from_vec(b"/a\\b/\xff\n\xc3\xbc".to_vec())));
        assert_eq!(odd.to_string(), "file:/a\\x5cb/\\xff\\x0aü");
        for good in ["file:/etc/x.pem", "tls:127.0.0.1:443", "tls:[::1]:443 www.corp.example"] {
            assert_eq!(good.parse::<Place>().unwrap().to_string(), good);
        }
        for bad in
            ["", "file:x", "file:/a\\b", "file:/a\\xZZ", "file:/a\\x4", "tls:localhost:1", "tls:127.0.0.1:1 ", "x"]
        {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn within_is_by_component() {
        let place = |raw: &str| raw.parse::<Place>().unwrap();
        assert!(place("file:/a/b").within(&place("file:/a")));
        assert!(place("file:/a").within(&place("file:/a")));
        assert!(!place("file:/ab").within(&place("file:/a")));
        assert!(!place("tls:127.0.0.1:443").within(&place("file:/")));
    }

    proptest! {
        #[test]
        fn any_path_reads_back(octets in proptest::collection::vec(1_u8.., 0..40)) {
            let mut path = b"/".to_vec();
            path.extend(octets);
            let place = Place::File(PathBuf::from(OsString::from_vec(path)));
            prop_assert_eq!(place.to_string().parse::<Place>(), Ok(place));
        }
    }
}
