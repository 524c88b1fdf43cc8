//! `--sign`: a decision or a voice signed with the caller's own SSH key.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use countersign_shared::decision_text::DecisionText;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{DecisionSignature, RequestDetail, Signing};
use countersign_shared::text::Untrusted;
use countersign_shared::voice_text::{Act, VoiceText};

use super::failure::Failure;
use crate::signing::{By, End, Fault, MAX_LISTED, NotSigned, ToSign, VARIABLE, by_variable, fresh_salt, listed};

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// Sign it with this SSH key: the file of a private key, or of a public key whose private key is in the agent. Where
    /// it has to be signed, COUNTERSIGN_SIGN_KEY names the key if this does not
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Sign with the first key in the SSH agent that the policy knows as yours
    #[arg(long, conflicts_with = "sign")]
    sign_agent: bool,
}

/// A text that is to be signed, and with which key.
pub(super) struct Draft {
    to_sign: ToSign,
    by: By,
}

impl SignArgs {
    /// Whether a signature may come of this: what is signed has to be looked at before.
    pub(super) fn may_sign(&self) -> bool {
        self.by_flag().is_some() || by_variable().is_some()
    }

    fn by_flag(&self) -> Option<By> {
        if self.sign_agent { Some(By::Agent) } else { self.sign.clone().map(By::File) }
    }

    /// The key, where a flag asks for a signature or one is demanded.
    fn by(&self, signing: Option<&Signing>, all: &str) -> Result<Option<By>, Failure> {
        let demand = signing.and_then(|signing| signing.demand);
        match (self.by_flag(), demand) {
            (Some(by), _) => Ok(Some(by)),
            (None, None) => Ok(None),
            (None, Some(demand)) => by_variable().map(Some).ok_or_else(|| {
                let keys = signing.map(|signing| listed(&signing.keys)).unwrap_or_default();
                Failure::usage(format!("{all} have to be signed ({demand})"))
                    .hint(format!("name the key: --sign KEY, --sign-agent or {VARIABLE}=KEY; your keys: {keys}"))
            }),
        }
    }

    /// What is to be signed for a decision on this request; none where nobody asks for it.
    pub(super) fn draft(
        &self,
        detail: &RequestDetail,
        verdict: Verdict,
        note: Option<&Untrusted>,
    ) -> Result<Option<Draft>, Failure> {
        let signing = detail.signing.as_ref();
        let Some(by) = self.by(signing, &format!("decisions on {}", detail.request.id))? else { return Ok(None) };
        let note = note.cloned().unwrap_or_default();
        let text = DecisionText::of(detail, verdict, note, salt()?).ok_or_else(|| match signing {
            Some(signing @ Signing { person: None, .. }) => nobody(signing),
            _ => Failure::refused(format!("the daemon does not say what a decision on {} covers", detail.request.id))
                .hint("while it is read-only nothing is signed: countersign status"),
        })?;
        let keys = signing.map(|signing| signing.keys.as_slice()).unwrap_or_default();
        Ok(Some(Draft { to_sign: ToSign::decision(&text, keys), by }))
    }

    /// What is to be signed for a voice; none where nobody asks for it.
    pub(super) fn voice(&self, act: Act, signing: &Signing, all: &str) -> Result<Option<Draft>, Failure> {
        let Some(by) = self.by(Some(signing), all)? else { return Ok(None) };
        let text = VoiceText::of(act, signing, salt()?).ok_or_else(|| nobody(signing))?;
        Ok(Some(Draft { to_sign: ToSign::voice(&text, &signing.keys), by }))
    }
}

impl Draft {
    /// Exactly what is signed.
    pub(super) fn text(&self) -> String {
        self.to_sign.text().to_owned()
    }

    /// Has it signed, and looks at what came back.
    pub(super) fn sign(&self) -> Result<DecisionSignature, Failure> {
        Ok(self.to_sign.sign(&self.by, &mut run)?)
    }
}

/// On the terminal of this command.
fn run(mut command: Command) -> std::io::Result<(End, String)> {
    let mut child = command.spawn()?;
    let mut written = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(MAX_LISTED).read_to_string(&mut written)?;
    }
    let status = child.wait()?;
    let end = if status.success() { End::Well } else { status.code().map_or(End::Ended, End::Status) };
    Ok((end, written))
}

fn salt() -> Result<countersign_shared::decision_text::Salt, Failure> {
    fresh_salt().map_err(|error| Failure::internal(format!("no randomness: {error}")))
}

fn nobody(signing: &Signing) -> Failure {
    let account = Untrusted::from(signing.account.as_str());
    Failure::refused(format!("{} is no person of the policy: nothing can be signed", account.safe()))
        .hint("have the account added to a [[person]] with keys")
}

impl From<NotSigned> for Failure {
    fn from(not: NotSigned) -> Self {
        let failure = match not.fault {
            Fault::Refused => Self::refused(not.message),
            Fault::File => Self::usage(not.message),
            Fault::Internal => Self::internal(not.message),
        };
        if not.hint.is_empty() { failure } else { failure.hint(not.hint) }
    }
}
