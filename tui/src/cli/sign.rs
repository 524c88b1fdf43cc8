//! `--sign`: a decision signed with the caller's own SSH key, by `ssh-keygen` as the caller. No key is read here.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use countersign_proof::sshsig::{Hashes, MAX_ARMORED, PublicKey, SshSig};
use countersign_shared::decision_text::{DecisionText, NAMESPACE, Salt};
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{DecisionSignature, RequestDetail, Signing};
use countersign_shared::text::Untrusted;

use super::failure::{Failure, shown};

/// Names the key where a decision has to be signed and no flag does.
const VARIABLE: &str = "COUNTERSIGN_SIGN_KEY";
/// What `ssh-add -L` may print.
const MAX_LISTED: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// Sign the decision with this SSH key: the file of a private key, or of a public key whose private key is in the
    /// agent. Where a decision has to be signed, COUNTERSIGN_SIGN_KEY names the key if this does not
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Sign with the first key in the SSH agent that the policy knows as yours
    #[arg(long, conflicts_with = "sign")]
    sign_agent: bool,
}

/// Which key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// That of a file.
    File(PathBuf),
    /// One of the agent.
    Agent,
}

/// A text that is to be signed.
pub(super) struct Draft {
    text: DecisionText,
    keys: Vec<String>,
    by: By,
}

impl SignArgs {
    /// Whether a signature may come of this: a request has to be looked at before.
    pub(super) fn may_sign(&self) -> bool {
        self.by_flag().is_some() || by_variable().is_some()
    }

    fn by_flag(&self) -> Option<By> {
        if self.sign_agent { Some(By::Agent) } else { self.sign.clone().map(By::File) }
    }

    /// What is to be signed for a decision on this request; none where nobody asks for it.
    pub(super) fn draft(
        &self,
        detail: &RequestDetail,
        verdict: Verdict,
        note: Option<&Untrusted>,
    ) -> Result<Option<Draft>, Failure> {
        let signing = detail.signing.as_ref();
        let demanded = signing.is_some_and(|signing| signing.demand.is_some());
        let by = match (self.by_flag(), demanded) {
            (Some(by), _) => by,
            (None, false) => return Ok(None),
            (None, true) => by_variable().ok_or_else(|| unsigned(detail, signing))?,
        };
        let note = note.cloned().unwrap_or_default();
        let text = DecisionText::of(detail, verdict, note, fresh_salt()?).ok_or_else(|| match signing {
            Some(Signing { person: None, account, .. }) => {
                let account = Untrusted::from(account.as_str());
                Failure::refused(format!("{} is no person of the policy: nothing can be signed", account.safe()))
                    .hint("have the account added to a [[person]] with keys")
            }
            _ => Failure::refused(format!("the daemon does not say what a decision on {} covers", detail.request.id))
                .hint("while it is read-only nothing is signed: countersign status"),
        })?;
        Ok(Some(Draft { text, keys: signing.map(|signing| signing.keys.clone()).unwrap_or_default(), by }))
    }
}

impl Draft {
    /// Exactly what is signed.
    pub(super) fn text(&self) -> String {
        self.text.to_string()
    }

    /// Has it signed, and looks at what came back.
    pub(super) fn sign(&self) -> Result<DecisionSignature, Failure> {
        let text = self.text();
        let sshsig = signed_by(&self.by, &text, &self.keys)?;
        let signature = SshSig::parse(&sshsig)
            .and_then(|signature| signature.verify(NAMESPACE, &Hashes::of(text.as_bytes())).map(|_| signature))
            .map_err(|error| Failure::internal(format!("what ssh-keygen made is no signature of the text: {error}")))?;
        let fingerprint = signature.key().fingerprint();
        if !self.keys.contains(&fingerprint) {
            return Err(Failure::refused(format!("{fingerprint} is no key of yours that the policy takes here"))
                .hint(format!("your keys: {}", listed(&self.keys))));
        }
        let seen = &self.text.seen;
        Ok(DecisionSignature { sshsig, salt: self.text.salt, size: seen.size, root_sha256: seen.root })
    }
}

fn by_variable() -> Option<By> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(|value| By::File(value.into()))
}

fn unsigned(detail: &RequestDetail, signing: Option<&Signing>) -> Failure {
    let demand = signing.and_then(|signing| signing.demand).map(|demand| demand.to_string()).unwrap_or_default();
    let keys = signing.map(|signing| listed(&signing.keys)).unwrap_or_default();
    Failure::usage(format!("decisions on {} have to be signed ({demand})", detail.request.id))
        .hint(format!("name the key: --sign KEY, --sign-agent or {VARIABLE}=KEY; your keys: {keys}"))
}

fn listed(keys: &[String]) -> String {
    let safe: Vec<String> = keys.iter().map(|key| Untrusted::from(key.as_str()).safe().to_string()).collect();
    if safe.is_empty() { "none in the policy".to_owned() } else { safe.join(", ") }
}

/// Runs `ssh-keygen`. The text is in a file and not on its standard input, so that it can ask for a passphrase there.
fn signed_by(by: &By, text: &str, keys: &[String]) -> Result<String, Failure> {
    let dir = tempfile::tempdir().map_err(|error| Failure::internal(format!("no temporary directory: {error}")))?;
    let path = dir.path().join("decision");
    let write =
        |path: &Path, text: &str| std::fs::write(path, text).map_err(|error| Failure::file("write", path, &error));
    write(&path, text)?;
    let key = match by {
        By::File(key) => key.clone(),
        By::Agent => {
            let key = dir.path().join("key.pub");
            write(&key, &format!("{}\n", in_agent(keys)?))?;
            key
        }
    };
    let status = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(&key)
        .arg(&path)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Failure::internal(format!("cannot run ssh-keygen: {error}")).hint("it is part of OpenSSH"))?;
    if !status.success() {
        return Err(Failure::refused(format!("ssh-keygen did not sign with {}: nothing was decided", shown(&key))));
    }
    let made = path.with_extension("sig");
    let file = File::open(&made).map_err(|error| Failure::file("read", &made, &error))?;
    let mut sshsig = String::new();
    file.take(MAX_ARMORED as u64 + 1)
        .read_to_string(&mut sshsig)
        .map_err(|error| Failure::file("read", &made, &error))?;
    Ok(sshsig)
}

/// The first key of the agent that is one of these.
fn in_agent(keys: &[String]) -> Result<PublicKey, Failure> {
    let cannot = |error: std::io::Error| Failure::internal(format!("cannot run ssh-add: {error}"));
    let mut child = Command::new("ssh-add").arg("-L").stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let mut listing = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(MAX_LISTED).read_to_string(&mut listing).map_err(cannot)?;
    }
    child.wait().map_err(cannot)?;
    let held = listing.lines().filter_map(|line| PublicKey::parse(line).ok());
    held.into_iter().find(|key| keys.contains(&key.fingerprint())).ok_or_else(|| {
        Failure::refused("the SSH agent holds no key of yours that the policy takes here")
            .hint(format!("your keys: {}", listed(keys)))
    })
}

fn fresh_salt() -> Result<Salt, Failure> {
    let mut octets = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut octets))
        .map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
    Ok(Salt::from_bytes(octets))
}
