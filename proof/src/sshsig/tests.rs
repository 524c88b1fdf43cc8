use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::*;

const SPACE: &str = "countersign-decision";
const TEXT: &[u8] = b"countersign decision 1\nverdict: approve\n";

/// An authenticator in software: it signs what one of hardware would, with the flags that it is told.
enum Key {
    Ed25519(Ed25519KeyPair),
    FidoEd25519(Ed25519KeyPair, &'static str),
    P256(EcdsaKeyPair),
    FidoP256(EcdsaKeyPair, &'static str),
}

fn ed25519(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn p256() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| put(&mut out, part));
    out
}

fn positive(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap();
    let padding: &[u8] = if number[first] >= 0x80 { &[0] } else { &[] };
    [padding, &number[first..]].concat()
}

impl Key {
    fn blob(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => strings(&[b"ssh-ed25519", key.public_key().as_ref()]),
            Self::FidoEd25519(key, application) => {
                strings(&[FIDO_ED25519.as_bytes(), key.public_key().as_ref(), application.as_bytes()])
            }
            Self::P256(key) => strings(&[P256.as_bytes(), b"nistp256", key.public_key().as_ref()]),
            Self::FidoP256(key, application) => {
                strings(&[FIDO_P256.as_bytes(), b"nistp256", key.public_key().as_ref(), application.as_bytes()])
            }
        }
    }

    fn signature(&self, message: &[u8], flags: u8) -> Vec<u8> {
        let ecdsa = |key: &EcdsaKeyPair, message: &[u8]| {
            let octets = key.sign(&SystemRandom::new(), message).unwrap();
            strings(&[&positive(&octets.as_ref()[..32]), &positive(&octets.as_ref()[32..])])
        };
        let with_flags = |name: &str, octets: &[u8]| {
            let mut out = strings(&[name.as_bytes(), octets]);
            out.push(flags);
            out.extend(7u32.to_be_bytes());
            out
        };
        match self {
            Self::Ed25519(key) => strings(&[ED25519.as_bytes(), key.sign(message).as_ref()]),
            Self::P256(key) => strings(&[P256.as_bytes(), &ecdsa(key, message)]),
            Self::FidoEd25519(key, application) => {
                with_flags(FIDO_ED25519, key.sign(&asserted(application, flags, 7, message)).as_ref())
            }
            Self::FidoP256(key, application) => {
                with_flags(FIDO_P256, &ecdsa(key, &asserted(application, flags, 7, message)))
            }
        }
    }

    /// The signature, with the given words in it.
    fn sign(&self, words: &Words) -> String {
        let hashes = Hashes::of(words.text);
        let hash: &[u8] = if words.hash == "sha256" { hashes.sha256.as_bytes() } else { &hashes.sha512 };
        let parts: [&[u8]; 4] = [words.namespace.as_bytes(), words.reserved, words.hash.as_bytes(), hash];
        let signature = self.signature(&[MAGIC, &strings(&parts)].concat(), words.flags);
        let mut out = [MAGIC, &words.version.to_be_bytes()].concat();
        out.extend(strings(&[&self.blob(), parts[0], parts[1], parts[2], &signature]));
        armor(&out)
    }
}

fn armor(octets: &[u8]) -> String {
    let encoded = BASE64.encode(octets);
    let lines: Vec<&str> = encoded.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}

#[derive(Clone)]
struct Words {
    text: &'static [u8],
    namespace: &'static str,
    reserved: &'static [u8],
    hash: &'static str,
    version: u32,
    flags: u8,
}

const RIGHT: Words = Words { text: TEXT, namespace: SPACE, reserved: b"", hash: "sha512", version: 1, flags: 1 };

fn judged(armored: &str) -> Result<Presence, SshSigError> {
    SshSig::parse(armored)?.verify(SPACE, &Hashes::of(TEXT))
}

