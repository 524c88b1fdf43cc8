//! A line of text that a person types.

use countersign_shared::protocol::MAX_TEXT;

use crate::console::key::Key;

/// The text and the place of the cursor in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
    /// An octet offset on a character boundary.
    cursor: usize,
}

impl Field {
    /// A field that holds this text, the cursor behind it.
    pub fn with(text: &str) -> Self {
        let mut field = Self::default();
        field.insert(text);
        field
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was typed, before and behind the cursor.
    pub fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }

    /// Takes text as it was typed or pasted: a line break becomes a space, other controls are dropped, and
    /// what does not fit into [`MAX_TEXT`] octets is cut.
    pub fn insert(&mut self, text: &str) {
        for c in text.replace("\r\n", "\n").chars() {
            let c = if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
            if !c.is_control() && self.text.len() + c.len_utf8() <= MAX_TEXT {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
        }
    }

    /// Edits by a key; false where the key means nothing in a field.
    pub fn edit(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Backspace => {
                let from = self.before();
                self.text.replace_range(from..self.cursor, "");
                self.cursor = from;
            }
            Key::Delete => {
                let to = self.behind();
                self.text.replace_range(self.cursor..to, "");
            }
            Key::Left => self.cursor = self.before(),
            Key::Right => self.cursor = self.behind(),
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.text.len(),
            Key::Ctrl('u') => *self = Self::default(),
            Key::Ctrl('w') => {
                let kept = self.text[..self.cursor].trim_end();
                let from = kept.rfind(' ').map_or(0, |space| space + 1);
                self.text.replace_range(from..self.cursor, "");
                self.cursor = from;
            }
            _ => return false,
        }
        true
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn behind(&self) -> usize {
        self.text[self.cursor..].chars().next().map_or(self.cursor, |c| self.cursor + c.len_utf8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_edited_by_characters() {
        let mut field = Field::with("größe\r\nzwei\x1b[2J");
        assert_eq!(field.text(), "größe zwei[2J");
        for key in [Key::Ctrl('w'), Key::Backspace, Key::Backspace, Key::Left, Key::Delete, Key::Char('日')] {
            assert!(field.edit(key));
        }
        assert_eq!(field.halves(), ("grö日", ""));
        assert!(!field.edit(Key::Enter));
        field.insert(&"x".repeat(10_000));
        assert_eq!(field.text().len(), MAX_TEXT);
    }
}
