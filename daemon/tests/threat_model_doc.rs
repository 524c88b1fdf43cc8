//! Every test that `docs/threat-model.md` names as evidence exists under that name.

use std::path::{Path, PathBuf};

/// Where the sources of a test are that the document names by the module `place`.
fn source(place: &str) -> Option<PathBuf> {
    let (base, rest) = match place.split_once(['/', ' ']) {
        Some(("system", rest)) => ("daemon/tests/system", rest),
        Some(("sql", rest)) => ("daemon/tests", rest),
        Some(("tui", rest)) => ("tui/tests", rest),
        Some(("shared", rest)) => ("shared/src", rest),
        None if place == "attest_root" => ("daemon/tests", place),
        _ => ("daemon/src", place),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(base);
    [format!("{rest}.rs"), format!("{rest}/mod.rs")].iter().map(|file| root.join(file)).find(|file| file.is_file())
}

/// What stands between backquotes in the tables and names a function.
fn named(document: &str) -> Option<Vec<(&str, &str)>> {
    let (_, tables) = document.split_once("## Known ways around approval")?;
    let (tables, _) = tables.split_once("## One gate")?;
    Some(tables.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")).collect())
}

#[test]
fn every_test_that_is_named_as_evidence_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threat-model.md");
    let document = std::fs::read_to_string(path).unwrap();
    let named = named(&document).unwrap();
    assert!(named.len() > 100, "{} tests are named", named.len());
    for (place, function) in named {
        let file = source(place).unwrap_or_else(|| panic!("{place}::{function}: no such module"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(&format!("fn {function}(")), "{place}::{function} is not in {}", file.display());
    }
}
