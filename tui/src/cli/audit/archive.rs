//! `audit archive` and `audit archives`: the ledger's beginning, in files that follow each other without a gap.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_shared::digest::Hasher;
use countersign_shared::protocol::method::{AuditArchive, AuditArchives};
use countersign_shared::protocol::{ArchiveLines, ArchiveManifest, ArchiveParams, ListArchivesParams};
use countersign_shared::time::Timestamp;

use super::super::context::Context;
use super::super::failure::{Failure, shown};
use super::super::ls::{Page, more};
use super::super::out_file::Target;
use super::super::progress::Progress;
use super::super::render;
use super::lines::{Sink, checked, keep_manifest, next_page};

/// What a manifest's file is called where nothing else is said: the archive's name with this behind it.
pub(super) const MANIFEST: &str = ".manifest";

#[derive(Debug, Args)]
pub(in crate::cli) struct ArchiveArgs {
    /// Seal what is not sealed yet up to here: a time as in 2027-01-31T08:00:00Z, or the number of a record, without it
    #[arg(long, value_name = "TIME|SEQ", required_unless_present = "number", conflicts_with = "number")]
    until: Option<Until>,
    /// Write an archive again that is sealed already; it is the same to the octet
    #[arg(long, value_name = "N")]
    number: Option<u64>,
    /// Into this file, readable by its owner; replaced whole once every record is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the archive is, and what shows it to be a part of the ledger; FILE.manifest where it is left out
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// Up to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Time(Timestamp),
    Seq(u64),
}

impl std::str::FromStr for Until {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        if raw.bytes().all(|octet| octet.is_ascii_digit()) {
            return raw.parse().map(Self::Seq).map_err(|_| "the number of a record is smaller than that".to_owned());
        }
        raw.parse().map(Self::Time).map_err(|_| "a time (2027-01-31T08:00:00Z) or the number of a record".to_owned())
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ArchivesArgs {
    #[command(flatten)]
    page: Page,
}

/// The name of the manifest beside an archive.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(MANIFEST);
    name.into()
}

pub(super) fn run(args: &ArchiveArgs, context: &mut Context) -> Result<u8, Failure> {
    let path = match Target::parse(&args.out) {
        Target::File(path) => path,
        Target::Stdout => {
            return Err(Failure::usage("an archive goes into a file: its manifest stands beside it"));
        }
    };
    let manifest_path = args.manifest.clone().unwrap_or_else(|| beside(&path));
    // What cannot be written is known before anything is sealed.
    let mut sink = Sink::open(Some(&path))?;
    Target::File(manifest_path.clone()).check()?;
    let (until, until_seq) = match args.until {
        None => (None, None),
        Some(Until::Time(time)) => (Some(time), None),
        Some(Until::Seq(seq)) => (None, Some(seq)),
    };
    let mut client = context.connect()?;
    // All that is sealed is read before the first page.
    client.set_timeout(None);
    let params = ArchiveParams { until, until_seq, number: args.number, cursor: None };
    let mut page: ArchiveLines = client.call::<AuditArchive>(&params)?;
    let manifest =
        page.manifest.take().ok_or_else(|| Failure::internal("the daemon did not say what the archive is"))?;
    let written = rest(&mut sink, page, &manifest, client, context).map_err(|failure| {
        // What was sealed stays sealed; the file is another matter.
        let number = manifest.number;
        failure.hint(format!("archive {number} is sealed; `audit archive --number {number}` writes it again"))
    })?;
    if written != (manifest.rows, manifest.octets, manifest.sha256) {
        return Err(Failure::internal(format!("archive {} did not come as it was sealed", manifest.number))
            .hint("nothing was kept; is the ledger damaged? countersign audit verify"));
    }
    sink.end()?;
    keep_manifest(&manifest, &manifest_path)?;
    tell(&manifest, &path, context)?;
    Ok(0)
}

type Written = (u64, u64, countersign_shared::digest::Digest);

fn rest(
    sink: &mut Sink,
    mut page: ArchiveLines,
    manifest: &ArchiveManifest,
    mut client: crate::client::Client,
    context: &mut Context,
) -> Result<Written, Failure> {
    let mut progress = Progress::new(context, "records");
    let (mut rows, mut octets, mut hasher) = (0, 0, Hasher::default());
    loop {
        for line in &page.lines {
            let line = checked(line)?;
            sink.line(line)?;
            hasher.update(line.as_bytes());
            hasher.update(b"\n");
            rows += 1;
            octets += line.len() as u64 + 1;
        }
        progress.show(rows, manifest.rows);
        let Some(cursor) = page.next_cursor.take() else { break };
        let params = ArchiveParams { number: Some(manifest.number), cursor: Some(cursor), ..ArchiveParams::default() };
        page = next_page::<AuditArchive>(&mut client, &params, context)?;
    }
    progress.end();
    Ok((rows, octets, hasher.finish()))
}

fn tell(manifest: &ArchiveManifest, path: &Path, context: &mut Context) -> Result<(), Failure> {
    if context.json() {
        let text = serde_json::to_string(manifest).map_err(|error| Failure::internal(error.to_string()))?;
        context.out().text(&text)?;
    }
    let ArchiveManifest { number, from_seq, to_seq, rows, sealed_seq, .. } = manifest;
    let last = to_seq.saturating_sub(1);
    context.out().note(&format!(
        "archive {number}: {rows} records, number {from_seq} to {last}, in {}; sealed by record {sealed_seq}",
        shown(path)
    ));
    Ok(())
}

pub(super) fn list(args: &ArchivesArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = ListArchivesParams { limit: args.page.limit, cursor: args.page.cursor.clone() };
    let page = context.answer::<AuditArchives>(&params, render::audit::archives)?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}
