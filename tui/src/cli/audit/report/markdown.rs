//! The report as Markdown (CommonMark 0.31, with tables as GitHub writes them).

use super::page::{Block, Page};

pub(super) fn write(page: &Page) -> String {
    let (title, verdict) = (escaped(&page.title, Place::Heading), escaped(page.verdict.words(), Place::Heading));
    let mut out = format!("# {title}\n\n**{verdict}**\n\n");
    for line in &page.because {
        out.push_str(&format!("- {}\n", escaped(line, Place::Line)));
    }
    for block in &page.blocks {
        out.push('\n');
        match block {
            Block::Heading(text) => out.push_str(&format!("## {}\n", escaped(text, Place::Heading))),
            Block::Subheading(text) => out.push_str(&format!("### {}\n", escaped(text, Place::Heading))),
            Block::Text(text) => out.push_str(&format!("{}\n", escaped(text, Place::Line))),
            Block::Fields(fields) => {
                table(&["", ""], fields.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]), &mut out);
            }
            Block::Table(head, rows) => table(head, rows.iter().cloned(), &mut out),
            Block::Exact(lines) => exact(lines, &mut out),
        }
    }
    out
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, out: &mut String) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push_str(&row(head.iter().map(|cell| escaped(cell, Place::Cell)).collect()));
    out.push_str(&row(head.iter().map(|_| "---".to_owned()).collect()));
    for cells in rows {
        out.push_str(&row(cells.iter().map(|cell| escaped(cell, Place::Cell)).collect()));
    }
}

/// A fence that is longer than any in the text.
fn exact(lines: &[String], out: &mut String) {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    out.push_str(&format!("{fence}text\n{}\n{fence}\n", lines.join("\n")));
}

/// Where a text stands: what means something there differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of a paragraph or of an item of a list.
    Line,
    /// Behind the mark of a heading, to the end of the line.
    Heading,
    /// In a cell of a table.
    Cell,
}

/// Text that means nothing to Markdown. What could mean something where it stands is behind a backslash (CommonMark §2.4); a
/// word that GitHub would make a link of stands as code, since behind a backslash it still would.
fn escaped(text: &str, place: Place) -> String {
    // There are no control characters in text that was made safe; a line end in it would begin another block.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim_matches(' ');
    let mut out = String::with_capacity(text.len() + 8);
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let begins = at == 0 && place == Place::Line;
        // The text of a link is text; what it would lead to is code.
        let (text, link) = match word.find("](") {
            _ if !is_link(word) => (word, ""),
            Some(at) if !is_link(&word[..at]) => word.split_at(at + 1),
            _ => ("", word),
        };
        plain(text, (begins, place), &mut out);
        if !link.is_empty() {
            code(link, place, &mut out);
        }
    }
    if place == Place::Heading {
        closing(&mut out);
    }
    out
}

/// True for what GitHub makes a link of without brackets: addresses of mail, and of pages (GFM §6.9).
fn is_link(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains('@')
        || lower.contains("www.")
        || lower.contains("://")
        || lower.contains("mailto:")
        || lower.contains("xmpp:")
}

/// A word as code: between more backquotes than it has in a row.
fn code(word: &str, place: Place, out: &mut String) {
    let longest = word.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let marks = "`".repeat(longest + 1);
    let space = if word.starts_with('`') || word.ends_with('`') { " " } else { "" };
    // A table is divided into cells before code is looked for.
    let word = if place == Place::Cell { word.replace('|', "\\|") } else { word.to_owned() };
    out.push_str(&format!("{marks}{space}{word}{space}{marks}"));
}

/// Any other word; `begins` where it begins a block.
fn plain(word: &str, (begins, place): (bool, Place), out: &mut String) {
    let marker = if begins { block_mark(word) } else { None };
    let mut before = None;
    for (at, c) in word.char_indices() {
        let rest = &word[at + c.len_utf8()..];
        let next = rest.chars().next();
        let means = match c {
            '`' | '*' | '~' | '[' => true,
            '|' => place == Place::Cell,
            '\\' => next.is_none_or(|next| next.is_ascii_punctuation()),
            // Within a word it is one of its letters.
            '_' => !(before.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric)),
            '<' => next.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')),
            '&' => is_entity(rest),
            _ => false,
        };
        if means || marker == Some(at) {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
    }
}

