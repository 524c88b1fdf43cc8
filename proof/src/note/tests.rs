use super::*;
use data_encoding::BASE64;
use proptest::prelude::*;

// Keys, text and signatures of the tests of golang.org/x/mod/sumdb/note.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_PRIVATE: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const BY_PETER: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const BY_ENOCH: &str =
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

fn peter() -> Signer {
    let seed = BASE64.decode(PETER_PRIVATE.as_bytes()).unwrap();
    Signer::from_seed(KeyName::new("PeterNeumann").unwrap(), seed[1..].try_into().unwrap()).unwrap()
}

fn open(note: &str, keys: &[&str]) -> Result<Vec<String>, NoteError> {
    let keys: Vec<VerifierKey> = keys.iter().map(|text| key(text)).collect();
    let note = Note::parse(note.as_bytes())?;
    assert_eq!(note.text(), TEXT);
    Ok(note.verify(&keys)?.iter().map(|valid| valid.key.name().as_str().to_owned()).collect())
}

#[test]
fn verifier_keys_are_read_and_written() {
    assert_eq!(key(PETER).to_string(), PETER);
    assert_eq!(key(PETER).algorithm(), Algorithm::Ed25519);
    for begin in 0..PETER.len() {
        for end in begin..=PETER.len() {
            assert!((begin, end) == (0, PETER.len()) || PETER[begin..end].parse::<VerifierKey>().is_err());
        }
    }
    for at in 0..PETER.len() {
        let mut octets = PETER.as_bytes().to_vec();
        octets[at] += 1;
        assert!(String::from_utf8(octets).unwrap().parse::<VerifierKey>().is_err(), "{at}");
    }
    let longer = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    assert_eq!(longer.parse::<VerifierKey>(), Err(KeyError::Shape));
    let other = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(other.parse::<VerifierKey>(), Err(KeyError::Algorithm(0x65)));
    let upper = PETER.replace("c74f20a3", "C74F20A3");
    assert!(matches!(upper.parse::<VerifierKey>(), Err(KeyError::Id { .. })));
}

#[test]
fn names_follow_the_rules() {
    for name in ["a", "example.com/log42", "PeterNeumann", "Größe", &"x".repeat(255)] {
        assert!(KeyName::new(name).is_ok(), "{name}");
    }
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\u{2003}b", "a\u{85}b", "a\nb", "a\x01b", &"x".repeat(256)] {
        assert_eq!(KeyName::new(name), Err(KeyError::Name), "{name}");
    }
}

#[test]
fn a_note_is_signed_as_the_reference_signs_it() {
    let mut note = Note::unsigned(TEXT).unwrap();
    peter().sign(&mut note).unwrap();
    assert_eq!(note.to_string(), format!("{TEXT}\n{BY_PETER}"));
    assert_eq!(peter().key().to_string(), PETER);
    // A second signature by the same key takes the place of the first.
    peter().sign(&mut note).unwrap();
    assert_eq!(note.signatures().len(), 1);
    assert!(!format!("{:?}", peter()).contains(PETER_PRIVATE));
}

#[test]
fn signatures_by_known_keys_are_verified_and_others_ignored() {
    let both = format!("{TEXT}\n{BY_PETER}{BY_ENOCH}");
    assert_eq!(open(&both, &[PETER]).unwrap(), ["PeterNeumann"]);
    assert_eq!(open(&both, &[ENOCH]).unwrap(), ["EnochRoot"]);
    assert_eq!(open(&both, &[PETER, ENOCH]).unwrap(), ["PeterNeumann", "EnochRoot"]);
    let refused = open(&both, &[]).unwrap_err();
    assert!(matches!(&refused, NoteError::NoKnownKey(signers) if signers.len() == 2));
    assert_eq!(
        refused.to_string(),
        "signed by no key that is known here, but by PeterNeumann+c74f20a3, EnochRoot+af0cfe78"
    );
    assert_eq!(Note::parse(both.as_bytes()).unwrap().to_string(), both);
    // The same name or the same id alone is not the same key.
    let renamed = both.replace("PeterNeumann", "CarmenSandiego");
    assert!(matches!(open(&renamed, &[PETER]), Err(NoteError::NoKnownKey(_))));
    let other_id = both.replace("x08g", "xxxx");
    assert!(matches!(open(&other_id, &[PETER]), Err(NoteError::NoKnownKey(_))));
}

