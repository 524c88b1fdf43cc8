//! `approve` and `reject` on several requests: every one is shown, one answer is taken, and each is decided and
//! reported by itself.

use std::collections::BTreeSet;

use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::{RequestDecide, RequestList};
use countersign_shared::protocol::{
    DecideItem, DecideManyParams, DecideManyResult, ListRequestsParams, MAX_ITEMS, MAX_LIMIT, RequestDetail,
};
use countersign_shared::text::Untrusted;

use super::approve::Named;
use super::context::Context;
use super::exit::worst;
use super::failure::Failure;
use super::seen::{UNSEEN, look};
use super::sign::{Draft, SignArgs};
use super::{confirm, render};
use crate::client::Client;

/// Which requests are decided.
pub(super) enum Items<'a> {
    /// These.
    Named(&'a [Named]),
    /// Every pending one of this batch.
    Batch(&'a str),
}

/// A decision that is not sent yet, and what is to be signed for it.
type Undecided = (DecideItem, Option<Draft>);

/// What is signed of each.
struct Signed<'a> {
    verdict: Verdict,
    note: Option<&'a Untrusted>,
    sign: &'a SignArgs,
}

impl Signed<'_> {
    fn draft(&self, detail: &RequestDetail) -> Result<Option<Draft>, Failure> {
        self.sign.draft(detail, self.verdict, self.note)
    }
}

pub(super) fn run(
    verdict: Verdict,
    items: &Items<'_>,
    note: Option<Untrusted>,
    sign: &SignArgs,
    context: &mut Context,
) -> Result<u8, Failure> {
    let mut client = context.connect()?;
    let named = match items {
        Items::Named(named) => once_each(named)?,
        Items::Batch(batch) => pending(batch, &mut client, context)?,
    };
    let unseen = named.iter().any(|item| item.digest.is_none());
    let signing = Signed { verdict, note: note.as_ref(), sign };
    let drafts = match unseen && context.interactive() {
        true => confirmed(&signing, &named, &mut client, context)?,
        false => as_they_are(&signing, &named, &mut client)?,
    };
    let mut items = Vec::with_capacity(drafts.len());
    for (mut item, draft) in drafts {
        item.signature =
            draft.map(|draft| draft.sign().map_err(|failure| failure.about(item.id.as_str()))).transpose()?;
        items.push(item);
    }
    send(verdict, &items, note.as_ref(), &mut client, context)
}

fn once_each(named: &[Named]) -> Result<Vec<Named>, Failure> {
    let mut ids = BTreeSet::new();
    match named.iter().find(|item| !ids.insert(&item.id)) {
        Some(twice) => Err(Failure::usage(format!("{} is named twice", twice.id))),
        None => Ok(named.to_vec()),
    }
}

/// The pending requests of a batch: not seen yet by somebody who can be asked, else with the digests of now.
fn pending(batch: &str, client: &mut Client, context: &Context) -> Result<Vec<Named>, Failure> {
    let mut params = ListRequestsParams {
        state: Some(RequestState::Pending),
        batch: Some(batch.to_owned()),
        limit: Some(MAX_LIMIT),
        ..ListRequestsParams::default()
    };
    let mut named: Vec<Named> = Vec::new();
    loop {
        let page = client.call::<RequestList>(&params)?;
        let digest = |now| (!context.interactive()).then_some(now);
        named.extend(page.requests.into_iter().map(|row| Named { id: row.id, digest: digest(row.digest) }));
        match page.next_cursor {
            Some(cursor) if params.cursor.as_ref() != Some(&cursor) => params.cursor = Some(cursor),
            Some(_) => return Err(Failure::internal("the daemon's list of the batch has no end")),
            None => break,
        }
    }
    if named.is_empty() {
        let batch = Untrusted::from(batch);
        return Err(Failure::not_found(format!("no request of batch {} is pending", batch.safe()))
            .hint(format!("`countersign ls --batch {}` lists those that were decided", batch.safe())));
    }
    once_each(&named)
}

