//! Text measured in cells. Whatever came over the socket passes [`shown`] before it reaches any other function
//! here.

use countersign_shared::text::Untrusted;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Combining marks in a row that are drawn; more would climb over the lines above.
const MAX_MARKS: usize = 2;

/// Foreign text as it may be shown: every deceiving character visible, no pile of combining marks.
pub fn shown(raw: &str) -> String {
    let mut marks = 0;
    let mut out = String::with_capacity(raw.len());
    for c in Untrusted::from(raw).safe().to_string().chars() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks > MAX_MARKS || (marks > 0 && out.is_empty()) {
            out.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Cells that the text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text in at most `room` cells; what is cut off leaves a `…`.
pub fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > room {
            break;
        }
        used += wide;
        out.push(c);
    }
    if room > 0 {
        out.push('…');
    }
    out
}

/// The text in exactly `room` cells, to the left.
pub fn left(text: &str, room: usize) -> String {
    let mut out = cut(text, room);
    out.extend(std::iter::repeat_n(' ', room.saturating_sub(width(&out))));
    out
}

/// The text in exactly `room` cells, to the right.
pub fn right(text: &str, room: usize) -> String {
    let out = cut(text, room);
    " ".repeat(room.saturating_sub(width(&out))) + &out
}

/// The text in lines of at most `room` cells, broken at spaces where it can be.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(word) <= room {
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if width(&line) + c.width().unwrap_or(0) > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_are_cut_by_cells() {
        assert_eq!(cut("日本語テスト", 5), "日本…");
        assert_eq!(left("日本", 5), "日本 ");
        assert_eq!(right("7", 3), "  7");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn piles_of_marks_do_not_climb() {
        assert_eq!(shown("e\u{301}\u{302}\u{303}"), "e\u{301}\u{302}<U+0303>");
        assert_eq!(shown("\u{301}a"), "<U+0301>a");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_room(raw in any::<String>(), room in 0usize..60) {
            let text = shown(&raw);
            prop_assert!(width(&cut(&text, room)) <= room);
            prop_assert_eq!(width(&left("", room)), room);
            for line in wrap(&text, room) {
                prop_assert!(width(&line) <= room.max(2), "{line:?}");
            }
        }
    }
}
