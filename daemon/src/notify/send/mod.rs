//! Handing a rendered message to the other side, one channel a file. Every way out of here is an
//! [`Outcome`](super::outcome::Outcome) within the channel's time limit.

pub(super) mod address;
pub(super) mod command;
pub(super) mod email;
pub(super) mod http;
pub(super) mod line;
pub(super) mod local_log;
pub(super) mod service;
pub(super) mod starttls;
pub(super) mod trust;
pub(super) mod wall;

#[cfg(test)]
mod email_tests;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
pub(crate) mod servers;

/// A certificate of an authority, PEM.
#[cfg(test)]
pub(super) fn test_ca() -> String {
    servers::pki().ca_pem
}