#[test]
fn a_wrong_signature_by_a_known_key_refuses_the_note() {
    let wrong = NoteError::Signature { name: key(PETER).name().clone(), id: key(PETER).id() };
    let longer = format!("{}ABCD{}", &BY_PETER[..60], &BY_PETER[60..]);
    assert_eq!(open(&format!("{TEXT}\n{longer}"), &[PETER]).unwrap_err(), wrong);
    // Beside a right one by another key, and beside a right one by itself.
    assert_eq!(open(&format!("{TEXT}\n{BY_ENOCH}{longer}"), &[PETER, ENOCH]).unwrap_err(), wrong);
    assert_eq!(open(&format!("{TEXT}\n{BY_PETER}{longer}"), &[PETER]).unwrap_err(), wrong);
    let edited = format!("{}\n{BY_PETER}", TEXT.replace("answer", "problem"));
    let keys = [key(PETER)];
    assert_eq!(Note::parse(edited.as_bytes()).unwrap().verify(&keys), Err(wrong));
}

#[test]
fn malformed_notes_are_refused() {
    for bad in [
        String::new(),
        "\n\n".into(),
        TEXT.into(),
        format!("{TEXT}\n"),
        format!("{TEXT}\n{}", BY_PETER.trim_end()),
        format!("\x01{TEXT}\n{BY_PETER}"),
        format!("{TEXT}\r\n{BY_PETER}"),
        format!("{TEXT}\n{}", BY_PETER.replace("PeterNeumann", "Bad Name")),
        format!("{TEXT}\n{}", BY_PETER.replace("PeterNeumann", "Bad+Name")),
        format!("{TEXT}\n{}", BY_PETER.replace("— ", "- ")),
        format!("{TEXT}\n{}", BY_PETER.replace("AM=", "AN=")),
        format!("{TEXT}\n{BY_PETER}Unexpected line.\n"),
        format!("{TEXT}\n— PeterNeumann x08gow==\n"),
        format!("{TEXT}\n— PeterNeumann \n"),
        format!("{TEXT}\n{}", BY_PETER.repeat(33)),
    ] {
        assert!(matches!(Note::parse(bad.as_bytes()), Err(NoteError::Malformed(_))), "{bad}");
    }
    assert!(Note::parse(format!("{TEXT}\n{}", BY_PETER.repeat(32)).as_bytes()).is_ok());
    let not_utf8 = [b"\xff", TEXT.as_bytes(), b"\n", BY_PETER.as_bytes()].concat();
    assert_eq!(Note::parse(&not_utf8), Err(NoteError::Malformed("not UTF-8")));
    let long = format!("{}\n\n{BY_PETER}", "x".repeat(MOST_OCTETS));
    assert_eq!(Note::parse(long.as_bytes()), Err(NoteError::Malformed("longer than 256 KiB")));
    assert!(Note::unsigned("no end").is_err());
    let mut full = Note::unsigned(TEXT).unwrap();
    for number in 0..MOST_SIGNATURES {
        let name = KeyName::new(format!("key{number}")).unwrap();
        full.add(SignatureLine::new(name, KeyId::from_bytes([0; 4]), vec![0])).unwrap();
    }
    assert!(peter().sign(&mut full).is_err());
}

#[test]
fn the_text_may_have_empty_lines() {
    let text = "first\n\nsecond\n";
    let mut note = Note::unsigned(text).unwrap();
    peter().sign(&mut note).unwrap();
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read.text(), text);
    assert!(read.verify(&[key(PETER)]).is_ok());
}

#[test]
fn private_keys_in_pkcs8() {
    // `openssl genpkey -algorithm ed25519` writes this header before the seed.
    let seed = BASE64.decode(PETER_PRIVATE.as_bytes()).unwrap()[1..].to_vec();
    let der = [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(), &seed].concat();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(&der));
    let name = KeyName::new("PeterNeumann").unwrap();
    for key in [der.as_slice(), pem.as_bytes(), pem.replace('\n', "\r\n").as_bytes()] {
        assert_eq!(Signer::from_private_key(name.clone(), key).unwrap().key().to_string(), PETER);
    }
    for bad in [&der[1..], &der[..47], b"", b"0", &pem.as_bytes()[..60], pem.replace("PRIVATE", "PUBLIC").as_bytes()] {
        assert_eq!(Signer::from_private_key(name.clone(), bad).err(), Some(PrivateKeyError));
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(note) = Note::parse(&octets) {
            prop_assert_eq!(note.to_string().into_bytes(), octets);
        }
    }

    #[test]
    fn no_change_of_one_octet_passes(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let whole = format!("{TEXT}\n{BY_PETER}");
        let mut octets = whole.into_bytes();
        let at = at.index(octets.len());
        octets[at] ^= flip;
        let keys = [key(PETER)];
        prop_assert!(Note::parse(&octets).and_then(|note| note.verify(&keys).map(|_| ())).is_err());
    }

    #[test]
    fn signature_lines_and_keys_are_never_a_reason_to_panic(text in ".{0,80}") {
        let _ = text.parse::<SignatureLine>();
        let _ = text.parse::<VerifierKey>();
        let _ = format!("— {text}").parse::<SignatureLine>();
        let _ = format!("name+00000000+{text}").parse::<VerifierKey>();
    }
}