#[test]
fn what_a_key_signed_is_taken() {
    let keys = [
        Key::Ed25519(ed25519(1)),
        Key::P256(p256()),
        Key::FidoEd25519(ed25519(2), "ssh:"),
        Key::FidoP256(p256(), "ssh:countersign"),
    ];
    for key in &keys {
        for hash in ["sha256", "sha512"] {
            let fido = matches!(key, Key::FidoEd25519(..) | Key::FidoP256(..));
            let expected = if fido { Presence::Touched } else { Presence::NotFido };
            assert_eq!(judged(&key.sign(&Words { hash, ..RIGHT })), Ok(expected));
        }
        let parsed = PublicKey::from_blob(&key.blob()).unwrap();
        assert_eq!(PublicKey::parse(&format!("{parsed} bob@laptop")), Ok(parsed.clone()));
        assert!(parsed.fingerprint().starts_with("SHA256:") && parsed.fingerprint().len() == 50);
    }
}

#[test]
fn flags_of_an_authenticator_are_weighed_and_are_signed() {
    for key in [Key::FidoEd25519(ed25519(2), "ssh:"), Key::FidoP256(p256(), "ssh:")] {
        let table = [
            (0x00, Err(SshSigError::NotTouched)),
            (0x04, Err(SshSigError::NotTouched)),
            (0x01, Ok(Presence::Touched)),
            (0x05, Ok(Presence::Verified)),
            (0x45, Ok(Presence::Verified)),
        ];
        for (flags, expected) in table {
            assert_eq!(judged(&key.sign(&Words { flags, ..RIGHT })), expected, "{flags:#x}");
        }
        // The flags in the signature are those that were signed: nobody sets one afterwards.
        let mut parsed = SshSig::parse(&key.sign(&RIGHT)).unwrap();
        if let Signature::Fido { flags, .. } = &mut parsed.signature {
            *flags = 0x05;
        }
        assert_eq!(parsed.verify(SPACE, &Hashes::of(TEXT)), Err(SshSigError::Wrong));
    }
    let web = Key::FidoEd25519(ed25519(2), "https://corp.example");
    assert_eq!(judged(&web.sign(&RIGHT)), Err(SshSigError::Key(KeyError::Malformed)));
}

