//! Textual encodings (RFC 7468): blocks between BEGIN and END lines, and bare base 64.

use data_encoding::BASE64;

use super::quoted;

/// One block: its label and the octets it encodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands between `-----BEGIN ` and `-----`.
    pub label: String,
    /// The decoded octets.
    pub der: Vec<u8>,
}

/// True where the text has a BEGIN line.
pub fn is_pem(text: &str) -> bool {
    text.lines().any(|line| boundary(line, "BEGIN").is_some())
}

/// The first `limit` blocks of a text and one more, so that a caller can tell that there are too many.
///
/// Text outside of blocks is skipped, as `openssl` does. An unfinished block, an END line of another label and
/// anything that is not base 64 inside a block are refused; the error is a sentence that is safe to show.
pub fn blocks(text: &str, limit: usize) -> Result<Vec<Block>, String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(label) = lines.by_ref().find_map(|line| boundary(line, "BEGIN")) {
        let mut body = String::new();
        loop {
            let line = lines.next().ok_or_else(|| format!("the PEM block {} has no END line", quoted(label)))?;
            match boundary(line, "END") {
                Some(end) if end == label => break,
                Some(end) => {
                    return Err(format!("the PEM block {} ends as {}", quoted(label), quoted(end)));
                }
                None => body.push_str(line),
            }
        }
        let der = base64(&body).ok_or_else(|| format!("the PEM block {} is not base 64", quoted(label)))?;
        found.push(Block { label: label.to_owned(), der });
        if found.len() > limit {
            break;
        }
    }
    Ok(found)
}

/// Base 64 (RFC 4648 §4) with white space anywhere; `None` for anything else, and for nothing.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.is_empty() { None } else { BASE64.decode(&digits).ok() }
}

/// One block in lines of 64 characters, as RFC 7468 wants them.
pub fn encode(label: &str, der: &[u8]) -> String {
    let digits = BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            out.push('\n');
        }
        out.push(digit);
    }
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}

fn boundary<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.trim_ascii().strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_around_blocks_is_skipped() {
        let text = "Subject: x\n-----BEGIN A-----\r\nAQI=\r\n-----END A-----\nmore\n  -----BEGIN B-----\nAw==\n-----END B-----\n";
        let found = blocks(text, 5).unwrap();
        assert_eq!(found[0], Block { label: "A".into(), der: vec![1, 2] });
        assert_eq!(found[1], Block { label: "B".into(), der: vec![3] });
        assert_eq!(blocks(&text.repeat(9), 3).unwrap().len(), 4);
    }

    #[test]
    fn damaged_blocks_are_refused() {
        for (text, word) in [
            ("-----BEGIN A-----\nAQI=\n", "no END line"),
            ("-----BEGIN A-----\nAQI=\n-----END B-----\n", "ends as"),
            ("-----BEGIN A-----\n!\n-----END A-----\n", "not base 64"),
            ("-----BEGIN A-----\n-----END A-----\n", "not base 64"),
            ("-----BEGIN \u{1b}[2J-----\nAQI=\n", "<U+001B>"),
        ] {
            let error = blocks(text, 1).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let found = blocks(&encode("CERTIFICATE", &der), 1).unwrap();
            prop_assert_eq!(&found[0].der, &der);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = blocks(&format!("-----BEGIN A-----\n{text}"), 2);
        }
    }
}
