//! The report as Markdown (CommonMark 0.31, with tables as GitHub writes them).

use super::page::{Block, Page};

pub(super) fn write(page: &Page) -> String {
    let mut out = format!("# {}\n\n**{}**\n\n", escaped(&page.title), escaped(page.verdict.words()));
    for line in &page.because {
        out.push_str(&format!("- {}\n", escaped(line)));
    }
    for block in &page.blocks {
        out.push('\n');
        match block {
            Block::Heading(text) => out.push_str(&format!("## {}\n", escaped(text))),
            Block::Subheading(text) => out.push_str(&format!("### {}\n", escaped(text))),
            Block::Text(text) => out.push_str(&format!("{}\n", escaped(text))),
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
    out.push_str(&row(head.iter().map(|cell| escaped(cell)).collect()));
    out.push_str(&row(head.iter().map(|_| "---".to_owned()).collect()));
    for cells in rows {
        out.push_str(&row(cells.iter().map(|cell| escaped(cell)).collect()));
    }
}

/// A fence that is longer than any in the text.
fn exact(lines: &[String], out: &mut String) {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    out.push_str(&format!("{fence}text\n{}\n{fence}\n", lines.join("\n")));
}

/// Text that means nothing to Markdown: each character that could is behind a backslash (CommonMark §2.4), `-` at the
/// beginning alone.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.chars().enumerate() {
        let plain = c.is_alphanumeric() || !c.is_ascii() || matches!(c, ' ' | ',' | ';' | '/' | '-' | '%');
        if !plain || (at == 0 && c == '-') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_means_anything() {
        for (text, expected) in [
            ("# a", "\\# a"),
            ("- a", "\\- a"),
            ("ar-1", "ar-1"),
            ("<script>", "\\<script\\>"),
            ("[a](http://x)", "\\[a\\]\\(http\\://x\\)"),
            ("a|b`c`*d*_e_", "a\\|b\\`c\\`\\*d\\*\\_e\\_"),
            ("1. a &amp; www.x", "1\\. a \\&amp; www\\.x"),
            ("![i](x) \\", "\\!\\[i\\]\\(x\\) \\\\"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let mut out = String::new();
        exact(&["a ```` b".to_owned(), "```".to_owned()], &mut out);
        assert!(out.starts_with("`````text\n") && out.ends_with("\n`````\n"), "{out}");
    }
}
