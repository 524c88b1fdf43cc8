//! Labelled lines: one thing and what is known of it.

use unicode_width::UnicodeWidthStr as _;

use super::style::{Style, Tone};

/// Columns before the values.
const LABEL: usize = 14;

/// Lines of labels and values.
pub(super) struct Fields {
    style: Style,
    text: String,
}

impl Fields {
    pub(super) fn new(style: Style) -> Self {
        Self { style, text: String::new() }
    }

    /// A line of its own, without a label.
    pub(super) fn title(&mut self, tone: Tone, text: &str) -> &mut Self {
        for line in wrap(text, self.style.width()) {
            self.text.push_str(&self.style.paint(tone, &line));
            self.text.push('\n');
        }
        self
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> &mut Self {
        self.text.push('\n');
        self
    }

    /// A label and its value; a long value goes on under itself.
    pub(super) fn add(&mut self, label: &str, value: impl AsRef<str>) -> &mut Self {
        self.toned(label, Tone::Plain, value)
    }

    /// The same with a tone for the value.
    pub(super) fn toned(&mut self, label: &str, tone: Tone, value: impl AsRef<str>) -> &mut Self {
        let mut label = label;
        for line in wrap(value.as_ref(), self.style.width() - LABEL) {
            let blanks = LABEL.saturating_sub(label.width()).max(1);
            self.text.push_str(&self.style.paint(Tone::Faint, label));
            self.text.extend(std::iter::repeat_n(' ', blanks));
            self.text.push_str(&self.style.paint(tone, &line));
            self.text.push('\n');
            label = "";
        }
        self
    }

    /// Several values under one label; nothing where there is none.
    pub(super) fn list(&mut self, label: &str, values: impl IntoIterator<Item = String>) -> &mut Self {
        let mut label = label;
        for value in values {
            self.add(label, value);
            label = "";
        }
        self
    }

    /// The lines.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

/// Breaks text at blanks, and a word that is longer than the line where the line ends. Never empty.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split(' ') {
        let joined = line.width() + usize::from(!line.is_empty()) + word.width();
        if joined <= width {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            // Measured as a whole: some characters change the width of their neighbours.
            if line.width() > width {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_values_go_on_under_themselves() {
        let value = "word ".repeat(20);
        let text = Fields::new(Style::new(false, None)).add("reason", value.trim()).finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("reason        word"));
        assert!(lines[1].starts_with("              word"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_sticks_out(text in "\\PC{0,300}") {
            let lines = wrap(&text, 40);
            for line in &lines {
                prop_assert!(line.width() <= 40, "{line:?}");
            }
            let solid = |text: &str| text.replace(' ', "");
            prop_assert_eq!(solid(&lines.concat()), solid(&text));
        }
    }
}
