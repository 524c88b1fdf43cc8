//! What the caller can do with a request now, as the commands that do it.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{RequestDetail, Verb};

use super::View;
use super::fields::Fields;
use super::style::Tone;

/// The commands; nothing where there is none.
pub(super) fn open_to_you(detail: &RequestDetail, view: View) -> String {
    let id = &detail.request.id;
    let decide = detail.you.allowed && detail.request.state == RequestState::Pending;
    let may = |verb| detail.you_may.contains(&verb);
    let demanded = detail.signing.as_ref().is_some_and(|signing| signing.demand.is_some());
    let sign = if demanded { " --sign KEY" } else { "" };
    let all = [
        (decide, "approve", format!("countersign approve {id}{sign}")),
        (decide, "reject", format!("countersign reject {id} --note WHY{sign}")),
        (may(Verb::Comment), "comment", format!("countersign comment {id} TEXT")),
        (may(Verb::Amend), "amend", format!("countersign amend {id} --csr FILE")),
        (may(Verb::Withdraw), "withdraw", format!("countersign withdraw {id}")),
        (may(Verb::Void), "void", format!("countersign void {id} --reason WHY")),
    ];
    let mut fields = Fields::new(view.style);
    if all.iter().any(|(open, ..)| *open) {
        fields.gap().title(Tone::Faint, if decide { "To decide" } else { "What you can do" });
    }
    for (_, verb, command) in all.iter().filter(|(open, ..)| *open) {
        fields.add(verb, command);
    }
    fields.finish()
}
