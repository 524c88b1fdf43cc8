//! Signing with the caller's own SSH key, by `ssh-keygen` as the caller. No key is read here. Command line and console choose the
//! key in the same way and make the same signature; they differ in who runs the program.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign_proof::sshsig::{Hashes, MAX_ARMORED, PublicKey, SshSig};
use countersign_shared::decision_text::{DecisionText, NAMESPACE, Salt, Seen};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::DecisionSignature;
use countersign_shared::text::Untrusted;
use countersign_shared::voice_text::VoiceText;

/// Names the key where nothing else does.
pub const VARIABLE: &str = "COUNTERSIGN_SIGN_KEY";
/// What `ssh-add -L` may print.
pub const MAX_LISTED: u64 = 1024 * 1024;

/// Which key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// That of a file.
    File(PathBuf),
    /// The first of the agent that the policy knows as the caller's.
    Agent,
}

/// The key that [`VARIABLE`] names.
pub fn by_variable() -> Option<By> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(|value| By::File(value.into()))
}

/// A text that is to be signed, and which keys may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSign {
    text: String,
    policy: Digest,
    salt: Salt,
    seen: Seen,
    keys: Vec<String>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With status 0.
    Well,
    /// With another.
    Status(i32),
    /// By a signal: somebody ended it.
    Ended,
}

/// Runs a program to its end. Gives what it wrote, where its output is piped, up to [`MAX_LISTED`].
pub type Run<'a> = &'a mut dyn FnMut(Command) -> io::Result<(End, String)>;

/// Why there is no signature; safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSigned {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
}

/// See [`NotSigned`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The key does not, or may not, sign.
    Refused,
    /// A file cannot be read or written.
    File,
    /// Something on this side.
    Internal,
}

impl NotSigned {
    fn of(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), hint: String::new() }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }
}

impl ToSign {
    /// A decision, which one of these keys may sign.
    pub fn decision(text: &DecisionText, keys: &[String]) -> Self {
        Self {
            text: text.to_string(),
            policy: text.policy,
            salt: text.salt,
            seen: text.seen.clone(),
            keys: keys.to_vec(),
        }
    }

    /// A voice.
    pub fn voice(text: &VoiceText, keys: &[String]) -> Self {
        Self {
            text: text.to_string(),
            policy: text.policy,
            salt: text.salt,
            seen: text.seen.clone(),
            keys: keys.to_vec(),
        }
    }

    /// Exactly what is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The policy that it names: under any other the daemon refuses what is signed.
    pub fn policy(&self) -> Digest {
        self.policy
    }

    /// Has it signed, and looks at what came back.
    ///
    /// # Errors
    /// [`NotSigned`] where the program did not sign, or not with a key that may.
    pub fn sign(&self, by: &By, run: Run<'_>) -> Result<DecisionSignature, NotSigned> {
        let sshsig = self.signed_by(by, run)?;
        let signature = SshSig::parse(&sshsig)
            .and_then(|signature| signature.verify(NAMESPACE, &Hashes::of(self.text.as_bytes())).map(|_| signature))
            .map_err(|error| {
                let message = format!("what ssh-keygen made is no signature of the text: {error}");
                NotSigned::of(Fault::Internal, message)
            })?;
        let fingerprint = signature.key().fingerprint();
        if !self.keys.contains(&fingerprint) {
            let message = format!("{fingerprint} is no key of yours that the policy takes here");
            return Err(NotSigned::of(Fault::Refused, message).hint(format!("your keys: {}", listed(&self.keys))));
        }
        Ok(DecisionSignature { sshsig, salt: self.salt, size: self.seen.size, root_sha256: self.seen.root })
    }

