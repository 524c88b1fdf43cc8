//! Which certificates of a group are leaves, and which of the others lead up from each.
//!
//! This says what stands there, not what is valid: issuers are found by name and key identifier (RFC 5280 §4.2.1.1),
//! no signature is checked, and no certificate is trusted.

use std::collections::HashMap;

use countersign_shared::content::San;
use countersign_shared::time::Timestamp;

use crate::x509::found::FoundCertificate;

/// The longest chain that is followed, the leaf included.
pub const MAX_CHAIN: usize = 10;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Something is named or signed with it.
    Leaf,
    /// It signs others, and stands in no leaf's chain: a trust store, a CA's own directory.
    Authority,
}

impl Role {
    /// `leaf` or `authority`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Authority => "authority",
        }
    }
}

/// One certificate with what leads up from it, as places in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The certificate that it is about.
    pub head: usize,
    /// What it is for.
    pub role: Role,
    /// Its issuers, nearest first, without the certificate itself.
    pub issuers: Vec<usize>,
}

impl Chain {
    /// Until when it can be used: the earliest end of the certificate and its intermediates. A self-issued root does
    /// not count; those who verify have their own.
    pub fn usable_until(&self, group: &[&FoundCertificate]) -> Option<Timestamp> {
        let issuers = self.issuers.iter().filter_map(|i| group.get(*i)).filter(|issuer| !issuer.self_issued());
        issuers.chain(group.get(self.head)).map(|certificate| certificate.not_after).min()
    }
}

/// The leaves of a file in their order, each with its chain, and then the authorities that are in none of them.
///
/// A leaf is what is no authority by its basic constraints. Certificates of version 1 have none: without names of their
/// own, they are authorities where another one of the group names them as its issuer. What `openssl req -x509` makes for a
/// server says that it is an authority: one that is its own issuer, has names of hosts and has issued nothing that stands
/// beside it is that server's certificate, since roots name no hosts.
pub fn chains(group: &[&FoundCertificate]) -> Vec<Chain> {
    let by_subject = by_subject(group);
    let mut names_as_issuer = vec![false; group.len()];
    for (i, certificate) in group.iter().enumerate() {
        for issuer in by_subject.get(certificate.issuer_der.as_slice()).into_iter().flatten() {
            names_as_issuer[*issuer] |= group[*issuer].sha256 != group[i].sha256;
        }
    }
    let authority = |i: usize| match group[i].ca {
        true => names_as_issuer[i] || !group[i].self_issued() || !names_hosts(group[i]),
        false => names_as_issuer[i] && group[i].names.is_empty(),
    };
    let mut found = Vec::new();
    let mut used = vec![false; group.len()];
    for head in (0..group.len()).filter(|i| !authority(*i)) {
        let issuers = issuers(group, &by_subject, head);
        issuers.iter().for_each(|i| used[*i] = true);
        found.push(Chain { head, role: Role::Leaf, issuers });
    }
    for head in (0..group.len()).filter(|i| authority(*i) && !used[*i]) {
        found.push(Chain { head, role: Role::Authority, issuers: issuers(group, &by_subject, head) });
    }
    found
}

/// What a listener presents: the first certificate is its own, whatever it says of itself (RFC 8446 §4.4.2).
pub fn presented(group: &[&FoundCertificate]) -> Option<Chain> {
    let issuers = (!group.is_empty()).then(|| issuers(group, &by_subject(group), 0))?;
    Some(Chain { head: 0, role: Role::Leaf, issuers })
}

fn names_hosts(certificate: &FoundCertificate) -> bool {
    certificate.names.iter().any(|name| matches!(name, San::Dns(_) | San::Ip(_)))
}

fn by_subject<'a>(group: &[&'a FoundCertificate]) -> HashMap<&'a [u8], Vec<usize>> {
    let mut map: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (i, certificate) in group.iter().enumerate() {
        let same = map.entry(certificate.subject_der.as_slice()).or_default();
        // A group of a thousand that all have one name is no chain: a few are enough to choose from.
        if same.len() < MAX_CHAIN {
            same.push(i);
        }
    }
    map
}

fn issuers(group: &[&FoundCertificate], by_subject: &HashMap<&[u8], Vec<usize>>, head: usize) -> Vec<usize> {
    let mut chain = vec![head];
    while chain.len() < MAX_CHAIN {
        let current = group[chain[chain.len() - 1]];
        if current.self_issued() {
            break;
        }
        let candidates = by_subject.get(current.issuer_der.as_slice()).into_iter().flatten().copied();
        let fit = |issuer: &FoundCertificate| match (&current.authority_key, &issuer.subject_key) {
            (Some(wanted), Some(key)) => (wanted == key).then_some(0),
            _ => Some(1),
        };
        // The identifiers agree, or one is missing; among equals the one that stands first.
        let next = candidates
            .filter(|i| chain.iter().all(|used| group[*used].sha256 != group[*i].sha256))
            .filter_map(|i| fit(group[i]).map(|fit| (fit, i)))
            .min();
        let Some((_, issuer)) = next else { break };
        chain.push(issuer);
    }
    chain.split_off(1)
}
