//! Certificates: what is asked for, what arrives, and what is opened.

use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{CertificateOrder, CertificatePage, ListCertificatesParams};

use super::loading;
use crate::console::action::{Call, Effect, Refusal};
use crate::console::layout::list_height;
use crate::console::state::{Certificates, Dialog, Dossier, Listed, Managed, Reading, Screen, Slot, State, Wanted};

/// Days before the end within which a certificate ends soon.
const SOON: u32 = crate::console::state::SOON;

/// The list, read when it is shown for the first time or something happened since.
pub fn show(state: &mut State) -> Vec<Effect> {
    state.screen = Screen::Certificates;
    let paged = &state.certificates.paged;
    if (paged.loaded && !paged.stale) || state.calls.is_open(Slot::Certificates) { Vec::new() } else { anew(state) }
}

/// Shows others.
pub fn show_wanted(state: &mut State, wanted: Wanted) -> Vec<Effect> {
    state.screen = Screen::Certificates;
    let filter = std::mem::take(&mut state.certificates.paged.filter);
    state.certificates = Certificates { wanted, ..Certificates::default() };
    state.certificates.paged.filter = filter;
    anew(state)
}

/// Reads the list from its first page on.
pub fn anew(state: &mut State) -> Vec<Effect> {
    state.certificates.paged.anew();
    page(state)
}

fn page(state: &mut State) -> Vec<Effect> {
    let list = &state.certificates;
    let text = list.paged.filter.text().trim();
    let params = ListCertificatesParams {
        text: (!text.is_empty()).then(|| text.to_owned()),
        source: Some(list.wanted.source()),
        expires_within: (list.wanted == Wanted::Soon).then_some(SOON),
        order: Some(CertificateOrder::End),
        limit: Some(loading::PAGE),
        cursor: list.paged.cursor.clone(),
        ..ListCertificatesParams::default()
    };
    vec![loading::call(state, Slot::Certificates, Call::Certificates(params))]
}

/// A page came.
pub fn arrived(state: &mut State, result: Result<Box<CertificatePage>, Refusal>) -> Vec<Effect> {
    let height = list_height(state);
    let page_of = match result {
        Ok(page) => *page,
        Err(refusal) => {
            if refusal.kind.is_some() {
                state.certificates.paged.refused = Some(refusal);
            }
            return Vec::new();
        }
    };
    let rows = page_of.certificates.into_iter().map(Listed::Issued);
    let rows = rows.chain(page_of.found.into_iter().map(Listed::Found)).collect();
    if state.certificates.paged.take(rows, page_of.next_cursor, height) { page(state) } else { further(state) }
}

/// Reads on where the selection comes near the end of what is loaded.
pub fn further(state: &mut State) -> Vec<Effect> {
    if std::mem::take(&mut state.certificates.paged.stale) {
        return anew(state);
    }
    let paged = &state.certificates.paged;
    let near = paged.list.near_end(list_height(state)) && !state.calls.is_open(Slot::Certificates);
    let more = near
        && paged.cursor.is_some()
        && loading::has_room(state, state.certificates.paged.rows.len(), "a filter (/) finds others");
    if more { page(state) } else { Vec::new() }
}

/// Filters what is loaded, and asks the daemon for what is not.
pub fn filter_changed(state: &mut State) -> Vec<Effect> {
    let height = list_height(state);
    let paged = &mut state.certificates.paged;
    paged.arrange(height);
    (paged.reading, paged.cursor) = (Reading::Onward, None);
    page(state)
}

/// Opens a certificate.
pub fn open(state: &mut State, id: CertificateId) -> Vec<Effect> {
    state.screen = Screen::Certificate;
    if state.managed.as_ref().is_none_or(|managed| managed.id != id) {
        state.managed = Some(Managed::of(id));
    }
    read_open(state)
}

/// Reads the open certificate again.
pub fn read_open(state: &mut State) -> Vec<Effect> {
    let Some(managed) = &mut state.managed else { return Vec::new() };
    managed.stale = false;
    let id = managed.id.clone();
    vec![loading::call(state, Slot::Certificate, Call::Certificate(id))]
}

/// The open certificate was read.
pub fn opened(state: &mut State, result: Result<Box<Dossier>, Refusal>) -> Vec<Effect> {
    let Some(managed) = &mut state.managed else { return Vec::new() };
    match result {
        Ok(seen) if seen.id == managed.id => {
            managed.seen = Some(seen);
            managed.refused = None;
        }
        Ok(_) => {}
        Err(refusal) if refusal.kind.is_none() && managed.seen.is_some() => {}
        Err(refusal) => managed.refused = Some(refusal),
    }
    let again = managed.stale;
    super::commands::clamp_page(state);
    if again { read_open(state) } else { Vec::new() }
}

/// A record came: what is shown of certificates is read again, once, however many came.
pub fn happened(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let (listed, open) = (state.screen == Screen::Certificates, state.screen == Screen::Certificate);
    if listed && state.certificates.paged.loaded && !state.calls.is_open(Slot::Certificates) {
        effects.extend(anew(state));
    } else {
        state.certificates.paged.stale = true;
    }
    if let Some(managed) = &mut state.managed {
        managed.stale = true;
        if open && !state.calls.is_open(Slot::Certificate) {
            effects.extend(read_open(state));
        }
    }
    if let Some(Dialog::Errand(errand)) = &mut state.dialog
        && !errand.sending
    {
        errand.stale = true;
        effects.extend(read_errand(state));
    }
    effects
}

/// Reads what is under review again, one call at a time.
pub fn read_errand(state: &mut State) -> Vec<Effect> {
    let Some(Dialog::Errand(errand)) = &mut state.dialog else { return Vec::new() };
    let Some(id) = errand.certificate().cloned() else { return Vec::new() };
    if !errand.stale || state.calls.is_open(Slot::Errand) {
        return Vec::new();
    }
    errand.stale = false;
    vec![loading::call(state, Slot::Errand, Call::Certificate(id))]
}

/// What is under review was read.
pub fn reviewed(state: &mut State, result: Result<Box<Dossier>, Refusal>) -> Vec<Effect> {
    if let Some(Dialog::Errand(errand)) = &mut state.dialog {
        errand.take(result);
    }
    super::errand::settle(state);
    read_errand(state)
}
