use proptest::prelude::*;

use super::super::testing::Pki;
use super::*;

const FREE: Reading<'_> = Reading { password: None, limit: 100, iterations: 2_000_000 };

fn with(password: &str) -> Reading<'_> {
    Reading { password: Some(password), ..FREE }
}

fn names(contents: &Contents) -> Vec<String> {
    contents.entries.iter().map(|entry| entry.certificate.primary_name().safe().to_string()).collect()
}

fn aliases(contents: &Contents) -> Vec<Option<&str>> {
    contents.entries.iter().map(|entry| entry.alias.as_ref().map(Untrusted::raw)).collect()
}

#[test]
fn pem_der_and_pkcs7() {
    let pki = Pki::new();
    let chain = ["www.corp.example", "Sub", "Root"];
    let bundle = read(&pki.bytes("bundle.pem"), FREE);
    assert_eq!((names(&bundle), &bundle.problems[..]), (chain.map(str::to_owned).to_vec(), &[][..]));

    let key_too = read((pki.text("leaf.key") + "text\n" + &pki.text("leaf.pem")).as_bytes(), FREE);
    assert_eq!((names(&key_too).len(), key_too.other_blocks, key_too.problems.len()), (1, true, 0));
    let marked = ["\u{feff}", &pki.text("leaf.pem").replace('\n', "\r\n")].concat();
    assert_eq!(names(&read(marked.as_bytes(), FREE)), ["www.corp.example"]);

    pki.openssl("x509 -in leaf.pem -outform DER -out leaf.der");
    assert_eq!(names(&read(&pki.bytes("leaf.der"), FREE)), ["www.corp.example"]);
    let two = [pki.bytes("leaf.der"), pki.bytes("leaf.der"), b"rest".to_vec()].concat();
    let two = read(&two, FREE);
    assert_eq!((two.entries.len(), two.problems.len()), (2, 1));

    pki.openssl("x509 -in leaf.pem -trustout -addtrust serverAuth -out trusted.pem");
    assert!(pki.text("trusted.pem").contains("BEGIN TRUSTED CERTIFICATE"));
    let trusted = read(&pki.bytes("trusted.pem"), FREE);
    assert_eq!((names(&trusted).len(), trusted.problems.len()), (1, 0));

    pki.openssl("crl2pkcs7 -nocrl -certfile bundle.pem -out chain.p7b");
    pki.openssl("crl2pkcs7 -nocrl -certfile bundle.pem -outform DER -out chain.p7c");
    for file in ["chain.p7b", "chain.p7c"] {
        let contents = read(&pki.bytes(file), FREE);
        assert_eq!((names(&contents), contents.problems.len()), (chain.map(str::to_owned).to_vec(), 0), "{file}");
    }
}

#[test]
fn a_broken_block_hides_no_other() {
    let pki = Pki::new();
    let good = pki.text("leaf.pem");
    let cut = good.replace("-----END CERTIFICATE-----\n", "");
    for (broken, why) in [
        (cut.as_str(), "END line"),
        ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "base 64"),
        ("-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n", "X.509"),
        ("-----BEGIN PKCS7-----\nMAMCAQA=\n-----END PKCS7-----\n", "PKCS#7"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END KEY-----\n", "END line"),
    ] {
        let contents = read([broken, &good].concat().as_bytes(), FREE);
        assert_eq!(names(&contents), ["www.corp.example"], "{broken}");
        let [Problem::Unreadable(told)] = &contents.problems[..] else { panic!("{:?}", contents.problems) };
        assert!(told.contains(why), "{told}");
    }
    let many = read("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".repeat(9999).as_bytes(), FREE);
    assert_eq!(many.problems.len(), MAX_PROBLEMS);
    let limited = read(good.repeat(5).as_bytes(), Reading { limit: 3, ..FREE });
    assert_eq!(limited.entries.len(), 3);
    assert_eq!(limited.problems, [Problem::Limit { of: "certificates", limit: 3 }]);
}

