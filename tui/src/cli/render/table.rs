//! Tables: aligned by the width that characters have on a screen, cut to the width of the line.

use unicode_width::UnicodeWidthStr as _;

use super::fields::wrap;
use super::style::{Style, Tone};

/// Blanks between columns.
const GAP: usize = 2;
/// The narrowest that a column is cut to.
const NARROWEST: usize = 8;
/// Blanks before a note under a row.
const INDENT: usize = 4;

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    pub(super) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// What stands in it.
    pub(super) fn words(&self) -> &str {
        &self.text
    }
}

/// Lines of cells under headings. Columns whose heading ends in `…` give way where the line is too long: the
/// first of them last, the others widest first. All other columns are shown whole.
pub(super) fn table(headings: &[&str], rows: &[Vec<Cell>], style: Style) -> String {
    noted(headings, rows, &[], style)
}

/// A table with what has no place in a column under each row, whole: `notes` has one for each row, empty where there is
/// nothing to say.
pub(super) fn noted(headings: &[&str], rows: &[Vec<Cell>], notes: &[String], style: Style) -> String {
    let heading = |text: &&str| text.trim_end_matches('…').to_owned();
    let mut widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, text)| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width());
            cells.chain([heading(text).width()]).max().unwrap_or(0)
        })
        .collect();
    give_way(headings, &mut widths, style.width());
    let top: Vec<Cell> = headings.iter().map(|text| Cell::toned(heading(text), Tone::Faint)).collect();
    let mut out = String::new();
    push_row(&mut out, &top, &widths, style);
    let notes = notes.iter().map(String::as_str).chain(std::iter::repeat(""));
    for (row, note) in rows.iter().zip(notes) {
        push_row(&mut out, row, &widths, style);
        for line in wrap(note, style.width() - INDENT).iter().filter(|_| !note.is_empty()) {
            out.extend(std::iter::repeat_n(' ', INDENT));
            out.push_str(&style.paint(Tone::Faint, line));
            out.push('\n');
        }
    }
    out
}

fn give_way(headings: &[&str], widths: &mut [usize], line: usize) {
    let mut total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let first = headings.iter().position(|heading| heading.ends_with('…'));
    while total > line {
        let spare = widths.iter_mut().zip(headings).enumerate().filter(|(column, (width, heading))| {
            heading.ends_with('…') && **width > NARROWEST && Some(*column) != first
        });
        let widest = spare.map(|(_, (width, _))| width).max_by_key(|width| **width);
        match widest {
            Some(width) => *width -= 1,
            None => match first.and_then(|column| widths.get_mut(column)).filter(|width| **width > NARROWEST) {
                Some(width) => *width -= 1,
                None => return,
            },
        }
        total -= 1;
    }
}

fn push_row(out: &mut String, row: &[Cell], widths: &[usize], style: Style) {
    let last = row.len().saturating_sub(1);
    for (column, (cell, &width)) in row.iter().zip(widths).enumerate() {
        let text = cut(&cell.text, width);
        let blanks = if column == last { 0 } else { width - text.width().min(width) + GAP };
        out.push_str(&style.paint(cell.tone, &text));
        out.extend(std::iter::repeat_n(' ', blanks));
    }
    out.push('\n');
}

/// The text, or as much of it as fits before a `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = String::new();
    for c in text.chars() {
        taken.push(c);
        // Measured as a whole: some characters change the width of their neighbours.
        if taken.width() + 1 > width {
            taken.pop();
            break;
        }
    }
    taken.push('…');
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_stand_under_each_other_whatever_the_script() {
        let rows = [
            vec![Cell::new("ar-1"), Cell::new("日本.example"), Cell::new("1h")],
            vec![Cell::new("ar-22"), Cell::new("corp.example"), Cell::new("2h")],
        ];
        assert_eq!(
            table(&["ID", "NAME…", "AGE"], &rows, Style::new(false, None)),
            "ID     NAME          AGE\nar-1   日本.example  1h\nar-22  corp.example  2h\n"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_the_screen(names in proptest::collection::vec("\\PC{0,120}", 1..6)) {
            let rows: Vec<Vec<Cell>> = names
                .iter()
                .map(|name| vec![Cell::new("ar-01k8z3v5d2fq7m"), Cell::new(name.clone()), Cell::new(name.clone())])
                .collect();
            let shown = noted(&["ID", "NAME…", "WHY…"], &rows, &names, Style::new(false, Some(80)));
            for line in shown.lines() {
                prop_assert!(line.width() <= 80, "{line:?}");
                prop_assert!(["ID", "ar-01k8z3v5d2fq7m", "    "].iter().any(|begin| line.starts_with(begin)));
            }
            for (name, word) in names.iter().flat_map(|name| name.split(' ').map(move |word| (name, word))) {
                prop_assert!(word.width() > 76 || shown.contains(word), "{name:?} is cut in {shown}");
            }
        }
    }
}