    /// Runs `ssh-keygen`. The text is in a file and not on its standard input, so that it can ask for a passphrase there.
    fn signed_by(&self, by: &By, run: Run<'_>) -> Result<String, NotSigned> {
        let dir = tempfile::tempdir()
            .map_err(|error| NotSigned::of(Fault::Internal, format!("no temporary directory: {error}")))?;
        let path = dir.path().join("decision");
        let write = |path: &Path, text: &str| std::fs::write(path, text).map_err(|error| file("write", path, &error));
        write(&path, &self.text)?;
        let key = match by {
            By::File(key) => key.clone(),
            By::Agent => {
                let key = dir.path().join("key.pub");
                write(&key, &format!("{}\n", self.in_agent(run)?))?;
                key
            }
        };
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(&key).arg(&path).stdout(Stdio::null());
        let (end, _) = run(command).map_err(|error| {
            NotSigned::of(Fault::Internal, format!("cannot run ssh-keygen: {error}")).hint("it is part of OpenSSH")
        })?;
        if end != End::Well {
            let why = if end == End::Ended { "was ended before it signed with" } else { "did not sign with" };
            let key = match by {
                By::File(key) => shown(key),
                By::Agent => "the key in the agent".to_owned(),
            };
            let message = format!("ssh-keygen {why} {key}: nothing was decided");
            return Err(NotSigned::of(Fault::Refused, message));
        }
        let made = path.with_extension("sig");
        let armored = File::open(&made).map_err(|error| file("read", &made, &error))?;
        let mut sshsig = String::new();
        armored
            .take(MAX_ARMORED as u64 + 1)
            .read_to_string(&mut sshsig)
            .map_err(|error| file("read", &made, &error))?;
        Ok(sshsig)
    }

    /// The first key of the agent that is one of these.
    fn in_agent(&self, run: Run<'_>) -> Result<PublicKey, NotSigned> {
        let mut command = Command::new("ssh-add");
        command.arg("-L").stdin(Stdio::null()).stdout(Stdio::piped());
        let (end, listing) =
            run(command).map_err(|error| NotSigned::of(Fault::Internal, format!("cannot run ssh-add: {error}")))?;
        if end == End::Ended {
            let message = "ssh-add was ended before it listed the keys of the agent: nothing was decided";
            return Err(NotSigned::of(Fault::Refused, message));
        }
        let mut held = listing.lines().filter_map(|line| PublicKey::parse(line).ok());
        held.find(|key| self.keys.contains(&key.fingerprint())).ok_or_else(|| {
            NotSigned::of(Fault::Refused, "the SSH agent holds no key of yours that the policy takes here")
                .hint(format!("your keys: {}", listed(&self.keys)))
        })
    }
}

/// Fingerprints in words.
pub fn listed(keys: &[String]) -> String {
    let safe: Vec<String> = keys.iter().map(|key| Untrusted::from(key.as_str()).safe().to_string()).collect();
    if safe.is_empty() { "none in the policy".to_owned() } else { safe.join(", ") }
}

/// What keeps the free text in what is signed from being guessed.
pub fn fresh_salt() -> io::Result<Salt> {
    let mut octets = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(Salt::from_bytes(octets))
}

fn file(doing: &str, path: &Path, error: &io::Error) -> NotSigned {
    NotSigned::of(Fault::File, format!("cannot {doing} {}: {error}", shown(path)))
}

fn shown(path: &Path) -> String {
    Untrusted::new(path.to_string_lossy()).safe().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_was_ended_is_not_one_without_a_key() {
        let seen = Seen { origin: "ca.example/ledger".into(), size: 7, root: Digest::of(&[b"root"]) };
        let policy = Digest::of(&[b"policy"]);
        let salt = Salt::from_bytes([7; 16]);
        let text = ToSign { text: "text".into(), policy, salt, seen, keys: vec!["SHA256:bob".into()] };
        let said = |end: End| {
            let mut programs = Vec::new();
            let mut run = |command: Command| {
                programs.push(command.get_program().to_owned());
                Ok((end, String::new()))
            };
            let why = text.sign(&By::Agent, &mut run).unwrap_err();
            assert_eq!(programs, ["ssh-add"], "nothing is signed after it");
            (why.fault, why.message)
        };
        let (fault, message) = said(End::Ended);
        assert!(fault == Fault::Refused && message.contains("ssh-add was ended"), "{message}");
        // An agent without keys, and one that is not there, end with a status.
        for end in [End::Well, End::Status(1), End::Status(2)] {
            let (fault, message) = said(end);
            assert!(fault == Fault::Refused && message.contains("holds no key of yours"), "{message}");
        }
    }
}