#[test]
fn pkcs12_of_every_scheme() {
    let pki = Pki::new();
    let export = "pkcs12 -export -in bundle.pem -inkey leaf.key -name web -out";
    for (i, (options, password)) in [
        ("", "s3cret"),
        ("-certpbe AES-128-CBC -macalg sha512", "s3cret"),
        ("-certpbe AES-192-CBC -iter 10000", "bücher"),
        ("-certpbe DES-EDE3-CBC", "s3cret"),
        ("-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1", "s3cret"),
        ("-legacy", "s3cret"),
        ("-legacy -certpbe PBE-SHA1-RC2-128", "bücher"),
        ("-certpbe NONE", "s3cret"),
        ("-nomac -certpbe AES-256-CBC", "s3cret"),
        ("", "''"),
        ("-legacy", "''"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("{i}.p12");
        pki.run("openssl", &format!("{export} {file} {options} -passout pass:{}", password.trim_matches('\'')));
        let octets = pki.bytes(&file);
        let reading = if password == "''" { FREE } else { with(password) };
        let contents = read(&octets, reading);
        assert_eq!(names(&contents), ["www.corp.example", "Sub", "Root"], "{options} {:?}", contents.problems);
        assert_eq!(aliases(&contents)[0], Some("web"));
        assert!(contents.problems.is_empty(), "{options}: {:?}", contents.problems);
        if password == "''" {
            continue;
        }
        let clear = options.contains("NONE");
        let without = read(&octets, FREE);
        assert_eq!(without.entries.len(), if clear { 3 } else { 0 }, "{options}");
        assert_eq!(without.problems, if clear { vec![] } else { vec![Problem::NeedsPassword] }, "{options}");
        let wrong = read(&octets, with("other"));
        assert_eq!(wrong.problems, [Problem::WrongPassword], "{options}");
    }
}

#[test]
fn pkcs12_that_asks_for_too_much() {
    let pki = Pki::new();
    pki.openssl("pkcs12 -export -in leaf.pem -nokeys -out x.p12 -passout pass:s3cret -iter 2048 -macalg sha256");
    let mut octets = pki.bytes("x.p12");
    let mut replaced = 0;
    // INTEGER 2048 becomes INTEGER 32767, and where it stands twice, the sum of both counts.
    for i in 0..=octets.len() - 4 {
        if octets[i..i + 4] == [2, 2, 8, 0] {
            octets[i + 2..i + 4].copy_from_slice(&[0x7f, 0xff]);
            replaced += 1;
        }
    }
    assert_eq!(replaced, 2);
    assert_eq!(read(&octets, with("s3cret")).problems, [Problem::WrongPassword]);

    let element = |tag: u8, contents: &[&[u8]]| {
        let contents = contents.concat();
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], &contents[..]].concat()
    };
    let data = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let safes = element(0x30, &[]);
    let info = element(0x30, &[&data, &element(0xa0, &[&element(4, &[&safes])])]);
    let sha1 = element(0x30, &[&[6, 5, 0x2b, 14, 3, 2, 26, 5, 0]]);
    let mac = |iterations: &[u8]| {
        element(0x30, &[&element(0x30, &[&sha1, &element(4, &[&[0; 20]])]), &element(4, &[&[1; 8]]), iterations])
    };
    for (iterations, why) in [(&[2, 4, 0x7f, 0xff, 0xff, 0xff][..], "2147483647 times"), (&[2, 1, 0], "0 times")] {
        let pfx = element(0x30, &[&[2, 1, 3], &info, &mac(iterations)]);
        let contents = read(&pfx, with("x"));
        let [Problem::Unreadable(told)] = &contents.problems[..] else { panic!("{:?}", contents.problems) };
        assert!(told.contains(why), "{told}");
    }
    // Nothing but parts within parts.
    let mut bags = element(0x30, &[]);
    for _ in 0..9 {
        let nested = [6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 6];
        bags = element(0x30, &[&element(0x30, &[&nested, &element(0xa0, &[&bags])])]);
    }
    let safe = element(0x30, &[&data, &element(0xa0, &[&element(4, &[&bags])])]);
    let safes = element(0x30, &[&safe]);
    let info = element(0x30, &[&data, &element(0xa0, &[&element(4, &[&safes])])]);
    let contents = read(&element(0x30, &[&[2, 1, 3], &info]), FREE);
    assert!(contents.problems[0].to_string().contains("nested"), "{:?}", contents.problems);
}

