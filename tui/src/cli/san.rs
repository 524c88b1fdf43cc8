//! Names as people type them, read as subject alternative names (RFC 5280 §4.2.1.6).

use std::net::IpAddr;

use countersign_shared::content::San;
use countersign_shared::text::Untrusted;
use idna::AsciiDenyList;

/// One name, and what was made of it where that differs from what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// The name.
    pub(super) san: San,
    /// For people: `grüße.example is written xn--gre-6ka8i.example`.
    pub(super) remark: Option<String>,
}

/// Reads a name: `dns:`, `ip:`, `uri:` and `email:` say what it is; without them an address is an IP, text with
/// `://` a URI, text with `@` a mailbox, and all else a DNS name. International domain names become A-labels
/// (UTS 46).
pub(super) fn parse(raw: &str) -> Result<Typed, String> {
    let (kind, text) = match raw.split_once(':') {
        Some((kind, text)) if KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known)) => {
            (kind.to_ascii_lowercase(), text)
        }
        _ => (guess(raw).to_owned(), raw),
    };
    if text.is_empty() {
        return Err("an empty name".to_owned());
    }
    match kind.as_str() {
        "ip" => text
            .parse()
            .map(|address| Typed { san: San::Ip(address), remark: None })
            .map_err(|_| format!("not an IP address: {}", shown(text))),
        "uri" => {
            ascii(text, "a URI is written in ASCII; percent-encode the rest").map(|uri| plain(San::Uri(uri)))
        }
        "email" => mailbox(text),
        _ => {
            let (name, remark) = domain(text)?;
            Ok(Typed { san: San::Dns(name.into()), remark })
        }
    }
}

const KINDS: [&str; 4] = ["dns", "ip", "uri", "email"];

fn guess(raw: &str) -> &'static str {
    if raw.contains("://") {
        "uri"
    } else if raw.parse::<IpAddr>().is_ok() {
        "ip"
    } else if raw.contains('@') {
        "email"
    } else {
        "dns"
    }
}

fn mailbox(text: &str) -> Result<Typed, String> {
    let (local, host) =
        text.rsplit_once('@').ok_or_else(|| format!("a mailbox holds an @: {}", shown(text)))?;
    let local = ascii(local, "the part before the @ is written in ASCII (RFC 5280 §4.2.1.6)")?;
    if local.raw().contains('@') {
        return Err(format!("a mailbox holds one @: {}", shown(text)));
    }
    let (host, remark) = domain(host)?;
    Ok(Typed { san: San::Email(format!("{}@{host}", local.raw()).into()), remark })
}

/// A DNS name in ASCII; one that is ASCII already stays as it was typed.
fn domain(text: &str) -> Result<(String, Option<String>), String> {
    if text.is_ascii() {
        return ascii(text, "a DNS name").map(|name| (name.raw().to_owned(), None));
    }
    let (wildcard, rest) = match text.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", text),
    };
    let name = idna::domain_to_ascii_cow(rest.as_bytes(), AsciiDenyList::STD3)
        .map_err(|_| format!("not a name of the international DNS (UTS 46): {}", shown(text)))?;
    let name = format!("{wildcard}{name}");
    let remark = format!("{} is written {name}", shown(text));
    Ok((name, Some(remark)))
}

fn ascii(text: &str, rule: &str) -> Result<Untrusted, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err(format!("{rule}, without blanks and control characters: {}", shown(text)))
    }
}

fn plain(san: San) -> Typed {
    Typed { san, remark: None }
}

/// What was typed, shortened: it goes into a message.
fn shown(text: &str) -> String {
    Untrusted::new(text.chars().take(80).collect::<String>()).safe().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_read_by_their_shape_or_their_prefix() {
        for (raw, tagged) in [
            ("www.corp.example", "dns:www.corp.example"),
            ("*.corp.example", "dns:*.corp.example"),
            ("192.0.2.7", "ip:192.0.2.7"),
            ("2001:db8::1", "ip:2001:db8::1"),
            ("::1", "ip:::1"),
            ("spiffe://corp.example/web", "uri:spiffe://corp.example/web"),
            ("uri:urn:uuid:1", "uri:urn:uuid:1"),
            ("root@corp.example", "email:root@corp.example"),
            ("DNS:192.0.2.7", "dns:192.0.2.7"),
            ("https://user@corp.example/", "uri:https://user@corp.example/"),
            ("ip:192.0.2.7", "ip:192.0.2.7"),
        ] {
            let typed = parse(raw).unwrap();
            assert_eq!(typed.san.tagged(), tagged, "{raw}");
            assert_eq!(typed.remark, None, "{raw}");
        }
    }

    #[test]
    fn international_names_become_a_labels_and_this_is_said() {
        for (raw, tagged) in [
            ("bücher.example", "dns:xn--bcher-kva.example"),
            ("*.bücher.example", "dns:*.xn--bcher-kva.example"),
            ("post@bücher.example", "email:post@xn--bcher-kva.example"),
        ] {
            let typed = parse(raw).unwrap();
            assert_eq!(typed.san.tagged(), tagged, "{raw}");
            assert!(typed.remark.unwrap().contains("xn--bcher-kva.example"), "{raw}");
        }
    }

    #[test]
    fn what_no_certificate_can_carry_is_refused() {
        for bad in [
            "",
            "dns:",
            "ip:www",
            "a b",
            "a\u{1b}[2J",
            "ü@corp.example",
            "http://bücher/",
            "email:nobody",
            "@",
            "a\0b",
            "ü\u{202e}x.example",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!error.chars().any(countersign_shared::text::is_deceiving), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_ends_as_printable_ascii(raw in any::<String>()) {
            if let Ok(typed) = parse(&raw) {
                prop_assert!(typed.san.value().raw().bytes().all(|byte| byte.is_ascii_graphic()), "{raw:?}");
            }
        }
    }
}
