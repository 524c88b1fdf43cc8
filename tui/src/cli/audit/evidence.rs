//! `audit evidence`: all that there is about a request, a certificate or a period, as one file.

use std::path::PathBuf;

use clap::Args;
use countersign_shared::protocol::method::AuditEvidence;
use countersign_shared::protocol::{EvidencePage, EvidenceParams};
use countersign_shared::time::Timestamp;
use countersign_verify::evidence::bundle::Ending;

use super::super::context::Context;
use super::super::failure::{Failure, shown};
use super::super::progress::Progress;
use super::lines::{Sink, checked};

#[derive(Debug, Args)]
pub(in crate::cli) struct EvidenceArgs {
    /// The request or the certificate; nothing where --from and --to name a period
    #[arg(value_name = "ar-…|mc-…", required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    id: Option<String>,
    /// Every record from this time on, as in 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", requires = "to")]
    from: Option<Timestamp>,
    /// And before this time; at most 90 days after --from
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<Timestamp>,
    /// Into this file, readable by its owner; replaced whole once every part is there. Standard output where it is left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &EvidenceArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = match &args.id {
        Some(id) => of(id)?,
        None => EvidenceParams { from: args.from, to: args.to, ..EvidenceParams::default() },
    };
    // What cannot be written is known before anything is recorded.
    let mut sink = Sink::open(args.out.as_deref())?;
    let Some((lines, made)) = fetch(params, context, &mut |line| sink.line(line))? else { return Ok(0) };
    sink.end()?;
    let place = args.out.as_ref().map(|path| format!(" to {}", shown(path))).unwrap_or_default();
    context.out().note(&format!("{lines} parts of evidence taken out{place}; recorded as number {made}"));
    Ok(0)
}

/// What an id is of.
pub(super) fn of(id: &str) -> Result<EvidenceParams, Failure> {
    let named = |prefix: &str| id.starts_with(prefix).then(|| id.to_owned());
    let (request, certificate) = (named("ar-"), named("mc-"));
    if request.is_none() && certificate.is_none() {
        return Err(Failure::usage("evidence is of a request (ar-…), of a certificate (mc-…), or of --from and --to"));
    }
    Ok(EvidenceParams { request, certificate, ..EvidenceParams::default() })
}

/// Every line, the last included; how many there are, and the record of the making. None where `write` wants no more.
pub(super) fn fetch(
    mut params: EvidenceParams,
    context: &Context,
    write: &mut dyn FnMut(&str) -> Result<bool, Failure>,
) -> Result<Option<(u64, u64)>, Failure> {
    let mut client = context.connect()?;
    let mut page: EvidencePage = client.call::<AuditEvidence>(&params)?;
    let mut progress = Progress::new(context, "parts");
    let (mut ending, mut written) = (Ending::default(), 0);
    loop {
        for line in &page.lines {
            let line = checked(line)?;
            ending.line(line);
            if !write(line)? {
                return Ok(None);
            }
            written += 1;
        }
        progress.show(written, page.parts_total);
        let Some(next) = page.next_cursor.take() else { break };
        params.cursor = Some(next);
        page = client.call::<AuditEvidence>(&params)?;
    }
    progress.end();
    if written < page.parts_total {
        let message = format!("the evidence has {} parts, and {written} came", page.parts_total);
        return Err(Failure::internal(message).hint("nothing was kept"));
    }
    Ok(write(&ending.end())?.then_some((written + 1, page.made_seq)))
}
