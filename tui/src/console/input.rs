//! From the octets of a terminal to key presses and pastes.
//!
//! An own reader, because the decision dialog depends on knowing that no typed octet is waiting anywhere:
//! what [`Parser`] has not turned into input is visible in [`Parser::is_midway`]. Sequences are those of ECMA-48
//! and xterm; one that is not known is swallowed whole, so that its letters never act as keys.

use super::key::Key;

/// What the person at the terminal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key press.
    Key(Key),
    /// Text that was pasted; it is text only and never acts as keys.
    Paste(String),
}

/// The largest paste that is taken, in octets; the rest of a longer one is dropped.
const MAX_PASTE: usize = 16 * 1024;
/// The longest escape sequence; a longer one is given up.
const MAX_SEQUENCE: usize = 32;
const CTRL_C: u8 = 0x03;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Holds what has been read and not understood yet.
#[derive(Debug, Default)]
pub struct Parser {
    waiting: Vec<u8>,
    paste: Option<Vec<u8>>,
    /// True where a paste has begun and nothing followed for a while.
    stalled: bool,
}

impl Parser {
    /// Takes octets and returns the input that they complete.
    pub fn feed(&mut self, octets: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        if std::mem::take(&mut self.stalled) && octets == [CTRL_C] {
            // The end of the paste was lost; the one key that always leaves must not be caught in it.
            *self = Self::default();
        }
        for &octet in octets {
            match &mut self.paste {
                Some(paste) => {
                    paste.push(octet);
                    if paste.ends_with(PASTE_END) {
                        paste.truncate((paste.len() - PASTE_END.len()).min(MAX_PASTE));
                        inputs.push(Input::Paste(String::from_utf8_lossy(paste).into_owned()));
                        self.paste = None;
                    } else if paste.len() > MAX_PASTE + PASTE_END.len() {
                        paste.remove(MAX_PASTE);
                    }
                }
                None => {
                    self.waiting.push(octet);
                    self.settle(&mut inputs);
                }
            }
        }
        inputs
    }

    /// True while an escape sequence, a character or a paste has begun and not ended.
    pub fn is_midway(&self) -> bool {
        !self.waiting.is_empty() || self.paste.is_some()
    }

    /// Says that nothing followed for a while: a lone ESC was the Escape key, anything else half is dropped.
    pub fn quiet(&mut self) -> Option<Input> {
        self.stalled = self.paste.is_some();
        let lone = self.waiting == [0x1b];
        self.waiting.clear();
        lone.then_some(Input::Key(Key::Esc))
    }

    fn settle(&mut self, inputs: &mut Vec<Input>) {
        match understand(&self.waiting) {
            Understood::More => {}
            Understood::Nothing => self.waiting.clear(),
            Understood::Key(key) => {
                self.waiting.clear();
                inputs.push(Input::Key(key));
            }
            Understood::EscThen(octet) => {
                self.waiting.clear();
                inputs.push(Input::Key(Key::Esc));
                self.waiting.push(octet);
                self.settle(inputs);
            }
            Understood::PasteBegins => {
                self.waiting.clear();
                self.paste = Some(Vec::new());
            }
        }
    }
}

enum Understood {
    More,
    Nothing,
    Key(Key),
    EscThen(u8),
    PasteBegins,
}

fn understand(octets: &[u8]) -> Understood {
    match octets {
        [] | [0x1b] => Understood::More,
        [0x1b, b'[' | b'O', rest @ ..] => sequence(octets[1], rest),
        // Nothing is bound to Alt, and a quick hand types Esc and a key faster than any pause tells them apart.
        [0x1b, next, ..] => Understood::EscThen(*next),
        [b'\r' | b'\n'] => Understood::Key(Key::Enter),
        [b'\t'] => Understood::Key(Key::Tab),
        [0x7f | 0x08] => Understood::Key(Key::Backspace),
        [octet @ 0x01..=0x1a] => Understood::Key(Key::Ctrl(char::from(octet + b'a' - 1))),
        [0x00..=0x1f] => Understood::Nothing,
        _ => character(octets),
    }
}

fn character(octets: &[u8]) -> Understood {
    match std::str::from_utf8(octets) {
        Ok(text) => match text.chars().next() {
            Some(c) if !c.is_control() => Understood::Key(Key::Char(c)),
            _ => Understood::Nothing,
        },
        Err(error) if error.error_len().is_none() && octets.len() < 4 => Understood::More,
        Err(_) => Understood::Nothing,
    }
}

