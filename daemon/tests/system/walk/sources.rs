//! Where in the sources an issuer is called, a proof is made, and a job is freed: in one place each.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file of the daemon, without those that hold tests alone.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" && !name.ends_with("_tests.rs") {
            found.push(path);
        }
    }
}

/// The files in which `word` stands outside of comments and of the tests at their end.
fn places_of(word: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "the sources are not where this test looks");
    let mut places: Vec<String> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String = code.lines().map(|line| line.split("//").next().unwrap()).collect();
        // A call can stand on a line of its own behind its receiver.
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        for _ in code.matches(word) {
            places.push(file.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    places.sort();
    places
}

#[test]
fn an_issuer_is_called_a_proof_made_and_a_job_freed_in_one_place_each() {
    for (word, place) in [
        (".issue(", "schedule/ask.rs"),
        ("Approved::new(", "gate/prove.rs"),
        ("prove(transaction,", "schedule/executor.rs"),
        ("ask(issuer,", "schedule/executor.rs"),
        ("jobs::free(", "service/conclude.rs"),
        ("Judgement{", "gate/judge.rs"),
        ("prove_revocation(transaction,", "schedule/revoke.rs"),
        ("ApprovedRevocation{", "gate/revocation.rs"),
        ("crls::revoke(", "schedule/revoke.rs"),
        (".sign_crl(", "schedule/crl.rs"),
    ] {
        let mut places = places_of(word);
        places.dedup();
        assert_eq!(places, [place], "{word}");
    }
    // By its path, the method could be called without a dot.
    for word in ["Issuer::issue", "Issuer>::issue"] {
        assert_eq!(places_of(word), [""; 0], "{word}");
    }
    // What frees a job, or makes one that is free from the start, and what ends a request as approved.
    for (word, expected) in [
        ("SETstate='pending'", &["store/rows/jobs.rs"][..]),
        ("JobState::Pending,", &["service/jobs.rs", "service/submit/unattended.rs"]),
        ("INSERTINTOjobs", &["store/rows/jobs.rs"]),
        ("INSERTINTOcertificate_versions", &["store/rows/certificates.rs"]),
        ("INSERTINTOcrl_entries", &["store/rows/crls.rs"]),
        ("SETstate='revoked'", &["store/rows/crls.rs"]),
        // An amendment gives a blocked job its new content; an erasure takes the reason out of a cancelled one, and its trigger
        // lets nothing else of it change.
        (
            "UPDATEjobs",
            &[
                "store/rows/amendments.rs",
                "store/rows/erasures.rs",
                "store/rows/jobs.rs",
                "store/rows/jobs.rs",
                "store/rows/jobs.rs",
                "store/rows/jobs.rs",
                "store/rows/jobs.rs",
            ],
        ),
    ] {
        assert_eq!(places_of(word), expected, "{word}");
    }
}

/// A command is a client: it is linked with nothing of the daemon, so that whatever it does is a call of the protocol.
#[test]
fn no_command_has_a_way_of_its_own() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tui/Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    for dependencies in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(named) = manifest.get(dependencies).and_then(toml::Value::as_table) else { continue };
        for (name, how) in named {
            let renamed = how.get("package").is_some();
            assert!(!matches!(name.as_str(), "countersignd" | "rusqlite") && !renamed, "{name} = {how}");
        }
    }
}