#[test]
fn keystores_of_java() {
    if std::process::Command::new("keytool").arg("-help").output().is_err() {
        eprintln!("keytool is not installed: keystores of Java are not tested");
        return;
    }
    let pki = Pki::new();
    pki.openssl("pkcs12 -export -in bundle.pem -inkey leaf.key -name web -out x.p12 -passout pass:s3cret");
    for kind in ["JKS", "JCEKS", "PKCS12"] {
        let file = format!("{kind}.store");
        let store = format!("-storetype {kind} -keystore {file} -storepass s3cret -noprompt");
        pki.run("keytool", &format!("-importcert -alias Trusted -file ca.pem {store}"));
        let from = "-srckeystore x.p12 -srcstoretype PKCS12 -srcstorepass s3cret";
        let to = format!("-destkeystore {file} -deststoretype {kind} -deststorepass s3cret -noprompt");
        pki.run("keytool", &format!("-importkeystore {from} {to}"));
        let octets = pki.bytes(&file);
        let known = read(&octets, with("s3cret"));
        let mut found = names(&known);
        found.sort();
        found.dedup();
        assert_eq!(found, ["Root", "Sub", "www.corp.example"], "{kind}: {:?}", known.problems);
        assert!(known.problems.is_empty(), "{kind}: {:?}", known.problems);
        let aliases = aliases(&known);
        assert!(
            aliases.contains(&Some("web"))
                && aliases.iter().flatten().any(|alias| alias.eq_ignore_ascii_case("trusted")),
            "{kind}: {aliases:?}"
        );
        assert!(read(&octets, with("other")).problems.contains(&Problem::WrongPassword), "{kind}");
        let without = read(&octets, FREE);
        if kind == "PKCS12" {
            assert_eq!(without.problems, [Problem::NeedsPassword]);
        } else {
            assert_eq!((without.entries.len(), without.problems.len()), (known.entries.len(), 0), "{kind}");
            for cut in [3, 4, 11, 30, octets.len() / 2, octets.len() - 1] {
                let _ = read(&octets[..cut], FREE);
            }
            assert!(!read(&octets[..octets.len() / 2], FREE).problems.is_empty(), "{kind}");
        }
    }
}

#[test]
fn what_is_too_large_for_a_certificate_is_said_and_what_follows_is_read() {
    let mut params = rcgen::CertificateParams::new(vec!["big.corp.example".to_owned()]).unwrap();
    let padding = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; MAX_CERTIFICATE]);
    params.custom_extensions = vec![padding];
    let big = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let small = rcgen::generate_simple_self_signed(vec!["small.corp.example".to_owned()]).unwrap().cert.der().to_vec();
    let contents = read(&[big, small].concat(), FREE);
    assert_eq!(names(&contents), ["small.corp.example"]);
    let [Problem::Unreadable(told)] = &contents.problems[..] else { panic!("{:?}", contents.problems) };
    assert!(told.contains("at most 131072"), "{told}");
}

#[test]
fn what_is_no_certificate() {
    for octets in [&b""[..], b"hello", &[0x30, 0x82], &[0x30, 0x80, 0, 0], &[0xff; 4096], b"-----BEGIN -----"] {
        let contents = read(octets, FREE);
        assert!(contents.entries.is_empty() && !contents.recognised, "{octets:?}");
    }
}

/// One file of each form.
fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    SAMPLES.get_or_init(|| {
        let pki = Pki::new();
        pki.openssl("x509 -in leaf.pem -outform DER -out leaf.der");
        pki.openssl("crl2pkcs7 -nocrl -certfile bundle.pem -outform DER -out chain.p7c");
        let export = "pkcs12 -export -in bundle.pem -inkey leaf.key -passout pass:s3cret -iter 1 -maciter -out";
        pki.openssl(&format!("{export} new.p12"));
        pki.openssl(&format!("{export} old.p12 -legacy"));
        pki.openssl(&format!("{export} clear.p12 -certpbe NONE -nomac"));
        let certificate = pki.bytes("leaf.der");
        let length = u32::try_from(certificate.len()).unwrap().to_be_bytes();
        let head = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, b'a'];
        let jks = [&head[..], &[0; 8], &[0, 5], b"X.509", &length, &certificate, &[0; 20]].concat();
        let mut samples = ["bundle.pem", "leaf.der", "chain.p7c", "new.p12", "old.p12", "clear.p12"]
            .map(|name| pki.bytes(name))
            .to_vec();
        samples.push(jks);
        assert!(samples.iter().all(|sample| !read(sample, with("s3cret")).entries.is_empty()));
        samples
    })
}

proptest! {
    #[test]
    fn mutated_files_never_panic(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        shortened in any::<bool>(),
    ) {
        let samples = samples();
        let mut octets = samples[which.index(samples.len())].clone();
        for (place, value) in &changes {
            let place = place.index(octets.len());
            octets[place] = *value;
        }
        if shortened {
            octets.truncate(cut.index(octets.len()));
        }
        for reading in [FREE, with("s3cret")] {
            let contents = read(&octets, reading);
            prop_assert!(contents.entries.len() <= reading.limit);
            for problem in contents.problems {
                prop_assert!(!problem.to_string().chars().any(countersign_shared::text::is_deceiving));
            }
        }
    }

    #[test]
    fn any_octets_never_panic(head in 0..5_usize, tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let heads: [&[u8]; 5] =
            [b"", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], &[0x30, 0x82, 1, 0, 2, 1, 3, 0x30], &[0x30, 0x82], b"-----BEGIN PKCS7-----\n"];
        let _ = read(&[heads[head], &tail].concat(), with(""));
    }
}
