//! Checks of issuers.

use std::path::Path;

use countersign_shared::time::Span;

use super::document::{IssuerTable, IssuerType};
use super::parts::{Issuer, IssuerKind};
use super::profiles::{SECOND, check_span};
use super::read::Entry;
use super::report::{Place, Report};
use super::subject::{IDENTIFIER_SHAPE, is_identifier};
use crate::issuer::exec::MAX_TIMEOUT;

/// The issuer's own limit: a timeout that is accepted here is one that it can keep.
const LONGEST_RUN: Span = Span::from_secs(MAX_TIMEOUT.as_secs());

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
        issuers.push(Issuer { id: table.id.clone(), kind });
    }
    issuers
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