/// Where the first word of a block makes it something else than a paragraph: a heading, quotation, list, or line.
fn block_mark(word: &str) -> Option<usize> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    match word.as_bytes().first()? {
        b'>' => Some(0),
        b'#' if word.bytes().all(|octet| octet == b'#') => Some(0),
        b'-' | b'+' if word.bytes().all(|octet| matches!(octet, b'-' | b'+')) => Some(0),
        _ if digits > 0 && matches!(&word[digits..], "." | ")") => Some(digits),
        _ => None,
    }
}

/// True where what stands behind `&` makes it a character reference.
fn is_entity(rest: &str) -> bool {
    rest.split_once(';').is_some_and(|(name, _)| {
        let name = name.strip_prefix('#').unwrap_or(name);
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric())
    })
}

/// Marks at the end of a heading would be taken away (CommonMark §4.2).
fn closing(heading: &mut String) {
    let text = heading.trim_end_matches('#');
    if text.len() < heading.len() && (text.is_empty() || text.ends_with(' ')) {
        heading.insert(text.len(), '\\');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_means_anything_and_what_means_nothing_stays_as_it_is() {
        use Place::{Cell, Heading, Line};
        for (place, text, expected) in [
            (Line, "# a", "\\# a"),
            (Line, "#1 is a # b", "#1 is a # b"),
            (Line, "- a", "\\- a"),
            (Line, "---", "\\---"),
            (Line, "-1 is less", "-1 is less"),
            (Line, "1. a", "1\\. a"),
            (Line, "12) a", "12\\) a"),
            (Line, "1.5 a. b) (c)", "1.5 a. b) (c)"),
            (Line, "> a > b", "\\> a > b"),
            (Line, "    a", "a"),
            (Line, "\n\n# a", "\\# a"),
            (Line, "a\n# b", "a # b"),
            (Line, "a | b", "a | b"),
            (Line, "~~~", "\\~\\~\\~"),
            (Line, "```", "\\`\\`\\`"),
            (Heading, "# a", "# a"),
            (Heading, "a ##", "a \\##"),
            (Heading, "#", "\\#"),
            (Heading, "C#", "C#"),
            (Cell, "- a", "- a"),
            (Cell, "2027-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
            (Cell, "ar-1: web1.corp.example (p-web), 100%!", "ar-1: web1.corp.example (p-web), 100%!"),
            (Cell, "a|b`c`*d*_e_ f_g", "a\\|b\\`c\\`\\*d\\*\\_e\\_ f_g"),
            (Cell, "\\|", "\\\\\\|"),
            (Cell, "\\u{202e} c:\\x \\", "\\u{202e} c:\\x \\\\"),
            (Cell, "<script> </b> <!-- <?x a < b <3", "\\<script> \\</b> \\<!-- \\<?x a < b <3"),
            (Cell, "&amp; &#35; &#x23; a & b; R&D &;", "\\&amp; \\&#35; \\&#x23; a & b; R&D &;"),
            (Cell, "![i](x) [a]: b [^1] [x]", "!\\[i](x) \\[a]: b \\[^1] \\[x]"),
            (Cell, "see http://x.y/z?a|b, now", "see `http://x.y/z?a\\|b,` now"),
            (Line, "(WWW.x.y) a@b.c <mailto:x>", "`(WWW.x.y)` `a@b.c` `<mailto:x>`"),
            (Line, "`@` ``@", "`` `@` `` ``` ``@ ```"),
            (Line, "[a](http://x)", "\\[a]`(http://x)`"),
            (Line, "http://x](http://y)", "`http://x](http://y)`"),
        ] {
            assert_eq!(escaped(text, place), expected, "{place:?} {text}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let mut out = String::new();
        exact(&["a ```` b".to_owned(), "```".to_owned()], &mut out);
        assert!(out.starts_with("`````text\n") && out.ends_with("\n`````\n"), "{out}");
    }
}
