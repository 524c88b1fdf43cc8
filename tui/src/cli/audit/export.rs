//! `audit export`: the records of a time range.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_shared::protocol::method::AuditExport;
use countersign_shared::protocol::{Category, ExportManifest, ExportPage, ExportParams, MAX_EXPORT};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::super::context::Context;
use super::super::failure::{Failure, shown};
use super::super::out_file::Target;
use super::super::progress::Progress;
use super::lines::{Sink, checked, keep_manifest, next_page};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// From this time on, as in 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// Before this time; at most 90 days after --from
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
    /// Only this category: cert_lifecycle, auth, config
    #[arg(long)]
    category: Option<Category>,
    /// Rows, 1 to 100,000; 50,000 where it is left out
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_EXPORT)))]
    limit: Option<u32>,
    /// Where another export of the same range begins, as the one before said
    #[arg(long)]
    cursor: Option<String>,
    /// Into this file, readable by its owner; replaced whole once every row is there. Standard output where it is left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What the export is of, into this file: a JSON object, for `audit verify --manifest`
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

pub(super) fn run(args: &ExportArgs, context: &mut Context) -> Result<u8, Failure> {
    // What cannot be written is known before anything is recorded.
    let mut sink = Sink::open(args.out.as_deref())?;
    if let Some(path) = &args.manifest {
        Target::File(path.clone()).check()?;
    }
    let mut params = ExportParams {
        from: args.from,
        to: args.to,
        category: args.category,
        limit: args.limit,
        cursor: args.cursor.clone(),
    };
    let mut client = context.connect()?;
    let mut page: ExportPage = client.call::<AuditExport>(&params)?;
    let manifest = page.manifest.take().ok_or_else(|| {
        Failure::usage("--cursor is that of a page, and not of an export")
            .hint("pass the cursor that `audit export` printed at its end")
    })?;
    let mut progress = Progress::new(context, "rows");
    let mut written = 0;
    loop {
        for line in &page.lines {
            if !sink.line(checked(line)?)? {
                return Ok(0);
            }
            written += 1;
        }
        progress.show(written, manifest.rows);
        let Some(next) = page.next_cursor.take() else { break };
        params.cursor = Some(next);
        page = next_page::<AuditExport>(&mut client, &params, context)?;
    }
    progress.end();
    if written != manifest.rows {
        let message = format!("the export has {} rows, and {written} came", manifest.rows);
        return Err(
            Failure::internal(message).hint("nothing was kept; is the ledger damaged? countersign audit verify")
        );
    }
    sink.end()?;
    if let Some(path) = &args.manifest {
        keep_manifest(&manifest, path)?;
    }
    tell(&manifest, page.more_cursor.as_deref(), args.out.as_deref(), context)?;
    Ok(0)
}

fn tell(
    manifest: &ExportManifest,
    more: Option<&str>,
    out: Option<&Path>,
    context: &mut Context,
) -> Result<(), Failure> {
    if out.is_some_and(|path| path != Path::new("-")) && context.json() {
        let text = serde_json::to_string(manifest).map_err(|error| Failure::internal(error.to_string()))?;
        context.out().text(&text)?;
    }
    let place = out.map(|path| format!(" to {}", shown(path))).unwrap_or_default();
    let ExportManifest { rows, matching, export_seq, .. } = manifest;
    context.out().note(&format!("{rows} of {matching} records exported{place}; recorded as number {export_seq}"));
    if let Some(cursor) = more {
        let cursor = Untrusted::from(cursor);
        context.out().note(&format!("there is more: the next export begins with --cursor {}", cursor.safe()));
    }
    Ok(())
}
