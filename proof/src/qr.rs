//! Checkpoints as QR codes (ISO/IEC 18004) of half-block characters, two modules in one character, for a terminal.

use std::fmt;

use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

use crate::note::Note;
use crate::short::ShortForm;

/// The light border that the standard asks for, in modules.
pub const QUIET: usize = 4;

/// What a terminal draws a full block in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Light on a dark ground: the blocks are the light modules.
    Light,
    /// Dark on a light ground: the blocks are the dark modules.
    Dark,
}

/// A QR code that is ready to be drawn.
pub struct Drawing(QrCode);

/// The note is longer than a QR code can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the note is longer than a QR code has room for (2953 octets)")
    }
}

impl std::error::Error for TooLong {}

/// Draws the short form: 45 columns, 23 rows.
pub fn draw_short(short: &ShortForm) -> Result<Drawing, TooLong> {
    encode(QrSegment::make_numeric(&short.to_string()))
}

/// Draws a whole note: with the name of a host as origin and one signature, about 61 columns and 31 rows.
pub fn draw_note(note: &Note) -> Result<Drawing, TooLong> {
    encode(QrSegment::make_bytes(note.to_string().as_bytes()))
}

fn encode(segment: QrSegment) -> Result<Drawing, TooLong> {
    // A screen is not scratched: the lowest level, and a higher one where the same version has room for it.
    QrCode::encode_segments_advanced(&[segment], QrCodeEcc::Low, Version::MIN, Version::MAX, None, true)
        .map(Drawing)
        .map_err(|_| TooLong)
}

impl Drawing {
    /// The version of the code: 1 to 40.
    pub fn version(&self) -> u8 {
        self.0.version().value()
    }

    /// How many columns the drawing has, quiet zone included.
    pub fn columns(&self) -> usize {
        usize::try_from(self.0.size()).unwrap_or(0) + 2 * QUIET
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.columns().div_ceil(2)
    }

    /// The drawing: [`Drawing::rows`] lines, each ended.
    pub fn render(&self, ink: Ink) -> String {
        let side = self.columns();
        let drawn = |x: usize, y: usize| self.is_dark(x, y) == (ink == Ink::Dark);
        let mut out = String::with_capacity(self.rows() * (side * 3 + 1));
        for y in (0..side).step_by(2) {
            for x in 0..side {
                // Below an odd last row the quiet zone goes on.
                out.push(match (drawn(x, y), drawn(x, y + 1)) {
                    (true, true) => '\u{2588}',
                    (true, false) => '\u{2580}',
                    (false, true) => '\u{2584}',
                    (false, false) => ' ',
                });
            }
            out.push('\n');
        }
        out
    }

    /// A module by its place in the drawing; everything around the code is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |place: usize| place.checked_sub(QUIET).and_then(|place| i32::try_from(place).ok());
        matches!((inside(x), inside(y)), (Some(x), Some(y)) if self.0.get_module(x, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::SignedCheckpoint;
    use crate::note::{KeyName, Signer};
    use crate::tree::empty_root;

    fn signed(name: &str, size: u64) -> (SignedCheckpoint, ShortForm) {
        let signer = Signer::from_seed(KeyName::new(name).unwrap(), &[9; 32]).unwrap();
        let signed = SignedCheckpoint::sign(&signer, size, empty_root()).unwrap();
        let short = ShortForm::of(&signed, signer.key()).unwrap();
        (signed, short)
    }

    /// Reads what a camera would see of the terminal.
    fn scan(drawing: &str, ink: Ink) -> String {
        const SCALE: usize = 4;
        let rows: Vec<Vec<char>> = drawing.lines().map(|line| line.chars().collect()).collect();
        let (width, height) = (rows[0].len() * SCALE, rows.len() * 2 * SCALE);
        let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            let (column, module) = (x / SCALE, y / SCALE);
            let blocks = if module % 2 == 0 { ['\u{2588}', '\u{2580}'] } else { ['\u{2588}', '\u{2584}'] };
            if blocks.contains(&rows[module / 2][column]) == (ink == Ink::Light) { 255 } else { 0 }
        });
        let grids = picture.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn the_short_form_fits_a_terminal_of_24_rows_and_is_read_back() {
        for size in [0, 1, 10_000_000, crate::short::LARGEST] {
            let (_, short) = signed("ca.corp.example/countersign", size);
            let drawing = draw_short(&short).unwrap();
            assert_eq!((drawing.version(), drawing.columns(), drawing.rows()), (5, 45, 23));
            for ink in [Ink::Light, Ink::Dark] {
                let text = drawing.render(ink);
                assert_eq!((text.lines().count(), text.lines().next().unwrap().chars().count()), (23, 45));
                assert_eq!(scan(&text, ink), short.to_string());
            }
        }
    }

    #[test]
    fn every_short_form_fits_whatever_its_digits() {
        let nines: ShortForm =
            format!("1{:010}{:011}{}{}", u32::MAX, crate::short::LARGEST, "0".repeat(78), "0".repeat(155))
                .parse()
                .unwrap();
        assert_eq!(draw_short(&nines).unwrap().version(), 5);
    }

    #[test]
    fn a_whole_note_is_read_back() {
        let (signed, _) = signed("ca.corp.example/countersign", 10_000_000);
        let drawing = draw_note(signed.note()).unwrap();
        assert_eq!((drawing.version(), drawing.columns(), drawing.rows()), (9, 61, 31));
        assert_eq!(scan(&drawing.render(Ink::Light), Ink::Light), signed.to_string());
    }

    #[test]
    fn the_border_is_light() {
        let (_, short) = signed("ca.corp.example/countersign", 1);
        let text = draw_short(&short).unwrap().render(Ink::Light);
        let rows: Vec<&str> = text.lines().collect();
        for row in [&rows[..2], &rows[21..]].concat() {
            assert!(row.chars().all(|block| block == '\u{2588}'), "{row}");
        }
        assert!(rows.iter().all(|row| row.starts_with("████") && row.ends_with("████")));
    }

    #[test]
    fn too_much_is_refused() {
        let note = Note::unsigned(format!("{}\n", "x".repeat(3000))).unwrap();
        assert_eq!(draw_note(&note).err(), Some(TooLong));
    }
}
