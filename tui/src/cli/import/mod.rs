//! `import`: make certificates known that stand in files. The command reads them, with the caller's own rights; the daemon
//! is sent what is in them, and never a private key in clear.

mod gather;
mod password;

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use countersign_shared::protocol::method::CertificateImport;
use countersign_shared::protocol::{ImportItem, ImportParams, ImportResult, MAX_IMPORT};
use countersign_shared::text::Untrusted;
use data_encoding::BASE64;

use super::context::Context;
use super::failure::{Failure, shown};
use super::render;
use gather::{Source, gather, read};

/// What one call holds of files, in octets of base 64 and paths: a frame is 1 MiB.
const FRAME: usize = 900 * 1024;
/// The status where a file that was named has no certificate that could be read.
const NOT_FOUND: u8 = 4;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Files, and directories with all below them: PEM, DER, PKCS#7, PKCS#12, JKS
    #[arg(required = true, value_name = "PATH", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    paths: Vec<PathBuf>,
    /// The password of the keystores among them; a file that others may not read
    #[arg(long, value_name = "FILE", conflicts_with = "gone")]
    password_file: Option<PathBuf>,
    /// The files are gone: what you have imported from them is looked after no longer
    #[arg(long)]
    gone: bool,
}

pub(super) fn run(args: &ImportArgs, context: &mut Context) -> Result<u8, Failure> {
    let password = args.password_file.as_deref().map(password::read).transpose()?;
    let sources = if args.gone { gather::gone(&args.paths)? } else { gather(&args.paths)? };
    for note in &sources.skipped {
        context.out().note(note);
    }
    let mut call = Calls { client: None, waiting: Vec::new(), size: 0, done: ImportResult { items: Vec::new() } };
    let mut empty = false;
    for source in &sources.files {
        let Some(item) = item(source, password.as_deref(), args.gone, context)? else {
            empty |= !source.below;
            continue;
        };
        call.add(item, context)?;
    }
    call.send(context)?;
    let done = call.done;
    if context.json() {
        let raw = serde_json::value::to_raw_value(&done);
        let raw = raw.map_err(|error| Failure::internal(format!("the result cannot be written: {error}")))?;
        context.out().raw(&raw)?;
    } else {
        let text = render::inventory::imported(&done, args.gone, context.view()?);
        context.out().text(&text)?;
    }
    let named = sources.files.iter().filter(|source| !source.below).map(Source::written).collect::<Vec<_>>();
    let without = |item: &countersign_shared::protocol::ImportedItem| {
        if args.gone { item.ended == 0 } else { item.certificates.is_empty() }
    };
    empty |= done.items.iter().any(|item| without(item) && named.iter().any(|path| path == item.path.raw()));
    Ok(if empty || sources.files.is_empty() { NOT_FOUND } else { 0 })
}

/// One file as the daemon takes it; nothing where there is nothing in it to send.
fn item(
    source: &Source,
    password: Option<&str>,
    gone: bool,
    context: &mut Context,
) -> Result<Option<ImportItem>, Failure> {
    let path = Untrusted::new(source.written());
    if gone {
        return Ok(Some(ImportItem { path, octets: None, password: None, below: false }));
    }
    let contents = match read(source) {
        Ok(contents) => contents,
        // What a directory holds may change and be anything; what was named is what was meant.
        Err(why) if source.below => {
            context.out().note(&format!("{}: {why}; left out", shown(&source.path)));
            return Ok(None);
        }
        Err(why) => return Err(Failure::file("read", &source.path, &why)),
    };
    let Some(contents) = contents else {
        if !source.below {
            context.out().note(&format!("{}: there is no certificate in it", shown(&source.path)));
        }
        return Ok(None);
    };
    let password = password.filter(|_| contents.may_be_keystore).map(str::to_owned);
    let octets = Some(BASE64.encode(&contents.octets));
    Ok(Some(ImportItem { path, octets, password, below: source.below }))
}

/// Calls of the daemon, each as full as a frame allows. Each is recorded as a whole, or not at all.
struct Calls {
    client: Option<crate::client::Client>,
    waiting: Vec<ImportItem>,
    size: usize,
    done: ImportResult,
}

impl Calls {
    fn add(&mut self, item: ImportItem, context: &mut Context) -> Result<(), Failure> {
        // As JSON a character of a path may take six octets.
        let size = item.octets.as_ref().map_or(0, String::len) + 6 * item.path.raw().len() + 8192;
        if !self.waiting.is_empty() && (self.size + size > FRAME || self.waiting.len() >= MAX_IMPORT) {
            self.send(context)?;
        }
        self.size += size;
        self.waiting.push(item);
        Ok(())
    }

    fn send(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.size = 0;
        let items = std::mem::take(&mut self.waiting);
        if items.is_empty() {
            return Ok(());
        }
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(context.connect()?),
        };
        let before = self.done.items.len();
        let answer = client.call::<CertificateImport>(&ImportParams { items }).map_err(|error| {
            let failure = Failure::from(error);
            if before == 0 { failure } else { failure.and(&format!("{before} files were imported before")) }
        })?;
        self.done.items.extend(answer.items);
        Ok(())
    }
}
