//! Signatures of stock `ssh-keygen`, and what it says of them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_proof::sshsig::{Hashes, KeyError, Presence, PublicKey, SshSig, SshSigError};

const SPACE: &str = "countersign-decision";

fn keygen(dir: &Path, arguments: &[&str]) -> String {
    let done = Command::new("ssh-keygen").current_dir(dir).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn every_type_of_key_signs_and_both_sides_agree() {
    let dir = tempfile::tempdir().unwrap();
    let text = "countersign decision 1\nnote: \"größer\"\n";
    fs::write(dir.path().join("text"), text).unwrap();
    for kind in [["ed25519", "256"], ["ecdsa", "256"], ["ecdsa", "384"], ["rsa", "2048"]] {
        let name = kind.join("-");
        keygen(dir.path(), &["-q", "-t", kind[0], "-b", kind[1], "-N", "", "-C", "bob@laptop", "-f", &name]);
        let line = fs::read_to_string(dir.path().join(format!("{name}.pub"))).unwrap();
        let key = PublicKey::parse(line.trim_end()).unwrap();
        assert!(keygen(dir.path(), &["-l", "-f", &name]).contains(&key.fingerprint()), "{name}");
        for hash in ["sha256", "sha512"] {
            let option = format!("hashalg={hash}");
            let _ = fs::remove_file(dir.path().join("text.sig"));
            keygen(dir.path(), &["-q", "-Y", "sign", "-O", &option, "-n", SPACE, "-f", &name, "text"]);
            let armored = fs::read_to_string(dir.path().join("text.sig")).unwrap();
            let signature = SshSig::parse(&armored).unwrap();
            assert_eq!(signature.key(), &key);
            let hashes = Hashes::of(text.as_bytes());
            assert_eq!(Hashes::from_hex(&hashes.sha256.to_string(), &hashes.sha512_hex()).as_ref(), Some(&hashes));
            assert_eq!(signature.verify(SPACE, &hashes), Ok(Presence::NotFido), "{name} {hash}");
            assert_eq!(signature.verify("file", &hashes), Err(SshSigError::Namespace));
            assert_eq!(signature.verify(SPACE, &Hashes::of(b"other")), Err(SshSigError::Wrong));
            assert!(verified(dir.path(), &key, &armored, text));
            assert!(!verified(dir.path(), &key, &armored, "other"));
        }
    }
    keygen(dir.path(), &["-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", "p521"]);
    let line = fs::read_to_string(dir.path().join("p521.pub")).unwrap();
    assert_eq!(PublicKey::parse(line.trim_end()), Err(KeyError::Type("ecdsa-sha2-nistp521".into())));
}

/// What `ssh-keygen -Y verify` says, with the line of `allowed_signers` that the documentation names.
fn verified(dir: &Path, key: &PublicKey, armored: &str, text: &str) -> bool {
    fs::write(dir.join("allowed_signers"), format!("bob namespaces=\"{SPACE}\" {key}\n")).unwrap();
    fs::write(dir.join("signature"), armored).unwrap();
    let mut child = Command::new("ssh-keygen")
        .current_dir(dir)
        .args(["-Y", "verify", "-f", "allowed_signers", "-I", "bob", "-n", SPACE, "-s", "signature"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

/// What the documentation says is what was done here.
#[test]
fn the_documentation_names_the_same_command_and_line() {
    let page = include_str!("../../docs/signed-decisions.md");
    assert!(page.contains(&format!("'bob namespaces=\"{SPACE}\" ssh-ed25519 AAAA…' > allowed_signers")));
    let command = format!("ssh-keygen -Y verify -f allowed_signers -I bob -n {SPACE} -s decision.sig < decision.txt");
    assert!(page.contains(&command));
}
