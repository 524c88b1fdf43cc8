//! Checks of issuers.

use std::path::Path;

use countersign_shared::time::Span;

use super::document::{CrlTable, IssuerTable, IssuerType};
use super::parts::{CrlRules, Issuer, IssuerKind};
use super::profiles::{SECOND, check_span};
use super::read::Entry;
use super::report::{Place, Report};
use super::subject::{IDENTIFIER_SHAPE, is_identifier};
use crate::deliver::DeliverRule;
use crate::issuer::exec::MAX_TIMEOUT;

/// The issuer's own limit: a timeout that is accepted here is one that it can keep.
const LONGEST_RUN: Span = Span::from_secs(MAX_TIMEOUT.as_secs());

/// How long a list may stand: shorter ones would be signed all the time, longer ones say nothing to anybody.
const SHORTEST_LIST: Span = Span::from_secs(3600);
const LONGEST_LIST: Span = Span::from_secs(90 * 86_400);

/// The issuers.
pub(super) fn issuers(entries: &[Entry<IssuerTable>], report: &mut Report) -> Vec<Issuer> {
    let mut issuers = Vec::with_capacity(entries.len());
    for Entry { value: table, place } in entries {
        if !is_identifier(&table.id) {
            report.error(place, "id", IDENTIFIER_SHAPE);
        }
        let kind = match table.kind {
            IssuerType::LocalCa => {
                for (key, set) in [("command", table.command.is_some()), ("timeout", table.timeout.is_some())] {
                    if set {
                        report.error(place, key, "only an issuer of type exec has it");
                    }
                }
                IssuerKind::LocalCa
            }
            IssuerType::Exec => exec(table, place, report),
        };
        let crl = table.crl.as_ref().map(|crl| crl_rules(crl, &kind, place, report));
        issuers.push(Issuer { id: table.id.clone(), kind, crl });
    }
    issuers
}

fn crl_rules(table: &CrlTable, kind: &IssuerKind, place: &Place, report: &mut Report) -> CrlRules {
    if *kind != IssuerKind::LocalCa {
        report.error(place, "crl", "only an issuer of type local-ca has it");
    }
    if table.url.as_deref().is_some_and(|url| !is_url(url)) {
        report.error(place, "crl", "`url` is an http or https URL of at most 1024 octets, in ASCII without spaces");
    }
    if let Some(path) = &table.path {
        let rule = DeliverRule { path: path.clone(), owner: None, mode: None };
        if let Err(error) = rule.check_file() {
            report.error(place, "crl", format!("`path`: {error}"));
        }
    }
    let lifetime = table.lifetime.unwrap_or(CrlRules::default().lifetime);
    check_span(lifetime, SHORTEST_LIST, LONGEST_LIST, "crl", place, report);
    if !lifetime.millis().is_multiple_of(1000) {
        report.error(place, "crl", "`lifetime` is not in whole seconds, which is all that a list can say");
    }
    CrlRules { url: table.url.clone(), path: table.path.clone(), lifetime }
}

fn is_url(raw: &str) -> bool {
    let rest = raw.strip_prefix("http://").or_else(|| raw.strip_prefix("https://"));
    raw.len() <= 1024 && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()))
}

fn exec(table: &IssuerTable, place: &Place, report: &mut Report) -> IssuerKind {
    let command = table.command.clone().unwrap_or_default();
    let program = command.first().is_some_and(|program| Path::new(program).is_absolute());
    let fits = command.len() <= 64 && command.iter().all(|word| word.len() <= 4096 && !word.contains('\0'));
    if !program || !fits {
        let what = "an exec issuer needs a program by its absolute path, and has at most 63 arguments";
        report.error(place, "command", what);
    }
    let timeout = table.timeout.unwrap_or(Span::from_secs(60));
    check_span(timeout, SECOND, LONGEST_RUN, "timeout", place, report);
    IssuerKind::Exec { command, timeout }
}
