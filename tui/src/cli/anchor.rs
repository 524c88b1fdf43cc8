//! `audit anchor add|ls`: what comes back from outside.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_shared::protocol::method::{AuditAnchor, AuditAnchors};
use countersign_shared::protocol::{AnchorParams, AnchorVerdict, ListAnchorsParams, MAX_ANCHOR};

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::{foreign_file, render};

#[derive(Debug, Subcommand)]
pub(super) enum AnchorVerb {
    /// Compare the ledger with a checkpoint that was kept elsewhere, and keep it; status 3 where it shows damage
    Add(AddArgs),
    /// List the checkpoints that came back, newest first
    Ls(LsArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// A signed note, cosigned or not, or the 255 digits of a short form; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    #[command(flatten)]
    page: Page,
}

pub(super) fn run(verb: &AnchorVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        AnchorVerb::Add(args) => {
            let octets = foreign_file::read(&args.file)?;
            if octets.len() > MAX_ANCHOR {
                return Err(Failure::file("use", &args.file, &format!("a note has at most {MAX_ANCHOR} octets")));
            }
            let octets = String::from_utf8(octets).map_err(|error| Failure::file("use", &args.file, &error))?;
            let octets = tidied(&octets);
            let result = context.answer::<AuditAnchor>(&AnchorParams { octets }, render::checkpoint::anchored)?;
            Ok(if result.verdict == AnchorVerdict::Equal { 0 } else { 3 })
        }
        AnchorVerb::Ls(args) => {
            let params = ListAnchorsParams { limit: args.page.limit, cursor: args.page.cursor.clone() };
            let page = context
                .answer::<AuditAnchors>(&params, |page, view| render::checkpoint::anchors(&page.anchors, view))?;
            more(page.next_cursor.as_deref(), context);
            Ok(0)
        }
    }
}

/// What a mail program or an editor puts around a note, taken off again: line ends of other systems, a byte order mark, empty
/// lines before and behind. The signature decides whether anything else was changed.
fn tidied(text: &str) -> String {
    format!("{}\n", text.trim_start_matches('\u{feff}').replace("\r\n", "\n").trim_matches([' ', '\t', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_note_does_no_harm() {
        let note = "o\n5\nroot\n\n\u{2014} o AAAA\n";
        for brought in [
            note.to_owned(),
            note.trim_end().to_owned(),
            note.replace('\n', "\r\n"),
            format!("\u{feff}\r\n\r\n{}\r\n\r\n", note.replace('\n', "\r\n")),
        ] {
            assert_eq!(tidied(&brought), note);
        }
        assert_eq!(tidied(" 125 719\r\n568\r\n"), "125 719\n568\n");
    }
}
