use proptest::prelude::*;

use super::*;

fn pattern(raw: &str) -> NamePattern {
    raw.parse().unwrap_or_else(|why| panic!("{raw}: {why}"))
}

fn covers(raw: &str, san: San) -> bool {
    pattern(raw).covers(&san)
}

#[test]
fn dns_patterns_keep_to_labels() {
    for (raw, yes, no) in [
        (
            "corp.example",
            &["corp.example", "CORP.example"][..],
            &["www.corp.example", "*.corp.example", "xcorp.example", "corp.example.evil", "corp.example.", ""][..],
        ),
        (
            "*.corp.example",
            &["www.corp.example", "xn--bcher-kva.corp.example", "*.corp.example"],
            &["corp.example", "a.b.corp.example", "*.a.corp.example", "*.example", "wwwcorp.example", ".corp.example"],
        ),
        (
            ".corp.example",
            &["www.corp.example", "a.b.corp.example", "*.corp.example", "*.a.corp.example"],
            &["corp.example", "xcorp.example", "*.example", "*.xcorp.example", "a..corp.example", "*.*.corp.example"],
        ),
        ("Corp.Example", &["corp.example"], &["corp.examples"]),
    ] {
        for name in yes {
            assert!(covers(raw, San::Dns((*name).into())), "{raw} covers {name}");
        }
        for name in no {
            assert!(!covers(raw, San::Dns((*name).into())), "{raw} does not cover {name}");
        }
    }
}

#[test]
fn hostile_dns_names_are_covered_by_nothing() {
    for name in [
        "a\0.corp.example",
        "a b.corp.example",
        "-a.corp.example",
        "a-.corp.example",
        "a_b.corp.example",
        "w*.corp.example",
        "*",
        "*.",
        "é.corp.example",
        "\u{1b}[2J.corp.example",
        &format!("{}.corp.example", "a".repeat(64)),
        &format!("{}corp.example", "a.".repeat(130)),
    ] {
        assert!(!covers(".corp.example", San::Dns(name.into())), "{name:?}");
    }
    assert!(!is_dns_name("10.0.0.1"));
    assert!(is_dns_name("3com.example"));
}

#[test]
fn networks_keep_to_their_family_and_prefix() {
    for (raw, address, covered) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.0/8", "::ffff:10.0.0.1", false),
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false),
        ("::/0", "ffff::", true),
    ] {
        assert_eq!(covers(raw, San::Ip(address.parse().unwrap())), covered, "{raw} {address}");
    }
    assert!(!covers("10.0.0.0/8", San::Dns("10.0.0.1".into())));
}

#[test]
fn uri_and_mail_patterns_keep_to_their_authority() {
    for (raw, uri, covered) in [
        ("uri:spiffe://corp.example/*", "spiffe://corp.example/ns/web", true),
        ("uri:spiffe://corp.example/*", "SPIFFE://Corp.Example/ns/web", true),
        ("uri:spiffe://corp.example/*", "spiffe://corp.example/", false),
        ("uri:spiffe://corp.example/*", "spiffe://corp.example.evil/ns", false),
        ("uri:spiffe://corp.example/*", "spiffe://me@corp.example/ns", false),
        ("uri:spiffe://corp.example/ns/*", "spiffe://corp.example/ns/../root", false),
        ("uri:spiffe://corp.example/ns/*", "spiffe://corp.example/ns/%2E%2e/root", false),
        ("uri:spiffe://corp.example/ns/*", "spiffe://corp.example/ns/a b", false),
        ("uri:spiffe://corp.example/ns/*", "spiffe://corp.example/NS/a", false),
        ("uri:urn:corp:web", "urn:corp:web", true),
        ("uri:urn:corp:web", "urn:corp:web2", false),
    ] {
        assert_eq!(covers(raw, San::Uri(uri.into())), covered, "{raw} {uri}");
    }
    for (mailbox, covered) in [
        ("a.b@corp.example", true),
        ("a@CORP.example", true),
        ("a@sub.corp.example", false),
        ("a@evil@corp.example", false),
        ("@corp.example", false),
        ("\"a b\"@corp.example", false),
        ("a\n@corp.example", false),
    ] {
        assert_eq!(covers("email:@corp.example", San::Email(mailbox.into())), covered, "{mailbox:?}");
    }
}

#[test]
fn malformed_patterns_are_refused() {
    for raw in [
        "",
        "*",
        ".",
        "*.",
        "**.corp.example",
        "*.*.corp.example",
        "w*.corp.example",
        "corp..example",
        "bücher.example",
        "corp.example.",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "/8",
        "2001:db8::/129",
        "corp.example/8",
        "uri:",
        "uri:*",
        "uri:spiffe://corp.example*",
        "uri:spiffe://*",
        "uri:spiffe:///*",
        "uri:corp.example/*",
        "uri:https://a/../*",
        "uri:https://a/*/b",
        "email:",
        "email:corp.example",
        "email:@",
        "email:a@corp.example",
    ] {
        assert!(raw.parse::<NamePattern>().is_err(), "{raw:?}");
    }
}

proptest! {
    #[test]
    fn what_is_covered_ends_at_a_label_of_the_base(name in "[a-c*.-]{1,12}(\\.)?(corp\\.example)?", kind in 0..3) {
        let (raw, labels) = [("corp.example", 2..=2), ("*.corp.example", 3..=3), (".corp.example", 3..=127)][kind as usize].clone();
        if covers(raw, San::Dns(name.as_str().into())) {
            prop_assert!(name == "corp.example" || name.ends_with(".corp.example"));
            prop_assert!(labels.contains(&name.split('.').count()));
        }
    }

    #[test]
    fn a_wider_pattern_covers_what_a_narrower_one_covers(label in "[a-z0-9]{1,8}", deep in "[a-z0-9]{1,8}") {
        let one = San::Dns(format!("{label}.corp.example").into());
        prop_assert!(covers("*.corp.example", one.clone()) && covers(".corp.example", one));
        let two = San::Dns(format!("{deep}.{label}.corp.example").into());
        prop_assert!(!covers("*.corp.example", two.clone()) && covers(".corp.example", two));
    }

    #[test]
    fn any_text_is_a_pattern_that_reads_back_or_an_error(raw in any::<String>()) {
        if let Ok(read) = raw.parse::<NamePattern>() {
            prop_assert_eq!(read.to_string().parse(), Ok(read));
        }
    }

    #[test]
    fn a_network_is_its_first_bits(a in any::<u32>(), b in any::<u32>(), bits in 1u8..=32) {
        let base = a & (u32::MAX << (32 - bits));
        let raw = format!("{}/{bits}", std::net::Ipv4Addr::from_bits(base));
        let found = covers(&raw, San::Ip(IpAddr::V4(std::net::Ipv4Addr::from_bits(b))));
        prop_assert_eq!(found, (base ^ b).leading_zeros() >= u32::from(bits));
    }
}
