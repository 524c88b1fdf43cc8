//! The report as one HTML page: no script, nothing from elsewhere, and a policy in it that says so.

use super::page::{Block, Page, Verdict};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.3rem;margin-top:2.5rem;border-bottom:1px solid}h3{font-size:1.1rem;margin-top:1.5rem}\
table{border-collapse:collapse;width:100%;margin:1rem 0}\
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid #8888;overflow-wrap:anywhere}\
th{font-weight:600}table.fields th{width:12rem}\
pre{overflow-x:auto;padding:.6rem;border:1px solid #8888;font-size:.8rem;white-space:pre-wrap;overflow-wrap:anywhere}\
.verdict{border:3px solid;padding:.6rem 1rem;margin:1rem 0}.verdict p{font-weight:700;font-size:1.2rem;margin:.2rem 0}\
.good{border-color:#2a7a2a}.weak{border-color:#b07a00}.bad{border-color:#c01515;background:#c0151522}\
@media print{body{max-width:none;margin:0;font-size:11px}tr,.verdict{break-inside:avoid}h2,h3{break-after:avoid}}";

pub(super) fn write(page: &Page) -> String {
    let title = escaped(&page.title);
    let class = match page.verdict {
        Verdict::Verified => "good",
        Verdict::Alone => "weak",
        Verdict::Wrong => "bad",
    };
    let verdict = page.verdict.words();
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<div class=\"verdict {class}\">\n<p>{verdict}</p>\n<ul>\n"
    );
    for line in &page.because {
        out.push_str(&format!("<li>{}</li>\n", escaped(line)));
    }
    out.push_str("</ul>\n</div>\n");
    page.blocks.iter().for_each(|block| write_block(block, &mut out));
    out.push_str("</body>\n</html>\n");
    out
}

fn write_block(block: &Block, out: &mut String) {
    match block {
        Block::Heading(text) => out.push_str(&format!("<h2>{}</h2>\n", escaped(text))),
        Block::Subheading(text) => out.push_str(&format!("<h3>{}</h3>\n", escaped(text))),
        Block::Text(text) => out.push_str(&format!("<p>{}</p>\n", escaped(text))),
        Block::Fields(fields) => {
            out.push_str("<table class=\"fields\">\n");
            for (name, value) in fields {
                out.push_str(&format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value)));
            }
            out.push_str("</table>\n");
        }
        Block::Table(head, rows) => {
            let row = |cells: &[String], tag: &str| {
                let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
                format!("<tr>{cells}</tr>\n")
            };
            let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
            out.push_str(&format!("<table>\n<thead>\n{}</thead>\n<tbody>\n", row(&head, "th")));
            rows.iter().for_each(|cells| out.push_str(&row(cells, "td")));
            out.push_str("</tbody>\n</table>\n");
        }
        Block::Exact(lines) => out.push_str(&format!("<pre>{}</pre>\n", escaped(&lines.join("\n")))),
    }
}

/// Text that means nothing to HTML, in elements and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_an_element() {
        let hostile = "</td><script src=\"http://x\">'&";
        let page = Page {
            title: hostile.to_owned(),
            verdict: Verdict::Wrong,
            because: vec![hostile.to_owned()],
            blocks: vec![
                Block::Heading(hostile.to_owned()),
                Block::Subheading(hostile.to_owned()),
                Block::Text(hostile.to_owned()),
                Block::Fields(vec![("name", hostile.to_owned())]),
                Block::Table(vec!["a"], vec![vec![hostile.to_owned()]]),
                Block::Exact(vec![hostile.to_owned()]),
            ],
        };
        let text = write(&page);
        assert!(!text.contains("<script") && !text.contains("http://x\">"), "{text}");
        assert_eq!(text.matches("&lt;script src=&quot;http://x&quot;&gt;&#39;&amp;").count(), 9);
        assert!(text.contains("NOT VERIFIED") && text.contains("default-src 'none'"));
    }
}
