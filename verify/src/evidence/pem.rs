//! PEM (RFC 7468), read strictly: blocks and nothing around them.

use data_encoding::BASE64;

/// The most blocks.
const MOST: usize = 10;

/// The DER of each block, where all of them have this label and nothing stands between them.
pub(super) fn blocks(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (mut blocks, mut body) = (Vec::new(), None::<String>);
    for line in text.lines() {
        match &mut body {
            None if line == begin => body = Some(String::new()),
            None => return None,
            Some(digits) if line == end => {
                blocks.push(BASE64.decode(digits.as_bytes()).ok()?);
                body = None;
            }
            Some(digits) => digits.push_str(line),
        }
    }
    (body.is_none() && (1..=MOST).contains(&blocks.len())).then_some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_nothing_else() {
        let one = "-----BEGIN A-----\nAQI=\n-----END A-----\n";
        assert_eq!(blocks(one, "A"), Some(vec![vec![1, 2]]));
        assert_eq!(blocks(&one.repeat(2), "A").map(|blocks| blocks.len()), Some(2));
        for bad in ["", "x", &format!("x\n{one}"), &one[..30], &one.replace("AQI=", "AQI"), &one.repeat(11)] {
            assert_eq!(blocks(bad, "A"), None, "{bad}");
        }
        assert_eq!(blocks(one, "B"), None);
    }
}
