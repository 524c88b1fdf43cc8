//! The closed set of problems, here and in the schema.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_kind_of_problem_fits_the_table_and_is_counted() {
    let sql = include_str!("../../../migrations/0005_inventory.up.sql");
    let text = String::new;
    let problems = [
        Problem::PermissionDenied,
        Problem::Missing,
        Problem::Changed,
        Problem::NeedsPassword,
        Problem::WrongPassword,
        Problem::PasswordFile(text()),
        Problem::Unreadable(text()),
        Problem::NoCertificate,
        Problem::TooLarge { size: 1, limit: 0 },
        Problem::Limit { of: "", limit: 0 },
        Problem::OutOfTime,
        Problem::LeadsOut,
        Problem::DeadLink,
        Problem::Special(""),
        Problem::NotListed,
        Problem::Refused,
        Problem::NoAnswer,
        Problem::NotTls(text()),
        Problem::Failed(text()),
    ];
    for problem in &problems {
        assert!(sql.contains(&format!("'{}'", problem.kind())), "{problem:?}");
    }
    let kinds: BTreeSet<&str> = problems.iter().map(Problem::kind).collect();
    assert_eq!(kinds, Problem::KINDS.into_iter().collect());
}