fn sequence(introducer: u8, rest: &[u8]) -> Understood {
    let Some((&last, parameters)) = rest.split_last() else { return Understood::More };
    if rest.len() > MAX_SEQUENCE {
        return Understood::Nothing;
    }
    if introducer == b'[' && !(0x40..=0x7e).contains(&last) {
        // The Linux console writes F1 as ESC [ [ A; parameters are 0x20 to 0x3f, anything else is garbage.
        return if (0x20..=0x3f).contains(&last) { Understood::More } else { Understood::Nothing };
    }
    if introducer == b'[' && rest == b"[" {
        return Understood::More;
    }
    let number = parameters.split(|&b| b == b';').next().unwrap_or_default();
    match (last, number) {
        (b'A', b"[") => Understood::Key(Key::F1),
        (b'A', _) => Understood::Key(Key::Up),
        (b'B', _) => Understood::Key(Key::Down),
        (b'C', _) => Understood::Key(Key::Right),
        (b'D', _) => Understood::Key(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Understood::Key(Key::Home),
        (b'F', _) | (b'~', b"4" | b"8") => Understood::Key(Key::End),
        (b'Z', _) => Understood::Key(Key::BackTab),
        (b'P', _) | (b'~', b"11") => Understood::Key(Key::F1),
        (b'M', b"") if introducer == b'O' => Understood::Key(Key::Enter),
        (b'~', b"3") => Understood::Key(Key::Delete),
        (b'~', b"5") => Understood::Key(Key::PageUp),
        (b'~', b"6") => Understood::Key(Key::PageDown),
        (b'~', b"200") => Understood::PasteBegins,
        _ => Understood::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(octets: &[u8]) -> Vec<Input> {
        Parser::default().feed(octets)
    }

    #[test]
    fn sequences_become_keys() {
        let cases: [(&[u8], &[Key]); 14] = [
            (b"a\r", &[Key::Char('a'), Key::Enter]),
            ("é日".as_bytes(), &[Key::Char('é'), Key::Char('日')]),
            (b"\x03\x15\x04", &[Key::Ctrl('c'), Key::Ctrl('u'), Key::Ctrl('d')]),
            (b"\x1b[A\x1bOB", &[Key::Up, Key::Down]),
            (b"\x1b[1;5A", &[Key::Up]),
            (b"\x1b[5~\x1b[6~", &[Key::PageUp, Key::PageDown]),
            (b"\x1b[H\x1b[4~", &[Key::Home, Key::End]),
            (b"\x1b[Z\t", &[Key::BackTab, Key::Tab]),
            (b"\x1bOP\x1b[11~\x1b[[A", &[Key::F1, Key::F1, Key::F1]),
            (b"\x7f\x08", &[Key::Backspace, Key::Backspace]),
            (b"\x1ba", &[Key::Esc, Key::Char('a')]),
            (b"\x1b[200;9u", &[]),
            (b"\xff\xfea", &[Key::Char('a')]),
            (b"\x1b\x1b[A", &[Key::Esc, Key::Up]),
        ];
        for (octets, expected) in cases {
            let expected: Vec<Input> = expected.iter().copied().map(Input::Key).collect();
            assert_eq!(keys(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn a_lone_escape_is_escape_only_after_silence() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b"), []);
        assert!(parser.is_midway());
        assert_eq!(parser.quiet(), Some(Input::Key(Key::Esc)));
        assert_eq!(parser.feed(b"\x1b"), []);
        assert_eq!(parser.feed(b"[A"), [Input::Key(Key::Up)], "a sequence cut by the network is still one key");
        assert_eq!(parser.feed(b"\x1b["), []);
        assert_eq!(parser.quiet(), None, "half a sequence is no key");
    }

    #[test]
    fn a_paste_is_text_even_where_it_holds_keys() {
        assert_eq!(
            keys(b"\x1b[200~a\rq\x1b[A\x1b[201~b"),
            [Input::Paste("a\rq\x1b[A".into()), Input::Key(Key::Char('b'))]
        );
        let long = [b"\x1b[200~".as_slice(), &vec![b'x'; 100_000], b"\x1b[201~"].concat();
        assert!(keys(&long) == [Input::Paste("x".repeat(MAX_PASTE))], "the rest is dropped");
    }

    #[test]
    fn a_paste_without_an_end_does_not_lock_the_console() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b[200~text\x03"), []);
        assert_eq!(parser.feed(&[CTRL_C]), [], "still in the middle of it");
        assert_eq!(parser.quiet(), None);
        assert_eq!(parser.feed(&[CTRL_C]), [Input::Key(Key::Ctrl('c'))]);
        assert!(!parser.is_midway());
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces_give_the_same_input(octets in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
            let whole = keys(&octets);
            let at = cut.index(octets.len() + 1);
            let mut parser = Parser::default();
            let mut pieces = parser.feed(&octets[..at]);
            pieces.extend(parser.feed(&octets[at..]));
            prop_assert_eq!(whole, pieces);
        }
    }
}
