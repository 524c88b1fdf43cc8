//! One element of DER after the other (X.690 §8.1, §10.1): definite lengths, tags of one octet.

/// An element: the octet of its tag, and its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub tag: u8,
    pub contents: &'a [u8],
    /// Tag, length and contents.
    pub whole: &'a [u8],
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;
/// `[0]`, primitive.
pub(super) const CONTEXT_0_PRIMITIVE: u8 = 0x80;

/// The elements that some octets consist of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element; the error is a sentence that is safe to show.
    pub fn next(&mut self) -> Result<Element<'a>, String> {
        let short = || "it ends in the middle of an element".to_owned();
        let (&tag, after) = self.0.split_first().ok_or_else(short)?;
        if tag & 0x1f == 0x1f {
            return Err("it has a tag of several octets".to_owned());
        }
        let (&first, mut after) = after.split_first().ok_or_else(short)?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x80 => {
                return Err(
                    "it is BER of indefinite length; convert it to DER (openssl reads and writes it)".to_owned()
                );
            }
            0x81..=0x84 => {
                let (octets, rest) = after.split_at_checked(usize::from(first & 0x7f)).ok_or_else(short)?;
                after = rest;
                octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet))
            }
            _ => return Err("it has an element of more than 4 GiB".to_owned()),
        };
        let (contents, rest) = after.split_at_checked(length).ok_or_else(short)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Ok(Element { tag, contents, whole })
    }

    /// The contents of the next element, which has to have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], String> {
        let element = self.next()?;
        if element.tag == tag {
            return Ok(element.contents);
        }
        // A string in segments is what BER allows and DER does not (X.690 §10.2).
        let segments = if element.tag == tag | 0x20 { " (a string in segments, which is BER and not DER)" } else { "" };
        Err(format!("it has an element with tag {:#04x} where {tag:#04x} belongs{segments}", element.tag))
    }

    /// The elements inside the next element, which has to have this tag.
    pub fn inside(&mut self, tag: u8) -> Result<Elements<'a>, String> {
        self.expect(tag).map(Elements)
    }

    /// The contents of the next element where it has this tag; otherwise nothing is taken.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, String> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// A non-negative INTEGER of at most 32 bits.
    pub fn number(&mut self) -> Result<u32, String> {
        match self.expect(INTEGER)? {
            [0, octets @ ..] | octets if (1..=4).contains(&octets.len()) => {
                Ok(octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
            }
            [0] => Ok(0),
            _ => Err("it has a number that is not 0 to 4294967295".to_owned()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_their_ends() {
        let mut elements = Elements(&[2, 1, 5, 4, 0x81, 2, 7, 8, 0x30, 0]);
        assert_eq!(elements.number(), Ok(5));
        assert_eq!(elements.optional(SEQUENCE), Ok(None));
        assert_eq!(elements.expect(OCTET_STRING), Ok(&[7, 8][..]));
        assert!(elements.inside(SEQUENCE).unwrap().is_empty());
        assert!(elements.is_empty() && elements.next().is_err());
        for bad in [&[0x30][..], &[0x30, 1], &[0x30, 0x81], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x1f, 1, 1]] {
            assert!(Elements(bad).next().is_err(), "{bad:?}");
        }
        assert!(Elements(&[0x30, 0x80, 0, 0]).next().unwrap_err().contains("indefinite"));
        assert!(Elements(&[0x24, 0]).expect(OCTET_STRING).unwrap_err().contains("segments"));
        for (octets, wanted) in [
            (&[2, 1, 0][..], Some(0)),
            (&[2, 5, 0, 0xff, 0xff, 0xff, 0xff], Some(u32::MAX)),
            (&[2, 0], None),
            (&[2, 5, 1, 0, 0, 0, 0], None),
        ] {
            assert_eq!(Elements(octets).number().ok(), wanted, "{octets:?}");
        }
    }
}
