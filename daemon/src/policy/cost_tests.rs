//! Documents that were written to cost time. Anybody with a role may have one checked.

use std::fmt::Write;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::powers::Mask;
use super::quorum::MAX_NEED;
use super::*;

/// Processor time of the thread: whatever else the machine does is not in it. Ample without optimisation, and a small
/// part of what the product of all tables takes.
const BOUND: Duration = Duration::from_secs(15);

/// Profiles under one issuer; `need` people of the group have to agree.
fn profiles(group: &str, need: u32) -> String {
    (0..Mask::PROFILES).fold("version = 1\n[[issuer]]\nid = \"ca\"\ntype = \"local-ca\"\n".to_owned(), |mut text, i| {
        let _ = write!(
            text,
            "[[profile]]\nid = \"p-{i}\"\nname = \"x\"\nenvironment = \"e\"\nnames = [\".x.example\"]\nissuer = \"ca\"\n\
             requires_approval = true\nquorum = [{{ group = \"{group}\", need = {need} }}]\nkeys = [\"ed25519\"]\n\
             max_validity = \"1d\"\n"
        );
        text
    })
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",")
}

fn used() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
}

fn checked(document: &str) -> Result<Vec<String>, Vec<String>> {
    assert!(document.len() <= MAX_DOCUMENT, "{}", document.len());
    let began = used();
    let result = Policy::parse(document);
    assert!(used() - began < BOUND, "{:?}", used() - began);
    let began = used();
    if let Ok((policy, _)) = &result {
        assert!(!prove::prove(policy, countersign_shared::time::Timestamp::EPOCH).is_empty());
    }
    assert!(used() - began < BOUND, "{:?}", used() - began);
    result.map(|(_, warnings)| warnings)
}

#[test]
fn many_accounts_grants_and_profiles_do_not_multiply() {
    let mut document = profiles("all", MAX_NEED);
    for i in 0..1024 {
        let accounts = listed((0..4).map(|n| format!("uid:{}", 1 + 4 * i + n)));
        let _ = write!(document, "[[person]]\nname = \"{i}\"\naccounts = [{accounts}]\n");
    }
    let members = listed((0..1024).map(|i| format!("person:{i}")));
    let _ = write!(document, "[[group]]\nname = \"all\"\nmembers = [{members}]\n");
    for i in 0..512 {
        let scope = listed((0..70).map(|n| format!("p-{}", (i + n) % 256)));
        let _ = write!(document, "[[grant]]\nrole = \"operator\"\nto = \"group:all\"\nprofiles = [{scope}]\n");
    }
    let warnings = checked(&document).unwrap();
    assert!(warnings.iter().all(|warning| warning.contains("no grant lets anybody submit")), "{warnings:#?}");
}

#[test]
fn many_unix_groups_and_grants_do_not_multiply() {
    let mut document = profiles("all", 1);
    let unix = listed((0..2000).map(|i| format!("unixgroup:g{i}")));
    let users = listed((0..2000).map(|i| format!("user:u{i}")));
    let _ = write!(document, "[[group]]\nname = \"all\"\nmembers = [{unix}]\n");
    let _ = write!(document, "[[group]]\nname = \"users\"\nmembers = [{users}]\n");
    for i in 0..512 {
        let to = if i % 2 == 0 { "group:all" } else { "group:users" };
        let _ = write!(document, "[[grant]]\nrole = \"operator\"\nto = \"{to}\"\n");
    }
    checked(&document).unwrap();
}

#[test]
fn groups_inside_groups_are_looked_at_a_bounded_number_of_times() {
    let mut document = profiles("g0", 1);
    let members = listed((0..170).map(|i| format!("uid:{}", i + 1)));
    for i in 0..256 {
        let next = if i < 255 { format!(",\"group:g{}\"", i + 1) } else { String::new() };
        let _ = write!(document, "[[group]]\nname = \"g{i}\"\nmembers = [{members}{next}]\n");
    }
    let errors = checked(&document).unwrap_err();
    assert!(errors.iter().any(|error| error.contains("counted again in each group")), "{errors:#?}");
}

#[test]
fn more_accounts_and_members_than_there_may_be_are_refused_by_number() {
    let mut document = profiles("g0", 1);
    for group in 0..3 {
        let members = listed((0..2000).map(|i| format!("uid:{}", 1 + group * 2000 + i)));
        let _ = write!(document, "[[group]]\nname = \"g{group}\"\nmembers = [{members}]\n");
    }
    let errors = checked(&document).unwrap_err();
    assert_eq!(
        errors,
        ["line 1: the document names 6000 accounts; at most 4096 are allowed: name unix groups instead"]
    );

    let mut document = profiles("g0", 1);
    let members = listed((0..30_000).map(|i| format!("uid:{}", i + 1)));
    let _ = write!(document, "[[group]]\nname = \"g0\"\nmembers = [{members}]\n");
    let errors = checked(&document).unwrap_err();
    assert!(errors.iter().any(|error| error.contains("members: 30000 members; at most 2048 are")), "{errors:#?}");
}

#[test]
fn many_routes_of_many_steps_and_many_people_do_not_multiply() {
    let (groups, owners) = (8, 9);
    let steps: Vec<String> = (0..groups).map(|i| format!("{{group=\"g{i}\",need=2}}")).collect();
    let routes: Vec<String> =
        (0..owners).map(|i| format!("{{owner=\"uid:{}\",quorum=[{}]}}", i + 1, steps.join(","))).collect();
    let mut document = profiles("g0", 1).replace(
        "quorum = [{ group = \"g0\", need = 1 }]",
        &format!("quorum = [{{ group = \"g0\", need = 1 }}]\nroute = [{}]", routes.join(",")),
    );
    for group in 0..groups {
        let members = listed((0..440).map(|i| format!("uid:{}", 1 + group * 440 + i)));
        let _ = write!(document, "[[group]]\nname = \"g{group}\"\nmembers = [{members}]\n");
        let _ = write!(document, "[[grant]]\nrole = \"operator\"\nto = \"group:g{group}\"\n");
    }
    assert!(document.len() > MAX_DOCUMENT * 9 / 10, "{}", document.len());
    checked(&document).unwrap();
    let (policy, _) = Policy::parse(&document).unwrap();
    let (changed, _) = Policy::parse(&document.replace("need=2", "need=1")).unwrap();
    let began = used();
    assert_eq!(differences(&policy, &changed).len(), Mask::PROFILES * owners);
    assert!(used() - began < BOUND, "{:?}", used() - began);
}
