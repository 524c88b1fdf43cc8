//! The part of `docs/tampering.md` that is made from what was found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::cases::{CASES, Case};
use super::ways::{Found, Outcome, WAYS};

const BEGIN: &str = "<!-- generated: from here on, see daemon/tests/system/tampering/ -->\n";
const END: &str = "<!-- generated: up to here -->\n";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tampering.md")
}

/// The published page, beside what it would be with these outcomes; written anew where that is asked for.
pub fn compare(outcomes: &[&[Outcome]]) {
    let published = std::fs::read_to_string(path()).unwrap();
    let (before, rest) = published.split_once(BEGIN).expect("docs/tampering.md has lost its mark");
    let (_, after) = rest.split_once(END).expect("docs/tampering.md has lost its second mark");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", generated(outcomes));
    if std::env::var_os("COUNTERSIGN_WRITE_DOCS").is_some() {
        std::fs::write(path(), &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path()).unwrap();
    for (found, wanted) in found.lines().zip(wanted.lines()) {
        assert_eq!(found, wanted, "COUNTERSIGN_WRITE_DOCS=1 cargo test -p countersignd --test system tampering");
    }
    assert_eq!(found, wanted);
}

/// The rules and records, as an expectation names them.
pub fn named(found: &[Found]) -> String {
    if found.is_empty() {
        return "nothing".to_owned();
    }
    let named = |found: &Found| match found.seq {
        Some(seq) => format!("{} {seq}", found.rule),
        None => found.rule.clone(),
    };
    found.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn generated(outcomes: &[&[Outcome]]) -> String {
    let mut page = "\n| done | the next start | while it runs | a copied database | an export |\n\
                    | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (case, outcomes) in CASES.iter().zip(outcomes) {
        let cells: Vec<String> = outcomes.iter().map(brief).collect();
        writeln!(page, "| [{}](#{}) | {} |", case.name, fragment(case.name), cells.join(" | ")).unwrap();
    }
    for (case, outcomes) in CASES.iter().zip(outcomes) {
        write!(page, "\n{}", section(case, outcomes)).unwrap();
    }
    page + "\n"
}

/// As the headings of a page are addressed.
fn fragment(name: &str) -> String {
    let kept = name.chars().filter(|at| at.is_alphanumeric() || *at == ' ' || *at == '-');
    kept.map(|at| if at == ' ' { '-' } else { at.to_ascii_lowercase() }).collect()
}

fn brief(outcome: &Outcome) -> String {
    let (without, with) = (named(&outcome.without), named(&outcome.with));
    let anchored = with.strip_prefix(&without).map_or(with.as_str(), |rest| rest.trim_start_matches(", "));
    match anchored {
        "" => without,
        anchored => format!("{without} / **{anchored}**"),
    }
}

fn section(case: &Case, outcomes: &[Outcome]) -> String {
    let mut section = format!("### {}\n\n{}", case.name, case.what);
    if !case.says.is_empty() {
        write!(section, " {}", case.says).unwrap();
    }
    section.push_str("\n\n| | without an anchor | with the anchor |\n| --- | --- | --- |\n");
    for ((way, _), outcome) in WAYS.iter().zip(outcomes) {
        let with = match outcome.with == outcome.without {
            true => "the same".to_owned(),
            false => spoken(&outcome.with),
        };
        writeln!(section, "| {way} | {} | {with} |", spoken(&outcome.without)).unwrap();
    }
    section
}

fn spoken(found: &[Found]) -> String {
    if found.is_empty() {
        return "nothing".to_owned();
    }
    let mut hashes = BTreeMap::new();
    let spoken = found.iter().map(|found| {
        let place = found.seq.map(|seq| format!(" at record {seq}")).unwrap_or_default();
        let text = found.text.replace('|', "\\|");
        format!("`{}`{place}: {}", found.rule.split(' ').next().unwrap(), lettered(&text, &mut hashes))
    });
    spoken.collect::<Vec<_>>().join("; ")
}

/// Hashes are others each time: a letter stands for each.
fn lettered(text: &str, hashes: &mut BTreeMap<String, char>) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let core = word.trim_matches(|at: char| !at.is_ascii_alphanumeric());
        let hash = core.len() == 64 && core.bytes().all(|octet| octet.is_ascii_hexdigit());
        words.push(match hash {
            true => {
                let next = char::from(b'A' + u8::try_from(hashes.len()).unwrap());
                let letter = *hashes.entry(core.to_owned()).or_insert(next);
                word.replace(core, &format!("*{letter}*"))
            }
            false => word.to_owned(),
        });
    }
    words.join(" ")
}