/// Without anybody to ask: the digests that were seen, or those of the content as it is now.
fn as_they_are(signing: &Signed<'_>, named: &[Named], client: &mut Client) -> Result<Vec<Undecided>, Failure> {
    let mut items = Vec::with_capacity(named.len());
    for Named { id, digest } in named {
        let detail = match digest {
            Some(_) if !signing.sign.may_sign() => None,
            _ => look(id, client)?,
        };
        let digest = digest.or(detail.as_ref().map(|detail| detail.request.digest)).unwrap_or(UNSEEN);
        let draft = match &detail {
            Some(detail) if detail.request.digest == digest => signing.draft(detail)?,
            _ => None,
        };
        items.push((DecideItem { id: id.clone(), digest, signature: None }, draft));
    }
    Ok(items)
}

/// Shows every request and takes the answers: the name of each that is at risk, then `yes` for all.
fn confirmed(
    signing: &Signed<'_>,
    named: &[Named],
    client: &mut Client,
    context: &mut Context,
) -> Result<Vec<Undecided>, Failure> {
    let verdict = signing.verdict;
    let view = context.view()?;
    let mut items = Vec::with_capacity(named.len());
    let mut shown: Vec<RequestDetail> = Vec::new();
    for Named { id, digest } in named {
        if !items.is_empty() {
            context.out().text("\n")?;
        }
        let Some(detail) = look(id, client)? else {
            let text = render::decision::unseen(id, view);
            context.out().text(&text)?;
            items.push((DecideItem { id: id.clone(), digest: digest.unwrap_or(UNSEEN), signature: None }, None));
            continue;
        };
        let digest = digest.unwrap_or(detail.request.digest);
        let draft = if digest == detail.request.digest { signing.draft(&detail)? } else { None };
        let mut text = render::decision::one_of_many(&detail, view);
        if let Some(draft) = &draft {
            text.push_str(&render::decision::to_sign(&draft.text()));
        }
        context.out().text(&text)?;
        items.push((DecideItem { id: id.clone(), digest, signature: None }, draft));
        shown.push(detail);
    }
    for detail in &shown {
        let wanted = confirm::expected(verdict, detail);
        if wanted != "yes" {
            confirm::ask(&wanted, &format!("{verdict} {}", detail.request.id), "nothing was decided")?;
        }
    }
    confirm::ask("yes", &format!("{verdict} exactly these {}", items.len()), "nothing was decided")?;
    Ok(items)
}

/// Sends the items in as many calls as they need, and returns the worst status.
fn send(
    verdict: Verdict,
    items: &[DecideItem],
    note: Option<&Untrusted>,
    client: &mut Client,
    context: &mut Context,
) -> Result<u8, Failure> {
    let mut status = 0;
    let mut left = items.len();
    for part in items.chunks(MAX_ITEMS) {
        let params = DecideManyParams { verdict, items: part.to_vec(), note: note.cloned() };
        let result = match context.answer_on::<RequestDecide>(client, &params, render::decision::many) {
            Ok(result) => result,
            Err(failure) if left < items.len() => {
                context.out().fail(&failure);
                context.out().note(&format!("{left} of {} requests have no answer", items.len()));
                return Ok(worst(status, failure.exit_code()));
            }
            Err(failure) => return Err(failure),
        };
        status = worst(status, of(part, &result)?);
        left -= part.len();
    }
    Ok(status)
}

/// The status of one answer, which has to speak of exactly what was sent.
fn of(sent: &[DecideItem], result: &DecideManyResult) -> Result<u8, Failure> {
    let answered = result.items.iter().map(|item| &item.id);
    if !answered.eq(sent.iter().map(|item| &item.id)) {
        return Err(Failure::internal("the daemon answers other requests than those that were decided"));
    }
    result.items.iter().try_fold(0, |status, item| match (&item.result, &item.error) {
        (Some(_), None) => Ok(status),
        (None, Some(error)) => Ok(worst(status, error.data.kind.exit_code())),
        _ => Err(Failure::internal(format!("the daemon's answer on {} is neither a decision nor a refusal", item.id))),
    })
}
