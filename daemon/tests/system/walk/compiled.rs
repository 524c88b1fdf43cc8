//! What the compiler refuses: no proof is made, copied, read in or left out by other modules than the gate.
//!
//! The stable compiler takes a `compile_fail` doc test for passed whatever the error is. Here each piece of code is
//! compiled twice: as it is refused, with exactly that error, and with the one word changed by which it is accepted.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::skipped;

/// Stands before each piece.
const BEFORE: &str = "#![allow(unused)]
use countersignd::gate::judge::Judgement;
use countersignd::gate::{Approved, ApprovedRevocation, Shut, prove};
use countersignd::issuer::{Issuer, Order};
use countersignd::policy::Policy;
fn proof() -> Approved { loop {} }
fn ending() -> ApprovedRevocation { loop {} }
fn judged() -> Judgement { loop {} }
fn policy() -> Policy { loop {} }
";

/// What is tried, the refused word and the accepted one in its place, the code, and the error.
const PIECES: &[(&str, &str, &str, &str, &str)] = &[
    ("a proof made by its constructor", "Approved::new", "Approved::job", "fn f() { let forged = HERE; }", "E0624"),
    (
        "a proof made of the parts of another",
        "Approved { ..proof() }",
        "proof()",
        "fn f() -> Approved { HERE }",
        "E0451",
    ),
    ("a proof with another job in it", "proof.job", "proof.job()", "fn f(proof: Approved) { let _ = &HERE; }", "E0616"),
    ("a proof kept for a second signature", "clone", "job", "fn f() { let kept = proof().HERE(); }", "E0599"),
    (
        "a proof used after it was given away",
        "(proof, proof)",
        "(proof, ())",
        "fn f<A, B>(take: fn(A, B)) {} fn g(proof: Approved) { let two = HERE; }",
        "E0382",
    ),
    (
        "a proof read from what a caller sent",
        "Approved",
        "Vec<u8>",
        "fn f() { let _ = countersignd::ipc::params::<HERE>; }",
        "E0277",
    ),
    ("a proof out of nothing", "Approved", "Vec<u8>", "fn f() -> HERE { Default::default() }", "E0277"),
    (
        "an issuer asked without a proof",
        "issue(order)",
        "issue(&proof(), order)",
        "fn f(issuer: &dyn Issuer, order: &Order) { let _ = issuer.HERE; }",
        "E0061",
    ),
    (
        "an issuer asked with the record of an approval in the place of a proof",
        "&7_u64",
        "&proof()",
        "fn f(issuer: &dyn Issuer, order: &Order) { let _ = issuer.issue(HERE, order); }",
        "E0308",
    ),
    (
        "an issuer asked with the proof for a revocation",
        "&ending()",
        "&proof()",
        "fn f(issuer: &dyn Issuer, order: &Order) { let _ = issuer.issue(HERE, order); }",
        "E0308",
    ),
    (
        "a revocation under the proof for a signature",
        "proof()",
        "ending()",
        "fn f() -> ApprovedRevocation { HERE }",
        "E0308",
    ),
    (
        "a proof for a revocation made of the parts of another",
        "ApprovedRevocation { ..ending() }",
        "ending()",
        "fn f() -> ApprovedRevocation { HERE }",
        "E0451",
    ),
    ("a proof for a revocation kept", "clone", "job", "fn f() { let kept = ending().HERE(); }", "E0599"),
    (
        "a judgement made of the parts of another",
        "Judgement { ..judged() }",
        "judged()",
        "fn f() -> Judgement { HERE }",
        "E0451",
    ),
    ("a judgement with another event", "judged().event", "judged().event()", "fn f() { let _ = HERE; }", "E0616"),
    (
        "a policy made of the parts of another",
        "Policy { ..policy() }",
        "policy()",
        "fn f() -> Policy { HERE }",
        "E0451",
    ),
    (
        "a policy that was not checked",
        "Policy",
        "Vec<u8>",
        "fn f() { let _ = countersignd::ipc::params::<HERE>; }",
        "E0277",
    ),
    ("a policy out of nothing", "Policy", "Vec<u8>", "fn f() -> HERE { Default::default() }", "E0277"),
    ("a proof for tests", "Approved::for_tests", "Approved::job", "fn f() { let forged = HERE; }", "E0599"),
];

/// The library that this test was linked with: the newest one beside it.
fn library() -> Option<PathBuf> {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let libraries = std::fs::read_dir(deps).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?;
        let fits = name.starts_with("libcountersignd-") && name.ends_with(".rlib");
        fits.then(|| (std::fs::metadata(&path).unwrap().modified().unwrap(), path))
    });
    libraries.max().map(|(_, path)| path)
}

/// The codes of all errors; none where it compiles.
fn errors(compiler: &str, library: &Path, place: &Path, code: &str) -> Vec<String> {
    let file = place.join("piece.rs");
    std::fs::write(&file, format!("{BEFORE}{code}\n")).unwrap();
    let mut externed = std::ffi::OsString::from("countersignd=");
    externed.push(library);
    let mut dependencies = std::ffi::OsString::from("dependency=");
    dependencies.push(library.parent().unwrap());
    let output = Command::new(compiler)
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--out-dir"])
        .arg(place)
        .arg("--extern")
        .arg(externed)
        .arg("-L")
        .arg(dependencies)
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let codes =
        said.lines().filter_map(|line| line.strip_prefix("error")).filter(|rest| !rest.starts_with(": aborting"));
    let codes: Vec<String> = codes
        .map(|rest| rest.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(&said).into())
        .collect();
    assert_eq!(codes.is_empty(), output.status.success(), "{said}");
    codes
}

#[test]
fn nobody_but_the_gate_makes_a_proof_and_nobody_signs_without_one() {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let there = Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success());
    let (true, Some(library)) = (there, library()) else {
        return skipped("needs the compiler and the library that it made");
    };
    let place = tempfile::tempdir().unwrap();
    for (what, refused, accepted, code, error) in PIECES {
        let with = |word: &str| errors(&compiler, &library, place.path(), &code.replace("HERE", word));
        let found = with(refused);
        assert!(!found.is_empty() && found.iter().all(|found| found == error), "{what}: {found:?} and not {error}");
        assert_eq!(with(accepted), [""; 0], "{what}: refused for another reason");
    }
}
