//! `audit report`: evidence as a page that people read. The page says first whether the evidence verifies.

mod html;
mod markdown;
mod page;
mod story;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_shared::text::Untrusted;
use countersign_verify::evidence::{self, Examined};

use super::super::context::Context;
use super::super::failure::{Failure, shown};
use super::super::out_file::{NewFile, Target};
use super::verify::{Beside, read_against};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// A bundle of evidence; or the request or certificate whose evidence is taken out first
    #[arg(value_name = "FILE|ar-…|mc-…")]
    of: PathBuf,
    /// A self-contained HTML page, without scripts and without anything from elsewhere
    #[arg(long, conflicts_with = "markdown")]
    html: bool,
    /// Markdown, which is what is written where neither is named
    #[arg(long)]
    markdown: bool,
    /// Into this file, readable by its owner. Standard output where it is left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    beside: Beside,
}

pub(super) fn run(args: &ReportArgs, context: &mut Context) -> Result<u8, Failure> {
    let against = read_against(&args.beside)?;
    if let Some(path) = &args.out {
        Target::parse(path).check()?;
    }
    let Examined { bundle, report } = match args.of.to_str().filter(|text| is_id(text) && !args.of.exists()) {
        None => evidence::open(&args.of, &against).map_err(|error| unreadable(&args.of, &error))?,
        Some(id) => {
            let mut octets = Vec::new();
            let mut keep = |line: &str| {
                octets.extend_from_slice(line.as_bytes());
                octets.push(b'\n');
                Ok(true)
            };
            super::evidence::fetch(super::evidence::of(id)?, context, &mut keep)?;
            evidence::examine(octets.as_slice(), &against).map_err(|error| unreadable(&args.of, &error))?
        }
    };
    let page = story::tell(&bundle, &report, against.log.is_some());
    let text = if args.html { html::write(&page) } else { markdown::write(&page) };
    match args.out.as_deref().map(Target::parse) {
        None | Some(Target::Stdout) => context.out().text(&text)?,
        Some(Target::File(path)) => keep(&path, &text)?,
    }
    if report.intact {
        return Ok(0);
    }
    context.out().note("THE EVIDENCE DOES NOT VERIFY: the report says why, and proves nothing");
    Ok(3)
}

fn is_id(text: &str) -> bool {
    text.starts_with("ar-") || text.starts_with("mc-")
}

fn keep(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let mut file = NewFile::beside(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.keep(path).map_err(failed)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    let why = Untrusted::new(error.to_string()).safe().to_string();
    Failure::usage(format!("cannot report on {}: {why}", shown(path)))
}
