//! Values that have a shape of their own.

use std::fmt;
use std::str::FromStr;

use countersign_shared::text::Untrusted;
use serde::de::{Deserialize, Deserializer, Error};

/// The access mode of the socket: three or four octal digits, at most 0777.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    /// Owner and group may connect.
    pub const DEFAULT: Self = Self(0o660);

    /// The permission bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let digits = (3..=4).contains(&raw.len()) && raw.bytes().all(|octet| (b'0'..=b'7').contains(&octet));
        match u32::from_str_radix(raw, 8) {
            Ok(mode) if digits && mode <= 0o777 => Ok(Self(mode)),
            _ => Err("a socket mode is written in octal, as in \"0660\", and is at most 0777".to_owned()),
        }
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// From which severity on the daemon writes log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub tracing::Level);

impl LogLevel {
    /// What an operator reads every day.
    pub const DEFAULT: Self = Self(tracing::Level::INFO);
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Ok(Self(match raw {
            "error" => tracing::Level::ERROR,
            "warn" => tracing::Level::WARN,
            "info" => tracing::Level::INFO,
            "debug" => tracing::Level::DEBUG,
            "trace" => tracing::Level::TRACE,
            other => {
                let other = Untrusted::from(other);
                return Err(format!("log level `{}` is none of error, warn, info, debug, trace", other.safe()));
            }
        }))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.as_str().to_ascii_lowercase())
    }
}

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_modes_are_octal() {
        for (raw, bits) in [("0660", 0o660), ("666", 0o666), ("0777", 0o777), ("000", 0)] {
            assert_eq!(raw.parse::<SocketMode>().map(SocketMode::bits), Ok(bits), "{raw}");
        }
        for bad in ["", "60", "0o660", "0680", "1777", "rw-rw----", "+660", "00660", " 660"] {
            assert!(bad.parse::<SocketMode>().is_err(), "{bad}");
        }
        assert_eq!(SocketMode::DEFAULT.to_string(), "0660");
    }

    #[test]
    fn log_levels_are_a_closed_set() {
        for raw in ["error", "warn", "info", "debug", "trace"] {
            assert_eq!(raw.parse::<LogLevel>().map(|level| level.to_string()), Ok(raw.to_owned()));
        }
        for bad in ["", "INFO", "verbose", "\u{1b}[2J"] {
            let refused = bad.parse::<LogLevel>().unwrap_err();
            assert!(!refused.contains('\u{1b}'), "{refused:?}");
        }
    }
}