#[test]
fn anything_else_is_refused() {
    let key = Key::Ed25519(ed25519(1));
    let table = [
        (Words { text: b"another text", ..RIGHT }, SshSigError::Wrong),
        (Words { namespace: "file", ..RIGHT }, SshSigError::Namespace),
        (Words { namespace: "", ..RIGHT }, SshSigError::Namespace),
        (Words { reserved: b"x", ..RIGHT }, SshSigError::Malformed),
        (Words { hash: "sha1", ..RIGHT }, SshSigError::Hash),
        (Words { hash: "SHA512", ..RIGHT }, SshSigError::Hash),
        (Words { version: 2, ..RIGHT }, SshSigError::Malformed),
        (Words { version: 0, ..RIGHT }, SshSigError::Malformed),
    ];
    for (words, expected) in table {
        assert_eq!(judged(&key.sign(&words)), Err(expected));
    }
    let right = key.sign(&RIGHT);
    // The key of one and the signature of another.
    let other = Key::Ed25519(ed25519(9));
    let octets = |armored: &str| {
        BASE64.decode(armored.lines().filter(|line| !line.starts_with('-')).collect::<String>().as_bytes()).unwrap()
    };
    let (mine, theirs) = (octets(&right), octets(&other.sign(&RIGHT)));
    let swapped = [&mine[..mine.len() - 64], &theirs[theirs.len() - 64..]].concat();
    assert_eq!(judged(&armor(&swapped)), Err(SshSigError::Wrong));
    // A signature of another type than the key's.
    let hashes = Hashes::of(TEXT);
    let parts: [&[u8]; 4] = [SPACE.as_bytes(), b"", b"sha512", &hashes.sha512];
    let ecdsa = Key::P256(p256()).signature(&[MAGIC, &strings(&parts)].concat(), 1);
    let mut mixed = [MAGIC, &1u32.to_be_bytes()].concat();
    mixed.extend(strings(&[&key.blob(), parts[0], parts[1], parts[2], &ecdsa]));
    assert_eq!(judged(&armor(&mixed)), Err(SshSigError::Malformed));
    // More behind the end, inside and outside the armor.
    assert_eq!(judged(&armor(&[mine.as_slice(), b"\0"].concat())), Err(SshSigError::Malformed));
    assert_eq!(judged(&format!("{right}x")), Err(SshSigError::Armor));
    assert_eq!(judged(&format!("x{right}")), Err(SshSigError::Armor));
    assert_eq!(judged(&right.replace('=', "")), Err(SshSigError::Armor));
    for armor in [
        "",
        "\n",
        BEGIN,
        &format!("{BEGIN}\n{END}"),
        &format!("{BEGIN}\n\n{END}\n"),
        "-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----",
    ] {
        assert!(judged(armor).is_err(), "{armor}");
    }
    let huge = format!("{BEGIN}\n{}\n{END}", "A".repeat(MAX_ARMORED));
    assert_eq!(judged(&huge), Err(SshSigError::TooLarge(huge.len())));
    // A length that reaches behind the end.
    let mut long = MAGIC.to_vec();
    long.extend([0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(judged(&armor(&long)), Err(SshSigError::Malformed));
    // With line ends of another system, and without the last.
    assert_eq!(judged(&right.replace('\n', "\r\n")), Ok(Presence::NotFido));
    assert_eq!(judged(right.trim_end()), Ok(Presence::NotFido));
}

#[test]
fn keys_that_are_none() {
    let of = |parts: &[&[u8]]| BASE64.encode(&strings(parts));
    let small = [vec![0x01], vec![0xaa; 127]].concat();
    let table = [
        ("ssh-ed25519", String::new(), KeyError::Malformed),
        ("ssh-ed25519", "AAAA".into(), KeyError::Malformed),
        ("ssh-ed25519", "A!".into(), KeyError::Shape),
        ("ssh-rsa", of(&[b"ssh-ed25519", &[1; 32]]), KeyError::Malformed),
        ("ssh-ed25519", of(&[b"ssh-ed25519", &[1; 31]]), KeyError::Malformed),
        ("ssh-ed25519", of(&[b"ssh-ed25519", &[1; 32], b"x"]), KeyError::Malformed),
        ("ssh-dss", of(&[b"ssh-dss"]), KeyError::Type("ssh-dss".into())),
        ("x", of(&[b"\x1b[2J evil"]), KeyError::Type("2Jevil".into())),
        (P256, of(&[P256.as_bytes(), b"nistp384", &[4; 65]]), KeyError::Malformed),
        (P256, of(&[P256.as_bytes(), b"nistp256", &[2; 33]]), KeyError::Malformed),
        ("ssh-rsa", of(&[b"ssh-rsa", &[1, 0, 1], &small]), KeyError::Size(1017)),
        ("ssh-rsa", of(&[b"ssh-rsa", &[0, 1], &small]), KeyError::Malformed),
    ];
    for (kind, encoded, expected) in table {
        assert_eq!(PublicKey::parse(&format!("{kind} {encoded}")), Err(expected), "{kind} {encoded}");
    }
    for shape in ["", "ssh-ed25519", "ssh-ed25519\tAAAA", &format!("ssh-ed25519 {}", "A".repeat(MAX_LINE))] {
        assert_eq!(PublicKey::parse(shape), Err(KeyError::Shape), "{shape}");
    }
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..400, text in ".{0,200}") {
        prop_assert!(judged(&armor(&octets)).is_err());
        prop_assert!(SshSig::parse(&text).is_err());
        prop_assert!(PublicKey::from_blob(&octets).is_err());
        let right = Key::Ed25519(ed25519(1)).sign(&RIGHT);
        let mut blob = BASE64.decode(right.lines().filter(|line| !line.starts_with('-')).collect::<String>().as_bytes()).unwrap();
        let at = at % blob.len();
        blob[at] ^= octets.first().copied().unwrap_or(1).max(1);
        prop_assert!(judged(&armor(&blob)).is_err());
        blob.truncate(at);
        prop_assert!(judged(&armor(&blob)).is_err());
    }
}
