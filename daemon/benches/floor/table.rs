//! The table that is printed at the end.

use std::io::Write;

use crate::measure::{Pair, median};

/// What a ratio should be.
#[derive(Clone, Copy)]
pub enum Aim {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Only to be known.
    None,
}

/// Figures, in the order measured.
#[derive(Default)]
pub struct Table(Vec<[String; 7]>);

impl Table {
    /// Adds a figure that was measured beside its floor.
    pub fn add(&mut self, figure: impl Into<String>, unit: &str, pair: &Pair, aim: Aim) {
        let (ours, floor) = (median(&pair.ours), median(&pair.floor));
        self.push(
            figure.into(),
            format!("{} {unit}", rounded(ours)),
            format!("{} {unit}", rounded(floor)),
            pair.ratios(),
            aim,
        );
    }

    /// Adds a figure that has no floor but its aim.
    pub fn add_alone(&mut self, figure: impl Into<String>, unit: &str, values: &[f64], aim: Aim) {
        let ours = format!("{} {unit}", rounded(median(values)));
        let values = match aim {
            Aim::None => Vec::new(),
            _ => values.to_vec(),
        };
        self.push(figure.into(), ours, String::from("-"), values, aim);
    }

    fn push(&mut self, figure: String, ours: String, floor: String, ratios: Vec<f64>, aim: Aim) {
        let ratio = median(&ratios);
        let (low, high) =
            ratios.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
        let (aim, met) = match aim {
            Aim::AtLeast(aim) => (format!(">= {}", rounded(aim)), Some(ratio >= aim)),
            Aim::AtMost(aim) => (format!("<= {}", rounded(aim)), Some(ratio <= aim)),
            Aim::None => ("-".to_owned(), None),
        };
        let met = met.map_or("-", |met| if met { "yes" } else { "NO" });
        let (ratio, noise) = match ratios.len() {
            0 => ("-".to_owned(), "-".to_owned()),
            _ => (rounded(ratio), format!("{} to {}", rounded(low), rounded(high))),
        };
        note(&format!("{figure}: {ours} beside {floor}, ratio {ratio} ({noise})"));
        self.0.push([figure, ours, floor, ratio, noise, aim, met.to_owned()]);
    }

    /// Prints it.
    pub fn print(&self) {
        let head = ["figure", "ours", "floor", "ratio", "lowest to highest", "aim", "met"].map(String::from);
        let rows = std::iter::once(&head).chain(&self.0);
        let widths: Vec<usize> =
            (0..head.len()).map(|at| rows.clone().map(|row| row[at].len()).max().unwrap_or(0)).collect();
        let mut text = String::from("\n");
        for row in rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        note(&text);
    }
}

/// Says something to whoever waits.
pub fn note(text: &str) {
    // There may be nobody to read it.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Three digits that mean something.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
