//! Java keystores of the types JKS and JCEKS (`sun.security.provider.JavaKeyStore`,
//! `com.sun.crypto.provider.JceKeyStore`): big-endian lengths, certificates in clear. Only their integrity needs the
//! password: SHA-1 over the password in UTF-16, the words `Mighty Aphrodite`, and all that stands before the digest.

use ring::digest;

use super::{Contents, Problem, Reading, Taken};

const DIGEST: usize = 20;
const PRIVATE_KEY: u32 = 1;
const CERTIFICATE: u32 = 2;
const SECRET_KEY: u32 = 3;

pub(super) fn read(octets: &[u8], reading: Reading<'_>, contents: &mut Contents) {
    contents.recognised = true;
    let Some((body, kept)) = octets.len().checked_sub(DIGEST).and_then(|end| octets.split_at_checked(end)) else {
        return contents.problem(Problem::Unreadable("Java keystore: it is cut off".to_owned()));
    };
    if reading.password.is_some_and(|password| integrity(body, password).as_ref() != kept) {
        contents.problem(Problem::WrongPassword);
    }
    if let Err(why) = entries(body, reading, contents) {
        contents.problem(Problem::Unreadable(format!("Java keystore: {why}")));
    }
}

fn integrity(body: &[u8], password: &str) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    password.encode_utf16().for_each(|unit| context.update(&unit.to_be_bytes()));
    context.update(b"Mighty Aphrodite");
    context.update(body);
    context.finish()
}

fn entries(body: &[u8], reading: Reading<'_>, contents: &mut Contents) -> Result<(), String> {
    let mut rest = Octets(body);
    rest.take(4)?;
    let version = rest.number()?;
    if !(1..=2).contains(&version) {
        return Err(format!("it is of version {version}; 1 and 2 are known"));
    }
    for _ in 0..rest.number()? {
        let kind = rest.number()?;
        let name = rest.text()?;
        let alias = super::alias(&name);
        rest.take(8)?;
        let certificates = match kind {
            PRIVATE_KEY => {
                let key = rest.number()?;
                rest.take(key as usize)?;
                rest.number()?
            }
            CERTIFICATE => 1,
            // A serialised object follows, whose end only Java knows.
            SECRET_KEY => return Err("what stands behind its first secret key cannot be read".to_owned()),
            other => return Err(format!("it has an entry of the unknown kind {other}")),
        };
        for _ in 0..certificates {
            let form = if version == 2 { rest.text()? } else { "X.509".to_owned() };
            let length = rest.number()?;
            let certificate = rest.take(length as usize)?;
            if form != "X.509" {
                contents
                    .problem(Problem::Unreadable("Java keystore: it has certificates that are not X.509".to_owned()));
            } else if let Taken::Full = contents.take(certificate, Some(alias.clone()), reading.limit, "Java keystore")
            {
                return Ok(());
            }
        }
    }
    if rest.0.is_empty() { Ok(()) } else { Err(format!("{} octets follow its last entry", rest.0.len())) }
}

/// What is left of the keystore.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, String> {
        let octets = self.take(4)?;
        Ok(octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
    }

    /// Java's modified UTF-8 behind a length of two octets; what is not UTF-8 is replaced, it is only a label.
    fn text(&mut self) -> Result<String, String> {
        let length = self.take(2)?.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}
